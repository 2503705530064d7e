//! Playing many games by built-in policies, a fixed number of them at a time.

mod rewind;

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use crate::{
    dice,
    mapgen::MapSpec,
    policies::Policy,
    record::{GameRecord, Outcome},
    replay::ScriptMoves,
    rules::ruleset::Ruleset,
    schedule::Phase,
    start::Start,
    world::{GameId, GameSpec, World, WorldConfig, WorldError},
};

pub use self::rewind::RolloutSnapshot;

/// Where the start positions of a rollout come from.
#[derive(Clone, Debug)]
pub enum Maps {
    /// A new map for each game, from the seed and the game's index.
    Generated(MapSpec),
    /// The same start for every game.
    Fixed(Arc<Start>),
    /// One of some starts for each game, drawn with the seed and the game's index.
    Pool(Arc<[Arc<Start>]>),
}

impl Maps {
    /// The start of an episode of a game.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "a remainder of the pool's length")]
    pub fn start(&self, seed: u64, game: u64, episode: u32) -> Arc<Start> {
        let key = dice::episode_key(seed, game, episode);
        match self {
            Self::Generated(spec) => Arc::new(spec.generate(key)),
            Self::Fixed(start) => start.clone(),
            Self::Pool(starts) => {
                starts[(dice::mix(key) % starts.len().max(1) as u64) as usize].clone()
            }
        }
    }
}

/// What games a rollout plays.
#[derive(Clone, Debug)]
pub struct RolloutSpec {
    /// Seed of everything.
    pub seed: u64,
    /// Index of the first game.
    pub first_game: u64,
    /// Number of games.
    pub games: u64,
    /// Where they start.
    pub maps: Maps,
    /// What they are played by.
    pub ruleset: Arc<Ruleset>,
    /// Tick at which a game is cut off.
    pub max_ticks: u32,
    /// Policies: seat `s` of game `g` is played by number `(s + g) % len`, so that seats change.
    pub policies: Vec<Policy>,
    /// Whether players see only what is near their land.
    pub has_fog: bool,
}

impl RolloutSpec {
    /// The start of a game.
    #[must_use]
    pub fn start(&self, game: u64) -> Arc<Start> {
        self.maps.start(self.seed, game, 0)
    }

    /// Which of [`RolloutSpec::policies`] plays a seat of a game.
    #[expect(clippy::cast_possible_truncation, reason = "a remainder of a short list's length")]
    pub fn policy_number(&self, game: u64, seat: usize) -> usize {
        let n = self.policies.len().max(1) as u64;
        ((game % n + seat as u64) % n) as usize
    }

    /// The policies of a game's seats.
    #[must_use]
    pub fn policies_of(&self, game: u64, players: usize) -> Vec<Policy> {
        (0..players).map(|seat| self.policies[self.policy_number(game, seat)]).collect()
    }
}

/// A rollout at work: a world of some games, refilled as they end.
pub struct Rollout {
    spec: RolloutSpec,
    world: World,
    rules: u8,
    next: u64,
    playing: BTreeMap<GameId, Playing>,
    ticks: u64,
    /// Steps taken.
    steps: u64,
    /// Games that ended with the last step, and how many steps they had taken.
    last_ended: Vec<(u64, u64)>,
    /// Those whose places are still to be taken, the next one last.
    ended: Vec<GameId>,
    /// What is left of going back to a snapshot.
    behind: Option<rewind::Behind>,
    /// Whether records have the moves of their games.
    is_recorded: bool,
}

/// A game that is played.
struct Playing {
    /// Its index.
    game: u64,
    start: Arc<Start>,
    /// Steps of the rollout when it began.
    began: u64,
}

impl Rollout {
    /// Fills a world with the first games, `at_once` at most.
    ///
    /// # Errors
    ///
    /// Starts that the ruleset cannot be played on; see [`World::create`].
    pub fn new(spec: RolloutSpec, at_once: usize, config: WorldConfig) -> Result<Self, WorldError> {
        Self::in_world(spec, at_once, World::new(config)?)
    }

    /// Fills a world of the caller's making, which may collect rows.
    ///
    /// # Errors
    ///
    /// Starts that the ruleset or the form of the rows does not allow; see [`World::create`].
    pub fn in_world(spec: RolloutSpec, at_once: usize, world: World) -> Result<Self, WorldError> {
        Self::begun(spec, at_once, world, true)
    }

    /// The same, but nothing is kept of the games while they are played: their records have no moves.
    ///
    /// To note every order costs a 20th of a step, and as many bytes as a game has orders.
    ///
    /// # Errors
    ///
    /// As [`Rollout::in_world`].
    pub fn unrecorded(spec: RolloutSpec, at_once: usize, world: World) -> Result<Self, WorldError> {
        Self::begun(spec, at_once, world, false)
    }

