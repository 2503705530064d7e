//! What the environments of a vector play.

use std::sync::Arc;

use super::EnvError;
use crate::{
    mapgen::{MapKind, MapSpec, Size},
    policies::Policy,
    record::GameRecord,
    reward::Reward,
    rollout::Maps,
    rows::RowFormat,
    rules::{
        ruleset::{MoveOrder, Ruleset},
        shape::MAX_SIDE,
    },
    world::{WorldConfig, WorldError},
};

/// What happens when the episodes of all agents of an environment are over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Autoreset {
    /// The next step ignores the actions and shows the next episode's start.
    #[default]
    NextStep,
    /// The same step shows the next episode's start; the last rows are in
    /// [`VectorEnv::finals`](super::VectorEnv::finals).
    SameStep,
    /// It stays as it is until it is reset.
    Disabled,
}

/// Where episodes begin.
#[derive(Clone, Debug)]
pub enum Opening {
    /// On a map.
    Maps(Maps),
    /// In the middle of a game that was played.
    Replay {
        /// The game.
        game: Arc<GameRecord>,
        /// Ticks of it that are played before the episode begins; 0 is its start.
        tick: u32,
    },
}

/// What one environment plays from its next reset on.
#[derive(Clone, Debug)]
pub struct EnvSpec {
    /// Where episodes begin.
    pub opening: Opening,
    /// What they are played by.
    pub ruleset: Arc<Ruleset>,
    /// Tick at which a game is cut off, counted from the start of the game, at least 1.
    pub max_ticks: u32,
    /// Whether players see only what is near their land.
    pub has_fog: bool,
    /// Who chooses for each seat; seats not listed are [`Policy::External`], which passes where no
    /// actions are given for the seat.
    pub policies: Vec<Policy>,
}

impl EnvSpec {
    /// Two players from outside on generated maps by the default rules, cut off after 1000 ticks.
    ///
    /// # Errors
    ///
    /// Sides that no board has.
    pub fn duel(height: u16, width: u16) -> Result<Self, EnvError> {
        let size = Size::Fixed { width, height };
        let maps = MapSpec { size, ..MapSpec::free_for_all(MapKind::Generals, 2) };
        maps.check()?;
        Ok(Self {
            opening: Opening::Maps(Maps::Generated(maps)),
            ruleset: Arc::new(Ruleset::named(Ruleset::NAMES[0])?),
            max_ticks: 1000,
            has_fog: true,
            policies: Vec::new(),
        })
    }

    /// Most players of an episode.
    pub fn players(&self) -> usize {
        match &self.opening {
            Opening::Maps(Maps::Generated(spec)) => spec.teams.len(),
            Opening::Maps(Maps::Fixed(start)) => start.players(),
            Opening::Maps(Maps::Pool(starts)) => {
                starts.iter().map(|start| start.players()).max().unwrap_or(0)
            }
            Opening::Replay { game, .. } => game.players(),
        }
    }

    /// Height and width that hold every board of its episodes.
    pub fn sides(&self) -> (u16, u16) {
        #[expect(clippy::cast_possible_truncation, reason = "a side is at most 32")]
        let most = MAX_SIDE as u16;
        match &self.opening {
            Opening::Maps(Maps::Generated(spec)) => match (spec.size, spec.kind) {
                (Size::Fixed { width, height }, _) => (height, width),
                (Size::Random, MapKind::Generals) => (most, most),
                (Size::Random, _) => (21, 21),
            },
            Opening::Maps(Maps::Fixed(start)) => (start.height, start.width),
            Opening::Maps(Maps::Pool(starts)) => {
                starts.iter().fold((1, 1), |(h, w), s| (h.max(s.height), w.max(s.width)))
            }
            Opening::Replay { game, .. } => (game.start.height, game.start.width),
        }
    }

