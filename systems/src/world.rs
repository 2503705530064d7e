//! The one world of all games: creating, stepping, reading, removing.

use std::sync::{Arc, atomic::AtomicBool, atomic::Ordering};

use bevy_ecs::{
    entity::Entity,
    prelude::{Component, World as Ecs},
    schedule::Schedule,
};
use thiserror::Error;

use crate::{
    bundle::{Bundle, blank, borrow, setup, widened},
    components::{
        Armies, Cell, Game, Ledger, NO_TILE, Order, Orders, Recording, Setup, Standing, State,
        Terrain, Territory, Vision,
    },
    delta::{SeenBoard, ViewDelta, Watch, WatchedSeat},
    isa::Isa,
    policies::Policy,
    replay::{Script, ScriptMoves, ScriptedOrder},
    reset::{self, Renewal},
    reward::Reward,
    rows::{RowFormat, SharedSink},
    rules::{
        digest, ranking,
        ruleset::{MoveOrder, Rules, Ruleset},
        shape::{MAX_SIDE, Shape},
        view::View,
    },
    schedule::{self, Phase},
    start::{Start, StartError},
    visit::{Due, Ended, Live, Outbox, Outgrown, Rulebook, Runner, Shapes},
};

/// The stable id of a game. It is never given to another game.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GameId(Entity);

/// Which table a game is stored in: words of a plane, most seats, and how armies are stored.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    words: u8,
    seats: u8,
    is_wide: bool,
}

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

/// Who a game is and how it is played.
#[derive(Clone, Debug)]
pub struct GameSpec<'a> {
    /// The start position.
    pub start: &'a Start,
    /// Index of the ruleset, from [`World::add_ruleset`].
    pub rules: u8,
    /// Seed of all games it belongs to.
    pub seed: u64,
    /// Its index among them.
    pub game: u64,
    /// Its episode.
    pub episode: u32,
    /// Tick at which it is cut off.
    pub max_ticks: u32,
    /// Who chooses for each seat; seats not listed are [`Policy::External`].
    pub policies: &'a [Policy],
    /// Whether players see only what is near their land.
    pub has_fog: bool,
    /// Recorded moves, for a replay.
    pub script: Option<Arc<ScriptMoves>>,
    /// Whether it advances only when it is due.
    pub is_live: bool,
    /// Whether the orders carried out are kept for its record.
    pub is_recorded: bool,
}

impl<'a> GameSpec<'a> {
    /// A batch game with fog, orders from outside and no tick limit.
    #[must_use]
    pub fn new(start: &'a Start, rules: u8) -> Self {
        Self {
            start,
            rules,
            seed: 0,
            game: 0,
            episode: 0,
            max_ticks: u32::MAX,
            policies: &[],
            has_fog: true,
            script: None,
            is_live: false,
            is_recorded: false,
        }
    }
}

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

/// A game as it stands: the truth, for replays, tools and tests. Never for players.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// Ticks completed.
    pub turn: u32,
    /// How the episode goes on.
    pub state: State,
    /// Owner of each tile: a seat, -1 neutral, -2 mountain.
    pub owners: Vec<i8>,
    /// Units on each tile.
    pub armies: Vec<i32>,
    /// General of each seat.
    pub generals: Vec<Option<u16>>,
    /// City tiles, ascending.
    pub cities: Vec<u16>,
    /// Whether each seat lives.
    pub alive: Vec<bool>,
    /// Tiles of each seat.
    pub land: Vec<u32>,
    /// Units of each seat.
    pub army: Vec<u32>,
    /// The dead in the order of their deaths.
    pub deaths: Vec<usize>,
    /// Generals taken by each seat.
    pub captures: Vec<u8>,
    /// Seats from first to last.
    pub ranking: Vec<usize>,
    /// The same with captors first.
    pub ranking_kills_first: Vec<usize>,
    /// What each seat did in the last tick.
    pub orders: Vec<Order>,
    /// Tiles each seat sees.
    pub visible: Vec<Vec<bool>>,
    /// Fingerprint of the position.
    pub digest: u64,
}

