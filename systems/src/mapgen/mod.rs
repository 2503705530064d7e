//! Start positions from a seed, and custom maps from a file.
//!
//! A [`MapSpec`] says what is wanted, [`MapSpec::check`] whether it can be had, and
//! [`MapSpec::generate`] makes it: the same seed gives the same map on every machine.
//!
//! ```text
//! MapSpec ──check──▶ draw the sides ──▶ mountains, generals, cities (by kind) ──▶ Start
//! map file ─────────────────────────── Start::from_text, Start::from_json ──────▶ Start
//! ```
//!
//! All kinds keep one promise: every general can walk to every other one without crossing a
//! mountain or a neutral city.

mod bots;
mod drawing;
mod generals;
mod ground;
mod map_file;

pub use map_file::MapFileError;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::dice::Dice;
use crate::rules::shape::{MAX_SIDE, Shape};
use crate::start::{MAX_PLAYERS, Start};

/// Which generator makes the maps of a ruleset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MapKind {
    /// Maps like those of generals.io.
    Generals,
    /// Maps of the public simulator generals-bots.
    GeneralsBots,
    /// Maps of the generals.bot competition.
    Competition,
}

impl MapKind {
    /// The kind's name, as in a ruleset file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Generals => "generals",
            Self::GeneralsBots => "generals-bots",
            Self::Competition => "competition",
        }
    }
}

/// How large the boards are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// All boards alike.
    Fixed {
        /// Columns, 1 to 32.
        width: u16,
        /// Rows, 1 to 32.
        height: u16,
    },
    /// Each side drawn anew for every map.
    ///
    /// `generals`: `16 + min(8, P)`, half a tile more per player above six, and a random part of
    /// up to `4 + P / 2` that is small more often than large, at most 32 in all (rules, section 18).
    /// The other kinds: 18 to 21 (competition, "Map settings").
    Random,
}

/// Smallest and largest value of something drawn, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Smallest value.
    pub low: u16,
    /// Largest value.
    pub high: u16,
}

/// Random sides of the maps that are not those of `generals`.
const BOTS_SIDE: Span = Span { low: 18, high: 21 };

/// What maps are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapSpec {
    /// The generator.
    pub kind: MapKind,
    /// Size of the board.
    pub size: Size,
    /// Team of each seat; its length is the number of players. All different: free for all.
    pub teams: Vec<u8>,
    /// Share of the board under mountains and cities together, in percent; `None`: as the kind
    /// has it. Only `generals` can be told.
    pub mountains: Option<Span>,
    /// Number of neutral cities; `None`: as the kind has it. Only `generals` can be told. A board
    /// too small for the number gets as many as leave the generals connected.
    pub cities: Option<Span>,
}

/// Why no map can be generated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MapError {
    /// No player, or too many.
    #[error(
        "a map for {0} players cannot be generated: list the teams of 1 to {MAX_PLAYERS} seats"
    )]
    Players(usize),
    /// The kind is for two players.
    #[error("maps of kind {kind} are for 2 players, not {players}: use kind generals or 2 seats")]
    TwoPlayers {
        /// Name of the kind.
        kind: &'static str,
        /// Number of seats.
        players: usize,
    },
    /// A side is 0 or too long.
    #[error(
        "a board of {width}x{height} (width x height) is not supported: make each side 1 to {MAX_SIDE}"
    )]
    Sides {
        /// Columns.
        width: u16,
        /// Rows.
        height: u16,
    },
    /// There are more players than tiles.
    #[error(
        "{width}x{height} (width x height) is too small for {players} players: use {players} tiles or more"
    )]
    TooSmall {
        /// Columns.
        width: u16,
        /// Rows.
        height: u16,
        /// Number of seats.
        players: usize,
    },
    /// A number was given to a kind that has its own.
    #[error("{what} cannot be set for kind {kind}: leave it out or use kind generals")]
    NotForKind {
        /// "mountains" or "cities".
        what: &'static str,
        /// Name of the kind.
        kind: &'static str,
    },
    /// A span is empty or leaves what is allowed.
    #[error("{what} from {low} to {high} cannot be drawn: give low <= high <= {max}")]
    Span {
        /// "mountains" or "cities".
        what: &'static str,
        /// Smallest value.
        low: u16,
        /// Largest value.
        high: u16,
        /// Largest value allowed.
        max: u16,
    },
}

