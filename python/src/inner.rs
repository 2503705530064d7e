//! The environments and what is made of their rows: everything that needs no interpreter.

use std::sync::Arc;

use datasets::layouts::{Layout, Memory, Observations};
use rayon::{
    iter::{IndexedParallelIterator, ParallelIterator},
    slice::ParallelSliceMut,
};
use systems::{
    envs::{Frame, Snapshot, VectorEnv},
    rows::flag,
    streaming,
};

use crate::{array::PyFrame, error::Fault};

/// A vector of environments, and the dense observations of its rows if a layout is wanted.
pub(crate) struct Inner {
    pub(crate) envs: VectorEnv,
    dense: Option<Dense>,
}

/// Dense observations of the present rows, and what each agent remembers.
struct Dense {
    layout: Layout,
    /// One for each row.
    memories: Vec<Memory>,
    rows: Arc<Vec<f32>>,
    finals: Option<Arc<Vec<f32>>>,
    /// Memory of earlier rows, used again once nobody looks at it.
    given: Vec<Arc<Vec<f32>>>,
}

/// Some environments at one moment.
pub(crate) struct Moment {
    snapshot: Snapshot,
    /// What their agents remember, and their dense rows.
    memories: Vec<Memory>,
    rows: Vec<f32>,
}

/// Buffers of dense rows to remember at most, as for frames.
const REMEMBERED: usize = 3;

impl Inner {
    pub(crate) fn new(mut envs: VectorEnv, layout: Option<Layout>) -> Self {
        let dense = layout.map(|layout| {
            let frame = envs.frame();
            let mut dense = Dense {
                layout,
                memories: vec![Memory::default(); frame.rows()],
                rows: Arc::default(),
                finals: None,
                given: Vec::new(),
            };
            dense.lay_out(&mut envs);
            dense
        });
        Self { envs, dense }
    }

    /// The rows as they are now.
    pub(crate) fn frame(&self) -> PyFrame {
        let dense = self.dense.as_ref().map(|dense| (dense.rows.clone(), dense.channels()));
        PyFrame { rows: self.envs.frame().clone(), dense }
    }

    /// Environments that ended in the last step, and their last rows.
    pub(crate) fn finals(&self) -> Option<(Vec<usize>, PyFrame)> {
        let finals = self.envs.finals()?;
        let dense = self.dense.as_ref();
        let dense = dense.and_then(|dense| Some((dense.finals.clone()?, dense.channels())));
        Some((finals.envs.clone(), PyFrame { rows: finals.frame.clone(), dense }))
    }

    /// Plays one tick; see [`VectorEnv::step`].
    pub(crate) fn step(&mut self, actions: &[i32]) -> Result<(), Fault> {
        self.envs.step(actions).map_err(Fault::argument)?;
        self.lay_out();
        Ok(())
    }

    /// Lays the present rows out.
    pub(crate) fn lay_out(&mut self) {
        if let Some(dense) = &mut self.dense {
            dense.lay_out(&mut self.envs);
        }
    }

    pub(crate) fn moment(&self, envs: &[usize]) -> Result<Moment, Fault> {
        let snapshot = self.envs.snapshot(envs).map_err(Fault::argument)?;
        let mut moment = Moment { snapshot, memories: Vec::new(), rows: Vec::new() };
        if let Some(dense) = &self.dense {
            let agents = self.envs.seats().len();
            let len = dense.row_len(self.envs.frame());
            for &env in envs {
                let rows = env * agents..(env + 1) * agents;
                moment.memories.extend_from_slice(&dense.memories[rows.clone()]);
                moment.rows.extend_from_slice(&dense.rows[rows.start * len..rows.end * len]);
            }
        }
        Ok(moment)
    }

    pub(crate) fn restore(&mut self, moment: &Moment, envs: &[usize]) -> Result<(), Fault> {
        let agents = self.envs.seats().len();
        let wanted = self.dense.as_ref().map_or(0, |_| envs.len() * agents);
        if moment.memories.len() != wanted && moment.snapshot.len() == envs.len() {
            let reason = "the snapshot is of environments with another layout";
            return Err(Fault::argument(reason));
        }
        self.envs.restore(&moment.snapshot, envs).map_err(Fault::argument)?;
        if let Some(dense) = &mut self.dense {
            let len = dense.row_len(self.envs.frame());
            let mut rows = (*dense.rows).clone();
            for (i, &env) in envs.iter().enumerate() {
                let (to, from) = (env * agents, i * agents);
                dense.memories[to..to + agents]
                    .clone_from_slice(&moment.memories[from..from + agents]);
                rows[to * len..(to + agents) * len]
                    .copy_from_slice(&moment.rows[from * len..(from + agents) * len]);
            }
            dense.publish(rows);
        }
        Ok(())
    }
}

impl Dense {
    fn channels(&self) -> usize {
        self.layout.channels().len()
    }

    fn row_len(&self, frame: &Frame) -> usize {
        self.layout.row_len(&frame.format())
    }

    /// Lays the rows of the last step out, those of ended episodes first.
    fn lay_out(&mut self, envs: &mut VectorEnv) {
        let (frame, seats) = (envs.frame().clone(), envs.seats().to_vec());
        let layout = self.layout;
        self.finals = envs.finals().map(|finals| {
            let agents = seats.len();
            let rows = finals.envs.iter().flat_map(|env| env * agents..(env + 1) * agents);
            let mut memories: Vec<Memory> = rows.map(|row| self.memories[row].clone()).collect();
            let mut out = vec![0.0; finals.frame.rows() * layout.row_len(&finals.frame.format())];
            write(layout, &finals.frame, &seats, &mut memories, &mut out);
            Arc::new(out)
        });
        let mut out = self.take(frame.rows() * self.row_len(&frame));
        let memories = &mut self.memories;
        envs.on_pool(|| write(layout, &frame, &seats, memories, &mut out));
        self.publish(out);
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

/// Rows that one thread lays out at a time.
const ROWS: usize = 32;

/// Numbers of a buffer, 32 MiB, that no cache is taken to hold until it is read.
const STREAMED_FROM: usize = 8 << 20;

/// Lays rows out in parallel, and notes in the memories what they show.
fn write(layout: Layout, frame: &Frame, seats: &[u8], memories: &mut [Memory], out: &mut [f32]) {
    let rows = Observations::of_frame(frame, seats);
    let len = layout.row_len(&frame.format());
    let is_streamed = out.len() >= STREAMED_FROM;
    let chunks = out.par_chunks_mut(ROWS * len).zip(memories.par_chunks_mut(ROWS));
    chunks.enumerate().for_each(|(chunk, (out, memories))| {
        let mut made = vec![0.0; if is_streamed { len } else { 0 }];
        let places = out.chunks_exact_mut(len).zip(memories.iter_mut());
        for (row, (out, memory)) in (chunk * ROWS..).zip(places) {
            let is_active = frame.flags()[row] & flag::ACTIVE != 0;
            // An agent that saw nothing new remembers what it did, and shows it again.
            let mut still = (!is_active).then(|| memory.clone());
            let memory = still.as_mut().unwrap_or(memory);
            let row = rows.row(row);
            let written = if is_streamed {
                let written = layout.write(&row, Some(memory), &mut made);
                streaming::copy(&made, out);
                written
            } else {
                layout.write(&row, Some(memory), out)
            };
            debug_assert!(written.is_ok(), "the output has room for its rows");
        }
    });
}
