//! What a live game is created with, and what the server allows.

use std::{sync::Arc, time::Duration};

use systems::{
    mapgen::{MapSpec, Size},
    policies::Policy,
    rules::ruleset::{MoveOrder, Ruleset},
    start::{MAX_PLAYERS, Start},
};

use super::LiveError;

/// What the server allows, and how long it waits.
#[derive(Clone, Debug)]
pub struct LiveConfig {
    /// Games that may exist at a time, ended ones included.
    pub max_games: usize,
    /// Streams that may be open at a time.
    pub max_streams: usize,
    /// Requests that a client may send in a second, messages inside a stream included; 0: as many as
    /// it likes. A client is the holder of a token, or an address where tokens are not asked for.
    pub requests_per_second: u32,
    /// Games that a client may have at a time, ended ones included.
    pub games_per_client: usize,
    /// Streams that a client may have open at a time.
    pub streams_per_client: usize,
    /// How long a `Play` stream, which takes a place when it opens, may take to say whose it is.
    pub patience: Duration,
    /// Updates that wait for one stream before they are thrown away for a whole view.
    pub stream_updates: usize,
    /// Orders that a seat's queue holds.
    pub queue_orders: usize,
    /// How long a game waits in its lobby for all its players.
    pub lobby: Duration,
    /// How long a running or paused game with players may go without a request or an open stream of
    /// theirs.
    pub idle: Duration,
    /// How long a game can stand paused, all its pauses together. Then it goes on by itself, and
    /// cannot be paused again.
    pub pause: Duration,
    /// Pauses that each player may call in a game. Its owner may call any number.
    pub player_pauses: u32,
    /// How long a game may go on from its start, whoever watches it.
    pub longest: Duration,
    /// How long an ended or aborted game can still be looked at.
    pub keep_ended: Duration,
    /// How long a player who was disconnected may stay away before the seat is given up.
    pub grace: Duration,
}

impl Default for LiveConfig {
    fn default() -> Self {
        Self {
            max_games: 100_000,
            max_streams: 20_000,
            requests_per_second: 0,
            games_per_client: usize::MAX,
            streams_per_client: usize::MAX,
            patience: Duration::from_secs(10),
            stream_updates: 10,
            queue_orders: 256,
            lobby: Duration::from_mins(10),
            idle: Duration::from_mins(30),
            pause: Duration::from_hours(1),
            player_pauses: 3,
            longest: LONGEST,
            keep_ended: Duration::from_mins(5),
            grace: Duration::from_mins(1),
        }
    }
}

/// When a game's ticks are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// One tick each turn time, whoever has sent orders.
    Timed(Duration),
    /// As soon as every living player has sent an order, at the latest after the turn time.
    Lockstep(Duration),
    /// Without waiting for anybody, once a millisecond at most.
    Free,
}

/// Where a game's board comes from.
#[derive(Clone, Debug)]
pub enum Board {
    /// Made when the game starts, from its seed.
    Generated(MapSpec),
    /// Given.
    Fixed(Arc<Start>),
}

/// A game that can be played. Only [`GameSettings::check`] says that it can.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct GameSettings {
    /// The board.
    pub board: Board,
    /// The rules.
    pub ruleset: Arc<Ruleset>,
    /// Who plays each seat: [`Policy::External`] for a player who joins.
    pub policies: Vec<Policy>,
    /// Whether players see only what is near their land.
    pub has_fog: bool,
    /// When ticks are played.
    pub pace: Pace,
    /// Tick at which the game is cut off, at least 1.
    pub max_ticks: u32,
    /// Seed of the board and of the policies.
    pub seed: u64,
    /// Whether somebody chose the seed, which everybody is told then. One that was drawn is told
    /// nobody before the end: another game with it shows what fog hides in this one.
    pub is_seed_chosen: bool,
    /// Whether the game is left out of lists.
    pub is_private: bool,
    /// Ticks that spectators are behind; `None`: there are none.
    pub spectators: Option<u32>,
    /// Whether the finished game is kept.
    pub is_recorded: bool,
    /// Whether its rows join the streams of experiences.
    pub is_collected: bool,
}

/// How long a game may take, pauses not counted.
const LONGEST: Duration = Duration::from_hours(30 * 24);