impl Position {
    /// The winners: the living of a decided game, with the dead of their side.
    pub fn winners(&self, teams: &[u8]) -> Vec<usize> {
        if self.state != State::Over {
            return Vec::new();
        }
        let side: Vec<u8> =
            (0..teams.len()).filter(|&seat| self.alive[seat]).map(|seat| teams[seat]).collect();
        (0..teams.len()).filter(|&seat| side.contains(&teams[seat])).collect()
    }
}

/// All games, in one Bevy world, and the schedule that steps them.
pub struct World {
    ecs: Ecs,
    schedule: Schedule,
    /// Schedules of single phases, made when they are asked for.
    phases: [Option<Schedule>; 6],
    pool: Option<Arc<rayon::ThreadPool>>,
    rulesets: Vec<Ruleset>,
    games: usize,
}

/// Fewer games than this are stepped on the calling thread: waking others costs more.
const PARALLEL_FROM: usize = 300;

/// Runs `$body` with the class's constants bound.
macro_rules! with_class {
    ($class:expr, |$k:ident, $p:ident, $a:ident| $body:expr) => {{
        match ($class.words, $class.seats, $class.is_wide) {
            (8, 2, false) => with_class!(@bind 8, 2, u16, $k, $p, $a, $body),
            (8, 8, false) => with_class!(@bind 8, 8, u16, $k, $p, $a, $body),
            (16, 2, false) => with_class!(@bind 16, 2, u16, $k, $p, $a, $body),
            (16, 8, false) => with_class!(@bind 16, 8, u16, $k, $p, $a, $body),
            (16, 16, false) => with_class!(@bind 16, 16, u16, $k, $p, $a, $body),
            _ => with_class!(@bind 16, 16, i32, $k, $p, $a, $body),
        }
    }};
    (@bind $kv:literal, $pv:literal, $at:ty, $k:ident, $p:ident, $a:ident, $body:expr) => {{
        const $k: usize = $kv;
        const $p: usize = $pv;
        type $a = $at;
        $body
    }};
}

impl Class {
    /// The smallest class a start fits.
    fn of(start: &Start) -> Self {
        let units = start.cities.iter().chain(&start.neutrals).map(|c| i64::from(c.1));
        let is_wide =
            units.clone().any(|army| army < 0) || units.sum::<i64>() > i64::from(u16::TOTAL) / 2;
        if is_wide {
            return Self::WIDE;
        }
        // Six classes in all: each more costs compile time and cache for code, each less memory.
        let (words, seats) = match (start.tiles(), start.players()) {
            (..=512, ..=2) => (8, 2),
            (..=512, ..=8) => (8, 8),
            (_, ..=2) => (16, 2),
            (_, ..=8) => (16, 8),
            _ => (16, 16),
        };
        Self { words, seats, is_wide }
    }

    /// Holds any game, exactly.
    const WIDE: Self = Self { words: 16, seats: 16, is_wide: true };
}

impl World {
    /// A world without games.
    ///
    /// # Errors
    ///
    /// [`WorldError::Threads`] if the threads cannot be started.
    pub fn new(config: WorldConfig) -> Result<Self, WorldError> {
        let pool = (config.threads > 1)
            .then(|| rayon::ThreadPoolBuilder::new().num_threads(config.threads).build())
            .transpose()
            .map(|pool| pool.map(Arc::new))
            .map_err(|e| WorldError::Threads { threads: config.threads, reason: e.to_string() })?;
        let mut ecs = Ecs::new();
        ecs.insert_resource(Shapes::<8>::default());
        ecs.insert_resource(Shapes::<16>::default());
        ecs.insert_resource(Rulebook::default());
        ecs.insert_resource(Renewal::default());
        ecs.insert_resource(Due::default());
        ecs.insert_resource(Ended::default());
        ecs.insert_resource(Outgrown(AtomicBool::new(false)));
        ecs.insert_resource(Runner { isa: config.isa, parallel: false });
        let format = RowFormat { height: 1, width: 1, has_builds: false, has_owners: false };
        ecs.insert_resource(Outbox { sink: None, format, reward: Reward::SPARSE, is_sparse: true });
        let schedule = schedule::schedule(config.order);
        Ok(Self {
            ecs,
            schedule,
            phases: std::array::from_fn(|_| None),
            pool,
            rulesets: Vec::new(),
            games: 0,
        })
    }

