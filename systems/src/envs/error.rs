//! Why a vector environment refused something.

use thiserror::Error;

use crate::{
    mapgen::MapError, policies::PolicyError, rules::ruleset::RulesetError, world::WorldError,
};

/// Why a vector environment refused something.
#[derive(Debug, Error)]
pub enum EnvError {
    /// No map can be generated.
    #[error(transparent)]
    Map(#[from] MapError),
    /// No such ruleset.
    #[error(transparent)]
    Ruleset(#[from] RulesetError),
    /// No such policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The world refused it.
    #[error(transparent)]
    World(#[from] WorldError),
    /// A list does not have one entry for each of something.
    #[error("{what} has {given} entries: give {wanted}")]
    Length {
        /// Name of the argument.
        what: &'static str,
        /// Its length.
        given: usize,
        /// The length it has to have.
        wanted: usize,
    },
    /// There is no such environment.
    #[error("environment {env} does not exist: there are {envs}, from 0")]
    Env {
        /// The number given.
        env: usize,
        /// Number of environments.
        envs: usize,
    },
    /// An environment that can be named once is named again.
    #[error("environment {env} is named twice: name each once")]
    Twice {
        /// The number given.
        env: usize,
    },
    /// A vector of nothing.
    #[error("a vector environment needs an environment: give num_envs of 1 or more")]
    NoEnvs,
    /// The seats with rows are none, too many, or repeated, or the learner's is not among them.
    #[error(
        "seats {seats:?} cannot be played: list seats from 0 to 15, each once, ascending, the \
         learner's among them"
    )]
    Seats {
        /// The list.
        seats: Vec<u8>,
    },
    /// No seat of the game has rows.
    #[error("a game of {players} players has none of the seats {seats:?}")]
    NobodyPlays {
        /// Players of the game.
        players: usize,
        /// Seats with rows.
        seats: Vec<u8>,
    },
    /// The board is larger than an observation.
    #[error(
        "boards of up to {height}x{width} do not fit observations of {rows_height}x{rows_width} \
         (height x width): give a larger canvas"
    )]
    Canvas {
        /// Rows of the largest board.
        height: u16,
        /// Columns of the largest board.
        width: u16,
        /// Rows of an observation.
        rows_height: u16,
        /// Columns of an observation.
        rows_width: u16,
    },
    /// The ruleset has builds and the action space none.
    #[error("ruleset {name:?} has builds, and the action space was made without them")]
    Builds {
        /// Name of the ruleset.
        name: String,
    },
    /// A replayed game is to be entered where it is over.
    #[error("a game of {ticks} ticks cannot be entered at tick {tick}: give 0 to {}", ticks.saturating_sub(1))]
    Tick {
        /// The tick asked for.
        tick: u32,
        /// Ticks of the game.
        ticks: u32,
    },
    /// A game cannot go on by other rules than it was played by.
    #[error("a game played by {wanted:?} cannot go on by {given:?}: use its own ruleset")]
    OtherRules {
        /// Ruleset given.
        given: String,
        /// Ruleset of the game.
        wanted: String,
    },
    /// A snapshot of a vector environment of another form.
    #[error("the snapshot is of {taken}, and these environments have {wanted}")]
    OtherForm {
        /// What the snapshot was taken of.
        taken: String,
        /// What it was given to.
        wanted: String,
    },
    /// A tick limit of 0.
    #[error("max_ticks 0: an episode has at least 1 tick")]
    NoTicks,
}
