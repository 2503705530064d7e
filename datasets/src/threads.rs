//! Threads that share the work of this crate.

use systems::world::WorldError;

/// A pool of so many threads.
///
/// # Errors
///
/// [`WorldError::Threads`] if they cannot be started.
pub(crate) fn pool(threads: usize) -> Result<rayon::ThreadPool, WorldError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| WorldError::Threads { threads, reason: error.to_string() })
}
