//! Replay files of generals.io (`.gior`): one recorded game, read and written.
//!
//! A file is a JSON array packed by LZ-string ([`lz`]). A field of the array is known by its
//! position alone; [`Replay`] gives the positions names. Reading goes bytes, text, array, checks;
//! writing goes back the same way, and gives the bytes of the served file again wherever the
//! file came from the game server. Source: rules, section 19.
//!
//! Input is treated as hostile: every fault is a [`GiorError`] that names the slot, and the text
//! a file may unpack to has a limit ([`lz::TEXT_UNITS_MAX`]). What does not matter to the game is
//! read leniently: whatever stands in a slot that is only shown (names, ratings, colours, chat), and
//! moves and events that no rule allows.
//!
//! ```
//! use datasets::gior::{Replay, ReplayMove};
//!
//! let step = ReplayMove { player: 0, from: 0, to: 1, half: false, turn: 3 };
//! let replay = Replay {
//!     version: 15,
//!     width: 2,
//!     height: 2,
//!     generals: vec![Some(0), Some(3)],
//!     moves: vec![step],
//!     ..Replay::default()
//! };
//! assert_eq!(Replay::decode(&replay.encode()).as_ref(), Ok(&replay));
//! ```

use serde_json::Value;

pub use error::{GiorError, Slot};

mod array;
mod check;
mod error;
pub mod lz;
mod surrogates;
#[cfg(test)]
mod tests;

/// One move as recorded, which need not have been legal.
///
/// Illegal recorded moves count as illegal queue entries (rules, section 22, item 6), so nothing is
/// checked against the game. A number that can be no tile or seat (-1, 2.5, null) is read as
/// [`u32::MAX`], which is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReplayMove {
    /// Seat that moved, 0-based; may be none of the game's.
    pub player: u32,
    /// Tile the army leaves, row-major; may lie off the board.
    pub from: u32,
    /// Tile the army enters, row-major; may lie off the board.
    pub to: u32,
    /// Whether half of the army moves instead of all but one.
    pub half: bool,
    /// Turn in whose tick the move was executed, in ticks since the start.
    pub turn: u32,
}

/// One event of a player who leaves the game.
///
/// The first event of a living player is the surrender, a later one makes the land neutral.
/// Source: rules, section 12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AfkEvent {
    /// Seat that leaves, 0-based; may be none of the game's.
    pub player: u32,
    /// Turn of the event, in ticks since the start.
    pub turn: u32,
}

