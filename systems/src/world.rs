//! The one world of all games: creating, stepping, reading, removing.

mod class;
mod error;
mod live;
mod position;
mod rulesets;
mod seats;
pub(crate) mod slotted;
mod spec;
mod threads;
mod widening;

use std::sync::{Arc, atomic::AtomicBool, atomic::Ordering};

use bevy_ecs::{entity::Entity, prelude::World as Ecs, schedule::Schedule};

pub use self::{
    class::Class,
    error::WorldError,
    live::{ActionMask, OrderFault, Scoreboard},
    position::Position,
    spec::GameSpec,
};
use self::{class::with_class, rulesets::Rulesets, threads::Threads};
use crate::{
    bundle::{Bundle, blank, borrow, setup},
    components::{Cell, Recording, Setup, State},
    delta::Watch,
    isa::Isa,
    queue::Queues,
    replay::{Script, ScriptedOrder},
    reset::{self, Renewal},
    reward::Reward,
    rows::{RowFormat, SharedSink},
    rules::{
        ruleset::MoveOrder,
        shape::{MAX_SIDE, Shape},
    },
    schedule::{self, Phase},
    slots::Slots,
    start::Start,
    visit::{Due, Ended, Live, Outbox, Outgrown, Rulebook, Runner, Shapes},
};

/// The stable id of a game. It is never given to another game.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GameId(Entity);

/// How a world runs.
#[derive(Clone, Copy, Debug)]
pub struct WorldConfig {
    /// Threads that share the work, at least 1. They do not change a byte of any result.
    pub threads: usize,
    /// How the phases traverse the games.
    pub order: schedule::Order,
    /// Instructions to use.
    pub isa: Isa,
}

impl Default for WorldConfig {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { threads, order: schedule::Order::Fused, isa: Isa::detect() }
    }
}

/// All games, in one Bevy world, and the schedule that steps them.
pub struct World {
    ecs: Ecs,
    schedule: Schedule,
    /// Schedules of single phases, made when they are asked for.
    phases: [Option<Schedule>; 6],
    threads: Threads,
    rulesets: Rulesets,
    games: usize,
}

/// Fewer games than this are stepped on the calling thread: waking others costs more.
const PARALLEL_FROM: usize = 300;

impl World {
    /// A world without games.
    ///
    /// # Errors
    ///
    /// [`WorldError::Threads`] if the threads cannot be started.
    pub fn new(config: WorldConfig) -> Result<Self, WorldError> {
        let threads = Threads::new(config.threads)?;
        let mut ecs = Ecs::new();
        ecs.insert_resource(Shapes::<8>::default());
        ecs.insert_resource(Shapes::<16>::default());
        ecs.insert_resource(Rulebook::default());
        ecs.insert_resource(Renewal::default());
        ecs.insert_resource(Due::default());
        ecs.insert_resource(Ended::default());
        ecs.insert_resource(Outgrown(AtomicBool::new(false)));
        ecs.insert_resource(Slots::default());
        ecs.insert_resource(Runner { isa: config.isa, parallel: false, only_due: false, ahead: 1 });
        let format = RowFormat { height: 1, width: 1, has_builds: false, has_owners: false };
        ecs.insert_resource(Outbox { sink: None, format, reward: Reward::SPARSE, is_sparse: true });
        let schedule = schedule::schedule(config.order);
        Ok(Self {
            ecs,
            schedule,
            phases: std::array::from_fn(|_| None),
            threads,
            rulesets: Rulesets::default(),
            games: 0,
        })
    }

    /// Where rows go from now on, their form, and what they reward. All boards must fit the form.
    pub fn collect_rows(&mut self, sink: SharedSink, format: RowFormat, reward: Reward) {
        self.ecs.insert_resource(Outbox {
            sink: Some(sink),
            format,
            reward,
            is_sparse: reward.is_sparse(),
        });
    }

    /// What ended batch games do from now on.
    pub fn renew(&mut self, renewal: Renewal) {
        self.ecs.insert_resource(renewal);
    }

    /// Number of games.
    pub fn len(&self) -> usize {
        self.games
    }

