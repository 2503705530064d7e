//! Games read as the rows of their agents, played again as they are asked for: nothing is written.
//!
//! ```text
//! games ──▶ groups of games ──▶ worlds (threads, a few groups ahead) ──▶ record batches in order
//! ```
//!
//! The rows are those that [`crate::pipeline::write`] would write for the same games, reward, seats
//! and layout, in the same order. What is under way at any time is bounded, and so is the memory:
//! threads wait for who reads.

use std::{
    collections::VecDeque,
    mem,
    path::Path,
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender},
    },
};

use arrow::{
    array::{RecordBatch, RecordBatchReader},
    compute::concat_batches,
    datatypes::SchemaRef,
    error::ArrowError,
};
use systems::{record::GameRecord, reward::Reward, rows::RowFormat};

use crate::{
    block::Rows,
    error::DataError,
    expand::{Agent, Batch, Expanders},
    games::ArchivedGame,
    layouts::{DenseRows, Layout},
    produce::{Archive, Producer},
    resume::Place,
    schema,
    seats::Seats,
    table::{Group, Grouper, Kind, check_canvas},
    threads,
};

/// Bytes of the wide columns of games that one thread plays at a time, unless a single game is more.
const GROUP_BYTES: usize = 8 << 20;

/// Batches of a group that wait for the reader.
const WAITING: usize = 4;

/// How games become rows.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// What is rewarded.
    pub reward: Reward,
    /// Whose rows are wanted.
    pub seats: Seats,
    /// How observations are laid out; none for compact planes.
    pub layout: Option<Layout>,
    /// Height and width that observations are padded to; none for the largest board.
    pub canvas: Option<[u16; 2]>,
    /// Rows of a batch, at least 1. The last batch of some games has less.
    pub batch_rows: usize,
    /// Threads that play, at least 1. They change nothing of the batches.
    pub threads: usize,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            reward: Reward::SPARSE,
            seats: Seats::ALL,
            layout: None,
            canvas: None,
            batch_rows: 1_024,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// An iterator over the rows of recorded games, sorted by game, agent and step.
///
/// After an error it ends.
pub struct ExperienceReader {
    archive: Archive,
    kind: Kind,
    work: Arc<Work>,
    pool: rayon::ThreadPool,
    threads: usize,
    jobs: u64,
    games: VecDeque<ArchivedGame>,
    grouper: Grouper,
    groups: VecDeque<Group>,
    /// The groups that are played, in order.
    playing: VecDeque<Receiver<Result<RecordBatch, DataError>>>,
    has_ended: bool,
}

/// What the threads share.
struct Work {
    format: RowFormat,
    seats: Seats,
    layout: Option<Layout>,
    schema: SchemaRef,
    batch_rows: usize,
    expanders: Expanders,
}

impl ExperienceReader {
    /// Reads the games of a dataset's folder, or of a single file.
    ///
    /// # Errors
    ///
    /// Folders and files that cannot be read, columns that are not those of games, and threads that
    /// cannot be started.
    pub fn open(root: &Path, options: &ReadOptions) -> Result<Self, DataError> {
        Self::of(Archive::open(root)?, options)
    }

    /// Reads the games of an archive.
    ///
    /// # Errors
    ///
    /// Threads that cannot be started, and a canvas that is larger than any board can be.
    pub fn of(archive: Archive, options: &ReadOptions) -> Result<Self, DataError> {
        let bounds = archive.bounds();
        let [height, width] = options.canvas.unwrap_or([bounds.height.max(1), bounds.width.max(1)]);
        let sides = 1..=32;
        if !sides.contains(&height) || !sides.contains(&width) {
            return Err(DataError::NoCanvas { height, width });
        }
        let has_owners = bounds.players > 2;
        let format = RowFormat { height, width, has_builds: archive.has_builds(), has_owners };
        let ReadOptions { reward, seats, layout, .. } = *options;
        let kind = Kind::Experiences { format, reward, seats, layout };
        let threads = options.threads.max(1);
        let pool = threads::pool(threads)?;
        let work = Work {
            format,
            seats,
            layout,
            schema: kind.schema(),
            batch_rows: options.batch_rows.max(1),
            expanders: Expanders::new(format, reward),
        };
        Ok(Self {
            archive: archive.with_seats(seats),
            kind,
            work: Arc::new(work),
            pool,
            threads,
            jobs: 0,
            games: VecDeque::new(),
            grouper: Grouper::new((GROUP_BYTES / format.row_bytes()).max(1) as u64),
            groups: VecDeque::new(),
            playing: VecDeque::new(),
            has_ended: false,
        })
    }

    /// Games in the dataset, those without a wanted seat included.
    pub fn games(&self) -> u64 {
        self.archive.games()
    }

