//! Tournaments: contestants play each other, two at a time, on the same maps from both sides.
//!
//! A contestant is a built-in policy or a program that speaks the stdio protocol of the generals.bot
//! competition ([`bot`]). [`score`] says what the games came to.

pub mod bot;
pub mod score;
mod table;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use datasets::{
    error::DataError,
    games::ArchivedGame,
    produce::{Produced, Producer},
};
use systems::{policies::Policy, record::GameRecord, rollout::RolloutSpec};

pub use self::{
    bot::BotLimits,
    score::{Pairing, Standings},
};

/// Who plays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contestant {
    /// A policy of the engine.
    BuiltIn(Policy),
    /// A program, as a line for the shell.
    Program(String),
}

impl Contestant {
    /// The policy of this name, or the program of this line.
    #[must_use]
    pub fn named(text: &str) -> Self {
        match Policy::named(text) {
            Ok(policy) if policy != Policy::External => Self::BuiltIn(policy),
            _ => Self::Program(text.to_owned()),
        }
    }

    /// Its name in tables and datasets.
    pub fn name(&self) -> &str {
        match self {
            Self::BuiltIn(policy) => policy.name(),
            Self::Program(line) => line,
        }
    }

    fn is_program(&self) -> bool {
        matches!(self, Self::Program(_))
    }
}

/// A tournament.
#[derive(Debug)]
pub struct Tournament {
    /// Who plays, at least two.
    pub contestants: Vec<Contestant>,
    /// Maps, rules, seed and tick limit; its games are those of one pairing.
    pub games: RolloutSpec,
    /// Whether each map is played twice, with the seats swapped.
    pub swaps_sides: bool,
    /// What programs are allowed.
    pub limits: BotLimits,
    played: Mutex<BTreeMap<u64, Played>>,
}

/// A game of a tournament, before it is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Its index.
    game: u64,
    /// The index of its map.
    map: u64,
    /// The contestants of its seats.
    seats: [usize; 2],
}

/// What a game came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// The contestants of its seats.
    pub seats: [usize; 2],
    /// The contestant that won; none in a draw or at the tick limit.
    pub winner: Option<usize>,
    /// Ticks played.
    pub ticks: u32,
    /// What went wrong with each seat's program.
    pub faults: [Vec<String>; 2],
}

/// Games of policies that are played side by side.
const GAMES_PER_JOB: u64 = 64;

impl Tournament {
    /// A tournament in which each pair plays the games of the specification.
    #[must_use]
    pub fn new(
        contestants: Vec<Contestant>,
        games: RolloutSpec,
        swaps_sides: bool,
        limits: BotLimits,
    ) -> Self {
        Self { contestants, games, swaps_sides, limits, played: Mutex::default() }
    }

    /// What the games came to so far, by index.
    pub fn played(&self) -> Vec<Played> {
        let played = self.played.lock().unwrap_or_else(PoisonError::into_inner);
        played.values().cloned().collect()
    }

    fn pairs(&self) -> u64 {
        let n = self.contestants.len() as u64;
        n * n.saturating_sub(1) / 2
    }

    /// The match of this index.
    fn fixture(&self, game: u64) -> Match {
        let (pair, round) = (game / self.games.games, game % self.games.games);
        let n = self.contestants.len();
        let mut pairs = (0..n).flat_map(|a| (a + 1..n).map(move |b| [a, b]));
        let place = usize::try_from(pair).unwrap_or(usize::MAX);
        let [a, b] = pairs.nth(place).unwrap_or([0, 0]);
        match (self.swaps_sides, round % 2) {
            (true, 1) => Match { game, map: round / 2, seats: [b, a] },
            (true, _) => Match { game, map: round / 2, seats: [a, b] },
            (false, _) => Match { game, map: round, seats: [a, b] },
        }
    }

    fn has_programs(&self) -> bool {
        self.contestants.iter().any(Contestant::is_program)
    }

    fn note(&self, game: u64, played: Played) {
        self.played.lock().unwrap_or_else(PoisonError::into_inner).insert(game, played);
    }
}

impl Producer for Tournament {
    type Job = Vec<Match>;

    fn next(&self, after: u64) -> Option<Vec<Match>> {
        // A game of programs keeps two processes busy, so it is a job of its own.
        let per_job = if self.has_programs() { 1 } else { GAMES_PER_JOB };
        let first = after.checked_mul(per_job)?;
        let end = first.saturating_add(per_job).min(self.games());
        (first < end).then(|| (first..end).map(|game| self.fixture(game)).collect())
    }

    fn work(&self, job: Vec<Match>) -> Result<Produced, DataError> {
        let mut produced = Produced::default();
        let mut games = table::play(self, &job)?;
        games.sort_unstable_by_key(|(record, _)| record.game);
        for (record, faults) in games {
            let fixture = self.fixture(record.game);
            produced.ticks += u64::from(record.outcome.ticks);
            self.note(record.game, came_to(&record, &fixture, faults));
            produced.games.push(ArchivedGame::from(record));
        }
        Ok(produced)
    }

    fn games(&self) -> u64 {
        self.pairs().saturating_mul(self.games.games)
    }
}

fn came_to(record: &GameRecord, fixture: &Match, faults: [Vec<String>; 2]) -> Played {
    let winner = match record.outcome.winners[..] {
        [seat] => Some(fixture.seats[usize::from(seat)]),
        _ => None,
    };
    Played { seats: fixture.seats, winner, ticks: record.outcome.ticks, faults }
}

/// The start of a match's map.
fn start_of(tournament: &Tournament, fixture: &Match) -> Arc<systems::start::Start> {
    tournament.games.start(fixture.map)
}
