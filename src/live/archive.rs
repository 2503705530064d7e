//! Finished games as datasets: parts in a folder or in storage, written beside the arena.
//!
//! What goes wrong is tried again, later and later, while games wait; a part that cannot be written
//! at all is lost, and counted, and the next one is tried. Old parts are removed as new ones come,
//! whichever run of the server wrote them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use datasets::{
    Kind,
    error::DataError,
    folder::FolderOptions,
    games::ArchivedGame,
    info::Info,
    parts,
    pipeline::{self, Control, Plan},
    produce::{Produced, Producer},
    stopwatch::Stopwatch,
};
use serde::Serialize;
use systems::record::GameRecord;
use tracing::{error, info, warn};

/// How finished games are kept.
#[derive(Clone, Debug)]
pub struct ArchiveConfig {
    /// The folder, or `s3://bucket/prefix`, in which parts appear. Each is a dataset of games.
    pub root: PathBuf,
    /// Games of a part at most.
    pub part_games: usize,
    /// How long the first game of a part waits for others.
    pub part_time: Duration,
    /// Parts that are kept there, those of earlier runs included; older ones are removed.
    pub parts: usize,
    /// How long a part that could not be written waits for its second attempt. Each further one
    /// waits twice as long, a minute at most.
    pub retry: Duration,
    /// Attempts after which a part is lost.
    pub attempts: u32,
}

impl ArchiveConfig {
    /// The usual numbers, in a folder.
    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self {
            root,
            part_games: 10_000,
            part_time: Duration::from_mins(1),
            parts: 1000,
            retry: Duration::from_secs(1),
            attempts: 10,
        }
    }
}

/// Games that wait to be written at most. More are not kept, and counted.
const WAITING: usize = 16_384;

/// The longest time between two attempts to write a part.
const LONGEST: Duration = Duration::from_mins(1);

/// What became of the games that were handed over.
#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    lost: AtomicU64,
    parts: AtomicU64,
    removed_parts: AtomicU64,
    errors: AtomicU64,
}

/// What the archive did since the server started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ArchiveStats {
    /// Games that were written.
    pub written: u64,
    /// Games that were handed over and could not be written.
    pub lost: u64,
    /// Parts that were written.
    pub parts: u64,
    /// Parts that were removed because newer ones had come.
    pub removed_parts: u64,
    /// Attempts to write, list or remove parts that failed.
    pub errors: u64,
}

/// Where finished games are sent.
#[derive(Clone, Debug)]
pub struct Keeper {
    games: SyncSender<GameRecord>,
    counts: Arc<Counts>,
}

impl Keeper {
    /// Hands a game over without waiting; whether there was room for it.
    pub fn keep(&self, game: GameRecord) -> bool {
        self.games.try_send(game).is_ok()
    }

    /// What became of those that were handed over.
    #[must_use]
    pub fn stats(&self) -> ArchiveStats {
        self.counts.stats()
    }
}

impl Counts {
    fn stats(&self) -> ArchiveStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ArchiveStats {
            written: count(&self.written),
            lost: count(&self.lost),
            parts: count(&self.parts),
            removed_parts: count(&self.removed_parts),
            errors: count(&self.errors),
        }
    }
}

/// What writes finished games, on a thread of its own.
#[derive(Debug)]
pub struct Archivist {
    thread: JoinHandle<Result<(), DataError>>,
    is_ending: Arc<AtomicBool>,
}

impl Archivist {
    /// Begins to write. The end of all keepers is the end of the last part.
    ///
    /// # Errors
    ///
    /// A thread that cannot be started.
    pub fn start(config: ArchiveConfig) -> std::io::Result<(Self, Keeper)> {
        let (games, waiting) = mpsc::sync_channel(WAITING);
        let (counts, is_ending) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(false)));
        let keeper = Keeper { games, counts: counts.clone() };
        let writer = Writer { config, counts, is_ending: is_ending.clone() };
        let builder = thread::Builder::new().name("archive".to_owned());
        let thread = builder.spawn(move || writer.run(&waiting))?;
        Ok((Self { thread, is_ending }, keeper))
    }

    /// Waits for the last part, which is tried once if those before could not be written. `None` if
    /// the thread panicked.
    ///
    /// # Errors
    ///
    /// What kept the last parts from being written.
    pub fn finish(self) -> Option<Result<(), DataError>> {
        self.is_ending.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        self.thread.join().ok()
    }
}

struct Writer {
    config: ArchiveConfig,
    counts: Arc<Counts>,
    is_ending: Arc<AtomicBool>,
}

