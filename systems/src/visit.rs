//! Taking every game through the phases: chunk by chunk, in parallel, in a fixed order.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use bevy_ecs::{prelude::*, system::SystemParam};

use crate::{
    act::act,
    columns::{Columns, Components, Row},
    components::{Cell, Game, Recording},
    delta::{Watch, delta},
    experience::experience,
    fog::fog,
    isa::{Isa, Work},
    queue::Queues,
    replay::Script,
    reset::{Renewal, reset},
    reward::Reward,
    row_writer::RowWriter,
    rows::{BATCH_ROWS, RowBatch, RowFormat, SharedSink, USUAL_ROWS},
    rules::{ruleset::Rules, shape::Shape},
    schedule::Phase,
    slots::{Inbox, SlotRange, Slots},
    turn::turn,
};

/// Up to this many games stay in the second-level cache (1 MiB), where asking for them early only
/// costs instructions.
const CACHED_GAMES: usize = 256;

/// Marks a game that advances when it is due, not at every step.
#[derive(Component, Clone, Copy, Debug)]
pub struct Live;

/// Live games that advance in the coming step.
#[derive(Resource, Debug, Default)]
pub struct Due(pub Vec<Entity>);

/// The shapes of all boards with planes of `K` words.
#[derive(Resource, Debug, Default)]
pub struct Shapes<const K: usize>(pub Vec<Shape<K>>);

/// The rules that games are played by.
#[derive(Resource, Debug, Default)]
pub struct Rulebook(pub Vec<Rules>);

/// Where rows go and what they look like.
#[derive(Resource)]
pub struct Outbox {
    /// Takes the rows; none: no rows are written.
    pub sink: Option<SharedSink>,
    /// Their common form.
    pub format: RowFormat,
    /// What they reward.
    pub reward: Reward,
    /// Whether only the end of a game is rewarded, so that no view need be appraised.
    pub is_sparse: bool,
}

/// How the systems run.
#[derive(Resource, Clone, Copy, Debug)]
pub struct Runner {
    /// Instructions.
    pub isa: Isa,
    /// Whether chunks are shared among the threads of the pool the step runs in.
    pub parallel: bool,
    /// Whether batch games wait, so that only live games that are due advance.
    pub only_due: bool,
    /// Steps that a replay whose rows have a block takes at once.
    pub ahead: u32,
}

/// Set when a game may outgrow the cells that store its armies.
#[derive(Resource, Debug, Default)]
pub struct Outgrown(pub AtomicBool);

/// Games that ended since the list was last taken, in no particular order.
#[derive(Resource, Debug, Default)]
pub struct Ended(pub Mutex<Vec<u64>>);

/// Everything outside a game that a phase may read.
#[derive(Clone, Copy)]
pub struct Context<'a, const K: usize> {
    /// Shapes by index.
    pub shapes: &'a [Shape<K>],
    /// Rules by index.
    pub rules: &'a [Rules],
    /// What ended games do.
    pub renewal: &'a Renewal,
    /// Where rows go.
    pub outbox: &'a Outbox,
    /// See [`Outgrown`].
    pub outgrown: &'a AtomicBool,
    /// See [`Ended`].
    pub ended: &'a Mutex<Vec<u64>>,
}

/// One game at work, with all that a phase may need.
pub struct Visit<'c, 'g, const K: usize, const P: usize, A: Cell> {
    /// The game.
    pub game: Game<'g, K, P, A>,
    /// Its recorded moves, if it is replayed.
    pub script: Option<&'g mut Script<P>>,
    /// Its watched views, if it is streamed.
    pub watch: Option<&'g mut Watch>,
    /// The orders carried out so far, if they are recorded.
    pub recording: Option<&'g mut Recording>,
    /// The orders that wait, if its seats have queues.
    pub queues: Option<&'g mut Queues>,
    /// What its seats are told, if it belongs to a vector environment.
    pub(crate) inbox: Option<Inbox<'g>>,
    /// Its shape.
    pub shape: &'c Shape<K>,
    /// Its rules.
    pub rules: &'c Rules,
    /// Everything else.
    pub context: &'c Context<'c, K>,
}

/// The resources that systems read.
#[derive(SystemParam)]
pub struct Tables<'w, const K: usize> {
    shapes: Res<'w, Shapes<K>>,
    rules: Res<'w, Rulebook>,
    renewal: Res<'w, Renewal>,
    outbox: Res<'w, Outbox>,
    outgrown: Res<'w, Outgrown>,
    ended: Res<'w, Ended>,
    runner: Res<'w, Runner>,
    due: Res<'w, Due>,
    slots: ResMut<'w, Slots>,
}

