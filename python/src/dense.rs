//! Dense observations of rows, and what agents remember from one row to the next.

use std::sync::Arc;

use datasets::layouts::{Layout, Memory, Observations};
use rayon::{
    iter::{IndexedParallelIterator, ParallelIterator},
    slice::ParallelSliceMut,
};
use systems::{
    envs::{Frame, Opening, VectorEnv},
    record::GameRecord,
    reward::Reward,
    rows::{KeptRows, RowFormat, flag},
    streaming,
    world::{World, WorldConfig},
};

use crate::error::Fault;

/// What each agent has seen of a game before the row at which an episode begins in its middle.
pub(crate) type History = Option<Arc<[Memory]>>;

/// Dense observations of the present rows, and what each agent remembers.
pub(crate) struct Dense {
    pub(crate) layout: Layout,
    /// One for each row.
    memories: Vec<Memory>,
    /// One for each environment, of what it plays from its next episode on.
    histories: Vec<History>,
    pub(crate) rows: Arc<Vec<f32>>,
    pub(crate) finals: Option<Arc<Vec<f32>>>,
    /// Memory of earlier rows, used again once nobody looks at it.
    given: Vec<Arc<Vec<f32>>>,
}

/// The dense side of some environments at one moment.
pub(crate) struct DenseMoment {
    pub(crate) layout: Layout,
    memories: Vec<Memory>,
    histories: Vec<History>,
    rows: Vec<f32>,
}

/// Buffers of dense rows to remember at most, as for frames.
const REMEMBERED: usize = 3;

impl Dense {
    pub(crate) fn new(layout: Layout, envs: &mut VectorEnv, histories: Vec<History>) -> Self {
        let mut dense = Self {
            layout,
            memories: vec![Memory::default(); envs.frame().rows()],
            histories,
            rows: Arc::default(),
            finals: None,
            given: Vec::new(),
        };
        dense.lay_out(envs, None);
        dense
    }

    pub(crate) fn channels(&self) -> usize {
        self.layout.channels().len()
    }

    /// What the agents of an environment have seen where its next episodes begin.
    pub(crate) fn set_history(&mut self, env: usize, history: History) {
        self.histories[env] = history;
    }

    /// Lays the rows of a step out, those of ended episodes first; or after a reset those of the
    /// environments that were `chosen`. All others stay as they are.
    pub(crate) fn lay_out(&mut self, envs: &mut VectorEnv, chosen: Option<&[bool]>) {
        let (frame, seats) = (envs.frame().clone(), envs.seats().to_vec());
        let (layout, agents, is_shared) = (self.layout, seats.len(), envs.is_threaded());
        let len = layout.row_len(&frame.format());
        let before = self.rows.clone();
        let finals = envs.finals().map(|finals| (finals.envs.clone(), finals.frame.clone()));
        self.finals = finals.map(|(ended, frame)| {
            let row_of = |row: usize| ended[row / agents] * agents + row % agents;
            let mut memories: Vec<Memory> =
                (0..frame.rows()).map(|row| self.memories[row_of(row)].clone()).collect();
            let mut out = vec![0.0; frame.rows() * len];
            let work = Work {
                layout,
                rows: Observations::of_frame(&frame, &seats),
                source: |row: usize| {
                    if is_new(&frame, row) {
                        Source::Row(None)
                    } else {
                        Source::Before(&before[row_of(row) * len..][..len])
                    }
                },
            };
            envs.on_pool(|| work.write(is_shared, &mut memories, &mut out));
            Arc::new(out)
        });
        let mut out = self.take(frame.rows() * len);
        let histories = &self.histories;
        let work = Work {
            layout,
            rows: Observations::of_frame(&frame, &seats),
            source: |row: usize| {
                let env = row / agents;
                let is_new = chosen.map_or_else(|| is_new(&frame, row), |chosen| chosen[env]);
                // There is nothing before the first rows of all.
                match before.get(row * len..(row + 1) * len) {
                    Some(before) if !is_new => Source::Before(before),
                    _ => Source::Row(histories[env].as_ref().and_then(|all| all.get(row % agents))),
                }
            },
        };
        let memories = &mut self.memories;
        envs.on_pool(|| work.write(is_shared, memories, &mut out));
        self.publish(out);
    }

    pub(crate) fn moment(&self, envs: &[usize], frame: &Frame) -> DenseMoment {
        let (agents, len) = (frame.agents(), self.layout.row_len(&frame.format()));
        let mut moment = DenseMoment {
            layout: self.layout,
            memories: Vec::new(),
            histories: Vec::new(),
            rows: Vec::new(),
        };
        for &env in envs {
            let rows = env * agents..(env + 1) * agents;
            moment.memories.extend_from_slice(&self.memories[rows.clone()]);
            moment.histories.push(self.histories[env].clone());
            moment.rows.extend_from_slice(&self.rows[rows.start * len..rows.end * len]);
        }
        moment
    }

    pub(crate) fn restore(&mut self, moment: &DenseMoment, envs: &[usize], frame: &Frame) {
        let (agents, len) = (frame.agents(), self.layout.row_len(&frame.format()));
        let mut rows = (*self.rows).clone();
        for (i, &env) in envs.iter().enumerate() {
            let (to, from) = (env * agents, i * agents);
            self.memories[to..to + agents].clone_from_slice(&moment.memories[from..from + agents]);
            self.histories[env].clone_from(&moment.histories[i]);
            rows[to * len..(to + agents) * len]
                .copy_from_slice(&moment.rows[from * len..(from + agents) * len]);
        }
        self.finals = None;
        self.publish(rows);
    }