impl Writer {
    fn run(&self, games: &Receiver<GameRecord>) -> Result<(), DataError> {
        // Those of earlier runs may be more than are kept by now.
        self.remove_oldest();
        let (mut number, mut result) = (0, Ok(()));
        while let Ok(first) = games.recv() {
            let part = gather(&self.config, first, games);
            let written = self.store(&part, &mut number);
            if self.is_ending.load(Ordering::Relaxed) {
                result = result.and(written);
            }
            self.remove_oldest();
        }
        result
    }

    /// Writes a part, as often as it takes.
    fn store(&self, part: &[GameRecord], number: &mut u64) -> Result<(), DataError> {
        let (games, mut wait) = (part.len() as u64, self.config.retry);
        for attempt in 1.. {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let name = parts::name(since, *number);
            *number += 1;
            let path = self.config.root.join(&name);
            let Err(error) = write(part.to_vec(), &path) else {
                self.counts.written.fetch_add(games, Ordering::Relaxed);
                self.counts.parts.fetch_add(1, Ordering::Relaxed);
                info!(games, path = %path.display(), "finished games written");
                break;
            };
            self.counts.errors.fetch_add(1, Ordering::Relaxed);
            // Half a part would be taken for a whole one. Where this fails too, it is the oldest
            // part some day.
            let _is_gone = parts::remove(&self.config.root, &name).is_ok();
            let reason = error.to_string();
            if attempt >= self.config.attempts || self.is_ending.load(Ordering::Relaxed) {
                error!(error = reason, games, attempt, "finished games lost");
                self.counts.lost.fetch_add(games, Ordering::Relaxed);
                return Err(error);
            }
            warn!(error = reason, games, attempt, ?wait, "finished games not written yet");
            self.pause(wait);
            wait = (wait * 2).min(LONGEST);
        }
        Ok(())
    }

    /// Waits, but not beyond the end of the server.
    fn pause(&self, wait: Duration) {
        let end = Instant::now() + wait;
        while !self.is_ending.load(Ordering::Relaxed) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::park_timeout(left);
        }
    }

    /// Removes the parts that are too many. What fails is tried again after the next part.
    fn remove_oldest(&self) {
        let root = &self.config.root;
        let remove = || {
            let parts = parts::list(root)?;
            let excess = parts.len().saturating_sub(self.config.parts.max(1));
            for part in &parts[..excess] {
                parts::remove(root, part)?;
                self.counts.removed_parts.fetch_add(1, Ordering::Relaxed);
                info!(part, "old finished games removed");
            }
            Ok::<_, DataError>(())
        };
        if let Err(error) = remove() {
            self.counts.errors.fetch_add(1, Ordering::Relaxed);
            warn!(error = error.to_string(), "old finished games not removed");
        }
    }
}