/// Takes all games of one class through some phases: the body of every system.
pub fn over_all_games<const K: usize, const P: usize, A: Cell>(
    phases: Phases,
    batch: &mut Query<Row<K, P, A>, Without<Live>>,
    live: &mut Query<Row<K, P, A>, With<Live>>,
    tables: &mut Tables<K>,
) {
    let context = Context {
        shapes: &tables.shapes.0,
        rules: &tables.rules.0,
        renewal: &tables.renewal,
        outbox: &tables.outbox,
        outgrown: &tables.outgrown.0,
        ended: &tables.ended.0,
    };
    let isa = tables.runner.isa;
    let mut place = class_place::<K, P, A>();
    let tables_of_games = batch.contiguous_iter_mut().expect("components are stored in tables");
    let only_due = tables.runner.only_due;
    let tables_of_games = tables_of_games.filter(move |_| !only_due);
    for mut rows in tables_of_games {
        let columns = Columns::of(&mut rows);
        let chunks = columns.len().div_ceil(games_per_chunk(&tables.outbox, P)) as u64;
        let prefetches = columns.len() > CACHED_GAMES;
        let slots = tables.slots.0.as_mut().and_then(|s| s.slots::<K, P, A>(columns.len()));
        let traversal = Traversal {
            phases,
            context: &context,
            isa,
            parallel: tables.runner.parallel,
            prefetches,
            ahead: tables.runner.ahead,
        };
        traversal.split::<K, P, A>(columns, place, slots);
        place += chunks;
    }
    for &entity in &tables.due.0 {
        let Ok(mut row) = live.get_mut(entity) else { continue };
        // A game without rows has no active seat, from its beginning.
        let has_rows = row.standing.active != 0;
        let mut batch = if has_rows { take_rows(phases, &context, P) } else { None };
        let mut rows = batch.as_mut().map(RowWriter::new);
        visit_one::<K, P, A>(phases, row.game(), &context, Isa::Portable, rows.as_mut(), None);
        give_rows(&context, batch, place);
        place += 1;
    }
}

/// A set of phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases(u8);

impl Phases {
    /// All of them.
    pub const ALL: Self = Self(0b11_1111);

    /// One of them.
    #[must_use]
    pub const fn only(phase: Phase) -> Self {
        Self(1 << phase as u8)
    }

    /// Whether the phase is one of them.
    #[inline(always)]
    pub fn has(self, phase: Phase) -> bool {
        self.0 >> phase as u8 & 1 != 0
    }
}

/// Where the places of a class's batches begin: classes in a fixed order, far apart.
fn class_place<const K: usize, const P: usize, A: Cell>() -> u64 {
    ((K * 64 + P * 2 + usize::from(size_of::<A>() > 2)) as u64) << 40
}

fn games_per_chunk(outbox: &Outbox, seats: usize) -> usize {
    let rows = outbox.sink.as_ref().map_or(USUAL_ROWS, |sink| sink.batch_rows(outbox.format));
    (rows.min(BATCH_ROWS) / seats).max(1)
}

#[derive(Clone, Copy)]
struct Traversal<'a, const K: usize> {
    phases: Phases,
    context: &'a Context<'a, K>,
    isa: Isa,
    parallel: bool,
    /// Whether the games are too many for the cache.
    prefetches: bool,
    /// See [`Runner::ahead`].
    ahead: u32,
}

impl<const K: usize> Traversal<'_, K> {
    /// Halves the games until a chunk is left. Where the cuts are does not depend on threads.
    fn split<const KK: usize, const P: usize, A: Cell>(
        self,
        columns: Columns<'_, K, P, A>,
        place: u64,
        slots: Option<SlotRange<'_>>,
    ) {
        let per_chunk = games_per_chunk(self.context.outbox, P);
        let chunks = columns.len().div_ceil(per_chunk);
        if chunks <= 1 {
            self.chunk::<P, A>(columns, place, slots);
            return;
        }
        let half = chunks / 2;
        let (first, rest) = columns.split_at(half * per_chunk);
        let (first_slots, rest_slots) = slots.map(|slots| slots.split_at(half * per_chunk)).unzip();
        let rest_place = place + half as u64;
        if self.parallel {
            rayon::join(
                || self.split::<KK, P, A>(first, place, first_slots),
                || self.split::<KK, P, A>(rest, rest_place, rest_slots),
            );
        } else {
            self.split::<KK, P, A>(first, place, first_slots);
            self.split::<KK, P, A>(rest, rest_place, rest_slots);
        }
    }

    fn chunk<const P: usize, A: Cell>(
        self,
        columns: Columns<'_, K, P, A>,
        place: u64,
        mut slots: Option<SlotRange<'_>>,
    ) {
        if columns.is_empty() {
            return;
        }
        let mut rows = take_rows(self.phases, self.context, columns.len() * P);
        if let Some(slots) = &mut slots {
            if self.phases.has(Phase::Act) {
                slots.forget_refusals();
            }
            if let Some(rows) = &mut rows {
                slots.prepare(rows);
            }
        }
        if self.ahead > 1 && self.phases == Phases::ALL && slots.is_none() {
            let (context, rows) = (self.context, rows.as_mut());
            self.isa.run(Replays::<K, P, A> { columns, context, rows, steps: self.ahead });
        } else {
            self.isa.run(Chunk::<K, P, A> {
                columns,
                context: self.context,
                rows: rows.as_mut(),
                slots: slots.as_mut(),
                prefetches: self.prefetches,
                phases: self.phases,
            });
        }
        if let (Some(mut slots), Some(rows)) = (slots, &mut rows) {
            slots.store(rows);
        }
        give_rows(self.context, rows, place);
    }
}

