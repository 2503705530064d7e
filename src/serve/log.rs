//! The newest rows of the world, kept for those who read them: a ring of batches.
//!
//! Rows are numbered from 0 in the order in which they left the world, over the server's life. The
//! ring is bounded in bytes. What happens when it is full is up to its readers: the world waits for
//! those that block, rows that others still need go to disk first (`spilling`), and the oldest are
//! given up otherwise. While nobody reads, the world fills the ring and waits, so that no row is
//! lost before somebody could have asked for it.

mod outside;
mod pace;
mod place;
mod reader;
mod spilling;

use std::{
    collections::{BTreeMap, VecDeque},
    hash::{BuildHasher, Hasher, RandomState},
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use datasets::{live::LiveBatch, spill::Segment};
use tokio::sync::watch;
use tracing::{info, warn};

use self::{
    outside::Outside,
    place::{Fate, Place},
};
pub use self::{
    outside::OutsidePlace,
    reader::{Found, Reader},
    spilling::Work,
};
use super::{
    ServeError,
    flights::EXPERIENCES,
    message::Message,
    stats::{LogStats, SpillStats, StreamStats},
    ticket::{Form, Slow},
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
    /// The message of all its rows, once a stream has sent it: it shows the same memory.
    pub(super) message: OnceLock<Arc<Message>>,
}

impl Entry {
    /// The number after that of its last row.
    fn end(&self) -> u64 {
        self.first + self.batch.rows.num_rows() as u64
    }
}

/// How long rows may wait for room in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Until there is room, and while nobody reads: rows of simulated games.
    Always,
    /// While a stream holds the oldest rows: rows of actors and of remote environments, which can be
    /// made to wait.
    ForReaders,
    /// Not at all: rows of live games, whose clocks run. A quarter more than the ring is theirs;
    /// beyond it they are given up, and counted.
    Never,
}

/// The ring.
#[derive(Debug)]
pub struct Log {
    /// A name that no other run of a server has.
    run: String,
    state: Mutex<State>,
    /// Told when a reader moved or left, or rows reached the disk.
    moved: Condvar,
    /// Told when rows may have to go to disk, or from it.
    spill_due: Condvar,
    /// Told when rows came, or no more will.
    grown: watch::Sender<()>,
    config: LogConfig,
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
    /// How long rows are kept for a spilling stream whose client went away; none if there is no
    /// folder to spill to.
    pub spill_grace: Option<Duration>,
}

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the run")]
struct State {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    end: u64,
    /// The number of the first row that no stream has ever come to.
    unread: u64,
    /// Rows that were given up before any stream came to them.
    gone: u64,
    readers: BTreeMap<u64, Place>,
    /// Streams of other rows than those of the ring.
    outside: BTreeMap<u64, Outside>,
    /// The number of the next stream, of whatever rows.
    next_reader: u64,
    /// Whether all simulated games are over.
    is_over: bool,
    is_closed: bool,
    is_stopping: bool,
    stats: LogStats,
    /// Rows of this run on disk, in their order.
    segments: VecDeque<Arc<Segment>>,
    spilled: SpillStats,
    /// How many threads wait for rows to reach the disk.
    waiting_for_disk: usize,
    /// Whether everything that is held goes to disk now, since the server ends.
    is_flushing: bool,
}

impl State {
    fn oldest(&self) -> u64 {
        self.entries.front().map_or(self.end, |entry| entry.first)
    }

    /// Streams that are open, of whatever rows.
    fn open(&self) -> usize {
        self.readers.values().filter(|place| place.is_attached()).count() + self.outside.len()
    }

    /// Whether a client is connected to some reader.
    fn is_read(&self) -> bool {
        self.readers.values().any(Place::is_attached)
    }

    /// Whether the world has to wait for a reader before an entry may go.
    fn is_held(&self, entry: &Entry) -> bool {
        self.readers.values().any(|place| place.blocks(entry.end()))
    }

    /// Whether the oldest entry may go.
    fn may_drop_oldest(&self) -> bool {
        let Some(oldest) = self.entries.front() else { return false };
        !self.is_held(oldest) && !self.needs_disk(oldest)
    }

