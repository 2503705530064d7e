//! Why the world refused something.

use thiserror::Error;

use super::GameId;
use crate::start::StartError;

/// Why the world refused something.
#[derive(Debug, Error)]
pub enum WorldError {
    /// The start position cannot be played.
    #[error(transparent)]
    Start(#[from] StartError),
    /// There is no such ruleset.
    #[error("ruleset number {0} was not added to the world")]
    Ruleset(u8),
    /// The ruleset is for another number of players.
    #[error("ruleset number {rules} is for 2 players, and the game has {players}")]
    TwoPlayers {
        /// The ruleset.
        rules: u8,
        /// Seats of the game.
        players: usize,
    },
    /// The world writes rows for smaller boards.
    #[error(
        "a {height}x{width} board does not fit rows of {rows_height}x{rows_width} (height x width)"
    )]
    RowFormat {
        /// Rows of the board.
        height: u16,
        /// Columns of the board.
        width: u16,
        /// Rows of an observation.
        rows_height: u16,
        /// Columns of an observation.
        rows_width: u16,
    },
    /// A replayed game cannot begin another episode, nor change its size in place.
    #[error(
        "game {0:?} cannot be reset to a board of another size, number of players or team layout"
    )]
    OtherSize(GameId),
    /// There is no such game.
    #[error("game {0:?} does not exist")]
    Unknown(GameId),
    /// The game has no such seat.
    #[error("seat {seat} does not exist in a game of {players}")]
    Seat {
        /// The seat.
        seat: usize,
        /// Seats of the game.
        players: usize,
    },
    /// Too many rulesets.
    #[error("a world holds at most 255 rulesets")]
    RulesetsFull,
    /// The threads could not be started.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// Threads asked for.
        threads: usize,
        /// What the system said.
        reason: String,
    },
}