    /// Whether there is no game.
    pub fn is_empty(&self) -> bool {
        self.games == 0
    }

    /// Creates a game. Its first step shows the start position; moves begin with the second.
    ///
    /// # Errors
    ///
    /// What no game can have: see [`Start::check`] and [`WorldError`].
    pub fn create(&mut self, spec: &GameSpec<'_>) -> Result<GameId, WorldError> {
        self.create_as(spec, Class::of(spec.start))
    }

    /// Creates a game in a class that holds its start.
    pub(crate) fn create_as(
        &mut self,
        spec: &GameSpec<'_>,
        class: Class,
    ) -> Result<GameId, WorldError> {
        self.check(spec)?;
        let id = with_class!(class, |K, P, A| {
            let bundle = self.bundle::<K, P, A>(spec);
            let entity = self.ecs.spawn((bundle, class)).id();
            let mut entity = self.ecs.entity_mut(entity);
            if let Some(script) = &spec.script {
                let script = Script::<P>::new(script.clone());
                entity.insert(script.with_block(spec.block));
            }
            if spec.is_live {
                entity.insert(Live);
            }
            if spec.is_recorded {
                entity.insert(Recording(vec![Vec::new(); spec.start.players()]));
            }
            if spec.has_queues {
                entity.insert(Queues::new(spec.start.players(), spec.policies));
            }
            entity.get_mut::<Setup<P>>().expect("just inserted").id = entity.id().to_bits();
            entity.id()
        });
        self.games += 1;
        if !spec.has_queues {
            self.announce_if_ended(GameId(id))?;
        }
        Ok(GameId(id))
    }

    fn check(&self, spec: &GameSpec<'_>) -> Result<(), WorldError> {
        let start = spec.start;
        start.check()?;
        let ruleset = self.rulesets.get(spec.rules).ok_or(WorldError::Ruleset(spec.rules))?;
        if ruleset.moves.order == MoveOrder::ChaseFirst && start.players() != 2 {
            return Err(WorldError::TwoPlayers { rules: spec.rules, players: start.players() });
        }
        let outbox = self.ecs.resource::<Outbox>();
        let RowFormat { height, width, .. } = outbox.format;
        if spec.has_rows && outbox.sink.is_some() && (start.height > height || start.width > width)
        {
            return Err(WorldError::RowFormat {
                height: start.height,
                width: start.width,
                rows_height: height,
                rows_width: width,
            });
        }
        Ok(())
    }

    fn bundle<const K: usize, const P: usize, A: Cell>(
        &mut self,
        spec: &GameSpec<'_>,
    ) -> Bundle<K, P, A> {
        let shape = self.shape::<K>(spec.start);
        let mut bundle = blank(setup(spec, shape));
        let shapes = self.ecs.resource::<Shapes<K>>();
        reset::lay_out(&mut borrow(&mut bundle), &shapes.0[usize::from(shape)], spec.start);
        if !spec.has_rows {
            // Nobody has to be shown the start, nor anything else.
            (bundle.1.active, bundle.1.is_first) = (0, false);
        }
        bundle
    }

    /// The number of the shape of the start's board, added if it is new.
    #[expect(clippy::cast_possible_truncation, reason = "there are at most 1024 shapes")]
    fn shape<const K: usize>(&mut self, start: &Start) -> u16 {
        debug_assert!(
            usize::from(start.width) <= MAX_SIDE && usize::from(start.height) <= MAX_SIDE
        );
        let mut shapes = self.ecs.resource_mut::<Shapes<K>>();
        let known = |s: &Shape<K>| (s.width, s.height) == (start.width, start.height);
        let number = shapes.0.iter().position(known).unwrap_or_else(|| {
            shapes.0.push(Shape::new(start.width, start.height));
            shapes.0.len() - 1
        });
        number as u16
    }

    fn class(&self, id: GameId) -> Result<Class, WorldError> {
        self.ecs.get::<Class>(id.0).copied().ok_or(WorldError::Unknown(id))
    }

