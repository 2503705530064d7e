//! What can be wrong with a replay file, and the place where it is wrong.

use std::fmt;

use thiserror::Error;

/// Names of the slots of the array, by number. Source: rules, section 19.2.
const NAMES: [&str; 37] = [
    "version",
    "replay id",
    "width",
    "height",
    "names",
    "stars",
    "cities",
    "city armies",
    "generals",
    "mountains",
    "moves",
    "AFK events",
    "teams",
    "map name",
    "neutrals",
    "neutral armies",
    "swamps",
    "chat",
    "colours",
    "lights",
    "settings",
    "modifiers",
    "observatories",
    "lookouts",
    "deserts",
    "orientation",
    "pings",
    "trades",
    "tunnels",
    "tunnel limits",
    "chess clock",
    "stronghold density",
    "stronghold minimum",
    "stronghold maximum",
    "strongholds",
    "stronghold strengths",
    "chess clock times",
];

/// A position in the array of a replay, shown as `slot 6 (cities)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(usize);

impl Slot {
    pub(super) const VERSION: Self = Self(0);
    pub(super) const WIDTH: Self = Self(2);
    pub(super) const CITIES: Self = Self(6);
    pub(super) const CITY_ARMIES: Self = Self(7);
    pub(super) const GENERALS: Self = Self(8);
    pub(super) const MOUNTAINS: Self = Self(9);
    pub(super) const TEAMS: Self = Self(12);
    pub(super) const NEUTRALS: Self = Self(14);
    pub(super) const NEUTRAL_ARMIES: Self = Self(15);
    pub(super) const SWAMPS: Self = Self(16);
    pub(super) const OBSERVATORIES: Self = Self(22);
    pub(super) const LOOKOUTS: Self = Self(23);
    pub(super) const DESERTS: Self = Self(24);
    /// Number of slots that have a name; later ones are kept without being understood.
    pub(super) const N_KNOWN: usize = NAMES.len();

    pub(super) const fn new(number: usize) -> Self {
        Self(number)
    }

    /// Position in the array, from 0.
    #[must_use]
    pub const fn number(self) -> usize {
        self.0
    }

    /// Name of the field at this position, `unknown` from 37 on.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.get(self.0).copied().unwrap_or("unknown")
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {} ({})", self.0, self.name())
    }
}

/// Why some bytes are no replay that we can read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GiorError {
    /// The packed bytes end before the end mark.
    #[error("packed bytes end inside the code at bit {bit}")]
    Truncated {
        /// Position of the code that is cut off, in bits from the start.
        bit: usize,
    },
    /// A code of the packed bytes names a phrase that does not exist yet.
    #[error("code {code} at bit {bit} names none of the {phrases} phrases so far")]
    PhraseUnknown {
        /// The code.
        code: u32,
        /// Position of the code, in bits from the start.
        bit: usize,
        /// Phrases that exist, the three reserved codes included.
        phrases: usize,
    },
    /// The text is longer than we are willing to unpack.
    #[error("text is longer than the limit of {limit} UTF-16 units")]
    TextTooLong {
        /// The limit, in UTF-16 units.
        limit: u32,
    },
    /// The text is no JSON array.
    #[error("text is not a JSON array: {problem}")]
    NotAnArray {
        /// What the JSON reader says, with line and column in the unpacked text.
        problem: String,
    },
    /// The array ends before a slot that every replay has.
    #[error("{slot} is missing")]
    SlotMissing {
        /// The first slot that is missing.
        slot: Slot,
    },
    /// The JSON of a slot is broken, of the wrong type or out of range.
    #[error("{slot}{}: {problem}", at(*.index))]
    Malformed {
        /// The slot.
        slot: Slot,
        /// Index in the list of the slot; none if the fault is outside of an item.
        index: Option<usize>,
        /// What the JSON reader says: the value found, the one expected, line and column in the
        /// unpacked text.
        problem: String,
    },
    /// The format is older than we read.
    #[error("{slot}: version {version} is not supported, the oldest is {oldest}")]
    VersionTooOld {
        /// Slot 0.
        slot: Slot,
        /// Version of the file.
        version: u32,
        /// Oldest version that we read.
        oldest: u32,
    },
    /// The board has no tiles, or more than a tile number can say.
    #[error("{slot}: a board of {width}x{height} tiles is empty or too large")]
    BoardSize {
        /// Slot 2.
        slot: Slot,
        /// Columns of the board.
        width: u32,
        /// Rows of the board.
        height: u32,
    },
    /// There are no players.
    #[error("{slot}: the list is empty, a game needs players")]
    NoPlayers {
        /// Slot 8.
        slot: Slot,
    },
    /// Two lists that belong together differ in length.
    #[error("{slot}: {len} items where {other} has {other_len}")]
    LengthMismatch {
        /// The later slot of the two.
        slot: Slot,
        /// Length of the list in `slot`.
        len: usize,
        /// The slot that `slot` has to match.
        other: Slot,
        /// Length of the list in `other`.
        other_len: usize,
    },
    /// A tile of the start position is off the board.
    #[error("{slot}: tile {tile} is outside the {width}x{height} board (index {index})")]
    TileOffBoard {
        /// The slot.
        slot: Slot,
        /// Index in the list of the slot.
        index: usize,
        /// The tile.
        tile: u32,
        /// Columns of the board.
        width: u32,
        /// Rows of the board.
        height: u32,
    },
    /// Two players have their general on one tile.
    #[error("{slot}: tile {tile} is the general of both player {index} and player {other}")]
    GeneralsShareTile {
        /// Slot 8.
        slot: Slot,
        /// The lower of the two seats.
        index: usize,
        /// The higher of the two seats.
        other: usize,
        /// The tile.
        tile: u32,
    },
}

/// Says the index of an item, or nothing for a fault of the whole slot.
fn at(index: Option<usize>) -> String {
    index.map(|index| format!(", index {index}")).unwrap_or_default()
}