    /// Adds a ruleset that games may be played by, and returns its number.
    ///
    /// # Errors
    ///
    /// [`WorldError::RulesetsFull`] after 255.
    pub fn add_ruleset(&mut self, ruleset: &Ruleset) -> Result<u8, WorldError> {
        if let Some(number) = self.rulesets.iter().position(|known| known == ruleset) {
            return u8::try_from(number).map_err(|_full| WorldError::RulesetsFull);
        }
        let number = u8::try_from(self.rulesets.len()).map_err(|_full| WorldError::RulesetsFull)?;
        self.rulesets.push(ruleset.clone());
        self.ecs.resource_mut::<Rulebook>().0.push(Rules::from(ruleset));
        Ok(number)
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
        self.check(spec)?;
        let class = Class::of(spec.start);
        let id = with_class!(class, |K, P, A| {
            let bundle = self.bundle::<K, P, A>(spec);
            let entity = self.ecs.spawn((bundle, class)).id();
            let mut entity = self.ecs.entity_mut(entity);
            if let Some(script) = &spec.script {
                entity.insert(Script::<P>::new(script.clone()));
            }
            if spec.is_live {
                entity.insert(Live);
            }
            if spec.is_recorded {
                entity.insert(Recording(vec![Vec::new(); spec.start.players()]));
            }
            entity.get_mut::<Setup<P>>().expect("just inserted").id = entity.id().to_bits();
            entity.id()
        });
        self.games += 1;
        self.announce_if_ended(GameId(id))?;
        Ok(GameId(id))
    }

    fn check(&self, spec: &GameSpec<'_>) -> Result<(), WorldError> {
        let start = spec.start;
        start.check()?;
        let ruleset =
            self.rulesets.get(usize::from(spec.rules)).ok_or(WorldError::Ruleset(spec.rules))?;
        if ruleset.moves.order == MoveOrder::ChaseFirst && start.players() != 2 {
            return Err(WorldError::TwoPlayers { rules: spec.rules, players: start.players() });
        }
        let outbox = self.ecs.resource::<Outbox>();
        let RowFormat { height, width, .. } = outbox.format;
        if outbox.sink.is_some() && (start.height > height || start.width > width) {
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
        self.check(spec)?;
        let (class, wanted) = (self.class(id)?, Class::of(spec.start));
        let fits = class == wanted || class == Class::WIDE;
        if !fits {
            return Err(WorldError::OtherSize(id));
        }
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
                    entity.insert(Script::<P>::new(script.clone()));
                }
                None => {
                    entity.remove::<Script<P>>();
                }
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
        let parallel = self.pool.is_some() && self.games >= PARALLEL_FROM;
        self.ecs.resource_mut::<Runner>().parallel = parallel;
        let outside = rayon::current_thread_index().is_none();
        self.pool.clone().filter(|_| parallel && outside)
    }

    fn finish(&mut self) {
        self.ecs.resource_mut::<Due>().0.clear();
        if self.ecs.resource_mut::<Outgrown>().0.swap(false, Ordering::Relaxed) {
            self.widen();
        }
    }

