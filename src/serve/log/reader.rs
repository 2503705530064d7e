//! Reading the ring, and what went from it to disk.

use std::{ops::Range, sync::Arc};

use datasets::spill::Segment;
use tokio::{sync::watch, time::Instant};
use tracing::info;

use super::{Entry, Log};
use crate::serve::{ServeError, ticket::Slow};

/// What a reader finds.
#[derive(Debug)]
pub enum Found {
    /// Rows of an entry, and how many rows before them were given up unread.
    Rows(Arc<Entry>, Range<usize>, u64),
    /// The next rows are on disk.
    Spilled(Arc<Segment>),
    /// So many rows were given up, and none came after them yet.
    Missed(u64),
    /// No rows yet.
    Nothing,
    /// No more rows, ever.
    End,
}

/// One reader's place in the ring, which it leaves when dropped.
#[derive(Debug)]
pub struct Reader {
    log: Arc<Log>,
    id: u64,
    opened_at: u64,
    grown: watch::Receiver<()>,
    /// Whether all rows were sent that the stream was to carry.
    is_done: bool,
}

impl Reader {
    pub(super) fn new(log: Arc<Log>, id: u64, opened_at: u64, grown: watch::Receiver<()>) -> Self {
        Self { log, id, opened_at, grown, is_done: false }
    }

    /// The name of the run, see [`Log::run`].
    pub fn run(&self) -> &str {
        &self.log.run
    }

    /// The number of rows when it was opened.
    pub fn opened_at(&self) -> u64 {
        self.opened_at
    }

    /// The number of the next row it reads.
    pub fn place(&self) -> u64 {
        self.log.lock().readers.get(&self.id).map_or(0, |place| place.next)
    }

    /// The next rows, `most` of them at most. Rows on disk are told of, and stay unread until
    /// [`Reader::take_spilled`].
    ///
    /// # Errors
    ///
    /// Why the stream has to end.
    pub fn read(&mut self, most: usize) -> Result<Found, ServeError> {
        let state = &mut *self.log.lock();
        let (oldest, end) = (state.oldest(), state.end);
        let Some(place) = state.readers.get_mut(&self.id) else { return Ok(Found::End) };
        if let Some(error) = place.error(self.log.config.patience) {
            return Err(error);
        }
        let next = place.next;
        if place.slow == Slow::Spill && next < oldest {
            let at = state.segments.partition_point(|segment| segment.end <= next);
            if let Some(segment) = state.segments.get(at).filter(|found| found.first < oldest) {
                return Ok(Found::Spilled(segment.clone()));
            }
        }
        let index = state.entries.partition_point(|entry| entry.end() <= next);
        let Some(entry) = state.entries.get(index) else {
            if next < end {
                place.next = end;
                place.dropped += end - next;
                state.stats.dropped += end - next;
                return Ok(Found::Missed(end - next));
            }
            return Ok(if state.is_closed { Found::End } else { Found::Nothing });
        };
        // Numbers without an entry are those of rows that were given up.
        let from = next.max(entry.first);
        let missed = from - next;
        // Rows of one batch are far fewer than a usize can count.
        let first = usize::try_from(from - entry.first).unwrap_or(usize::MAX);
        let range = first..entry.batch.rows.num_rows().min(first.saturating_add(most));
        place.next = from + range.len() as u64;
        state.unread = state.unread.max(place.next);
        state.stats.rows_read += range.len() as u64;
        place.dropped += missed;
        state.stats.dropped += missed;
        let entry = entry.clone();
        self.log.moved.notify_all();
        Ok(Found::Rows(entry, range, missed))
    }

    /// Goes on after rows that were read from disk, and returns how many before `first` were never
    /// spilled.
    pub fn take_spilled(&mut self, first: u64, rows: usize) -> u64 {
        let state = &mut *self.log.lock();
        let Some(place) = state.readers.get_mut(&self.id) else { return 0 };
        let missed = first.saturating_sub(place.next);
        place.next = place.next.max(first + rows as u64);
        state.unread = state.unread.max(place.next);
        place.dropped += missed;
        state.stats.rows_read += rows as u64;
        state.stats.dropped += missed;
        state.spilled.rows_read += rows as u64;
        missed
    }

    /// Goes on after rows that it got in another way.
    pub fn skip_to(&mut self, next: u64) {
        let state = &mut *self.log.lock();
        if let Some(place) = state.readers.get_mut(&self.id) {
            state.stats.rows_read += next.saturating_sub(place.next);
            place.next = place.next.max(next);
            state.unread = state.unread.max(place.next);
        }
        self.log.moved.notify_all();
    }

    /// Counts rows of an earlier run that its client missed.
    pub fn missed(&self, rows: u64) {
        let state = &mut *self.log.lock();
        state.stats.dropped += rows;
        if let Some(place) = state.readers.get_mut(&self.id) {
            place.dropped += rows;
        }
    }

    /// Counts a message that it was sent.
    pub fn sent(&self, rows: u64, bytes: u64) {
        if let Some(place) = self.log.lock().readers.get_mut(&self.id) {
            place.sent.0 += rows;
            place.sent.1 += bytes;
        }
    }

    /// Says which row is the first that the client may not have got.
    pub fn hold(&mut self, first: u64) {
        let state = &mut *self.log.lock();
        if let Some(place) = state.readers.get_mut(&self.id) {
            place.held = place.held.max(first.min(place.next));
        }
        if state.has_released() {
            self.log.spill_due.notify_one();
        }
        // Who waits for the disk to take these rows waits for it no more.
        self.log.moved.notify_all();
    }

    /// Says that all rows were sent that the stream was to carry: nothing is kept for it any more.
    pub fn done(&mut self) {
        self.is_done = true;
    }

    /// Waits until there may be something new.
    pub async fn grown(&mut self) {
        // The sender lives in the log, which this reader holds.
        let _is_alive = self.grown.changed().await;
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        info!(stream = self.id, is_done = self.is_done, "stream ended");
        let state = &mut *self.log.lock();
        match state.readers.get_mut(&self.id) {
            // The client may come back for what it has not got.
            Some(place) if place.spills() && !self.is_done => place.left = Some(Instant::now()),
            _ => drop(state.readers.remove(&self.id)),
        }
        self.log.moved.notify_all();
        self.log.spill_due.notify_one();
    }
}