/// The same where only policies play: nobody's absence ends such a game.
const LONGEST_OF_POLICIES: Duration = Duration::from_hours(24);

/// Ticks that spectators can be behind.
const MAX_DELAY: u32 = 1000;

impl GameSettings {
    /// Number of seats.
    pub fn players(&self) -> usize {
        self.policies.len()
    }

    /// Team of each seat.
    pub fn teams(&self) -> &[u8] {
        match &self.board {
            Board::Generated(spec) => &spec.teams,
            Board::Fixed(start) => &start.teams,
        }
    }

    /// Columns and rows of the board; zeros if they are drawn when the game starts.
    pub fn size(&self) -> (u16, u16) {
        match &self.board {
            Board::Generated(MapSpec { size: Size::Fixed { width, height }, .. }) => {
                (*width, *height)
            }
            Board::Generated(_) => (0, 0),
            Board::Fixed(start) => (start.width, start.height),
        }
    }

    /// Time between ticks, or the longest.
    pub fn turn(&self) -> Duration {
        match self.pace {
            Pace::Timed(turn) | Pace::Lockstep(turn) => turn,
            Pace::Free => Duration::from_millis(1),
        }
    }

    /// Checks that the game ends some day. How long players of a lockstep game think is up to them;
    /// [`LiveConfig::idle`] and [`LiveConfig::longest`] end it if they do not come to an end.
    fn check_duration(&self) -> Result<(), LiveError> {
        let has_players = self.policies.contains(&Policy::External);
        let tick = match self.pace {
            Pace::Lockstep(_) if has_players => return Ok(()),
            Pace::Lockstep(_) | Pace::Free => Duration::from_millis(1),
            Pace::Timed(turn) => turn,
        };
        let longest = if has_players { LONGEST } else { LONGEST_OF_POLICIES };
        let most = longest.as_millis() / tick.as_millis();
        if u128::from(self.max_ticks) <= most {
            return Ok(());
        }
        let reason = format!(
            "{} ticks of {} ms take too long: use {most} at most, which take {} hours",
            self.max_ticks,
            tick.as_millis(),
            longest.as_secs() / 3600
        );
        Err(LiveError::invalid("max_ticks", reason))
    }

    /// The start position.
    pub(super) fn start(&self) -> Arc<Start> {
        match &self.board {
            Board::Generated(spec) => Arc::new(spec.generate(self.seed)),
            Board::Fixed(start) => start.clone(),
        }
    }

    /// Checks that the game can be played.
    ///
    /// # Errors
    ///
    /// [`LiveError::Invalid`] that names the first field at fault.
    pub fn check(&self) -> Result<(), LiveError> {
        match &self.board {
            Board::Generated(spec) => spec.check()?,
            Board::Fixed(start) => start.check()?,
        }
        let (players, teams) = (self.players(), self.teams());
        let seats = format!("use 2 to {MAX_PLAYERS} seats, and as many teams and generals");
        if !(2..=MAX_PLAYERS).contains(&players) || teams.len() != players {
            let reason = format!("{players} seats and {} teams are no game: {seats}", teams.len());
            return Err(LiveError::invalid("players", reason));
        }
        if teams.iter().all(|&team| team == teams[0]) {
            let reason = format!("all seats are of team {}: there is nobody to beat", teams[0]);
            return Err(LiveError::invalid("teams", reason));
        }
        if self.ruleset.moves.order == MoveOrder::ChaseFirst && players != 2 {
            let reason = format!("{} is for 2 players, not {players}", self.ruleset.name);
            return Err(LiveError::invalid("ruleset", reason));
        }
        let longest = Duration::from_hours(24);
        let turn = self.turn();
        if turn < Duration::from_millis(1) || turn > longest {
            let reason = format!("{} ms is no turn: use 1 to 86,400,000", turn.as_millis());
            return Err(LiveError::invalid("turn_ms", reason));
        }
        if self.max_ticks == 0 {
            return Err(LiveError::invalid("max_ticks", "0 leaves nothing to play: use 1 or more"));
        }
        self.check_duration()?;
        if let Some(delay) = self.spectators.filter(|&delay| delay > MAX_DELAY) {
            let reason = format!("{delay} ticks are too many: use 0 to {MAX_DELAY}");
            return Err(LiveError::invalid("spectator_delay", reason));
        }
        Ok(())
    }
}
