//! Replays as games: what was imported ends as the expected files say, and plays out alike after
//! a way through a games file.

#![expect(clippy::unwrap_used, reason = "what fails in a test shows where")]

mod common;
#[path = "common/replays.rs"]
mod folders;

use std::{fs::File, path::PathBuf};

use common::{Scratch, simulation, tree, write};
use datasets::{
    Kind,
    folder::FolderOptions,
    games::{ArchivedGame, GamesFile},
    produce::{Producer, ReplayOptions, Replays},
};
use flate2::read::GzDecoder;
use folders::files;
use serde_json::Value;
use systems::world::{World, WorldConfig};

/// The replays of the project are among those beside it, so duplicates are kept.
fn options(keeps_names: bool) -> ReplayOptions {
    ReplayOptions { seed: 3, keeps_names, keeps_duplicates: true, ..ReplayOptions::default() }
}

fn imported(files: &[PathBuf]) -> Vec<ArchivedGame> {
    let replays = Replays::new(files.to_vec(), options(false));
    let jobs = (0..).map_while(|n| replays.next(n));
    jobs.flat_map(|job| {
        let produced = replays.work(job).unwrap();
        assert!(produced.skipped.is_empty(), "{:?}", produced.skipped);
        produced.games
    })
    .collect()
}

#[test]
fn imported_games_end_as_the_expected_files_say() {
    let files = files();
    for (path, game) in files.iter().zip(imported(&files)) {
        let expected = GzDecoder::new(File::open(path.with_extension("expected.json.gz")).unwrap());
        let expected: Value = serde_json::from_reader(expected).unwrap();
        let (end, outcome) = (&expected["final"], &game.record.outcome);
        let name = path.display();
        assert_eq!(end["tick"], outcome.ticks, "{name}");
        assert_eq!(end["ranking"], serde_json::json!(outcome.ranking), "{name}");
        assert_eq!(end["winners"], serde_json::json!(outcome.winners), "{name}");
        let row = outcome.ticks as usize;
        assert_eq!(expected["land"][row], serde_json::json!(outcome.land), "{name}");
        assert_eq!(expected["army"][row], serde_json::json!(outcome.army), "{name}");
    }
}

#[test]
fn games_play_out_alike_after_a_way_through_a_file() {
    let files = files();
    let folder = Scratch::new("replay-games");
    write(
        &Replays::new(files.clone(), options(false)),
        Kind::Games,
        &folder,
        FolderOptions::default(),
        2,
    );
    let paths = GamesFile::paths(folder.path()).unwrap();
    let read = paths.iter().flat_map(|path| GamesFile::open(path).unwrap());
    let read: Vec<ArchivedGame> = read.map(Result::unwrap).collect();
    assert!(read == imported(&files));
    assert!(read.iter().all(|g| g.source.as_ref().is_some_and(|s| s.names.is_none())));
    let mut world = World::new(WorldConfig::default()).unwrap();
    for game in &read {
        let id = game.record.replay_in(&mut world).unwrap();
        while world.take_ended().is_empty() {
            world.step();
        }
        assert_eq!(world.position(id).unwrap().digest, game.record.outcome.digest);
        world.remove(id).unwrap();
    }
}

#[test]
fn threads_do_not_change_a_byte_of_imported_games() {
    let files = files();
    let trees = [1, 2, 16].map(|threads| {
        let folder = Scratch::new("replay-threads");
        let replays = Replays::new(files.clone(), options(true));
        write(&replays, Kind::Games, &folder, FolderOptions::default(), threads);
        tree(&folder)
    });
    assert!(trees[0] == trees[1] && trees[1] == trees[2]);
}

#[test]
fn a_move_costs_at_most_two_and_a_half_bytes() {
    let folder = Scratch::new("bytes-per-move");
    let report = write(&simulation(2, 400), Kind::Games, &folder, FolderOptions::default(), 2);
    let (bytes, moves) = (report.totals.bytes, report.totals.moves);
    assert!(bytes * 2 <= moves * 5, "{bytes} bytes for {moves} moves");
}