/// One recorded game: the start position, every move, and what the file says beside them.
///
/// The number of players is the length of `generals`; a seat is an index into it. Tiles are
/// row-major indices below `width * height`. A list that a file leaves out, or gives as null, is
/// empty. [`Replay::check`] states what every decoded replay satisfies.
///
/// Slots that play no part in the rules, or whose shape no known file shows, are kept as
/// [`Value`] so that nothing is lost between reading and writing.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// Slot 0: version of the format and of the rules, 5 or later (rules, section 19.3).
    pub version: u32,
    /// Slot 1: id of the replay on the server; empty if unknown.
    pub id: String,
    /// Slot 2: columns of the board, at least 1.
    pub width: u32,
    /// Slot 3: rows of the board, at least 1.
    pub height: u32,
    /// Slot 4: user names per seat; the list may be shorter than `generals`, a null name is empty.
    pub names: Vec<String>,
    /// Slot 5: rating per seat, in stars; the list may be shorter than `generals`.
    pub stars: Vec<Option<f64>>,
    /// Slot 6: tiles of the neutral cities.
    pub cities: Vec<u32>,
    /// Slot 7: army of each city at the start, in units, as long as `cities`; -1 marks a free city.
    pub city_armies: Vec<i32>,
    /// Slot 8: general of each seat, none where a seat has no general; never empty.
    pub generals: Vec<Option<u32>>,
    /// Slot 9: tiles of the mountains.
    pub mountains: Vec<u32>,
    /// Slot 10: moves, in the order of the file. The server writes non-decreasing turns; a move that
    /// lies before an earlier one in the list waits for it.
    pub moves: Vec<ReplayMove>,
    /// Slot 11: players leaving, in the order of the file, as for `moves`.
    pub afk: Vec<AfkEvent>,
    /// Slot 12: team id of each seat, as long as `generals`; none for a free-for-all.
    pub teams: Option<Vec<i64>>,
    /// Slot 13: name of a custom map; none for a generated board.
    pub map_name: Option<String>,
    /// Slot 14: plain tiles that hold a neutral army at the start.
    pub neutrals: Vec<u32>,
    /// Slot 15: army of each tile of `neutrals`, in units, as long as it.
    pub neutral_armies: Vec<i32>,
    /// Slot 16: tiles of the swamps.
    pub swamps: Vec<u32>,
    /// Slot 17: chat, a list of `[text, prefix, player, turn]`.
    pub chat: Value,
    /// Slot 18: colour of each seat; none means that seat and colour are the same number.
    pub colours: Option<Vec<u32>>,
    /// Slot 19: lights, tiles that everyone sees; empty in every known file.
    pub lights: Value,
    /// Slot 20: speed and densities the board was generated with, a list of floats.
    pub settings: Value,
    /// Slot 21: ids of the modifiers in force (rules, section 17).
    pub modifiers: Vec<u32>,
    /// Slot 22: tiles of the observatories.
    pub observatories: Vec<u32>,
    /// Slot 23: tiles of the lookouts.
    pub lookouts: Vec<u32>,
    /// Slot 24: tiles of the deserts.
    pub deserts: Vec<u32>,
    /// Slot 25: how each player's screen was turned, an object from seat to flags; display only.
    pub orientation: Value,
    /// Slot 26: pings, a list of `[player, turn, tile]`.
    pub pings: Value,
    /// Slot 27: general trades, a list of `[player, player, turn]`; from version 16 on.
    pub trades: Value,
    /// Slot 28: tunnels; empty in every known file.
    pub tunnels: Value,
    /// Slot 29: limits of the tunnels; empty in every known file.
    pub tunnel_limits: Value,
    /// Slot 30: chess clock timings; null in every known file.
    pub chess_clock: Value,
    /// Slot 31: density of strongholds; from version 18 on.
    pub stronghold_density: Option<f64>,
    /// Slot 32: least strength of a stronghold; from version 18 on.
    pub stronghold_min: Option<f64>,
    /// Slot 33: greatest strength of a stronghold; from version 18 on.
    pub stronghold_max: Option<f64>,
    /// Slot 34: strongholds; empty in every known file.
    pub strongholds: Value,
    /// Slot 35: strengths of the strongholds; empty in every known file.
    pub stronghold_strengths: Value,
    /// Slot 36: chess clock timestamps; null in every known file.
    pub chess_clock_times: Value,
    /// Slots from 37 on, unknown to us, in the order of the file.
    pub extra: Vec<Value>,
}

impl Replay {
    /// Reads a replay from the bytes of a `.gior` file.
    ///
    /// Bytes after the end mark of the packed text are ignored, as the game's client does.
    ///
    /// # Errors
    ///
    /// Returns the first fault met while unpacking, then while reading the array in slot order,
    /// then the first one [`Replay::check`] finds.
    pub fn decode(bytes: &[u8]) -> Result<Self, GiorError> {
        let replay = array::read(&lz::decompress(bytes)?)?;
        replay.check()?;
        Ok(replay)
    }

    /// Writes the bytes of a `.gior` file, whether or not the replay passes [`Replay::check`].
    ///
    /// The array has as many slots as the server writes for this version, or more where a later
    /// slot holds something.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        lz::compress(&array::write(self))
    }

    /// Checks that the parts of this replay fit together, as every decoded replay does.
    ///
    /// # Errors
    ///
    /// Returns the first rule broken, in the order: version, size of the board, number of
    /// generals, lengths of paired lists, tiles off the board, generals that share a tile.
    pub fn check(&self) -> Result<(), GiorError> {
        check::check(self)
    }
}

impl Default for Replay {
    /// Returns the replay of an array without slots: version 0, no board, no players.
    fn default() -> Self {
        let list = || Value::Array(Vec::new());
        Self {
            version: 0,
            id: String::new(),
            width: 0,
            height: 0,
            names: Vec::new(),
            stars: Vec::new(),
            cities: Vec::new(),
            city_armies: Vec::new(),
            generals: Vec::new(),
            mountains: Vec::new(),
            moves: Vec::new(),
            afk: Vec::new(),
            teams: None,
            map_name: None,
            neutrals: Vec::new(),
            neutral_armies: Vec::new(),
            swamps: Vec::new(),
            chat: list(),
            colours: None,
            lights: list(),
            settings: list(),
            modifiers: Vec::new(),
            observatories: Vec::new(),
            lookouts: Vec::new(),
            deserts: Vec::new(),
            orientation: Value::Object(serde_json::Map::new()),
            pings: list(),
            trades: list(),
            tunnels: list(),
            tunnel_limits: list(),
            chess_clock: Value::Null,
            stronghold_density: None,
            stronghold_min: None,
            stronghold_max: None,
            strongholds: list(),
            stronghold_strengths: list(),
            chess_clock_times: Value::Null,
            extra: Vec::new(),
        }
    }
}
