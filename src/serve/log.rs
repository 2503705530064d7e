//! The newest rows of the world, kept for those who read them: a ring of batches.
//!
//! Rows are numbered from 0 in the order in which they left the world, over the server's life. The
//! ring is bounded in bytes. What happens when it is full is up to its readers: the world waits for
//! those that block, and gives up the oldest rows otherwise. While nobody reads, the world fills
//! the ring and waits, so that no row is lost before somebody could have asked for it.

use std::{
    collections::{BTreeMap, VecDeque},
    hash::{BuildHasher, Hasher, RandomState},
    ops::Range,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use datasets::live::LiveBatch;
use tokio::sync::watch;
use tracing::{info, warn};

use super::{
    ServeError,
    stats::{LogStats, StreamStats},
    ticket::Slow,
};

/// A batch and its place in the order of all rows.
#[derive(Debug)]
pub struct Entry {
    /// The number of its first row.
    pub first: u64,
    /// The rows.
    pub batch: LiveBatch,
    /// Bytes of the memory behind its arrays.
    pub bytes: usize,
}

impl Entry {
    /// The number after that of its last row.
    fn end(&self) -> u64 {
        self.first + self.batch.rows.num_rows() as u64
    }
}

/// The ring.
#[derive(Debug)]
pub struct Log {
    /// A name that no other run of a server has.
    run: String,
    state: Mutex<State>,
    /// Told when a reader moved or left.
    moved: Condvar,
    /// Told when rows came, or no more will.
    grown: watch::Sender<()>,
    capacity: usize,
    readers_at_most: usize,
    /// How long the world waits for a reader that does not move.
    patience: Duration,
    /// How many times each row is to be read, all streams together.
    samples_per_insert: Option<f64>,
}

/// What a ring is bounded by.
#[derive(Clone, Copy, Debug)]
pub struct LogConfig {
    /// Bytes that are kept at most, or one batch if that is more.
    pub capacity: usize,
    /// Streams that may be open at a time.
    pub readers_at_most: usize,
    /// How long the world waits for a reader that does not move.
    pub patience: Duration,
    /// How many times each row is to be read, all streams together: the world waits for readers
    /// that are behind. None lets it go on.
    pub samples_per_insert: Option<f64>,
}

/// Rows that the world may be ahead of its readers where they set its pace.
const AHEAD: u64 = 1 << 14;

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    end: u64,
    readers: BTreeMap<u64, Place>,
    next_reader: u64,
    is_closed: bool,
    is_stopping: bool,
    stats: LogStats,
}

/// Where a reader is.
#[derive(Debug)]
struct Place {
    next: u64,
    slow: Slow,
    /// Whether the world lost patience with it.
    is_stuck: bool,
    /// Whether an administrator ended it.
    is_cancelled: bool,
    /// Rows and bytes that it was sent.
    sent: (u64, u64),
}

impl State {
    fn oldest(&self) -> u64 {
        self.entries.front().map_or(self.end, |entry| entry.first)
    }

    /// Whether the oldest entry may go.
    fn may_drop_oldest(&self) -> bool {
        let Some(oldest) = self.entries.front() else { return false };
        let holds = |place: &Place| {
            place.slow == Slow::Block
                && !place.is_stuck
                && !place.is_cancelled
                && place.next < oldest.end()
        };
        !self.readers.is_empty() && !self.readers.values().any(holds)
    }

    /// Gives up on the blocking readers that the oldest entry is kept for.
    fn lose_patience(&mut self) {
        let Some(end) = self.entries.front().map(|entry| entry.end()) else { return };
        let held = |place: &&mut Place| place.slow == Slow::Block && place.next < end;
        for place in self.readers.values_mut().filter(held) {
            place.is_stuck = true;
        }
    }

    /// How far the blocking readers of the oldest entry are.
    fn held_at(&self) -> Vec<(u64, u64)> {
        let Some(end) = self.entries.front().map(|entry| entry.end()) else { return Vec::new() };
        let held = |(_, place): &(&u64, &Place)| place.slow == Slow::Block && place.next < end;
        self.readers.iter().filter(held).map(|(&id, place)| (id, place.next)).collect()
    }
}

/// What a reader finds.
#[derive(Debug)]
pub enum Found {
    /// Rows of an entry, and how many rows before them were given up unread.
    Rows(Arc<Entry>, Range<usize>, u64),
    /// No rows yet.
    Nothing,
    /// No more rows, ever.
    End,
}

