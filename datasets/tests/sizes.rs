//! How many bytes games take.

#![expect(clippy::unwrap_used, reason = "what fails in a test shows where")]

mod common;
#[path = "common/replays.rs"]
mod replays;

use std::{fs, sync::Arc};

use common::{Scratch, tree, write};
use datasets::{
    Kind,
    folder::FolderOptions,
    pipeline::Report,
    produce::{Producer, ReplayOptions, Replays, Simulation},
};
use parquet::file::reader::{FileReader, SerializedFileReader};
use systems::{
    mapgen::{MapKind, MapSpec, Size},
    policies::Policy,
    rollout::{Maps, RolloutSpec},
    rules::ruleset::Ruleset,
};

/// Writes games, and returns the report, the bytes of the file and those of its columns.
fn written<P: Producer>(producer: &P) -> (Report, u64, u64) {
    let folder = Scratch::new("sizes");
    let report = write(producer, Kind::Games, &folder, FolderOptions::default(), 2);
    let (mut bytes, mut columns) = (0, 0);
    for name in tree(&folder).into_keys().filter(|name| name.starts_with("data")) {
        let file = fs::File::open(folder.path().join(name)).unwrap();
        bytes += file.metadata().unwrap().len();
        let reader = SerializedFileReader::new(file).unwrap();
        let groups = reader.metadata().row_groups().iter();
        columns += groups.map(|group| u64::try_from(group.compressed_size()).unwrap()).sum::<u64>();
    }
    (report, bytes, columns)
}

#[test]
fn games_of_expander_take_at_most_2_5_bytes_a_move() {
    let size = Size::Fixed { width: 20, height: 20 };
    let (report, bytes, _) = written(&Simulation::new(RolloutSpec {
        seed: 1,
        first_game: 0,
        games: 60,
        maps: Maps::Generated(MapSpec { size, ..MapSpec::free_for_all(MapKind::Generals, 2) }),
        ruleset: Arc::new(Ruleset::named("generals").unwrap()),
        max_ticks: 500,
        policies: vec![Policy::Expander],
        has_fog: true,
    }));
    let moves = report.totals.moves;
    assert!(moves > 20_000, "{moves} moves are too few to tell");
    assert!(2 * bytes <= 5 * moves, "{bytes} bytes for {moves} moves");
}

#[test]
fn imported_games_take_no_more_bytes_than_the_files_they_come_from() {
    let files = replays::files();
    let replays = Replays::new(files.clone(), ReplayOptions::default());
    let (report, _, columns) = written(&replays);
    let is_there = |path: &&std::path::PathBuf| report.skipped.iter().all(|s| s.path != **path);
    let sizes = files.iter().filter(is_there).map(|path| fs::metadata(path).unwrap().len());
    let of_files: u64 = sizes.sum();
    assert!(report.totals.games >= 10);
    // A file of Parquet has some ten thousand bytes beside its columns, which many games share.
    assert!(columns <= of_files, "{columns} bytes for {of_files} of .gior");
}