    /// Checks that it can be played and seen from some of the seats.
    pub(super) fn check(&self, format: RowFormat, seats: &[u8]) -> Result<(), EnvError> {
        if self.max_ticks == 0 {
            return Err(EnvError::NoTicks);
        }
        let players = self.players();
        match &self.opening {
            Opening::Maps(Maps::Generated(spec)) => spec.check()?,
            Opening::Maps(Maps::Fixed(start)) => start.check().map_err(WorldError::from)?,
            Opening::Maps(Maps::Pool(starts)) => {
                starts.iter().try_for_each(|start| start.check()).map_err(WorldError::from)?;
                if starts.is_empty() {
                    return Err(EnvError::Length { what: "the pool of maps", given: 0, wanted: 1 });
                }
            }
            Opening::Replay { game, tick } => {
                game.start.check().map_err(WorldError::from)?;
                if *tick >= game.outcome.ticks.max(1) {
                    return Err(EnvError::Tick { tick: *tick, ticks: game.outcome.ticks });
                }
                if game.ruleset != self.ruleset {
                    let (given, wanted) = (self.ruleset.name.clone(), game.ruleset.name.clone());
                    return Err(EnvError::OtherRules { given, wanted });
                }
            }
        }
        if self.ruleset.moves.order == MoveOrder::ChaseFirst && players != 2 {
            return Err(WorldError::TwoPlayers { rules: 0, players }.into());
        }
        if self.policies.len() > players {
            let given = self.policies.len();
            return Err(EnvError::Length { what: "policies", given, wanted: players });
        }
        if !seats.iter().any(|&seat| usize::from(seat) < players) {
            return Err(EnvError::NobodyPlays { players, seats: seats.to_vec() });
        }
        if self.ruleset.builds() && !format.has_builds {
            return Err(EnvError::Builds { name: self.ruleset.name.clone() });
        }
        let (height, width) = self.sides();
        if height > format.height || width > format.width {
            return Err(EnvError::Canvas {
                height,
                width,
                rows_height: format.height,
                rows_width: format.width,
            });
        }
        Ok(())
    }
}

/// Seeds of episodes. An episode is a function of (seed, game, episode number).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seeds {
    /// Environment `i` plays game `i` of this seed, as a dataset of that seed has it.
    All(u64),
    /// Environment `i` plays game 0 of its own seed.
    Each(Vec<u64>),
}

impl Seeds {
    /// Seed and game of an environment.
    pub(super) fn of(&self, env: usize) -> (u64, u64) {
        match self {
            Self::All(seed) => (*seed, env as u64),
            Self::Each(seeds) => (seeds[env], 0),
        }
    }
}

/// What a vector of environments is made of.
#[derive(Clone, Debug)]
pub struct VectorSpec {
    /// What each environment plays; several may share one.
    pub envs: Vec<Arc<EnvSpec>>,
    /// Seats that have rows and give actions, ascending: the agents.
    pub seats: Vec<u8>,
    /// The seat among them whose end is that of its environment's episode, whoever plays on; none:
    /// an episode ends when all of them have.
    pub learner: Option<u8>,
    /// Form of the rows; every board has to fit.
    pub format: RowFormat,
    /// Seeds of the first episodes.
    pub seeds: Seeds,
    /// What happens when an episode ends.
    pub autoreset: Autoreset,
    /// What rows reward.
    pub reward: Reward,
    /// Whether games are kept for [`VectorEnv::take_games`](super::VectorEnv::take_games).
    pub is_recorded: bool,
    /// How the world runs.
    pub config: WorldConfig,
}

impl VectorSpec {
    /// Environments in which every seat is played from outside, with rows that fit them all.
    #[must_use]
    pub fn new(envs: Vec<Arc<EnvSpec>>, seed: u64) -> Self {
        let players = envs.iter().map(|env| env.players()).max().unwrap_or(0);
        let (height, width) = envs.iter().fold((1, 1), |(height, width), env| {
            let (h, w) = env.sides();
            (height.max(h), width.max(w))
        });
        let has_builds = envs.iter().any(|env| env.ruleset.builds());
        #[expect(clippy::cast_possible_truncation, reason = "at most 16 players")]
        let seats = (0..players.min(16) as u8).collect();
        Self {
            envs,
            seats,
            learner: None,
            format: RowFormat { height, width, has_builds, has_owners: players > 2 },
            seeds: Seeds::All(seed),
            autoreset: Autoreset::NextStep,
            reward: Reward::SPARSE,
            is_recorded: false,
            config: WorldConfig::default(),
        }
    }

    /// Checks what concerns all environments together, and each of them.
    pub(super) fn check(&self) -> Result<(), EnvError> {
        let seats = &self.seats;
        let is_ascending = seats.windows(2).all(|pair| pair[0] < pair[1]);
        let is_known = self.learner.is_none_or(|learner| seats.contains(&learner));
        let is_seat = seats.iter().all(|&seat| seat <= 15);
        if seats.is_empty() || !is_ascending || !is_seat || !is_known {
            return Err(EnvError::Seats { seats: seats.clone() });
        }
        if self.envs.is_empty() {
            return Err(EnvError::NoEnvs);
        }
        if let Seeds::Each(seeds) = &self.seeds
            && seeds.len() != self.envs.len()
        {
            let (given, wanted) = (seeds.len(), self.envs.len());
            return Err(EnvError::Length { what: "seeds", given, wanted });
        }
        // Environments that share a specification are checked once.
        let mut last: Option<&Arc<EnvSpec>> = None;
        for env in &self.envs {
            if !last.is_some_and(|last| Arc::ptr_eq(last, env)) {
                env.check(self.format, seats)?;
            }
            last = Some(env);
        }
        Ok(())
    }
}