/// The games of a part.
fn gather(
    config: &ArchiveConfig,
    first: GameRecord,
    games: &Receiver<GameRecord>,
) -> Vec<GameRecord> {
    let end = Instant::now() + config.part_time;
    let mut part = vec![first];
    while part.len() < config.part_games {
        match games.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(game) => part.push(game),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    part
}

fn write(part: Vec<GameRecord>, path: &Path) -> Result<(), DataError> {
    let rulesets: BTreeMap<String, String> =
        part.iter().map(|game| (game.ruleset.name.clone(), game.ruleset.to_toml())).collect();
    let info = Info { command: "bivouac serve".to_owned(), rulesets, ..Info::default() };
    let plan = Plan { kind: Kind::Games, info, folder: FolderOptions::default() };
    let games = Part { games: part.len() as u64, waiting: Mutex::new(part) };
    let (stop, stopwatch) = (AtomicBool::new(false), Stopwatch::default());
    let control =
        Control { threads: 1, stop: &stop, progress: &mut |_totals| {}, stopwatch: &stopwatch };
    pipeline::write(&games, plan, path, control).map(|_report| ())
}

/// Games that are there already, as one job.
struct Part {
    games: u64,
    waiting: Mutex<Vec<GameRecord>>,
}

impl Producer for Part {
    type Job = ();

    fn next(&self, after: u64) -> Option<()> {
        (after == 0).then_some(())
    }

    fn work(&self, (): ()) -> Result<Produced, DataError> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let records = std::mem::take(&mut *waiting);
        let ticks = records.iter().map(|game| u64::from(game.outcome.ticks)).sum();
        let games = records.into_iter().map(ArchivedGame::from).collect();
        Ok(Produced { games, skipped: Vec::new(), ticks })
    }

    fn games(&self) -> u64 {
        self.games
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use systems::{policies::Policy, replay::ScriptMoves, rules::ruleset::Ruleset, start::Start};

    use super::*;
    use crate::analytics::tests::cut_off;

    /// A game that was over as soon as it began.
    fn record() -> GameRecord {
        GameRecord {
            seed: 1,
            game: 0,
            episode: 0,
            ruleset: Arc::new(Ruleset::named("generals").unwrap()),
            has_fog: true,
            max_ticks: 1,
            policies: vec![Policy::Random.name().to_owned(); 2],
            start: Arc::new(Start::from_text("A . B").unwrap()),
            moves: Arc::new(ScriptMoves { orders: vec![Vec::new(); 2], departures: Vec::new() }),
            outcome: cut_off(),
        }
    }

    /// An archive of parts of one game, of which two are kept.
    fn start(root: &Path, attempts: u32, retry: Duration) -> (Archivist, Keeper, Arc<Counts>) {
        let usual = ArchiveConfig::at(root.to_owned());
        let config = ArchiveConfig { part_games: 1, parts: 2, retry, attempts, ..usual };
        let (archivist, keeper) = Archivist::start(config).unwrap();
        let counts = keeper.counts.clone();
        (archivist, keeper, counts)
    }

    fn place(name: &str) -> PathBuf {
        let root = std::env::temp_dir().join(format!("bivouac-{name}-{}", std::process::id()));
        let _is_gone = fs::remove_dir_all(&root).is_ok();
        fs::create_dir_all(&root).unwrap();
        root
    }

    fn wait_for(counts: &Counts, is_so: impl Fn(ArchiveStats) -> bool) {
        let patience = Instant::now() + Duration::from_mins(5);
        while !is_so(counts.stats()) {
            assert!(Instant::now() < patience, "{counts:?}");
            thread::yield_now();
        }
    }

    #[test]
    fn parts_of_earlier_runs_are_among_those_that_are_too_many() {
        let root = place("old-parts");
        for other in ["part-of-somebody-else", "notes"] {
            fs::create_dir_all(root.join(other)).unwrap();
        }
        for old in 1..=4 {
            fs::create_dir_all(root.join(format!("part-000000000000{old}-000/data"))).unwrap();
        }
        let (archivist, keeper, counts) = start(&root, 1, Duration::ZERO);
        wait_for(&counts, |stats| stats.removed_parts == 2);
        assert!(keeper.keep(record()));
        drop(keeper);
        archivist.finish().unwrap().unwrap();
        let wanted = ArchiveStats { written: 1, lost: 0, parts: 1, removed_parts: 3, errors: 0 };
        assert_eq!(counts.stats(), wanted);
        let left = parts::list(&root).unwrap();
        assert_eq!((left.len(), left[0].as_str()), (2, "part-0000000000004-000"));
        assert!(root.join("notes").is_dir() && root.join("part-of-somebody-else").is_dir());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_part_that_cannot_be_written_is_tried_again_until_it_can() {
        let root = place("late-parts");
        // Nothing can be below a file.
        let (file, inside) = (root.join("file"), root.join("file/inside"));
        fs::write(&file, "").unwrap();
        let (archivist, keeper, counts) = start(&inside, u32::MAX, Duration::from_millis(1));
        assert!(keeper.keep(record()));
        wait_for(&counts, |stats| stats.errors > 3);
        assert_eq!(counts.stats().written, 0);
        fs::remove_file(&file).unwrap();
        wait_for(&counts, |stats| stats.written == 1);
        assert_eq!(parts::list(&inside).unwrap().len(), 1, "nothing is left of the other attempts");
        drop(keeper);
        archivist.finish().unwrap().unwrap();
        assert_eq!(counts.stats().lost, 0);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_part_that_is_lost_is_counted_and_the_next_one_is_written() {
        let root = place("lost-parts");
        let (file, inside) = (root.join("file"), root.join("file/inside"));
        fs::write(&file, "").unwrap();
        let (archivist, keeper, counts) = start(&inside, 3, Duration::ZERO);
        assert!(keeper.keep(record()));
        wait_for(&counts, |stats| stats.lost == 1);
        fs::remove_file(&file).unwrap();
        assert!(keeper.keep(record()), "there is room for more");
        drop(keeper);
        archivist.finish().unwrap().unwrap();
        assert_eq!((counts.stats().written, counts.stats().lost), (1, 1));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn the_end_of_the_server_waits_for_no_further_attempt() {
        let root = place("last-parts");
        let file = root.join("file");
        fs::write(&file, "").unwrap();
        let (archivist, keeper, counts) =
            start(&file.join("inside"), u32::MAX, Duration::from_hours(1));
        assert!(keeper.keep(record()));
        wait_for(&counts, |stats| stats.errors > 1);
        drop(keeper);
        archivist.finish().unwrap().unwrap_err();
        assert_eq!((counts.stats().written, counts.stats().lost), (0, 1));
        fs::remove_dir_all(root).unwrap();
    }
}
