//! Rows that leave the ring before every stream has them, and go to disk for those that want it.
//!
//! One thread writes ([`Log::spill_work`] says what), so the ring's lock is never held while a disk
//! works. An entry that a spilling stream still needs leaves the ring only when its segment is
//! synced. So every row that such a stream has not got is in memory or synced, and what a crash can
//! take is what the ring holds.

use std::{mem, sync::Arc, sync::PoisonError, time::Duration};

use datasets::spill::Segment;
use tokio::time::Instant;

use super::{Entry, Fate, Log, Place, State};
use crate::serve::{stats::SpillStats, ticket::Form};

/// Memory of the rows of a segment at most, or one batch: what a stream holds while it reads one.
const SEGMENT_BYTES: usize = 8 << 20;

/// How often the keeper looks for clients that did not come back.
const LOOK: Duration = Duration::from_millis(500);

/// What is to be done with the disk.
#[derive(Debug)]
pub enum Work {
    /// Write these rows as a segment.
    Write(Vec<Arc<Entry>>),
    /// Remove these: nobody needs them any more.
    Remove(Vec<Arc<Segment>>),
    /// Nothing for now; look after runs of earlier servers.
    Look,
    /// The server has ended, and all that is needed is synced.
    Done,
}

impl State {
    /// Whether rows go to disk for some stream.
    pub(super) fn has_spills(&self) -> bool {
        self.readers.values().any(Place::spills)
    }

    /// The number of the first row that is kept on disk for somebody.
    fn held_from(&self) -> Option<u64> {
        self.readers.values().filter(|place| place.spills()).map(|place| place.held).min()
    }

    fn is_spilled(&self, row: u64) -> bool {
        let at = self.segments.partition_point(|segment| segment.end <= row);
        self.segments.get(at).is_some_and(|segment| segment.first <= row)
    }

    /// Whether an entry has to reach the disk before it may go.
    pub(super) fn needs_disk(&self, entry: &Entry) -> bool {
        self.held_from().is_some_and(|held| self.is_unsafe(entry, held))
    }

    fn is_unsafe(&self, entry: &Entry, held: u64) -> bool {
        held < entry.end() && !self.is_spilled(entry.first)
    }

    /// Whether a segment is there that nobody needs any more.
    pub(super) fn has_released(&self) -> bool {
        let held = self.held_from().unwrap_or(u64::MAX);
        self.segments.front().is_some_and(|segment| segment.end <= held)
    }

    fn take_released(&mut self) -> Vec<Arc<Segment>> {
        let held = self.held_from().unwrap_or(u64::MAX);
        let n = self.segments.partition_point(|segment| segment.end <= held);
        self.segments.drain(..n).collect()
    }

    /// The entries of the next segment, if it is time for one.
    fn next_segment(&self, capacity: usize) -> Vec<Arc<Entry>> {
        let Some(held) = self.held_from() else { return Vec::new() };
        let needed = |entry: &&Arc<Entry>| self.is_unsafe(entry, held);
        let Some(first) = self.entries.iter().position(|entry| needed(&entry)) else {
            return Vec::new();
        };
        let bytes: usize = self.entries.range(first..).map(|entry| entry.bytes).sum();
        if bytes <= capacity / 2 && self.waiting_for_disk == 0 && !self.is_flushing {
            return Vec::new();
        }
        let most = SEGMENT_BYTES.min(capacity / 4);
        let mut bytes = 0;
        let fits = |entry: &&Arc<Entry>| {
            bytes += entry.bytes;
            bytes == entry.bytes || bytes <= most
        };
        let run = self.entries.range(first..).take_while(needed).take_while(fits);
        run.cloned().collect()
    }

    /// Ends the streams that rows go to disk for, since they do not get there.
    pub(super) fn fail_spills(&mut self, reason: &str, is_full: bool) {
        self.spilled.failures += 1;
        let fate = if is_full { Fate::SpillFull } else { Fate::SpillFailed };
        for place in self.readers.values_mut().filter(|place| place.spills()) {
            place.fate = Some(fate(reason.to_owned()));
        }
        self.forget_left();
    }

