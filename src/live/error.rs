//! Why a request about a live game was refused.

use std::time::Duration;

use systems::{
    mapgen::{MapError, MapFileError},
    policies::PolicyError,
    rules::ruleset::RulesetError,
    start::StartError,
    world::{OrderFault, WorldError},
};
use thiserror::Error;

use super::game::Phase;

/// A refusal in one word, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A row, column or tile is not on the board.
    BadCoordinates,
    /// The two tiles of a march are not neighbours.
    NotAdjacent,
    /// The tile is not the player's.
    NotOwned,
    /// Too few units stand on the tile.
    ArmyTooSmall,
    /// The game has ended.
    GameOver,
    /// No such seat, or one that a policy plays.
    BadPlayer,
    /// The march enters a mountain.
    TargetIsMountain,
    /// The order was meant for another tick.
    WrongTick,
    /// No such game.
    GameNotFound,
    /// Every seat is taken.
    GameFull,
    /// The name or the seat is taken.
    AlreadyJoined,
    /// The game is in a phase in which this cannot be done.
    WrongPhase,
    /// The token is not one of this game, or does not allow this.
    BadToken,
    /// As many games exist as may.
    TooManyGames,
    /// As many orders wait as a queue holds.
    QueueFull,
    /// An idempotency key was used with another request.
    KeyReused,
    /// A field of the request cannot mean anything.
    InvalidArgument,
    /// The player has been eliminated.
    Eliminated,
    /// No city can be built there.
    CannotBuild,
    /// The game does not allow spectators.
    NotAllowed,
    /// As many streams are open as there may be.
    TooManyStreams,
    /// The server is ending, or an error of its own.
    Unavailable,
    /// The client sends more requests than it may.
    TooManyRequests,
    /// The game, or this player of it, has had all its pauses.
    NoPauses,
    /// The server stops, though the game has not ended.
    Stopping,
}

impl Reason {
    /// Its name in the metadata of a failed call.
    pub fn name(self) -> &'static str {
        match self {
            Self::BadCoordinates => "BAD_COORDINATES",
            Self::NotAdjacent => "NOT_ADJACENT",
            Self::NotOwned => "NOT_OWNED",
            Self::ArmyTooSmall => "ARMY_TOO_SMALL",
            Self::GameOver => "GAME_OVER",
            Self::BadPlayer => "BAD_PLAYER",
            Self::TargetIsMountain => "TARGET_IS_MOUNTAIN",
            Self::WrongTick => "WRONG_TICK",
            Self::GameNotFound => "GAME_NOT_FOUND",
            Self::GameFull => "GAME_FULL",
            Self::AlreadyJoined => "ALREADY_JOINED",
            Self::WrongPhase => "WRONG_PHASE",
            Self::BadToken => "BAD_TOKEN",
            Self::TooManyGames => "TOO_MANY_GAMES",
            Self::QueueFull => "QUEUE_FULL",
            Self::KeyReused => "KEY_REUSED",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::Eliminated => "ELIMINATED",
            Self::CannotBuild => "CANNOT_BUILD",
            Self::NotAllowed => "NOT_ALLOWED",
            Self::TooManyStreams => "TOO_MANY_STREAMS",
            Self::Unavailable => "UNAVAILABLE",
            Self::TooManyRequests => "TOO_MANY_REQUESTS",
            Self::NoPauses => "NO_PAUSES",
            Self::Stopping => "STOPPING",
        }
    }
}

