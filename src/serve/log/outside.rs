//! Streams of rows that are not those of the ring: they count among all streams, are told of with
//! them, and can be ended.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::info;

use super::Log;
use crate::serve::{ServeError, stats::StreamStats};

/// A stream of a closed dataset.
#[derive(Debug)]
pub(super) struct Outside {
    stats: StreamStats,
    cancelled: watch::Sender<bool>,
}

impl Outside {
    pub(super) fn stats(&self) -> StreamStats {
        self.stats.clone()
    }

    /// Tells whoever sends it to end.
    pub(super) fn cancel(&self) {
        self.cancelled.send_replace(true);
    }
}

/// One such stream's place in the table, which it leaves when dropped.
#[derive(Debug)]
pub struct OutsidePlace {
    log: Arc<Log>,
    id: u64,
    rows: u64,
    cancelled: watch::Receiver<bool>,
}

impl Log {
    /// Opens a stream of a flight of so many rows, from number `next` on.
    ///
    /// # Errors
    ///
    /// [`ServeError::TooManyStreams`].
    pub fn open_outside(
        self: &Arc<Self>,
        flight: &str,
        rows: u64,
        next: u64,
    ) -> Result<OutsidePlace, ServeError> {
        let mut state = self.lock();
        self.check_open(&state)?;
        let id = state.next_reader;
        state.next_reader += 1;
        state.stats.streams_opened += 1;
        let (sender, cancelled) = watch::channel(false);
        let stream = StreamStats {
            id,
            flight: flight.to_owned(),
            next,
            behind: rows.saturating_sub(next),
            slow: "block",
            rows_sent: 0,
            bytes_sent: 0,
            dropped: 0,
        };
        state.outside.insert(id, Outside { stats: stream, cancelled: sender });
        drop(state);
        info!(stream = id, flight, next, "stream opened");
        Ok(OutsidePlace { log: self.clone(), id, rows, cancelled })
    }
}

impl OutsidePlace {
    /// Counts a message, after which the stream goes on with row `next`.
    pub fn sent(&self, rows: u64, bytes: u64, next: u64) {
        if let Some(Outside { stats, .. }) = self.log.lock().outside.get_mut(&self.id) {
            stats.rows_sent += rows;
            stats.bytes_sent += bytes;
            (stats.next, stats.behind) = (next, self.rows.saturating_sub(next));
        }
    }

    /// Whether an administrator ended it.
    pub fn is_cancelled(&self) -> bool {
        *self.cancelled.borrow()
    }
}

impl Drop for OutsidePlace {
    fn drop(&mut self) {
        info!(stream = self.id, "stream ended");
        self.log.lock().outside.remove(&self.id);
    }
}
