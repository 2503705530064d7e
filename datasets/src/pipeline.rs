//! From a producer of games to the files of a dataset, on several threads, in a fixed order.
//!
//! ```text
//! producer ──▶ jobs (threads) ──▶ games in order ──▶ groups ──▶ row groups (threads) ──▶ folder
//! ```
//!
//! Jobs and groups are worked on side by side, but games are grouped and row groups are appended
//! in the order of the jobs, and where a group ends depends on its games alone. So threads do not
//! change a byte of any file. What is under way at any time is bounded, and so is the memory.

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
};

use crate::{
    error::DataError,
    folder::{Folder, FolderOptions},
    info::Info,
    overlap,
    produce::{Produced, Producer, Skipped},
    resume::{Place, Reasons},
    stopwatch::{Stage, Stopwatch},
    storage::Storage,
    table::{EncodedGroup, Group, Grouper, Kind, Table},
    threads,
    totals::Totals,
};

/// How a run is watched and stopped.
pub struct Control<'a> {
    /// Threads that share the work, at least 1. They do not change a byte of any file.
    pub threads: usize,
    /// Set from outside: no new work begins, and what is done is kept.
    pub stop: &'a AtomicBool,
    /// Called now and then with what there is so far.
    pub progress: &'a mut dyn FnMut(&Totals),
    /// Counts the time of each stage.
    pub stopwatch: &'a Stopwatch,
}

/// What a run came to.
#[derive(Debug)]
pub struct Report {
    /// What was written.
    pub totals: Totals,
    /// Inputs that were left out.
    pub skipped: Vec<Skipped>,
    /// Inputs that were left out before the place at which an ended run went on, by reason.
    pub skipped_before: BTreeMap<String, u64>,
    /// Whether the run was stopped before it had done everything.
    pub was_stopped: bool,
}

/// What a dataset is to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The table.
    pub kind: Kind,
    /// What the dataset says of itself.
    pub info: Info,
    /// How files are laid out.
    pub folder: FolderOptions,
}

/// Writes the games of a producer as a dataset, or goes on with it.
///
/// # Errors
///
/// The first thing that makes the run impossible. Files that were finished before it stay, and are
/// a readable dataset of whole episodes.
pub fn write<P: Producer>(
    producer: &P,
    plan: Plan,
    root: &Path,
    control: Control<'_>,
) -> Result<Report, DataError> {
    overlap::refuse(root, producer.sources())?;
    let table = Table::new(plan.kind, plan.folder.group_bytes)?;
    let info = Info { inputs: producer.inputs()?, ..plan.info };
    let mut folder = Folder::open(Storage::open(root)?, plan.kind, info, plan.folder)?;
    let Some(from) = folder.place() else {
        let skipped_before = folder.skipped().clone();
        let totals = folder.finish(true, skipped_before.clone())?;
        return Ok(Report { totals, skipped: Vec::new(), skipped_before, was_stopped: false });
    };
    folder.totals.games_played = folder.totals.games;
    folder.totals.ticks_played = folder.totals.ticks;
    let threads = control.threads.max(1);
    let pool = threads::pool(threads)?;
    let skipped_before = folder.skipped().clone();
    let (results, inbox) = mpsc::channel();
    let run = Run {
        grouper: Grouper::new(table.limit()),
        table: &table,
        threads,
        control,
        folder,
        from,
        skipped_before,
        skipped_in_jobs: from.skipped,
        jobs: Lane::from(from.jobs),
        groups: Lane::default(),
        ready: VecDeque::new(),
        skipped: Vec::new(),
        has_more_jobs: true,
        stopped: false,
    };
    pool.in_place_scope(|scope| run.run(producer, scope, &results, &inbox))
}

/// Inputs that were skipped, by reason, added to those before.
fn counted(before: &Reasons, skipped: &[Skipped]) -> Reasons {
    let mut reasons = before.clone();
    for skipped in skipped {
        *reasons.entry(skipped.reason.kind().into_owned()).or_default() += 1;
    }
    reasons
}

