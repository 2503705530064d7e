//! The folder that slow streams' rows go to, and the thread that writes there.
//!
//! What runs of earlier servers left in it is kept for a while, for clients that come back with the
//! name of their run.

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arrow::{array::ArrayRef, datatypes::SchemaRef};
use datasets::{
    error::DataError,
    live::LiveBatch,
    spill::{self, Segment, SpillFolder, SpilledRun},
};
use tokio::{task::spawn_blocking, time::Instant};

use super::{
    ServeError,
    log::{Log, Work},
};

/// Where rows go that slow streams have not taken, and how much.
#[derive(Clone, Debug)]
pub struct SpillConfig {
    /// The folder; no other server may use it at the same time.
    pub folder: PathBuf,
    /// Bytes of all files at most, or one segment more.
    pub most_bytes: u64,
    /// How long rows are kept for a client that went away, or whose server was started anew.
    pub grace: Duration,
}

/// The folder.
#[derive(Debug)]
pub(super) struct Spill {
    folder: SpillFolder,
    most_bytes: u64,
    grace: Duration,
    earlier: Mutex<BTreeMap<String, Kept>>,
}

/// What an earlier run left, and since when nobody reads it.
#[derive(Debug)]
struct Kept {
    run: Arc<EarlierRun>,
    since: Instant,
}

/// What an earlier run left.
#[derive(Debug)]
pub(super) struct EarlierRun {
    /// Its name.
    pub(super) name: String,
    /// Its segments, and where it ended.
    pub(super) left: SpilledRun,
}

impl EarlierRun {
    fn bytes(&self) -> u64 {
        self.left.segments.iter().map(|segment| segment.bytes).sum()
    }
}

impl Spill {
    /// Opens the folder for rows with these columns and policies.
    ///
    /// # Errors
    ///
    /// Folders that cannot be used.
    pub(super) fn open(
        config: &SpillConfig,
        schema: &SchemaRef,
        policies: &ArrayRef,
    ) -> Result<Self, ServeError> {
        let folder = SpillFolder::open(&config.folder, schema, policies)?;
        let since = Instant::now();
        let kept = |(name, left): (String, SpilledRun)| {
            (name.clone(), Kept { run: Arc::new(EarlierRun { name, left }), since })
        };
        let earlier = folder.runs()?.into_iter().map(kept).collect();
        let SpillConfig { most_bytes, grace, .. } = *config;
        Ok(Self { folder, most_bytes, grace, earlier: Mutex::new(earlier) })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        self.earlier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is left of the run with a name. It is kept while the value lives.
    pub(super) fn earlier(&self, run: &str) -> Option<Arc<EarlierRun>> {
        self.lock().get(run).map(|kept| kept.run.clone())
    }

    /// Bytes that earlier runs left, and bytes of all files at most.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.lock().values().map(|kept| kept.run.bytes()).sum(), self.most_bytes)
    }

    /// Removes what is left of earlier runs that nobody came back to in time.
    fn expire(&self) -> Result<(), DataError> {
        let now = Instant::now();
        let mut earlier = self.lock();
        for kept in earlier.values_mut().filter(|kept| Arc::strong_count(&kept.run) > 1) {
            kept.since = now;
        }
        let is_late = |kept: &Kept| now.saturating_duration_since(kept.since) >= self.grace;
        let late: Vec<String> = earlier
            .iter()
            .filter(|(_, kept)| is_late(kept))
            .map(|(name, _)| name.clone())
            .collect();
        late.into_iter().try_for_each(|name| {
            earlier.remove(&name);
            self.folder.remove_run(&name)
        })
    }

    /// Removes an earlier run that nobody reads; false if there is none.
    fn give_up_earlier(&self) -> Result<bool, DataError> {
        let mut earlier = self.lock();
        let unread = |kept: &Kept| kept.run.bytes() > 0 && Arc::strong_count(&kept.run) == 1;
        let Some(name) =
            earlier.iter().find(|(_, kept)| unread(kept)).map(|(name, _)| name.clone())
        else {
            return Ok(false);
        };
        earlier.remove(&name);
        self.folder.remove_run(&name)?;
        Ok(true)
    }