/// Why a request was refused. What it says depends on nothing that the asking player cannot see.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LiveError {
    /// No such game.
    #[error("game {0:?} does not exist: it may have expired; ListGames names the public ones")]
    GameNotFound(String),
    /// The token opens nothing here.
    #[error("the token is not one of this game: JoinGame returns a seat's, CreateGame the owner's")]
    BadToken,
    /// Not in this phase.
    #[error("the game is {phase}: {what} needs a game that is {need}")]
    WrongPhase {
        /// What was asked.
        what: &'static str,
        /// The phase it is in.
        phase: Phase,
        /// The phases it would have to be in.
        need: &'static str,
    },
    /// The game has ended.
    #[error("the game is over: it ended at tick {tick}")]
    GameOver {
        /// Ticks played.
        tick: u32,
    },
    /// Every seat is taken.
    #[error("all {seats} seats are taken: join another game")]
    GameFull {
        /// Seats of the game.
        seats: usize,
    },
    /// Somebody has this seat.
    #[error("seat {0} is taken: leave the seat out to get any that is free")]
    SeatTaken(u32),
    /// Somebody has this name.
    #[error("a player named {0:?} is in the game already: choose another name")]
    NameTaken(String),
    /// No player can have this seat.
    #[error("seat {seat} cannot be joined: the game has {seats} seats, and a policy may play it")]
    BadPlayer {
        /// The seat.
        seat: u32,
        /// Seats of the game.
        seats: usize,
    },
    /// A row or column is not on the board.
    #[error("row {row}, column {column} is not on the board of {height}x{width} (height x width)")]
    BadCoordinates {
        /// The row.
        row: u32,
        /// The column.
        column: u32,
        /// Rows of the board.
        height: u16,
        /// Columns of the board.
        width: u16,
    },
    /// The action is none of the board's.
    #[error("action {action} does not exist: the last one of this board is {last}")]
    BadAction {
        /// The action.
        action: u32,
        /// The last action of the board.
        last: u32,
    },
    /// The march skips tiles.
    #[error(
        "row {}, column {} is no neighbour of row {}, column {}: march one tile up, down, left or right",
        to.0, to.1, from.0, from.1
    )]
    NotAdjacent {
        /// Row and column it begins in.
        from: (u32, u32),
        /// Row and column it ends in.
        to: (u32, u32),
    },
    /// The first order cannot be carried out on the board as the player sees it.
    #[error(transparent)]
    Order(#[from] OrderFault),
    /// The order was meant for another tick.
    #[error("the game is at tick {tick}, not {expected}: look at the newest update")]
    WrongTick {
        /// The tick the sender expected.
        expected: u32,
        /// The tick of the game.
        tick: u32,
    },
    /// The queue holds no more.
    #[error("{waiting} orders wait and {sent} more were sent: a queue holds {most}")]
    QueueFull {
        /// Orders that wait.
        waiting: usize,
        /// Orders that were sent.
        sent: usize,
        /// Orders a queue holds.
        most: usize,
    },
    /// The key stands for another request.
    #[error("idempotency key {0:?} was used for another request: use a new key for each")]
    KeyReused(String),
    /// As many games exist as may.
    #[error("{0} games exist, the most that this server allows: delete one or wait for its end")]
    TooManyGames(usize),
    /// No room for other rules than those that games are played by.
    #[error(
        "the games of this server are played by as many different rules as there is room for: use \
         a ruleset that is built in, or wait for the end of a game with rules of its own"
    )]
    TooManyRulesets,
    /// As many streams are open as there may be.
    #[error("{0} streams are open, the most that this server allows: close one first")]
    TooManyStreams(usize),
    /// More requests than a client may send.
    #[error("more than {0} requests a second: wait a moment")]
    TooManyRequests(u32),
    /// The client has as many games as it may.
    #[error(
        "a client can have {0} games at a time, ended ones included: delete one, wait until it is \
         gone, or raise --max-client-games or the token's max-games"
    )]
    TooManyGamesOfClient(usize),
    /// The client has as many streams as it may.
    #[error(
        "a client can have {0} streams of live games open at a time: close one, or raise \
         --max-client-watchers or the token's max-streams"
    )]
    TooManyStreamsOfClient(usize),
    /// The player has called as many pauses as it may.
    #[error("a player may pause a game {0} times: its owner may still pause it")]
    NoPauses(u32),
    /// The game has stood as long as it may.
    #[error("the game has been paused for {} s, as long as it may be: play it to its end", .0.as_secs())]
    NoPauseTime(Duration),
    /// The game is not to be watched.
    #[error("this game does not allow spectators")]
    NotAllowed,
    /// A field cannot mean anything.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The server is ending.
    #[error("the server is ending")]
    Ending,
    /// The server ends a stream whose game has not ended.
    #[error("the server is stopping and the game has not ended: connect again")]
    Stopping,
    /// Something the server should have prevented.
    #[error("the world refused the game: {0}")]
    World(String),
}