    fn take(&mut self, len: usize) -> Vec<f32> {
        let free = self.given.iter().position(|rows| Arc::strong_count(rows) == 1);
        free.map(|i| self.given.swap_remove(i))
            .and_then(|rows| Arc::try_unwrap(rows).ok())
            .filter(|rows| rows.len() == len)
            .unwrap_or_else(|| vec![0.0; len])
    }

    fn publish(&mut self, rows: Vec<f32>) {
        let before = std::mem::replace(&mut self.rows, Arc::new(rows));
        if self.given.len() >= REMEMBERED {
            let held = self.given.iter().position(|rows| Arc::strong_count(rows) > 1);
            self.given.swap_remove(held.unwrap_or(0));
        }
        self.given.push(before);
    }
}

/// Whether a step wrote a row: that of a seat which the game does not have counts as written.
fn is_new(frame: &Frame, row: usize) -> bool {
    let flags = frame.flags()[row];
    flags == 0 || flags & flag::ACTIVE != 0
}

/// Where the dense form of a row comes from.
enum Source<'a> {
    /// From the row, and in the first one of an episode from what its agent had seen before.
    Row(Option<&'a Memory>),
    /// It is what it was: an agent that saw nothing new remembers what it did.
    Before(&'a [f32]),
}

/// Rows that one thread lays out at a time.
const ROWS: usize = 32;

/// Numbers of a buffer, 32 MiB, that no cache is taken to hold until it is read.
const STREAMED_FROM: usize = 8 << 20;

/// Rows to be laid out.
struct Work<'a, F> {
    layout: Layout,
    rows: Observations<'a>,
    source: F,
}

impl<'s, F: Fn(usize) -> Source<'s> + Sync> Work<'_, F> {
    /// Writes them, shared among the threads of the pool that this is called on or alone: without
    /// one, other threads would be those of rayon's own pool, which nobody asked for and of which a
    /// forked process has none.
    fn write(&self, is_shared: bool, memories: &mut [Memory], out: &mut [f32]) {
        let len = self.layout.row_len(&self.rows.format());
        let is_streamed = out.len() >= STREAMED_FROM;
        let chunk = |(chunk, (out, memories)): (usize, (&mut [f32], &mut [Memory]))| {
            self.write_chunk(chunk * ROWS, is_streamed, memories, out);
        };
        if is_shared {
            let chunks = out.par_chunks_mut(ROWS * len).zip(memories.par_chunks_mut(ROWS));
            chunks.enumerate().for_each(chunk);
        } else {
            let chunks = out.chunks_mut(ROWS * len).zip(memories.chunks_mut(ROWS));
            chunks.enumerate().for_each(chunk);
        }
    }

    fn write_chunk(
        &self,
        first: usize,
        is_streamed: bool,
        memories: &mut [Memory],
        out: &mut [f32],
    ) {
        let len = self.layout.row_len(&self.rows.format());
        let mut made = vec![0.0; if is_streamed { len } else { 0 }];
        let places = out.chunks_exact_mut(len).zip(memories.iter_mut());
        for (number, (out, memory)) in (first..).zip(places) {
            let seen = match (self.source)(number) {
                Source::Row(seen) => seen,
                Source::Before(before) => {
                    out.copy_from_slice(before);
                    continue;
                }
            };
            let mut row = self.rows.row(number);
            if row.is_first
                && row.step > 0
                && let Some(seen) = seen
            {
                memory.clone_from(seen);
                row.is_first = false;
            }
            let written = if is_streamed {
                let written = self.layout.write(&row, Some(memory), &mut made);
                streaming::copy(&made, out);
                written
            } else {
                self.layout.write(&row, Some(memory), out)
            };
            debug_assert!(written.is_ok(), "the output has room for its rows");
        }
    }
}

/// What the agents of environments in which episodes begin as told have seen until then; nothing
/// for a layout that shows nothing of it.
pub(crate) fn history(
    layout: Option<Layout>,
    opening: &Opening,
    format: RowFormat,
    seats: &[u8],
) -> Result<History, Fault> {
    match opening {
        Opening::Replay { game, tick } if layout.is_some_and(Layout::has_memory) && *tick > 0 => {
            Ok(Some(seen_before(game, *tick, format, seats)?))
        }
        _ => Ok(None),
    }
}

fn seen_before(
    game: &GameRecord,
    tick: u32,
    format: RowFormat,
    seats: &[u8],
) -> Result<Arc<[Memory]>, Fault> {
    let mut world = World::new(WorldConfig { threads: 1, ..WorldConfig::default() })
        .map_err(Fault::argument)?;
    let rows = Arc::new(KeptRows::default());
    world.collect_rows(rows.clone(), format, Reward::SPARSE);
    game.replay_in(&mut world).map_err(Fault::argument)?;
    let mut memories = vec![Memory::default(); seats.len()];
    for _ in 0..tick {
        world.step();
        for batch in rows.drain() {
            let seen = Observations::of_rows(&batch);
            for row in (0..seen.len()).map(|row| seen.row(row)) {
                if let Some(agent) = seats.iter().position(|&seat| seat == row.agent_id) {
                    memories[agent].see(&row);
                }
            }
        }
    }
    Ok(memories.into())
}
