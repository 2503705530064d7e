//! The threads that share a step, some of which may be left to others for a while.

use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::WorldError;

/// The threads of a world. How many take part changes no byte of any result.
pub(super) struct Threads {
    count: usize,
    /// All of them; none: the calling thread is the only one.
    all: Option<Arc<ThreadPool>>,
    /// Those that take part while some are left to others, and how many these are. They are kept
    /// when all take part again.
    fewer: Option<Arc<ThreadPool>>,
    fewer_by: usize,
    /// How many are left to others at the moment.
    left: usize,
}

impl Threads {
    /// So many threads.
    ///
    /// # Errors
    ///
    /// [`WorldError::Threads`] if they cannot be started.
    pub(super) fn new(count: usize) -> Result<Self, WorldError> {
        Ok(Self { count, all: pool(count)?, fewer: None, fewer_by: 0, left: 0 })
    }

    /// Lets so many threads fewer take part, but the calling one at least.
    ///
    /// # Errors
    ///
    /// [`WorldError::Threads`] if a smaller pool cannot be started; as many as before take part.
    pub(super) fn leave(&mut self, left: usize) -> Result<(), WorldError> {
        if left != 0 && left != self.fewer_by {
            self.fewer = pool(self.count.saturating_sub(left))?;
            self.fewer_by = left;
        }
        self.left = left;
        Ok(())
    }

    /// The pool that shares a step; none: the calling thread plays it alone.
    pub(super) fn sharing(&self) -> Option<&Arc<ThreadPool>> {
        if self.left == 0 { self.all.as_ref() } else { self.fewer.as_ref() }
    }

    /// The pool of all threads, if there are threads besides the calling one.
    pub(super) fn all(&self) -> Option<&Arc<ThreadPool>> {
        self.all.as_ref()
    }
}

/// A pool of so many threads; none where the calling one is enough.
fn pool(threads: usize) -> Result<Option<Arc<ThreadPool>>, WorldError> {
    if threads <= 1 {
        return Ok(None);
    }
    let built = ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = built.map_err(|e| WorldError::Threads { threads, reason: e.to_string() })?;
    Ok(Some(Arc::new(pool)))
}