    /// Forgets clients that went away and for whom nothing is kept any more.
    fn forget_left(&mut self) {
        self.readers.retain(|_, place| place.is_attached() || place.fate.is_none());
    }

    /// The place that a client left, which comes back to go on with row `next`.
    pub(super) fn left_at(&self, next: u64, form: &Form) -> Option<u64> {
        let is_it = |(_, place): &(&u64, &Place)| {
            !place.is_attached() && place.form == *form && (place.held..=place.next).contains(&next)
        };
        // Of several, the one that leaves most to the others.
        self.readers.iter().filter(is_it).max_by_key(|(_, place)| place.held).map(|(&id, _)| id)
    }
}

impl Log {
    /// Waits until there is something to do with the disk.
    pub fn spill_work(&self) -> Work {
        let mut state = self.lock();
        loop {
            self.expire(&mut state);
            let released = state.take_released();
            if !released.is_empty() {
                return Work::Remove(released);
            }
            let entries = state.next_segment(self.config.capacity);
            if !entries.is_empty() {
                return Work::Write(entries);
            }
            if state.is_flushing {
                return Work::Done;
            }
            let (waited, timeout) =
                self.spill_due.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner);
            state = waited;
            if timeout.timed_out() {
                return Work::Look;
            }
        }
    }

    /// Lets go of what clients that went away did not come back for in time.
    fn expire(&self, state: &mut State) {
        let Some(grace) = self.config.spill_grace else { return };
        let now = Instant::now();
        let is_late = |place: &Place| {
            place.left.is_some_and(|left| now.saturating_duration_since(left) >= grace)
        };
        let before = state.readers.len();
        if !state.is_flushing {
            state.readers.retain(|_, place| !is_late(place));
        }
        let left = state.readers.values().filter(|place| !place.is_attached()).count();
        let most = self.config.readers_at_most;
        for _ in most..left {
            let oldest = state.readers.iter().filter_map(|(&id, place)| Some((place.left?, id)));
            if let Some((_, id)) = oldest.min() {
                state.readers.remove(&id);
            }
        }
        if state.readers.len() != before {
            self.moved.notify_all();
        }
    }

    /// Notes that rows are on disk and synced.
    pub fn spilled(&self, segment: Segment) {
        let mut state = self.lock();
        state.spilled.rows += segment.end - segment.first;
        state.spilled.synced = state.spilled.synced.max(segment.end);
        let at = state.segments.partition_point(|other| other.first < segment.first);
        state.segments.insert(at, Arc::new(segment));
        drop(state);
        self.moved.notify_all();
    }

    /// Ends all streams that rows go to disk for, with the reason why they do not get there.
    pub fn spill_failed(&self, reason: &str, is_full: bool) {
        self.lock().fail_spills(reason, is_full);
        self.moved.notify_all();
        self.grown.send_replace(());
    }

    /// Lets go of rows that were sent to a stream and are kept in case they did not arrive: of the
    /// stream that keeps the most of them. Returns the segments that nobody needs any more; none if
    /// there is no such stream. A client that dies with them on their way is told that it missed
    /// them, which is better than to end a stream that has read everything.
    pub fn let_go_of_sent(&self) -> Option<Vec<Arc<Segment>>> {
        let mut state = self.lock();
        let sent =
            |place: &&mut Place| place.spills() && place.is_attached() && place.held < place.next;
        let furthest = state.readers.values_mut().filter(sent).min_by_key(|place| place.held)?;
        furthest.held = furthest.next;
        let released = state.take_released();
        drop(state);
        self.moved.notify_all();
        Some(released)
    }

    /// Ends the stream that keeps the most on disk, or forgets the client that went away with it.
    /// Returns false if there is none.
    pub fn give_up_furthest(&self, reason: &str) -> bool {
        let mut state = self.lock();
        let spilling = state.readers.values_mut().filter(|place| place.spills());
        let Some(furthest) = spilling.min_by_key(|place| place.held) else { return false };
        furthest.fate = Some(Fate::SpillFull(reason.to_owned()));
        state.spilled.failures += 1;
        state.forget_left();
        drop(state);
        self.moved.notify_all();
        self.grown.send_replace(());
        true
    }

    /// Has everything that is kept for somebody written to disk: the server ends.
    pub fn flush_spill(&self) {
        self.lock().is_flushing = true;
        self.spill_due.notify_one();
    }

    /// Whether the server ends, and no stream can be told of anything any more.
    pub fn is_flushing(&self) -> bool {
        self.lock().is_flushing
    }

    /// Bytes of the segments of this run.
    pub fn spilled_bytes(&self) -> u64 {
        self.lock().segments.iter().map(|segment| segment.bytes).sum()
    }

    /// How the disk is used by this run.
    pub fn spill_stats(&self) -> SpillStats {
        let state = self.lock();
        let held = state.held_from();
        let is_waiting =
            |entry: &&Arc<Entry>| held.is_some_and(|held| state.is_unsafe(entry, held));
        SpillStats {
            waiting_bytes: state.entries.iter().filter(is_waiting).map(|e| e.bytes as u64).sum(),
            bytes: state.segments.iter().map(|segment| segment.bytes).sum(),
            segments: state.segments.len() as u64,
            clients_away: state.readers.values().filter(|place| !place.is_attached()).count()
                as u64,
            ..state.spilled.clone()
        }
    }

    /// The number of all rows, for clients that may come back.
    ///
    /// # Errors
    ///
    /// The segments, which are forgotten, if no client is expected back.
    pub fn spill_end(&self) -> Result<u64, Vec<Arc<Segment>>> {
        let mut state = self.lock();
        if state.has_spills() { Ok(state.end) } else { Err(mem::take(&mut state.segments).into()) }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int32Array, RecordBatch, UInt64Array};
    use datasets::live::{LiveBatch, one_ruleset};

    use super::*;
    use crate::serve::{
        log::{Found, LogConfig, Wait},
        ticket::Slow,
    };

    fn batch(rows: usize) -> LiveBatch {
        let column: ArrayRef = Arc::new(Int32Array::from(vec![0; rows]));
        LiveBatch {
            rows: RecordBatch::try_from_iter([("step", column)]).unwrap(),
            games: UInt64Array::from(vec![0; rows]),
            rulesets: one_ruleset("generals", rows),
        }
    }

    fn segment(first: u64, end: u64) -> Segment {
        Segment { first, end, bytes: 1, name: format!("{first}") }
    }

    #[test]
    fn a_full_disk_costs_rows_that_were_sent_before_it_costs_a_stream() {
        let log = Log::new(LogConfig {
            capacity: 1 << 20,
            readers_at_most: 2,
            patience: Duration::from_secs(1),
            samples_per_insert: None,
            spill_grace: Some(Duration::from_mins(1)),
        });
        let form = Form::default();
        let mut caught_up = log.open(None, Slow::Spill, &form).unwrap();
        let behind = log.open(None, Slow::Spill, &form).unwrap();
        log.publish(batch(10), Wait::Never);
        log.spilled(segment(0, 10));
        assert!(matches!(caught_up.read(10), Ok(Found::Rows(..))));
        // Only the one that has read them lets go of them; the other still needs them.
        assert_eq!(log.let_go_of_sent(), Some(Vec::new()));
        assert_eq!(log.let_go_of_sent(), None);
        // A client that went away may not have got what it was sent.
        drop(behind);
        drop(caught_up);
        assert_eq!(log.let_go_of_sent(), None);
        assert!(log.give_up_furthest("full"));
    }
}