impl MapSpec {
    /// Maps of a kind with random sides for so many players, each for himself.
    ///
    /// More than 16 players are kept as given, for [`MapSpec::check`] to refuse.
    #[must_use]
    pub fn free_for_all(kind: MapKind, players: usize) -> Self {
        let teams = (0..=u8::MAX).take(players).collect();
        Self { kind, size: Size::Random, teams, mountains: None, cities: None }
    }

    /// Checks that maps can be made; once it has passed, no seed fails.
    ///
    /// # Errors
    ///
    /// The first thing that cannot be had, in the order the variants of [`MapError`] are listed.
    pub fn check(&self) -> Result<(), MapError> {
        let (players, kind) = (self.teams.len(), self.kind.name());
        let open = self.kind == MapKind::Generals;
        if !(1..=MAX_PLAYERS).contains(&players) {
            return Err(MapError::Players(players));
        }
        if !open && players != 2 {
            return Err(MapError::TwoPlayers { kind, players });
        }
        if let Size::Fixed { width, height } = self.size {
            let fits = |side: u16| (1..=MAX_SIDE).contains(&usize::from(side));
            if !fits(width) || !fits(height) {
                return Err(MapError::Sides { width, height });
            }
            if usize::from(width * height) < players {
                return Err(MapError::TooSmall { width, height, players });
            }
        }
        let tiles_max = 1024;
        for (what, span, max) in
            [("mountains", self.mountains, 100), ("cities", self.cities, tiles_max)]
        {
            let Some(Span { low, high }) = span else { continue };
            if !open {
                return Err(MapError::NotForKind { what, kind });
            }
            if low > high || high > max {
                return Err(MapError::Span { what, low, high, max });
            }
        }
        Ok(())
    }

    /// The map of this seed.
    ///
    /// # Panics
    ///
    /// If [`MapSpec::check`] refuses the specification.
    #[must_use]
    pub fn generate(&self, seed: u64) -> Start {
        let mut start = Start::default();
        self.generate_into(seed, &mut start);
        start
    }

    /// Puts the map of this seed in the place of the one in `start`, reusing its memory.
    ///
    /// # Panics
    ///
    /// If [`MapSpec::check`] refuses the specification.
    pub fn generate_into(&self, seed: u64, start: &mut Start) {
        if let Err(error) = self.check() {
            panic!("the specification was not checked: {error}");
        }
        let mut dice = Dice::new(seed);
        let (width, height) = self.draw_size(&mut dice);
        start.width = width;
        start.height = height;
        start.teams.clone_from(&self.teams);
        start.neutrals.clear();
        // Boards of up to 512 tiles fit the smaller plane, which is twice as fast to flood.
        if usize::from(width * height) <= 512 {
            self.fill(&Shape::<8>::new(width, height), &mut dice, start);
        } else {
            self.fill(&Shape::<16>::new(width, height), &mut dice, start);
        }
    }

    fn fill<const K: usize>(&self, shape: &Shape<K>, dice: &mut Dice, start: &mut Start) {
        match self.kind {
            MapKind::Generals => generals::fill(self, shape, dice, start),
            MapKind::GeneralsBots => bots::fill_base(shape, dice, start),
            MapKind::Competition => bots::fill_competition(shape, dice, start),
        }
    }

    /// Width and height that no board of these maps exceeds.
    pub fn largest_sides(&self) -> (u16, u16) {
        match (self.size, self.kind) {
            (Size::Fixed { width, height }, _) => (width, height),
            (Size::Random, MapKind::Generals) => {
                let side = generals::side_max(self.teams.len());
                (side, side)
            }
            (Size::Random, _) => (BOTS_SIDE.high, BOTS_SIDE.high),
        }
    }

    /// Width and height of the next board.
    fn draw_size(&self, dice: &mut Dice) -> (u16, u16) {
        match (self.size, self.kind) {
            (Size::Fixed { width, height }, _) => (width, height),
            (Size::Random, MapKind::Generals) => {
                let players = self.teams.len();
                (generals::draw_side(players, dice), generals::draw_side(players, dice))
            }
            (Size::Random, _) => {
                let Span { low, high } = BOTS_SIDE;
                (dice.between(low, high), dice.between(low, high))
            }
        }
    }
}

#[cfg(test)]
mod tests;