impl LiveError {
    /// The refusal in one word.
    pub fn reason(&self) -> Reason {
        match self {
            Self::GameNotFound(_) => Reason::GameNotFound,
            Self::BadToken => Reason::BadToken,
            Self::WrongPhase { .. } => Reason::WrongPhase,
            Self::GameOver { .. } => Reason::GameOver,
            Self::GameFull { .. } => Reason::GameFull,
            Self::SeatTaken(_) | Self::NameTaken(_) => Reason::AlreadyJoined,
            Self::BadPlayer { .. } => Reason::BadPlayer,
            Self::BadCoordinates { .. }
            | Self::BadAction { .. }
            | Self::Order(OrderFault::Outside { .. }) => Reason::BadCoordinates,
            Self::NotAdjacent { .. } => Reason::NotAdjacent,
            Self::Order(OrderFault::NotOwned { .. }) => Reason::NotOwned,
            Self::Order(OrderFault::ArmyTooSmall { .. }) => Reason::ArmyTooSmall,
            Self::Order(OrderFault::Mountain { .. }) => Reason::TargetIsMountain,
            Self::Order(OrderFault::CannotBuild { .. }) => Reason::CannotBuild,
            Self::Order(OrderFault::Eliminated { .. }) => Reason::Eliminated,
            Self::WrongTick { .. } => Reason::WrongTick,
            Self::QueueFull { .. } => Reason::QueueFull,
            Self::KeyReused(_) => Reason::KeyReused,
            Self::TooManyGames(_) | Self::TooManyGamesOfClient(_) | Self::TooManyRulesets => {
                Reason::TooManyGames
            }
            Self::TooManyStreams(_) | Self::TooManyStreamsOfClient(_) => Reason::TooManyStreams,
            Self::TooManyRequests(_) => Reason::TooManyRequests,
            Self::NoPauses(_) | Self::NoPauseTime(_) => Reason::NoPauses,
            Self::NotAllowed => Reason::NotAllowed,
            Self::Invalid { .. } => Reason::InvalidArgument,
            Self::Stopping => Reason::Stopping,
            Self::Ending | Self::World(_) => Reason::Unavailable,
        }
    }

    /// An error about a field of a request.
    pub(crate) fn invalid(field: &'static str, reason: impl ToString) -> Self {
        Self::Invalid { field, reason: reason.to_string() }
    }
}

impl From<WorldError> for LiveError {
    fn from(error: WorldError) -> Self {
        match error {
            WorldError::RulesetsFull => Self::TooManyRulesets,
            error => Self::World(error.to_string()),
        }
    }
}

impl From<MapError> for LiveError {
    fn from(error: MapError) -> Self {
        Self::invalid("map", error)
    }
}

impl From<MapFileError> for LiveError {
    fn from(error: MapFileError) -> Self {
        Self::invalid("map", error)
    }
}

impl From<StartError> for LiveError {
    fn from(error: StartError) -> Self {
        Self::invalid("map", error)
    }
}

impl From<RulesetError> for LiveError {
    fn from(error: RulesetError) -> Self {
        Self::invalid("ruleset", error)
    }
}

impl From<PolicyError> for LiveError {
    fn from(error: PolicyError) -> Self {
        Self::invalid("policies", error)
    }
}