    /// Gives up on the readers that the oldest entry is kept for.
    fn lose_patience(&mut self, patience: Duration) {
        let Some(oldest) = self.entries.front().cloned() else { return };
        for place in self.readers.values_mut().filter(|place| place.blocks(oldest.end())) {
            place.fate = Some(Fate::Stuck);
        }
        if self.needs_disk(&oldest) {
            let seconds = patience.as_secs();
            self.fail_spills(&format!("the disk took no rows for {seconds} s"), false);
        }
    }

    /// What the oldest entry waits for: how far its blocking readers are, and the disk.
    fn held_at(&self) -> (Vec<(u64, u64)>, Option<u64>) {
        let Some(oldest) = self.entries.front() else { return (Vec::new(), None) };
        let held = |(_, place): &(&u64, &Place)| place.blocks(oldest.end());
        let readers = self.readers.iter().filter(held).map(|(&id, place)| (id, place.next));
        (readers.collect(), self.needs_disk(oldest).then_some(self.spilled.rows))
    }
}

impl Log {
    /// A ring within some bounds.
    #[must_use]
    pub fn new(config: LogConfig) -> Arc<Self> {
        Arc::new(Self {
            run: run_name(),
            state: Mutex::default(),
            moved: Condvar::new(),
            spill_due: Condvar::new(),
            grown: watch::Sender::new(()),
            config,
        })
    }

