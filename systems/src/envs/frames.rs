//! Memory of frames, used again once nobody looks at it.

use std::sync::Arc;

use super::Frame;
use crate::rows::RowFormat;

/// Frames that may be free. Whoever holds a frame keeps it as it is.
#[derive(Debug)]
pub(super) struct Frames {
    format: RowFormat,
    envs: usize,
    agents: usize,
    given: Vec<Arc<Frame>>,
}

/// Frames to remember at most: one more than a learner holds that works on one while the next is
/// made. Others are freed by whoever drops them last.
const REMEMBERED: usize = 3;

impl Frames {
    pub(super) fn new(format: RowFormat, envs: usize, agents: usize) -> Self {
        Self { format, envs, agents, given: Vec::new() }
    }

    /// A frame to be written, with the rows of an earlier step in it or with zeros.
    pub(super) fn take(&mut self) -> Frame {
        let free = self.given.iter().position(|frame| Arc::strong_count(frame) == 1);
        free.map(|i| self.given.swap_remove(i))
            .and_then(|frame| Arc::try_unwrap(frame).ok())
            .unwrap_or_else(|| Frame::zeroed(self.format, self.envs, self.agents))
    }

    /// Gives back a frame that others may hold.
    pub(super) fn give(&mut self, frame: Arc<Frame>) {
        if frame.envs() != self.envs {
            return; // Stood in for one that was taken apart.
        }
        if self.given.len() >= REMEMBERED {
            // The oldest that is still held: its holder will free it.
            let held = self.given.iter().position(|frame| Arc::strong_count(frame) > 1);
            self.given.swap_remove(held.unwrap_or(0));
        }
        self.given.push(frame);
    }
}
