//! The memories of many agents at once.

use std::collections::HashMap;

use super::{Layout, LayoutError, Memory, Observations};

/// What the agents of running episodes remember, by episode and agent.
///
/// Rows may come in any mixture of agents, as long as those of one agent come in the order of their
/// steps: tick by tick over all games, as the engine writes them, or agent by agent, as a dataset has
/// them. An agent's memory goes with its last row. Games may also end without one, where they are
/// deleted: once many agents are remembered, those go of whom there was no row for long.
#[derive(Clone, Debug, Default)]
pub struct Memories {
    running: HashMap<(u64, u8), Remembered>,
    free: Vec<Memory>,
    /// Rows that were written.
    rows: u64,
    /// Agents that are remembered when it is next looked for idle ones.
    sweep_at: usize,
}

#[derive(Clone, Debug, Default)]
struct Remembered {
    memory: Memory,
    /// The number of the agent's last row.
    last: u64,
}

/// Agents that are remembered however long there was no row of theirs.
const AGENTS: usize = 1 << 12;

/// Rows of others after which an agent beyond these is idle: minutes of a world at full speed.
const IDLE: u64 = 1 << 24;

impl Memories {
    /// Writes all rows, each with what its agent has seen until then.
    ///
    /// Layouts without memory are written too, and leave nothing behind.
    ///
    /// # Errors
    ///
    /// [`LayoutError::Output`] if `out` is not [`Layout::row_len`] times the rows long.
    pub fn write(
        &mut self,
        layout: Layout,
        rows: &Observations<'_>,
        out: &mut [f32],
    ) -> Result<(), LayoutError> {
        if !layout.has_memory() {
            return layout.write_all(rows, out);
        }
        layout.check_output(rows, out)?;
        let places = out.chunks_exact_mut(layout.row_len(&rows.format()));
        for (row, out) in (0..rows.len()).map(|row| rows.row(row)).zip(places) {
            let agent = (row.episode_id, row.agent_id);
            if self.running.len() >= self.sweep_at.max(AGENTS) {
                self.forget_idle(IDLE);
            }
            let (free, last) = (&mut self.free, self.rows);
            self.rows += 1;
            let remembered = self
                .running
                .entry(agent)
                .or_insert_with(|| Remembered { memory: free.pop().unwrap_or_default(), last });
            remembered.last = last;
            layout.write(&row, Some(&mut remembered.memory), out)?;
            if row.is_last {
                self.forget(agent);
            }
        }
        Ok(())
    }

    /// Forgets an agent whose rows end without a last one.
    pub fn forget(&mut self, agent: (u64, u8)) {
        if let Some(Remembered { mut memory, .. }) = self.running.remove(&agent) {
            memory.clear();
            self.free.push(memory);
        }
    }

    /// Forgets agents of whom none of so many last rows was.
    fn forget_idle(&mut self, idle: u64) {
        let rows = self.rows;
        self.running.retain(|_, remembered| rows - remembered.last <= idle);
        // Looked at again when twice as many have come, so that it costs little for each.
        self.sweep_at = 2 * self.running.len();
    }

    /// Agents that are remembered.
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether nobody is remembered.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_whose_games_were_deleted_are_forgotten_in_the_end() {
        let mut memories = Memories { rows: 100, ..Memories::default() };
        for (episode, last) in [(0, 10), (1, 89), (2, 90), (3, 99)] {
            let remembered = Remembered { last, ..Remembered::default() };
            memories.running.insert((episode, 0), remembered);
        }
        memories.forget_idle(10);
        let mut left: Vec<u64> = memories.running.keys().map(|&(episode, _)| episode).collect();
        left.sort_unstable();
        assert_eq!(left, [2, 3]);
        assert_eq!(memories.sweep_at, 4);
    }
}