    /// Removes a game.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unknown`] if it does not exist.
    pub fn remove(&mut self, id: GameId) -> Result<(), WorldError> {
        self.class(id)?;
        self.ecs.despawn(id.0);
        self.games -= 1;
        let mut ended = self.ecs.resource_mut::<Ended>();
        let ended = ended.0.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        ended.retain(|&bits| bits != id.0.to_bits());
        Ok(())
    }

    /// Begins another game in the place of one: same id and, for speed, same table.
    ///
    /// Nobody watches it any more: a new board has to be asked for with [`World::watch`].
    ///
    /// # Errors
    ///
    /// As [`World::create`], and [`WorldError::OtherSize`] where the table would have to change.
    pub fn reset(&mut self, id: GameId, spec: &GameSpec<'_>) -> Result<(), WorldError> {
        let (class, wanted) = (self.class(id)?, Class::of(spec.start));
        let fits = class == wanted || class == Class::WIDE;
        if !fits {
            return Err(WorldError::OtherSize(id));
        }
        self.reset_as(id, class, spec)
    }

    /// Begins another game in the place of one whose class holds its start.
    pub(crate) fn reset_as(
        &mut self,
        id: GameId,
        class: Class,
        spec: &GameSpec<'_>,
    ) -> Result<(), WorldError> {
        self.check(spec)?;
        with_class!(class, |K, P, A| {
            let mut bundle = self.bundle::<K, P, A>(spec);
            bundle.0.id = id.0.to_bits();
            let mut entity = self.ecs.entity_mut(id.0);
            entity.insert(bundle);
            // A change of table costs a copy of the game, so only what differs is changed.
            if entity.contains::<Watch>() {
                entity.remove::<Watch>();
            }
            match (spec.is_live, entity.contains::<Live>()) {
                (true, false) => {
                    entity.insert(Live);
                }
                (false, true) => {
                    entity.remove::<Live>();
                }
                _ => {}
            }
            let blank = || Recording(vec![Vec::new(); spec.start.players()]);
            match (spec.is_recorded, entity.get_mut::<Recording>()) {
                (true, Some(mut recording)) => *recording = blank(),
                (true, None) => {
                    entity.insert(blank());
                }
                (false, Some(_)) => {
                    entity.remove::<Recording>();
                }
                (false, None) => {}
            }
            match &spec.script {
                Some(script) => {
                    let script = Script::<P>::new(script.clone());
                    entity.insert(script.with_block(spec.block));
                }
                None => {
                    entity.remove::<Script<P>>();
                }
            }
            if spec.has_queues {
                entity.insert(Queues::new(spec.start.players(), spec.policies));
            } else if entity.contains::<Queues>() {
                entity.remove::<Queues>();
            }
        });
        self.announce_if_ended(id)
    }

    /// A start with fewer than two living sides is over before its first tick.
    fn announce_if_ended(&mut self, id: GameId) -> Result<(), WorldError> {
        if self.progress(id)?.1 != State::Running {
            let mut ended = self.ecs.resource_mut::<Ended>();
            ended
                .0
                .get_mut()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .push(id.0.to_bits());
        }
        Ok(())
    }

    /// Takes every game that is due through one step: batch games always, live games if they were
    /// listed with [`World::make_due`].
    pub fn step(&mut self) {
        let pool = self.prepare();
        let Self { ecs, schedule, .. } = self;
        match pool {
            Some(pool) => pool.install(|| schedule.run(ecs)),
            None => schedule.run(ecs),
        }
        self.finish();
    }

    /// Takes every game that is due through one step, and replays whose rows have a place of their
    /// own ([`GameSpec::block`]) through up to `steps` of them, one game after the other.
    ///
    /// A replay stops early at its end, and once some game is about to outgrow its class. Its rows
    /// are those of as many single steps; the game and the lines of its block stay in the cache.
    pub fn step_ahead(&mut self, steps: u32) {
        self.ecs.resource_mut::<Runner>().ahead = steps;
        self.step();
        self.ecs.resource_mut::<Runner>().ahead = 1;
    }