fn take_rows<const K: usize>(
    phases: Phases,
    context: &Context<'_, K>,
    rows: usize,
) -> Option<RowBatch> {
    let outbox = context.outbox;
    let sink = outbox.sink.as_ref().filter(|_| phases.has(Phase::Experience))?;
    Some(sink.take(outbox.format, rows))
}

fn give_rows<const K: usize>(context: &Context<'_, K>, rows: Option<RowBatch>, place: u64) {
    if let (Some(rows), Some(sink)) = (rows, context.outbox.sink.as_ref()) {
        sink.give(place, rows);
    }
}

/// A chunk of games on its way through a stage.
struct Chunk<'a, 's, const K: usize, const P: usize, A: Cell> {
    columns: Columns<'a, K, P, A>,
    context: &'a Context<'a, K>,
    rows: Option<&'a mut RowBatch>,
    slots: Option<&'a mut SlotRange<'s>>,
    prefetches: bool,
    phases: Phases,
}

impl<const K: usize, const P: usize, A: Cell> Work for Chunk<'_, '_, K, P, A> {
    #[inline(always)]
    fn run(mut self, isa: Isa) {
        let seats = self.slots.as_ref().map(|slots| slots.seats());
        let mut rows = self.rows.map(|batch| match seats {
            None => RowWriter::new(batch),
            Some(seats) => RowWriter::in_slots(batch, seats),
        });
        for i in 0..self.columns.len() {
            if self.prefetches {
                self.columns.prefetch_after(i);
            }
            let game = self.columns.game(i);
            let inbox = self.slots.as_deref_mut().map(|slots| {
                if let Some(rows) = &mut rows {
                    rows.turn_to_game(i * slots.agents());
                }
                slots.inbox(i)
            });
            visit_one::<K, P, A>(self.phases, game, self.context, isa, rows.as_mut(), inbox);
        }
    }
}

/// A chunk of games of which replays are taken through several steps, one after the other.
struct Replays<'a, const K: usize, const P: usize, A: Cell> {
    columns: Columns<'a, K, P, A>,
    context: &'a Context<'a, K>,
    rows: Option<&'a mut RowBatch>,
    steps: u32,
}

impl<const K: usize, const P: usize, A: Cell> Work for Replays<'_, K, P, A> {
    #[inline(always)]
    fn run(mut self, isa: Isa) {
        let mut rows = self.rows.map(RowWriter::new);
        for i in 0..self.columns.len() {
            let has_block = self.columns.game(i).script.is_some_and(|s| s.block().is_some());
            for _ in 0..if has_block { self.steps } else { 1 } {
                let game = self.columns.game(i);
                visit_one::<K, P, A>(Phases::ALL, game, self.context, isa, rows.as_mut(), None);
                let has_outgrown = self.context.outgrown.load(Ordering::Relaxed);
                if has_outgrown || self.columns.game(i).game.standing.has_ended() {
                    break;
                }
            }
        }
    }
}

#[inline(always)]
pub(crate) fn visit_one<'g, const K: usize, const P: usize, A: Cell>(
    phases: Phases,
    components: Components<'g, K, P, A>,
    context: &Context<'_, K>,
    isa: Isa,
    rows: Option<&mut RowWriter<'_>>,
    inbox: Option<Inbox<'g>>,
) {
    let Components { game, script, watch, recording, queues } = components;
    let shape = &context.shapes[usize::from(game.setup.shape)];
    let rules = &context.rules[usize::from(game.setup.rules)];
    let visit = &mut Visit { game, script, watch, recording, queues, inbox, shape, rules, context };
    if phases.has(Phase::Reset) {
        reset(visit);
    }
    if phases.has(Phase::Act) {
        act(visit, isa);
    }
    if phases.has(Phase::Turn) {
        turn(visit);
    }
    if phases.has(Phase::Fog) {
        fog(visit, isa);
    }
    if phases.has(Phase::Delta) {
        delta(visit);
    }
    if phases.has(Phase::Experience) {
        experience(visit, rows, isa);
    }
}