impl Log {
    /// A ring within some bounds.
    #[must_use]
    pub fn new(config: LogConfig) -> Arc<Self> {
        let LogConfig { capacity, readers_at_most, patience, samples_per_insert } = config;
        let (state, moved, grown) = (Mutex::default(), Condvar::new(), watch::Sender::new(()));
        let run = run_name();
        Arc::new(Self {
            run,
            state,
            moved,
            grown,
            capacity,
            readers_at_most,
            patience,
            samples_per_insert,
        })
    }

    /// The name of this run, by which a client sees that rows are numbered anew.
    pub fn run(&self) -> &str {
        &self.run
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a batch, when there is room for it.
    pub fn publish(&self, batch: LiveBatch) {
        let bytes = batch.rows.get_array_memory_size();
        let mut state = self.lock();
        let mut waited = false;
        loop {
            let is_full = !state.entries.is_empty() && state.bytes + bytes > self.capacity;
            let is_ahead = self.is_ahead(&state);
            if state.is_stopping || !(is_full || is_ahead) {
                break;
            }
            if !is_ahead && state.may_drop_oldest() {
                drop_oldest(&mut state);
                continue;
            }
            if !waited {
                state.stats.waits += 1;
            }
            waited = true;
            state = self.wait_for_readers(state);
        }
        let first = state.end;
        let entry = Entry { first, batch, bytes };
        state.end = entry.end();
        state.bytes += bytes;
        state.stats.batches += 1;
        state.entries.push_back(Arc::new(entry));
        drop(state);
        self.grown.send_replace(());
    }

    /// Whether readers have read too little for the world to go on at their pace.
    #[expect(clippy::cast_precision_loss, reason = "a ratio of counts needs no last digit")]
    fn is_ahead(&self, state: &State) -> bool {
        let Some(ratio) = self.samples_per_insert else { return false };
        let due = state.end.saturating_sub(AHEAD) as f64 * ratio;
        due > state.stats.rows_read as f64
    }

    /// Waits until a reader moves, comes or leaves.
    fn wait_for_readers<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let held = state.held_at();
        if held.is_empty() {
            // Nobody reads: the world may stand still as long as it takes.
            return self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let (mut state, timeout) = self
            .moved
            .wait_timeout_while(state, self.patience, |state| {
                !state.is_stopping && state.held_at() == held
            })
            .unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            let streams: Vec<u64> = held.iter().map(|&(id, _)| id).collect();
            warn!(?streams, "given up: they took nothing while the world waited");
            state.lose_patience();
            self.grown.send_replace(());
        }
        state
    }

    /// Says that no more rows will come. Readers end after the last row.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.grown.send_replace(());
    }

    /// Lets the world go on without waiting for anybody, and tells it to end.
    pub fn stop(&self) {
        self.lock().is_stopping = true;
        self.moved.notify_all();
    }

    /// Whether no more rows will come.
    pub fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Whether the world is to end.
    pub fn is_stopping(&self) -> bool {
        self.lock().is_stopping
    }

    /// Begins to read, after so many rows, or with the oldest that is kept.
    ///
    /// # Errors
    ///
    /// [`ServeError::TooManyStreams`], and [`ServeError::Malformed`] where `after` is a number of
    /// rows that this server has not reached.
    pub fn open(self: &Arc<Self>, after: Option<u64>, slow: Slow) -> Result<Reader, ServeError> {
        let mut state = self.lock();
        let open = state.readers.len();
        if open >= self.readers_at_most {
            return Err(ServeError::TooManyStreams { open });
        }
        if let Some(after) = after.filter(|&after| after > state.end) {
            let reason = format!(
                "{after} rows have not been made yet, the world is at {}: \
                 it may have begun anew; leave the field out to begin with what is kept",
                state.end
            );
            return Err(super::fields::malformed("after", reason));
        }
        let next = after.unwrap_or_else(|| state.oldest());
        let id = state.next_reader;
        state.next_reader += 1;
        state.stats.streams_opened += 1;
        let (is_stuck, is_cancelled, sent) = (false, false, (0, 0));
        state.readers.insert(id, Place { next, slow, is_stuck, is_cancelled, sent });
        let end = state.end;
        drop(state);
        info!(stream = id, slow = slow.name(), next, "stream opened");
        self.moved.notify_all();
        Ok(Reader { log: self.clone(), id, opened_at: end, grown: self.grown.subscribe() })
    }

    /// Ends a stream; says whether there is one of this number.
    pub fn cancel(&self, id: u64) -> bool {
        let found = self.lock().readers.get_mut(&id).map(|place| place.is_cancelled = true);
        self.moved.notify_all();
        self.grown.send_replace(());
        found.is_some()
    }

    /// How each stream stands.
    pub fn streams(&self) -> Vec<StreamStats> {
        let state = self.lock();
        let of_stream = |(&id, place): (&u64, &Place)| StreamStats {
            id,
            next: place.next,
            behind: state.end - place.next.min(state.end),
            slow: place.slow.name(),
            rows_sent: place.sent.0,
            bytes_sent: place.sent.1,
        };
        state.readers.iter().map(of_stream).collect()
    }

    /// The batches that are kept, oldest first.
    pub fn kept(&self) -> Vec<Arc<Entry>> {
        self.lock().entries.iter().cloned().collect()
    }

    /// How the ring stands.
    pub fn stats(&self) -> LogStats {
        let state = self.lock();
        LogStats {
            rows: state.end,
            oldest: state.oldest(),
            bytes: state.bytes as u64,
            capacity_bytes: self.capacity as u64,
            streams: state.readers.len() as u64,
            is_finished: state.is_closed,
            ..state.stats.clone()
        }
    }
}