    /// Takes the live games that were listed with [`World::make_due`] through one step, and no
    /// batch game.
    pub fn step_due(&mut self) {
        self.ecs.resource_mut::<Runner>().only_due = true;
        // A few games at a time, on the calling thread: waking others would cost more.
        self.prepare();
        self.ecs.resource_mut::<Runner>().parallel = false;
        self.schedule.run(&mut self.ecs);
        self.ecs.resource_mut::<Runner>().only_due = false;
        self.finish();
    }

    /// Runs one phase of a step over every game that is due, for measurements. Six of these, in
    /// the order of [`Phase::ALL`], are a step.
    pub fn step_phase(&mut self, phase: Phase) {
        let pool = self.prepare();
        let Self { ecs, phases, .. } = self;
        let schedule = phases[phase as usize].get_or_insert_with(|| schedule::schedule_of(phase));
        match pool {
            Some(pool) => pool.install(|| schedule.run(ecs)),
            None => schedule.run(ecs),
        }
        if phase == Phase::Experience {
            self.finish();
        }
    }

    /// Decides how many threads share the coming work, and where it must be sent for that.
    fn prepare(&mut self) -> Option<Arc<rayon::ThreadPool>> {
        // A game may have been listed more than once, and advances once.
        let mut due = self.ecs.resource_mut::<Due>();
        due.0.sort_unstable();
        due.0.dedup();
        let sharing = self.threads.sharing().filter(|_| self.games >= PARALLEL_FROM).cloned();
        self.ecs.resource_mut::<Runner>().parallel = sharing.is_some();
        let outside = rayon::current_thread_index().is_none();
        sharing.filter(|_| outside)
    }

    fn finish(&mut self) {
        self.ecs.resource_mut::<Due>().0.clear();
        // A vector environment moves its games itself, since their places are promised.
        if self.slots().is_none()
            && self.ecs.resource_mut::<Outgrown>().0.swap(false, Ordering::Relaxed)
        {
            self.widen();
        }
    }

    /// Whether it has threads besides the calling one.
    pub(crate) fn is_threaded(&self) -> bool {
        self.threads.all().is_some()
    }

    /// Lets so many of its threads fewer share the coming steps, but the calling one at least: who
    /// has something else to do beside them is not held up by a step that waits for a processor.
    ///
    /// # Errors
    ///
    /// [`WorldError::Threads`] if a smaller pool cannot be started; as many as before share them.
    pub fn leave_threads(&mut self, left: usize) -> Result<(), WorldError> {
        self.threads.leave(left)
    }

    /// Runs `work` on a thread of the world's pool, so that the steps it takes need not wake it.
    pub fn on_pool<R: Send>(&mut self, work: impl FnOnce(&mut Self) -> R + Send) -> R {
        match self.threads.all().cloned() {
            Some(pool) => pool.install(|| work(self)),
            None => work(self),
        }
    }

    /// The games that ended since the last call, in an order that does not depend on threads.
    pub fn take_ended(&mut self) -> Vec<GameId> {
        let mut ended = self.ecs.resource_mut::<Ended>();
        let ended =
            std::mem::take(ended.0.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner));
        let mut ids: Vec<GameId> =
            ended.into_iter().map(|bits| GameId(Entity::from_bits(bits))).collect();
        ids.sort_unstable();
        ids
    }

    /// The orders that a recorded game's seats have carried out so far.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unknown`] if it does not exist.
    pub fn recording(&self, id: GameId) -> Result<Vec<Vec<ScriptedOrder>>, WorldError> {
        self.class(id)?;
        let recording = self.ecs.get::<Recording>(id.0);
        Ok(recording.map(|recording| recording.0.clone()).unwrap_or_default())
    }

    /// The orders that a recorded game's seats have carried out so far, which begin anew.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unknown`] if it does not exist.
    pub fn take_recording(&mut self, id: GameId) -> Result<Vec<Vec<ScriptedOrder>>, WorldError> {
        self.class(id)?;
        let recording = self.ecs.get_mut::<Recording>(id.0);
        Ok(recording.map(|mut r| r.0.iter_mut().map(std::mem::take).collect()).unwrap_or_default())
    }
}