    /// The name of this run, by which a client sees that rows are numbered anew.
    pub fn run(&self) -> &str {
        &self.run
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a batch when there is room for it. Returns whether it is in the ring; rows that are not
    /// have numbers all the same, so that every stream is told how many it missed.
    pub fn publish(&self, batch: LiveBatch, wait: Wait) -> bool {
        let bytes = batch.bytes();
        let mut state = self.lock();
        let reserve = if wait == Wait::Never { self.config.capacity / 4 } else { 0 };
        let most = self.config.capacity + reserve;
        let mut waited = false;
        loop {
            let is_full = !state.entries.is_empty() && state.bytes + bytes > most;
            let is_ahead = wait == Wait::Always && self.is_ahead(&state);
            if state.is_stopping || !(is_full || is_ahead) {
                break;
            }
            let may_go = wait != Wait::Always || state.is_read();
            if !is_ahead && may_go && state.may_drop_oldest() {
                drop_oldest(&mut state);
                continue;
            }
            if wait == Wait::Never {
                let rows = batch.rows.num_rows() as u64;
                state.end += rows;
                state.stats.given_up += rows;
                state.gone += rows;
                drop(state);
                self.grown.send_replace(());
                return false;
            }
            if !waited {
                state.stats.waits += 1;
            }
            waited = true;
            state = self.wait_for_readers(state);
        }
        let first = state.end;
        let entry = Entry { first, batch, bytes, message: OnceLock::new() };
        state.end = entry.end();
        state.bytes += bytes;
        state.stats.batches += 1;
        state.entries.push_back(Arc::new(entry));
        if state.bytes > self.config.capacity / 2 && state.has_spills() {
            self.spill_due.notify_one();
        }
        drop(state);
        self.grown.send_replace(());
        true
    }

    /// Waits until a reader moves, comes or leaves, or rows reach the disk.
    fn wait_for_readers<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let held = state.held_at();
        if held.0.is_empty() && held.1.is_none() {
            // Nobody reads: the world may stand still as long as it takes.
            return self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting_for_disk += 1;
        self.spill_due.notify_one();
        let (mut state, timeout) = self
            .moved
            .wait_timeout_while(state, self.config.patience, |state| {
                !state.is_stopping && state.held_at() == held
            })
            .unwrap_or_else(PoisonError::into_inner);
        state.waiting_for_disk -= 1;
        if timeout.timed_out() {
            let streams: Vec<u64> = held.0.iter().map(|&(id, _)| id).collect();
            warn!(?streams, "given up: they took nothing while the world waited");
            state.lose_patience(self.config.patience);
            self.grown.send_replace(());
        }
        state
    }

    /// Says that no more rows will come. Readers end after the last row.
    pub fn close(&self) {
        let mut state = self.lock();
        (state.is_over, state.is_closed) = (true, true);
        drop(state);
        self.grown.send_replace(());
    }

    /// Says that no more rows of simulated games will come. Readers end after the last row, when
    /// nothing is collected any more that is being played otherwise.
    pub fn close_simulated(&self) {
        self.lock().is_over = true;
        self.close_if_over();
    }

    /// Says how many live games are collected, and how many rows wait for their next ticks.
    pub fn set_live(&self, games: u64, rows: u64) {
        let mut state = self.lock();
        (state.stats.live_games, state.stats.live_rows) = (games, rows);
        drop(state);
        self.close_if_over();
    }

    /// Counts a remote session whose rows are collected.
    ///
    /// # Errors
    ///
    /// [`ServeError::Finished`] if no more rows are taken.
    pub fn begin_session(&self) -> Result<(), ServeError> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(ServeError::Finished);
        }
        state.stats.collected_sessions += 1;
        Ok(())
    }

    /// Counts a session no more.
    pub fn end_session(&self) {
        self.lock().stats.collected_sessions -= 1;
        self.close_if_over();
    }

    fn close_if_over(&self) {
        let mut state = self.lock();
        let is_collecting = state.stats.live_games + state.stats.collected_sessions > 0;
        if !state.is_over || state.is_closed || is_collecting {
            return;
        }
        state.is_closed = true;
        drop(state);
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
    /// [`ServeError::TooManyStreams`], [`ServeError::NoSpill`], and [`ServeError::Malformed`] where
    /// `after` is a number of rows that this server has not reached.
    pub fn open(
        self: &Arc<Self>,
        after: Option<u64>,
        slow: Slow,
        form: &Form,
    ) -> Result<Reader, ServeError> {
        if slow == Slow::Spill && self.config.spill_grace.is_none() {
            return Err(ServeError::NoSpill);
        }
        let mut state = self.lock();
        self.check_open(&state)?;
        if let Some(after) = after.filter(|&after| after > state.end) {
            let reason = format!(
                "{after} rows have not been made yet, the world is at {}: \
                 it may have begun anew; leave the field out to begin with what is kept",
                state.end
            );
            return Err(super::fields::malformed("after", reason));
        }
        let next = after.unwrap_or_else(|| state.oldest());
        let left = (slow == Slow::Spill).then(|| state.left_at(next, form)).flatten();
        let id = state.next_reader;
        state.next_reader += 1;
        state.stats.streams_opened += 1;
        // The rows that were kept for who comes back are kept for this reader before they are let go.
        state.readers.insert(id, Place::new(next, slow, form));
        if let Some(left) = left {
            state.readers.remove(&left);
        }
        let end = state.end;
        drop(state);
        info!(stream = id, slow = slow.name(), next, "stream opened");
        self.moved.notify_all();
        Ok(Reader::new(self.clone(), id, end, self.grown.subscribe()))
    }

    /// Whether another stream may be opened.
    fn check_open(&self, state: &State) -> Result<(), ServeError> {
        let open = state.open();
        if open >= self.config.readers_at_most {
            return Err(ServeError::TooManyStreams { open });
        }
        Ok(())
    }

    /// Ends a stream; says whether there is one of this number.
    pub fn cancel(&self, id: u64) -> bool {
        let mut state = self.lock();
        let place = state.readers.get_mut(&id).filter(|place| place.is_attached());
        let is_read = place.map(|place| place.fate = Some(Fate::Cancelled)).is_some();
        let found = is_read || state.outside.get(&id).map(Outside::cancel).is_some();
        drop(state);
        self.moved.notify_all();
        self.spill_due.notify_one();
        self.grown.send_replace(());
        found
    }

    /// How each stream stands.
    pub fn streams(&self) -> Vec<StreamStats> {
        let state = self.lock();
        let of_stream = |(&id, place): (&u64, &Place)| StreamStats {
            id,
            flight: EXPERIENCES.to_owned(),
            next: place.next,
            behind: state.end - place.next.min(state.end),
            slow: place.slow.name(),
            rows_sent: place.sent.0,
            bytes_sent: place.sent.1,
            dropped: place.dropped,
        };
        let attached = state.readers.iter().filter(|(_, place)| place.is_attached());
        attached.map(of_stream).chain(state.outside.values().map(Outside::stats)).collect()
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
            capacity_bytes: self.config.capacity as u64,
            streams: state.open() as u64,
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
        state.gone += entry.end() - state.unread.clamp(entry.first, entry.end());
    }
}
