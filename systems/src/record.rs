//! A finished game as its start and its moves: everything else can be played again from it.

use std::sync::Arc;

use crate::{
    components::State,
    replay::ScriptMoves,
    rules::ruleset::Ruleset,
    start::Start,
    world::{GameId, GameSpec, Position, World, WorldError},
};

/// A game that was played to its end, or to its tick limit.
#[derive(Clone, Debug, PartialEq)]
pub struct GameRecord {
    /// Seed of all games it belongs to.
    pub seed: u64,
    /// Its index among them.
    pub game: u64,
    /// Its episode.
    pub episode: u32,
    /// What it was played by.
    pub ruleset: Arc<Ruleset>,
    /// Whether players saw only what was near their land.
    pub has_fog: bool,
    /// Tick at which it would have been cut off.
    pub max_ticks: u32,
    /// Who chose for each seat.
    pub policies: Vec<String>,
    /// The start position.
    pub start: Arc<Start>,
    /// Orders and departures.
    pub moves: Arc<ScriptMoves>,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a game ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Ticks played.
    pub ticks: u32,
    /// Whether the tick limit ended it, not the rules.
    pub is_truncated: bool,
    /// Winning seats; none in a draw or a truncated game.
    pub winners: Vec<u8>,
    /// Seats from first to last.
    pub ranking: Vec<u8>,
    /// Generals taken by each seat.
    pub captures: Vec<u8>,
    /// Tiles of each seat at the end.
    pub land: Vec<u32>,
    /// Units of each seat at the end.
    pub army: Vec<u32>,
    /// Fingerprint of the final position.
    pub digest: u64,
}

impl Outcome {
    /// The outcome of an ended game.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "seats are below 16")]
    pub fn of(position: &Position, teams: &[u8]) -> Self {
        Self {
            ticks: position.turn,
            is_truncated: position.state == State::Truncated,
            winners: position.winners(teams).into_iter().map(|seat| seat as u8).collect(),
            ranking: position.ranking.iter().map(|&seat| seat as u8).collect(),
            captures: position.captures.clone(),
            land: position.land.clone(),
            army: position.army.clone(),
            digest: position.digest,
        }
    }

    /// Place of a seat, from 1.
    pub fn place(&self, seat: usize) -> usize {
        1 + self.ranking.iter().position(|&s| usize::from(s) == seat).unwrap_or(self.ranking.len())
    }
}

impl GameRecord {
    /// The key of its episode, which is its id in datasets.
    pub fn episode_id(&self) -> u64 {
        crate::dice::episode_key(self.seed, self.game, self.episode)
    }

    /// Number of seats.
    pub fn players(&self) -> usize {
        self.start.players()
    }

    /// Moves of all seats.
    pub fn n_moves(&self) -> usize {
        self.moves.orders.iter().map(Vec::len).sum()
    }

    /// Puts the game into a world, to be played again move for move.
    ///
    /// # Errors
    ///
    /// See [`World::create`].
    pub fn replay_in(&self, world: &mut World) -> Result<GameId, WorldError> {
        let rules = world.add_ruleset(&self.ruleset)?;
        world.create(&self.spec(rules))
    }

    /// The specification of its replay.
    pub fn spec(&self, rules: u8) -> GameSpec<'_> {
        GameSpec {
            seed: self.seed,
            game: self.game,
            episode: self.episode,
            max_ticks: self.max_ticks,
            has_fog: self.has_fog,
            script: Some(self.moves.clone()),
            ..GameSpec::new(&self.start, rules)
        }
    }
}
