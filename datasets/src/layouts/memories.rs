//! The memories of many agents at once.

use std::collections::HashMap;

use super::{Layout, LayoutError, Memory, Observations};

/// What the agents of running episodes remember, by episode and agent.
///
/// Rows may come in any mixture of agents, as long as those of one agent come in the order of their
/// steps: tick by tick over all games, as the engine writes them, or agent by agent, as a dataset has
/// them. An agent's memory goes with its last row.
#[derive(Clone, Debug, Default)]
pub struct Memories {
    running: HashMap<(u64, u8), Memory>,
    free: Vec<Memory>,
}

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
            let free = &mut self.free;
            let memory =
                self.running.entry(agent).or_insert_with(|| free.pop().unwrap_or_default());
            layout.write(&row, Some(memory), out)?;
            if row.is_last {
                self.forget(agent);
            }
        }
        Ok(())
    }

    /// Forgets an agent whose rows end without a last one.
    pub fn forget(&mut self, agent: (u64, u8)) {
        if let Some(mut memory) = self.running.remove(&agent) {
            memory.clear();
            self.free.push(memory);
        }
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
