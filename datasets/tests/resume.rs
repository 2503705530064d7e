//! A run that is ended at any moment goes on to the bytes of one that never was.

mod common;

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use common::{Scratch, experiences, simulation, tree, try_write, write};
use datasets::{
    DataError, Kind,
    folder::FolderOptions,
    info::Info,
    pipeline::{self, Control, Plan},
    produce::{Produced, Producer, Simulation},
    stopwatch::Stopwatch,
};
use systems::{reward::Reward, rollout::RolloutSpec, rows::RowFormat};

/// Games in jobs of a few, of which one fails as if the process had been ended there.
struct Few {
    inner: Simulation,
    per_job: u64,
    fails_at: u64,
    worked: AtomicU64,
}

const GAMES: u64 = 24;

fn few(players: usize, fails_at: u64) -> Few {
    Few { inner: simulation(players, GAMES), per_job: 3, fails_at, worked: AtomicU64::new(0) }
}

impl Producer for Few {
    type Job = (u64, RolloutSpec);

    fn next(&self, after: u64) -> Option<Self::Job> {
        let first_game = after * self.per_job;
        let all = self.inner.next(0)?;
        let games = self.per_job.min(all.games.checked_sub(first_game)?);
        (games > 0).then_some((after, RolloutSpec { first_game, games, ..all }))
    }

    fn work(&self, (number, job): Self::Job) -> Result<Produced, DataError> {
        self.worked.fetch_add(1, Ordering::Relaxed);
        if number == self.fails_at { Err(DataError::Worker) } else { self.inner.work(job) }
    }

    fn games(&self) -> u64 {
        GAMES
    }
}

const NEVER: u64 = u64::MAX;

fn format(players: usize) -> RowFormat {
    RowFormat { height: 12, width: 15, has_builds: false, has_owners: players > 2 }
}

/// Options with which a run has a good many files, and some of its games several row groups of
/// experiences.
fn small() -> FolderOptions {
    FolderOptions { group_bytes: 400_000, file_bytes: 6_000, ..FolderOptions::default() }
}

/// The same for games, of which a row group holds a few.
fn small_games() -> FolderOptions {
    FolderOptions { group_bytes: 10_000, file_bytes: 3_000, ..FolderOptions::default() }
}

fn resumes() -> FolderOptions {
    FolderOptions { resumes: true, ..small() }
}

#[test]
fn a_run_that_fails_at_any_job_goes_on_to_the_same_bytes() {
    for (players, kind, options) in [
        (2, experiences(format(2), Reward::SHAPED), small()),
        (4, experiences(format(4), Reward::SPARSE), small()),
        (2, Kind::Games, small_games()),
    ] {
        let whole = Scratch::new("whole");
        let files = write(&few(players, NEVER), kind, &whole, options.clone(), 2).totals.files;
        assert!(files > 3, "only {files} files");
        let whole = tree(&whole);
        for fails_at in [0, 1, 4, 7] {
            let ended = Scratch::new("ended");
            let error =
                try_write(&few(players, fails_at), kind, &ended, options.clone(), 2).unwrap_err();
            assert!(matches!(error, DataError::Worker), "{error}");
            let is_unfinished = |path: &PathBuf| path.extension().is_some_and(|e| e == "tmp");
            assert_eq!(tree(&ended).into_keys().find(is_unfinished), None);
            let producer = few(players, NEVER);
            let resumes = FolderOptions { resumes: true, ..options.clone() };
            write(&producer, kind, &ended, resumes, 1);
            assert!(tree(&ended) == whole, "{players} players, ended in job {fails_at}");
            if fails_at == 7 {
                let worked = producer.worked.load(Ordering::Relaxed);
                assert!(worked < GAMES.div_ceil(3), "nothing was kept of what was finished");
            }
        }
    }
}

#[test]
fn a_run_that_was_stopped_goes_on_to_the_same_bytes_time_and_again() {
    let kind = experiences(format(2), Reward::SPARSE);
    let (whole, stopped) = (Scratch::new("whole"), Scratch::new("stopped"));
    write(&few(2, NEVER), kind, &whole, small(), 2);
    let mut stops = 0;
    loop {
        let stop = AtomicBool::new(false);
        let mut since = 0;
        let control = Control {
            threads: 2,
            stop: &stop,
            progress: &mut |_| {
                since += 1;
                stop.store(since > 5, Ordering::Relaxed);
            },
            stopwatch: &Stopwatch::default(),
        };
        let plan = Plan { kind, info: Info::default(), folder: resumes() };
        let report = pipeline::write(&few(2, NEVER), plan, stopped.path(), control).unwrap();
        if !report.was_stopped {
            break;
        }
        stops += 1;
        assert!(stops < 100, "each time it goes further");
    }
    assert!(stops > 1, "it was stopped {stops} times");
    assert!(tree(&whole) == tree(&stopped));
    // A complete dataset is left as it is.
    let report = write(&few(2, 0), kind, &stopped, resumes(), 2);
    assert_eq!((report.totals.games, report.was_stopped), (GAMES, false));
    assert!(tree(&whole) == tree(&stopped));
}

#[test]
fn a_dataset_of_other_parameters_is_not_gone_on_with() {
    let folder = Scratch::new("other");
    try_write(&few(2, 5), Kind::Games, &folder, small(), 1).unwrap_err();
    let before = tree(&folder);
    let refuse = |kind: Kind, options: FolderOptions| {
        let error = try_write(&few(2, NEVER), kind, &folder, options, 1).unwrap_err();
        assert!(matches!(error, DataError::OtherRun { .. }), "{error}");
        error.to_string()
    };
    let told = refuse(experiences(format(2), Reward::SPARSE), resumes());
    assert!(told.contains("games") && told.contains("experiences"), "{told}");
    let told = refuse(Kind::Games, FolderOptions { file_bytes: 7_000, ..resumes() });
    assert!(told.contains("file_bytes is 6000 there and 7000 now"), "{told}");
    assert!(tree(&folder) == before, "and nothing is changed");
}

#[test]
fn a_file_that_is_missing_is_named() {
    let folder = Scratch::new("missing");
    try_write(&few(2, 7), Kind::Games, &folder, small_games(), 1).unwrap_err();
    let path = folder.path().join("data/chunk-000/file-000.parquet");
    std::fs::remove_file(&path).unwrap();
    let resumes = FolderOptions { resumes: true, ..small_games() };
    let error = try_write(&few(2, NEVER), Kind::Games, &folder, resumes, 1).unwrap_err();
    assert!(error.to_string().contains("file-000.parquet"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_folder_that_somebody_writes_to_is_left_to_them() {
    let folder = Scratch::new("busy");
    std::fs::create_dir_all(folder.path()).unwrap();
    let held = std::fs::File::open(folder.path()).unwrap();
    held.lock().unwrap();
    let error = try_write(&few(2, NEVER), Kind::Games, &folder, small(), 1).unwrap_err();
    assert!(matches!(error, DataError::Busy(_)), "{error}");
    drop(held);
    write(&few(2, NEVER), Kind::Games, &folder, small(), 1);
}

#[test]
fn replacing_a_dataset_leaves_nothing_of_it() {
    let (new, replaced) = (Scratch::new("new"), Scratch::new("replaced"));
    write(&few(2, NEVER), experiences(format(2), Reward::SPARSE), &replaced, small(), 2);
    let options = FolderOptions { replaces: true, ..FolderOptions::default() };
    write(&few(2, NEVER), Kind::Games, &replaced, options.clone(), 2);
    write(&few(2, NEVER), Kind::Games, &new, options, 2);
    assert!(tree(&new) == tree(&replaced));
}