/// Work that ended, by its number.
enum Done {
    Job(u64, Result<Produced, DataError>),
    Group(u64, Result<EncodedGroup, DataError>),
}

/// Numbered work that ends in any order and is taken in its own.
struct Lane<T> {
    begun: u64,
    taken: u64,
    waiting: BTreeMap<u64, T>,
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self::from(0)
    }
}

impl<T> Lane<T> {
    /// A lane whose first piece has this number.
    fn from(first: u64) -> Self {
        Self { begun: first, taken: first, waiting: BTreeMap::new() }
    }

    fn begin(&mut self) -> u64 {
        self.begun += 1;
        self.begun - 1
    }

    /// Pieces begun and not taken.
    fn open(&self) -> usize {
        usize::try_from(self.begun - self.taken).unwrap_or(usize::MAX)
    }

    fn take(&mut self) -> Option<T> {
        let next = self.waiting.remove(&self.taken)?;
        self.taken += 1;
        Some(next)
    }
}

/// Reports a piece of work even if it panics, so that nobody waits for it for ever.
struct Reporter {
    to: mpsc::Sender<Done>,
    number: u64,
    is_job: bool,
    is_done: bool,
}

impl Reporter {
    fn send(mut self, done: Done) {
        self.is_done = true;
        // Nobody listens any more only after an error, which is reported already.
        drop(self.to.send(done));
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if !self.is_done {
            let (number, lost) = (self.number, DataError::Worker);
            let done = if self.is_job {
                Done::Job(number, Err(lost))
            } else {
                Done::Group(number, Err(lost))
            };
            drop(self.to.send(done));
        }
    }
}

/// A run at work, on the calling thread.
struct Run<'a, 'c> {
    table: &'a Table,
    threads: usize,
    control: Control<'c>,
    folder: Folder,
    grouper: Grouper,
    /// Where the run began.
    from: Place,
    skipped_before: Reasons,
    skipped_in_jobs: u64,
    jobs: Lane<Produced>,
    groups: Lane<EncodedGroup>,
    ready: VecDeque<Group>,
    skipped: Vec<Skipped>,
    has_more_jobs: bool,
    stopped: bool,
}