    fn begun(
        spec: RolloutSpec,
        at_once: usize,
        mut world: World,
        is_recorded: bool,
    ) -> Result<Self, WorldError> {
        let rules = world.add_ruleset(&spec.ruleset)?;
        let mut rollout = Self {
            next: spec.first_game,
            spec,
            world,
            rules,
            playing: BTreeMap::new(),
            ticks: 0,
            steps: 0,
            last_ended: Vec::new(),
            ended: Vec::new(),
            behind: None,
            is_recorded,
        };
        while rollout.playing.len() < at_once && rollout.has_next() {
            rollout.begin_next(None)?;
        }
        Ok(rollout)
    }

    fn has_next(&self) -> bool {
        self.next < self.spec.first_game.saturating_add(self.spec.games)
    }

    /// Begins the next game, in the place of another if it fits.
    fn begin_next(&mut self, place: Option<GameId>) -> Result<(), WorldError> {
        let game = self.next;
        self.next += 1;
        self.begin(game, place)
    }

    /// Begins a game, in the place of another if it fits.
    fn begin(&mut self, game: u64, place: Option<GameId>) -> Result<(), WorldError> {
        let start = self.spec.start(game);
        let policies = self.spec.policies_of(game, start.players());
        let spec = GameSpec {
            seed: self.spec.seed,
            game,
            max_ticks: self.spec.max_ticks,
            policies: &policies,
            has_fog: self.spec.has_fog,
            is_recorded: self.is_recorded,
            ..GameSpec::new(&start, self.rules)
        };
        let id = match place {
            Some(id) => match self.world.reset(id, &spec) {
                Ok(()) => id,
                Err(WorldError::OtherSize(_)) => {
                    self.world.remove(id)?;
                    self.world.create(&spec)?
                }
                Err(error) => return Err(error),
            },
            None => self.world.create(&spec)?,
        };
        self.playing.insert(id, Playing { game, start, began: self.steps });
        Ok(())
    }

    /// The world, for games beside those of the rollout.
    pub fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// Whether every game has been played.
    pub fn is_finished(&self) -> bool {
        self.playing.is_empty()
    }

    /// Games that are being played.
    pub fn playing(&self) -> usize {
        self.playing.len()
    }

    /// Game-ticks of the games that ended so far.
    pub fn ticks(&self) -> u64 {
        self.ticks
    }

    /// Takes all games one step further and returns those that ended, by index.
    ///
    /// # Errors
    ///
    /// See [`World::create`].
    pub fn step(&mut self) -> Result<Vec<GameRecord>, WorldError> {
        self.advance();
        self.refill(usize::MAX)
    }

    /// The first half of [`Rollout::step`]: all games play. The second is [`Rollout::refill`], which
    /// can be done a piece at a time.
    pub fn advance(&mut self) {
        self.world.step();
        self.note_ended();
    }

    /// The same, one phase after the other over all games, which takes longer. `done` hears of
    /// each phase when it is over, so that who has a clock can tell what it took.
    pub fn advance_by_phase(&mut self, mut done: impl FnMut(Phase)) {
        for phase in Phase::ALL {
            self.world.step_phase(phase);
            done(phase);
        }
        self.note_ended();
    }

    fn note_ended(&mut self) {
        self.steps += 1;
        self.last_ended.clear();
        self.ended = self.world.take_ended();
        // The first of them is taken first.
        self.ended.sort_unstable_by_key(|id| Reverse(self.playing.get(id).map(|p| p.game)));
    }

    /// Whether games have ended whose places are still to be taken. Until there are none it is not to
    /// be stepped.
    pub fn is_refilling(&self) -> bool {
        !self.ended.is_empty()
    }

    /// The records of so many of the games that ended with the last step, by index, whose places the
    /// next ones take. When all of a thousand games come to their limit in one step, that takes as
    /// long as many steps.
    ///
    /// # Errors
    ///
    /// See [`World::create`].
    pub fn refill(&mut self, at_most: usize) -> Result<Vec<GameRecord>, WorldError> {
        let mut records = Vec::with_capacity(self.ended.len().min(at_most));
        while records.len() < at_most
            && let Some(id) = self.ended.pop()
        {
            let Some(Playing { game, start, began }) = self.playing.remove(&id) else { continue };
            self.last_ended.push((game, self.steps - began));
            records.push(self.record(id, game, start)?);
            if self.has_next() {
                self.begin_next(Some(id))?;
            } else {
                self.world.remove(id)?;
            }
        }
        Ok(records)
    }

    fn record(
        &mut self,
        id: GameId,
        game: u64,
        start: Arc<Start>,
    ) -> Result<GameRecord, WorldError> {
        let outcome = Outcome::of(&self.world.position(id)?, &start.teams);
        self.ticks += u64::from(outcome.ticks);
        let orders = self.world.take_recording(id)?;
        let policies = self.spec.policies_of(game, start.players());
        Ok(GameRecord {
            seed: self.spec.seed,
            game,
            episode: 0,
            ruleset: self.spec.ruleset.clone(),
            has_fog: self.spec.has_fog,
            max_ticks: self.spec.max_ticks,
            policies: policies.into_iter().map(|policy| policy.name().to_owned()).collect(),
            start,
            moves: Arc::new(ScriptMoves { orders, departures: Vec::new() }),
            outcome,
        })
    }
}