    /// Removes segments. What cannot be removed now is found and removed by the next server.
    fn remove(&self, segments: &[Arc<Segment>]) {
        for segment in segments {
            let _is_removed = self.folder.remove(segment).is_ok();
        }
    }

    /// Makes room for another segment; false if a stream had to be given up for it.
    fn make_room(&self, log: &Log) -> Result<bool, DataError> {
        let mut has_room = true;
        while log.spilled_bytes() + self.bytes().0 >= self.most_bytes {
            if self.give_up_earlier()? {
                continue;
            }
            if let Some(segments) = log.let_go_of_sent() {
                self.remove(&segments);
                continue;
            }
            let mib = self.most_bytes >> 20;
            let reason = format!("rows of slow streams fill the {mib} MiB that --spill-mib allows");
            if !log.give_up_furthest(&reason) {
                break;
            }
            has_room = false;
            break;
        }
        Ok(has_room)
    }
}

/// Does what is to be done with the disk until the server has ended.
///
/// # Errors
///
/// Rows that could not be written at the end, when no stream could be told of it any more.
pub(super) fn keep(log: &Log, spill: &Spill) -> Result<(), ServeError> {
    loop {
        match log.spill_work() {
            Work::Write(entries) => {
                let Err(error) = write(log, spill, &entries) else { continue };
                log.spill_failed(&error.to_string(), spill::is_full(&error));
                if log.is_flushing() {
                    return Err(error.into());
                }
            }
            Work::Remove(segments) => spill.remove(&segments),
            Work::Look => {
                let _is_removed = spill.expire().is_ok();
            }
            Work::Done => return end(log, spill),
        }
    }
}

fn write(log: &Log, spill: &Spill, entries: &[Arc<super::log::Entry>]) -> Result<(), DataError> {
    // The entries may have been those of the stream that was given up.
    if !spill.make_room(log)? {
        return Ok(());
    }
    let batches: Vec<_> = entries.iter().map(|entry| (entry.first, &entry.batch)).collect();
    if let Some(segment) = spill.folder.write(log.run(), &batches)? {
        log.spilled(segment);
    }
    Ok(())
}

/// Notes where the run ended, for clients that come back, or leaves nothing if there are none.
fn end(log: &Log, spill: &Spill) -> Result<(), ServeError> {
    match log.spill_end() {
        Ok(rows) => spill.folder.end(log.run(), rows)?,
        Err(segments) => {
            for segment in segments {
                spill.folder.remove(&segment)?;
            }
        }
    }
    Ok(())
}

/// Rows of a segment on their way to a stream. One segment at a time is in memory.
#[derive(Debug, Default)]
pub(super) struct Stored(VecDeque<(u64, LiveBatch)>);

impl Stored {
    /// Reads a segment. The network does not wait for it.
    ///
    /// # Errors
    ///
    /// [`ServeError::Damaged`] for one that is not as it was written.
    pub(super) async fn load(spill: &Arc<Spill>, segment: Segment) -> Result<Self, ServeError> {
        let spill = spill.clone();
        let read = spawn_blocking(move || {
            let read = spill.folder.read(&segment);
            read.map_err(|source| ServeError::Damaged { source, seq: segment.end })
        });
        let batches = read.await.map_err(|_panic| ServeError::Panicked("spill"))??;
        Ok(Self(batches.into()))
    }

    /// The next rows from number `place` on, `most` of them at most, and the number of the first.
    pub(super) fn next(&mut self, place: u64, most: usize) -> Option<(u64, LiveBatch)> {
        loop {
            let (first, batch) = self.0.front()?;
            let rows = batch.rows.num_rows();
            // Rows of one batch are far fewer than a usize can count.
            let skipped = usize::try_from(place.saturating_sub(*first)).unwrap_or(usize::MAX);
            if skipped < rows {
                let found = batch.slice(skipped, most.min(rows - skipped));
                return Some((first + skipped as u64, found));
            }
            self.0.pop_front();
        }
    }
}