impl<'a, 'c> Run<'a, 'c> {
    fn run<'s, P: Producer>(
        mut self,
        producer: &'s P,
        scope: &rayon::Scope<'s>,
        results: &mpsc::Sender<Done>,
        inbox: &mpsc::Receiver<Done>,
    ) -> Result<Report, DataError>
    where
        'a: 's,
        'c: 's,
    {
        loop {
            self.stopped |= self.control.stop.load(Ordering::Relaxed);
            self.begin_work(producer, scope, results);
            if self.jobs.open() + self.groups.open() == 0 {
                break;
            }
            let Ok(done) = inbox.recv() else { return Err(DataError::Worker) };
            self.take(done)?;
            self.show_progress();
        }
        let is_done = !self.has_more_jobs && self.ready.is_empty() && self.grouper.is_empty();
        let was_stopped = self.stopped && !is_done;
        let time = self.control.stopwatch;
        let reasons = if was_stopped {
            self.folder.skipped().clone()
        } else {
            counted(&self.skipped_before, &self.skipped)
        };
        let totals = time.during(Stage::Write, || self.folder.finish(!was_stopped, reasons))?;
        let (skipped, skipped_before) = (self.skipped, self.skipped_before);
        Ok(Report { totals, skipped, skipped_before, was_stopped })
    }

    /// Starts as much as the threads can use. Groups first: they free the memory of games.
    fn begin_work<'s, P: Producer>(
        &mut self,
        producer: &'s P,
        scope: &rayon::Scope<'s>,
        results: &mpsc::Sender<Done>,
    ) where
        'a: 's,
        'c: 's,
    {
        let busy = |run: &Self| {
            let waiting = run.jobs.waiting.len() + run.groups.waiting.len();
            run.jobs.open() + run.groups.open() - waiting
        };
        // One more than there are threads, so that none waits for this one.
        let at_once = self.threads + 1;
        while busy(self) < at_once && !self.stopped {
            if self.groups.open() < 2 * at_once
                && let Some(group) = self.ready.pop_front()
            {
                self.begin_group(group, scope, results);
            } else if self.has_more_jobs && self.ready.len() < at_once && self.jobs.open() < at_once
            {
                match producer.next(self.jobs.begun) {
                    Some(job) => self.begin_job(producer, job, scope, results),
                    None => self.has_more_jobs = false,
                }
            } else if !self.has_more_jobs && self.jobs.open() == 0 && self.ready.is_empty() {
                match self.grouper.rest() {
                    Some(group) => self.ready.push_back(group),
                    None => break,
                }
            } else {
                break;
            }
        }
    }

    fn begin_job<'s, P: Producer>(
        &mut self,
        producer: &'s P,
        job: P::Job,
        scope: &rayon::Scope<'s>,
        results: &mpsc::Sender<Done>,
    ) where
        'c: 's,
        P::Job: 's,
    {
        let number = self.jobs.begin();
        let time = self.control.stopwatch;
        let reporter = Reporter { to: results.clone(), number, is_job: true, is_done: false };
        scope.spawn(move |_| {
            let games = time.during(Stage::Produce, || producer.work(job));
            reporter.send(Done::Job(number, games));
        });
    }

    fn begin_group<'s>(
        &mut self,
        group: Group,
        scope: &rayon::Scope<'s>,
        results: &mpsc::Sender<Done>,
    ) where
        'a: 's,
        'c: 's,
    {
        let number = self.groups.begin();
        let (table, time) = (self.table, self.control.stopwatch);
        let reporter = Reporter { to: results.clone(), number, is_job: false, is_done: false };
        scope.spawn(move |_| {
            let encoded = table.encode(group, time);
            reporter.send(Done::Group(number, encoded));
        });
    }

    fn take(&mut self, done: Done) -> Result<(), DataError> {
        match done {
            Done::Job(number, produced) => {
                self.jobs.waiting.insert(number, produced?);
            }
            Done::Group(number, encoded) => {
                self.groups.waiting.insert(number, encoded?);
            }
        }
        loop {
            let job = self.jobs.taken;
            let Some(produced) = self.jobs.take() else { break };
            self.take_games(job, produced)?;
        }
        while let Some(group) = self.groups.take() {
            let Self { folder, skipped, skipped_before, from, control, .. } = self;
            let skipped_until = |end: &Place| {
                let here = usize::try_from(end.skipped.saturating_sub(from.skipped));
                let here = skipped.get(..here.unwrap_or(usize::MAX)).unwrap_or(skipped);
                counted(skipped_before, here)
            };
            let write = || folder.append(group, skipped_until);
            control.stopwatch.during(Stage::Write, write)?;
        }
        Ok(())
    }

    /// Groups the games of a job. Those that the dataset has already are passed over.
    fn take_games(&mut self, job: u64, produced: Produced) -> Result<(), DataError> {
        self.folder.totals.games_played += produced.games.len() as u64;
        self.folder.totals.ticks_played += produced.ticks;
        let from = self.from;
        let (games_before, parts_before) =
            if job == from.jobs { (from.games, from.parts) } else { (0, 0) };
        for (number, game) in (0..).zip(produced.games) {
            if number < games_before {
                continue;
            }
            let parts = if number == games_before { parts_before } else { 0 };
            self.table.check(&game.record)?;
            let weight = self.table.weight(&game.record);
            let place = Place { jobs: job, games: number, parts: 0, skipped: self.skipped_in_jobs };
            let groups = self.grouper.add(game, place, weight, &self.table.kind);
            let parts = usize::try_from(parts).unwrap_or(usize::MAX);
            self.ready.extend(groups.into_iter().skip(parts));
        }
        self.skipped_in_jobs += produced.skipped.len() as u64;
        self.skipped.extend(produced.skipped);
        Ok(())
    }

    fn show_progress(&mut self) {
        let closed = self.folder.totals.bytes;
        self.folder.totals.bytes = self.folder.bytes();
        (self.control.progress)(&self.folder.totals);
        self.folder.totals.bytes = closed;
    }
}