    /// Runs `work` on a thread of the world's pool, so that the steps it takes need not wake it.
    pub fn on_pool<R: Send>(&mut self, work: impl FnOnce(&mut Self) -> R + Send) -> R {
        match self.pool.clone() {
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

    /// Moves the games whose armies may outgrow 16 bits to the class that stores 32.
    #[cold]
    fn widen(&mut self) {
        let entities: Vec<(Entity, Class)> =
            self.ecs.query::<(Entity, &Class)>().iter(&self.ecs).map(|(e, c)| (e, *c)).collect();
        for (entity, class) in entities.into_iter().filter(|(_, class)| !class.is_wide) {
            with_class!(class, |K, P, A| self.widen_one::<K, P, A>(entity));
        }
    }

    fn widen_one<const K: usize, const P: usize, A: Cell>(&mut self, entity: Entity) {
        let bundle = self.bundle_of::<K, P, A>(entity);
        let total =
            bundle.1.army.iter().fold(bundle.1.neutral, |sum, &army| sum.saturating_add(army));
        if total <= A::TOTAL {
            return;
        }
        let shape = self.ecs.resource::<Shapes<K>>().0[usize::from(bundle.0.shape)].clone();
        let sized = Start { width: shape.width, height: shape.height, ..Start::default() };
        let wide_shape = self.shape::<16>(&sized);
        let wide = widened(&bundle, wide_shape);
        let script = self.ecs.get::<Script<P>>(entity).map(Script::widened::<16>);
        let mut entity = self.ecs.entity_mut(entity);
        entity.remove::<(Bundle<K, P, A>, Script<P>)>();
        entity.insert((wide, Class::WIDE));
        if let Some(script) = script {
            entity.insert(script);
        }
    }

    /// Copies of a game's components.
    fn bundle_of<const K: usize, const P: usize, A: Cell>(
        &self,
        entity: Entity,
    ) -> Bundle<K, P, A> {
        let game = self.ecs.entity(entity);
        let (setup, standing, ledger, terrain, territory, armies, vision, orders) = game
            .components::<(
                &Setup<P>,
                &Standing<P>,
                &Ledger<P>,
                &Terrain<K>,
                &Territory<K, P>,
                &Armies<K, A>,
                &Vision<K, P>,
                &Orders<P>,
            )>();
        (*setup, *standing, *ledger, *terrain, *territory, *armies, *vision, *orders)
    }
}

/// A seat of a game and what can be done with it.
impl World {
    fn seat(&self, id: GameId, seat: usize) -> Result<Class, WorldError> {
        let class = self.class(id)?;
        let players = with_class!(class, |_K, P, _A| usize::from(self.setup::<P>(id).players));
        if seat < players { Ok(class) } else { Err(WorldError::Seat { seat, players }) }
    }

    fn setup<const P: usize>(&self, id: GameId) -> &Setup<P> {
        self.ecs.get::<Setup<P>>(id.0).expect("a game has every component of its class")
    }

    /// Tells a seat's order for the next step.
    ///
    /// # Errors
    ///
    /// Unknown games and seats. An illegal order is no error: it becomes a pass.
    pub fn order(&mut self, id: GameId, seat: usize, order: Order) -> Result<(), WorldError> {
        with_class!(self.seat(id, seat)?, |_K, P, _A| {
            self.ecs
                .get_mut::<Orders<P>>(id.0)
                .expect("a game has every component of its class")
                .0[seat] = order;
        });
        Ok(())
    }

    /// Lets a seat surrender at the start of the next tick.
    ///
    /// # Errors
    ///
    /// Unknown games and seats.
    pub fn surrender(&mut self, id: GameId, seat: usize) -> Result<(), WorldError> {
        with_class!(self.seat(id, seat)?, |K, P, A| {
            let mut bundle = self.bundle_of::<K, P, A>(id.0);
            borrow(&mut bundle).announce_surrender(seat);
            self.ecs.entity_mut(id.0).insert(bundle);
        });
        Ok(())
    }

    /// Lets a live game advance in the next step.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unknown`] if it does not exist.
    pub fn make_due(&mut self, id: GameId) -> Result<(), WorldError> {
        self.class(id)?;
        self.ecs.resource_mut::<Due>().0.push(id.0);
        Ok(())
    }

    /// Lists the changes of a seat's view from now on, and returns the view as it is.
    ///
    /// # Errors
    ///
    /// Unknown games and seats.
    pub fn watch(&mut self, id: GameId, seat: usize) -> Result<SeenBoard, WorldError> {
        self.seat(id, seat)?;
        let board = self.seen(id, seat)?;
        let mut entity = self.ecs.entity_mut(id.0);
        let mut watch = entity.take::<Watch>().unwrap_or_default();
        let delta = ViewDelta { turn: board.turn, tiles: Vec::new() };
        watch.seats.retain(|w| usize::from(w.seat) != seat);
        #[expect(clippy::cast_possible_truncation, reason = "a seat is below 16")]
        watch.seats.push(WatchedSeat { seat: seat as u8, board: board.clone(), delta });
        entity.insert(watch);
        Ok(board)
    }

    /// The watched views of a game and their last changes.
    pub fn watched(&self, id: GameId) -> &[WatchedSeat] {
        self.ecs.get::<Watch>(id.0).map_or(&[], |watch| &watch.seats)
    }

    /// What a seat sees.
    ///
    /// # Errors
    ///
    /// Unknown games and seats.
    pub fn seen(&self, id: GameId, seat: usize) -> Result<SeenBoard, WorldError> {
        Ok(with_class!(self.seat(id, seat)?, |K, P, A| {
            let mut bundle = self.bundle_of::<K, P, A>(id.0);
            let shapes = self.ecs.resource::<Shapes<K>>();
            let shape = &shapes.0[usize::from(bundle.0.shape)];
            SeenBoard::of(&View::of(&borrow(&mut bundle), shape, seat))
        }))
    }

    /// The game as it stands.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unknown`] if it does not exist.
    pub fn position(&self, id: GameId) -> Result<Position, WorldError> {
        Ok(with_class!(self.class(id)?, |K, P, A| {
            let mut bundle = self.bundle_of::<K, P, A>(id.0);
            let shapes = self.ecs.resource::<Shapes<K>>();
            let shape = &shapes.0[usize::from(bundle.0.shape)];
            position_of(&borrow(&mut bundle), shape)
        }))
    }

    /// The turn of a game and how it goes on: a glance, without copying it.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unknown`] if it does not exist.
    pub fn progress(&self, id: GameId) -> Result<(u32, State), WorldError> {
        Ok(with_class!(self.class(id)?, |_K, P, _A| {
            let standing =
                self.ecs.get::<Standing<P>>(id.0).expect("a game has every component of its class");
            (standing.turn, standing.state)
        }))
    }

    /// What each seat did in the last tick.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unknown`] if it does not exist.
    pub fn orders(&self, id: GameId) -> Result<&[Order], WorldError> {
        Ok(with_class!(self.class(id)?, |_K, P, _A| {
            let players = usize::from(self.setup::<P>(id).players);
            &self.ecs.get::<Orders<P>>(id.0).expect("a game has every component of its class").0
                [..players]
        }))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a seat is below 16")]
fn position_of<const K: usize, const P: usize, A: Cell>(
    game: &Game<'_, K, P, A>,
    shape: &Shape<K>,
) -> Position {
    let players = usize::from(game.setup.players);
    let owner = |tile| match game.owner(tile) {
        Some(seat) => seat as i8,
        None if game.terrain.passable.has(tile) => -1,
        None => -2,
    };
    let (standing, ledger) = (&*game.standing, &*game.ledger);
    Position {
        width: shape.width,
        height: shape.height,
        turn: standing.turn,
        state: standing.state,
        owners: (0..shape.tiles()).map(owner).collect(),
        armies: (0..shape.tiles()).map(|tile| game.armies.get(tile)).collect(),
        generals: standing.generals[..players]
            .iter()
            .map(|&tile| (tile != NO_TILE).then_some(tile))
            .collect(),
        cities: game.terrain.cities.tiles().collect(),
        alive: (0..players).map(|seat| standing.is_alive(seat)).collect(),
        land: standing.land[..players].iter().map(|&land| u32::from(land)).collect(),
        army: standing.army[..players].to_vec(),
        deaths: ranking::deaths(ledger).collect(),
        captures: ledger.captures[..players].to_vec(),
        ranking: ranking::ranking(players, standing, ledger),
        ranking_kills_first: ranking::ranking_kills_first(players, standing, ledger),
        orders: game.orders.0[..players].to_vec(),
        visible: (0..players)
            .map(|seat| (0..shape.tiles()).map(|tile| game.vision.0[seat].has(tile)).collect())
            .collect(),
        digest: digest::position(game, shape),
    }
}