fn run_name() -> String {
    // The keys of the standard hash maps are random numbers of the system.
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

fn drop_oldest(state: &mut State) {
    if let Some(entry) = state.entries.pop_front() {
        state.bytes -= entry.bytes;
    }
}

/// One reader's place in the ring, which it leaves when dropped.
#[derive(Debug)]
pub struct Reader {
    log: Arc<Log>,
    id: u64,
    opened_at: u64,
    grown: watch::Receiver<()>,
}

impl Reader {
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

    /// The next rows, `most` of them at most.
    ///
    /// # Errors
    ///
    /// [`ServeError::Stuck`] if the world lost patience with this reader.
    pub fn read(&mut self, most: usize) -> Result<Found, ServeError> {
        let state = &mut *self.log.lock();
        let oldest = state.oldest();
        let Some(place) = state.readers.get_mut(&self.id) else { return Ok(Found::End) };
        if place.is_cancelled {
            return Err(ServeError::Cancelled { seq: place.next });
        }
        if place.is_stuck {
            return Err(ServeError::Stuck {
                seconds: self.log.patience.as_secs(),
                seq: place.next,
            });
        }
        let missed = oldest.saturating_sub(place.next);
        let from = place.next.max(oldest);
        let index = state.entries.partition_point(|entry| entry.end() <= from);
        let Some(entry) = state.entries.get(index) else {
            return Ok(if state.is_closed { Found::End } else { Found::Nothing });
        };
        // Rows of one batch are far fewer than a usize can count.
        let first = usize::try_from(from - entry.first).unwrap_or(usize::MAX);
        let range = first..entry.batch.rows.num_rows().min(first.saturating_add(most));
        place.next = from + range.len() as u64;
        state.stats.rows_read += range.len() as u64;
        state.stats.dropped += missed;
        let entry = entry.clone();
        self.log.moved.notify_all();
        Ok(Found::Rows(entry, range, missed))
    }

    /// Goes on after rows that it got in another way.
    pub fn skip_to(&mut self, next: u64) {
        let state = &mut *self.log.lock();
        if let Some(place) = state.readers.get_mut(&self.id) {
            state.stats.rows_read += next.saturating_sub(place.next);
            place.next = place.next.max(next);
        }
        self.log.moved.notify_all();
    }

    /// Counts a message that it was sent.
    pub fn sent(&self, rows: u64, bytes: u64) {
        if let Some(place) = self.log.lock().readers.get_mut(&self.id) {
            place.sent.0 += rows;
            place.sent.1 += bytes;
        }
    }

    /// Waits until there may be something new.
    pub async fn grown(&mut self) {
        // The sender lives in the log, which this reader holds.
        let _is_alive = self.grown.changed().await;
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let place = self.log.lock().readers.remove(&self.id);
        let next = place.map_or(0, |place| place.next);
        info!(stream = self.id, next, "stream ended");
        self.log.moved.notify_all();
    }
}
