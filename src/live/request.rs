//! What can be asked of the arena, and what it answers.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{
    LiveError,
    game::Phase,
    mailbox::Watching,
    settings::{GameSettings, Pace},
    stats::LiveStats,
    token::Token,
    update::{Player, Update},
};

/// Where an answer goes. Nobody has to wait for it.
pub type Answer<T> = oneshot::Sender<Result<T, LiveError>>;

/// Everything that can be asked: a closed list.
#[derive(Debug)]
pub enum Request {
    /// Create a game, for a client.
    Create(Box<GameSettings>, Creator, Answer<Created>),
    /// Create those of some games that were not refused before: a few, so that no tick is late for them.
    CreateAll(Vec<Wanted>, Answer<Vec<Result<Created, LiveError>>>),
    /// Take a seat.
    Join {
        /// The game.
        game: u64,
        /// Who wants a seat.
        joining: Joining,
        /// Where the answer goes.
        answer: Answer<Joined>,
    },
    /// Give a seat up.
    Leave(SeatKey, Answer<()>),
    /// Add orders to a queue.
    Submit(SeatKey, Box<Submission>, Answer<Submitted>),
    /// Take back all orders that wait.
    ClearQueue(SeatKey, Answer<u32>),
    /// Give the game up.
    Surrender(SeatKey, Answer<()>),
    /// The game as a player sees it.
    State(SeatKey, Answer<Box<GameState>>),
    /// Open a stream of a player's updates.
    Watch(SeatKey, Answer<Watching>),
    /// Open a stream of the whole board.
    Spectate(u64, Answer<Watching>),
    /// List public games.
    List(Listing, Answer<ListPage>),
    /// Remove a game.
    Delete(SeatKey, Answer<()>),
    /// Stop a game's clock.
    Pause(SeatKey, Answer<()>),
    /// Let a paused game go on.
    Resume(SeatKey, Answer<()>),
    /// How the arena stands.
    Stats(oneshot::Sender<LiveStats>),
}

/// A game to create and who creates it, or why it is not created.
pub type Wanted = Result<(Box<GameSettings>, Creator), LiveError>;

/// Who creates a game, and how many it may have.
#[derive(Clone, Debug)]
pub struct Creator {
    /// A name that other clients do not have.
    pub client: Arc<str>,
    /// Games that it may have at a time, ended ones included.
    pub max_games: usize,
    /// Who joins the game at once.
    pub joining: Vec<Joining>,
}

/// A player who wants a seat.
#[derive(Clone, Debug)]
pub struct Joining {
    /// Name of the player.
    pub name: String,
    /// The seat; `None`: any that is free.
    pub seat: Option<u32>,
}

/// A game, and what opens it: a seat's token, or the owner's where that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct SeatKey {
    /// The game.
    pub game: u64,
    /// The secret.
    pub token: Token,
}

/// A game that was created.
#[derive(Clone, Debug)]
pub struct Created {
    /// The game.
    pub game: u64,
    /// What deletes, pauses and resumes it.
    pub owner: Token,
    /// Its seed, if that was chosen.
    pub seed: Option<u64>,
    /// The seats of those who joined at once, in their order.
    pub joined: Vec<Joined>,
}

/// A seat that was taken.
#[derive(Clone, Copy, Debug)]
pub struct Joined {
    /// The seat.
    pub seat: u8,
    /// What plays it.
    pub token: Token,
    /// The game's phase afterwards.
    pub phase: Phase,
}

/// Orders of a player, as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The orders.
    pub orders: Vec<RawOrder>,
    /// The tick that the sender believes the game to be at.
    pub expected_tick: Option<u32>,
    /// The idempotency key; empty if there is none.
    pub key: String,
    /// Whether orders that wait are thrown away first.
    pub replaces: bool,
}

/// An order that has not been held against a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawOrder {
    /// Do nothing.
    Pass,
    /// March to a neighbour.
    March {
        /// Row and column it begins in.
        from: (u32, u32),
        /// Row and column of the neighbour.
        to: (u32, u32),
        /// Whether half stays.
        half: bool,
    },
    /// Build a city, by row and column.
    Build((u32, u32)),
    /// An index of the flat action space.
    Action(u32),
}

/// Orders that were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// Ticks completed when they were taken.
    pub tick: u32,
    /// Orders that wait.
    pub queued: u32,
}

/// A game as one player sees it.
#[derive(Clone, Debug)]
pub struct GameState {
    /// What a stream would begin with.
    pub update: Update,
    /// Legal orders, as [`systems::world::ActionMask`]; empty before the start.
    pub mask: Vec<u8>,
    /// What everybody may know.
    pub info: GameInfo,
    /// The seat that looks.
    pub seat: u8,
}

/// Which games are wanted.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Phases; empty: all.
    pub phases: Vec<Phase>,
    /// Name of the ruleset; empty: all.
    pub ruleset: String,
    /// Number of seats; 0: all.
    pub players: usize,
    /// Games of a page.
    pub page_size: usize,
    /// Where the page begins.
    pub from: u64,
}

/// A page of games.
#[derive(Clone, Debug, Default)]
pub struct ListPage {
    /// The games, oldest first.
    pub games: Vec<GameInfo>,
    /// Where the next page begins, if there is one.
    pub next: Option<u64>,
}

/// What everybody may know of a game.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct GameInfo {
    /// The game.
    pub game: u64,
    /// Its phase.
    pub phase: Phase,
    /// Ticks completed.
    pub tick: u32,
    /// Columns and rows; zeros if they are not known yet.
    pub size: (u16, u16),
    /// Name of the ruleset.
    pub ruleset: String,
    /// When ticks are played.
    pub pace: Pace,
    /// Tick at which it is cut off.
    pub max_ticks: u32,
    /// Whether players see only what is near their land.
    pub has_fog: bool,
    /// Whether it may be watched.
    pub allows_spectators: bool,
    /// Who plays.
    pub players: Vec<Player>,
    /// Whether the creator chose the seed.
    pub is_seed_chosen: bool,
    /// The seed, if it was chosen or the game is over.
    pub seed: Option<u64>,
    /// Whether its rows join the streams of experiences.
    pub is_collected: bool,
    /// Ticks that spectators are behind.
    pub spectator_delay: u32,
}