    /// The form of the rows, as far as it is not the layout's.
    pub fn format(&self) -> RowFormat {
        self.work.format
    }

    /// The next group of games, if there is one.
    fn next_group(&mut self) -> Result<Option<Group>, DataError> {
        while self.groups.is_empty() {
            if let Some(game) = self.games.pop_front() {
                check_canvas(&game.record, &self.work.format)?;
                let weight = self.kind.rows(&game.record);
                let groups = self.grouper.add(game, Place::default(), weight, &self.kind);
                self.groups.extend(groups);
            } else if let Some(job) = self.archive.next(self.jobs) {
                self.jobs += 1;
                self.games.extend(self.archive.work(job)?.games);
            } else {
                self.groups.extend(self.grouper.rest());
                break;
            }
        }
        Ok(self.groups.pop_front())
    }

    /// Starts as many groups as the threads can use.
    fn begin_groups(&mut self) -> Result<(), DataError> {
        // One more than there are threads, so that none waits for the reader to notice.
        while self.playing.len() <= self.threads {
            let Some(group) = self.next_group()? else { break };
            let (to, from) = mpsc::sync_channel(WAITING);
            let work = self.work.clone();
            // In order, so that the group that is read first is never behind one that waits.
            self.pool.spawn_fifo(move || work.play(&group, &to));
            self.playing.push_back(from);
        }
        Ok(())
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, DataError> {
        loop {
            self.begin_groups()?;
            let Some(first) = self.playing.front() else { return Ok(None) };
            match first.recv() {
                Ok(batch) => return batch.map(Some),
                // The group is done, and there may be another.
                Err(mpsc::RecvError) => drop(self.playing.pop_front()),
            }
        }
    }
}

impl Iterator for ExperienceReader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let next = self.next_batch();
        self.has_ended = !matches!(next, Ok(Some(_)));
        next.map_err(|error| ArrowError::ExternalError(Box::new(error))).transpose()
    }
}

impl RecordBatchReader for ExperienceReader {
    fn schema(&self) -> SchemaRef {
        self.work.schema.clone()
    }
}

/// Rows of a group on their way to the reader.
struct Sender<'a> {
    to: &'a SyncSender<Result<RecordBatch, DataError>>,
    work: &'a Work,
    compact: SchemaRef,
    dense: Option<DenseRows>,
    parts: Vec<RecordBatch>,
    rows: usize,
}

impl Work {
    /// Plays a group and sends its rows, or what went wrong, until nobody listens.
    fn play(&self, group: &Group, to: &SyncSender<Result<RecordBatch, DataError>>) {
        if let Err(error) = self.try_play(group, to) {
            // With the reader gone nobody has to know.
            drop(to.send(Err(error)));
        }
    }

    fn try_play(
        &self,
        group: &Group,
        to: &SyncSender<Result<RecordBatch, DataError>>,
    ) -> Result<(), DataError> {
        let mut expander = self.expanders.take()?;
        let mut sender = Sender {
            to,
            work: self,
            compact: schema::experiences(&self.format),
            dense: self.layout.map(|layout| DenseRows::new(layout, self.format)),
            parts: Vec::new(),
            rows: 0,
        };
        let records: Vec<&GameRecord> = group.games.iter().map(|game| &game.record).collect();
        let batch = Batch { games: &records, seats: group.seats.and(self.seats) };
        expander.expand(batch, |agent, rows| sender.take(agent, rows))?;
        let rest = sender.rows;
        if rest > 0 {
            sender.send(rest)?;
        }
        self.expanders.give_back(expander);
        Ok(())
    }
}

impl Sender<'_> {
    fn take(&mut self, agent: &Agent, rows: &Rows<'_>) -> Result<(), DataError> {
        for part in rows.parts() {
            let rows = RecordBatch::try_new(self.compact.clone(), part.arrays(&agent.constants))?;
            self.rows += rows.num_rows();
            self.parts.push(rows);
            while self.rows >= self.work.batch_rows {
                self.send(self.work.batch_rows)?;
            }
        }
        Ok(())
    }

    /// Sends the first rows, which there are.
    fn send(&mut self, rows: usize) -> Result<(), DataError> {
        let mut left = rows;
        let mut first = Vec::new();
        let parts = mem::take(&mut self.parts);
        for part in parts {
            let taken = left.min(part.num_rows());
            left -= taken;
            if taken > 0 {
                first.push(part.slice(0, taken));
            }
            if taken < part.num_rows() {
                self.parts.push(part.slice(taken, part.num_rows() - taken));
            }
        }
        self.rows -= rows;
        let batch = concat_batches(&self.compact, &first)?;
        let batch = match &mut self.dense {
            Some(dense) => dense.record_batch(&batch)?,
            None => batch,
        };
        self.to.send(Ok(batch)).map_err(|_unread| DataError::Worker)
    }
}
