//! Finished games as datasets: parts in a folder or in storage, written beside the arena.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::AtomicBool,
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use datasets::{
    Kind,
    error::DataError,
    folder::FolderOptions,
    games::ArchivedGame,
    info::Info,
    pipeline::{self, Control, Plan},
    produce::{Produced, Producer},
    stopwatch::Stopwatch,
};
use systems::record::GameRecord;
use tracing::{error, info};

/// How finished games are kept.
#[derive(Clone, Debug)]
pub struct ArchiveConfig {
    /// The folder, or `s3://bucket/prefix`, in which parts appear. Each is a dataset of games.
    pub root: PathBuf,
    /// Games of a part at most.
    pub part_games: usize,
    /// How long the first game of a part waits for others.
    pub part_time: Duration,
    /// Parts of this server that are kept; older ones are removed from the folder. In storage
    /// nothing is removed.
    pub parts: usize,
}

impl ArchiveConfig {
    /// The usual numbers, in a folder.
    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self { root, part_games: 10_000, part_time: Duration::from_mins(1), parts: 1000 }
    }
}

/// Games that wait to be written at most. More are not kept, and counted.
const WAITING: usize = 16_384;

/// What writes finished games, on a thread of its own.
#[derive(Debug)]
pub struct Archivist {
    thread: JoinHandle<Result<(), DataError>>,
}

impl Archivist {
    /// Begins to write. Games are sent to the sender; its end is the end of the last part.
    ///
    /// # Errors
    ///
    /// A thread that cannot be started.
    pub fn start(config: ArchiveConfig) -> std::io::Result<(Self, SyncSender<GameRecord>)> {
        let (sender, games) = mpsc::sync_channel(WAITING);
        let builder = std::thread::Builder::new().name("archive".to_owned());
        let thread = builder.spawn(move || {
            write_parts(&config, &games).inspect_err(|error| {
                error!(error = error.to_string(), "finished games are no longer kept");
            })
        })?;
        Ok((Self { thread }, sender))
    }

    /// Waits for the last part. `None` if the thread panicked.
    ///
    /// # Errors
    ///
    /// What kept a part from being written.
    pub fn finish(self) -> Option<Result<(), DataError>> {
        self.thread.join().ok()
    }
}

fn write_parts(config: &ArchiveConfig, games: &Receiver<GameRecord>) -> Result<(), DataError> {
    let mut parts = VecDeque::new();
    loop {
        let Ok(first) = games.recv() else { return Ok(()) };
        let (part, is_last) = gather(config, first, games);
        let path = config.root.join(name(parts.len()));
        let games_written = part.len();
        write(part, &path)?;
        info!(games = games_written, path = %path.display(), "finished games written");
        parts.push_back(path);
        if parts.len() > config.parts.max(1)
            && let Some(oldest) = parts.pop_front()
            && oldest.is_dir()
        {
            let (path, doing) = (oldest.clone(), "remove the oldest part");
            fs::remove_dir_all(&oldest).map_err(|source| DataError::File {
                path,
                doing,
                source,
            })?;
        }
        if is_last {
            return Ok(());
        }
    }
}

/// The games of a part, and whether there will be no more.
fn gather(
    config: &ArchiveConfig,
    first: GameRecord,
    games: &Receiver<GameRecord>,
) -> (Vec<GameRecord>, bool) {
    let end = Instant::now() + config.part_time;
    let mut part = vec![first];
    while part.len() < config.part_games {
        match games.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(game) => part.push(game),
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return (part, true),
        }
    }
    (part, false)
}

/// Names sort by time, and servers that were started one after the other share a folder.
fn name(part: usize) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("part-{:013}-{part:03}", since.as_millis())
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
