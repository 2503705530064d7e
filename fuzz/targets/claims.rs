//! What must hold for any bytes at all: the bodies of the fuzz targets, which the tests of
//! `datasets` run over the corpus too.

#![allow(dead_code, reason = "a target uses one of them")]

use std::{
    env, fs,
    path::Path,
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use datasets::{
    DataError,
    games::{ArchivedGame, GamesFile},
    gior::{Replay, lz},
    import, inspect, minari,
    produce::Archive,
    verify::{Verified, verify},
};
use systems::{
    replay::ScriptMoves,
    rules::ruleset::Ruleset,
    start::Start,
    world::{GameSpec, World, WorldConfig},
};

/// Ticks that a game is played for: growth of the land comes at the fiftieth.
const TICKS: u32 = 60;
/// Games that are looked at in a file.
const GAMES: usize = 8;

/// A replay that is read at all reads back as it was written, and plays if its start can be played.
pub(crate) fn gior(bytes: &[u8]) {
    if let Ok(text) = lz::decompress(bytes) {
        assert_eq!(lz::decompress(&lz::compress(&text)).as_ref(), Ok(&text));
    }
    let Ok(replay) = Replay::decode(bytes) else { return };
    assert_eq!(Replay::decode(&replay.encode()).as_ref(), Ok(&replay));
    if let Ok((start, moves, ruleset)) = import::playable(&replay) {
        play(&start, moves, &ruleset);
    }
}

/// A games file is games that play, up to its first fault.
pub(crate) fn games(bytes: &[u8]) {
    let Ok(file) = GamesFile::from_bytes(Path::new("fuzz.parquet"), bytes.to_vec()) else { return };
    let games: Vec<Result<ArchivedGame, DataError>> = file.take(GAMES).collect();
    for game in games.into_iter().flatten() {
        let record = game.record;
        play(&record.start, (*record.moves).clone(), &record.ruleset);
    }
}

/// A sound data file, and the file of `meta/episodes` that tells of it.
const ROWS: &[u8] = include_bytes!("../corpus/experiences/compact_2");
const EPISODES: &[u8] = include_bytes!("../corpus/episodes/compact_2");

/// A file of experiences is counted, told what is wrong with it, drawn and exported.
pub(crate) fn experiences(bytes: &[u8]) {
    dataset(bytes, EPISODES);
}

/// So is one with a file of `meta/episodes` that says anything at all.
pub(crate) fn episodes(bytes: &[u8]) {
    dataset(ROWS, bytes);
}

fn dataset(rows: &[u8], episodes: &[u8]) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let root = env::temp_dir().join(format!("bivouac-fuzz-{}-{number}", process::id()));
    for (part, bytes) in [("data", rows), ("meta/episodes", episodes)] {
        let folder = root.join(part).join("chunk-000");
        fs::create_dir_all(&folder).expect("a temporary folder can be made");
        fs::write(folder.join("file-000.parquet"), bytes).expect("and a file written");
    }
    let found = verify::<Archive>(&root, None, 1);
    // Each tells of what it cannot read.
    drop(inspect::summary(&root));
    for (game, tick) in [(0, 0), (1, 3), (0, u32::MAX)] {
        drop(inspect::view(&root, game, tick, 1));
    }
    let exported = minari::export(&root, &root.join("minari"), "a-v0");
    assert!(exported.is_ok() || !root.join("minari/a-v0/.data.tmp").exists());
    fs::remove_dir_all(&root).expect("and removed");
    let Ok(Verified { totals, faults, .. }) = found else { return };
    assert!(faults.iter().all(|fault| !fault.message.is_empty()));
    // A row at least for each agent's episode, and an episode at least for each game.
    assert!(totals.rows >= totals.episodes && totals.episodes >= totals.games);
}

fn play(start: &Start, moves: ScriptMoves, ruleset: &Ruleset) {
    let config = WorldConfig { threads: 1, ..WorldConfig::default() };
    let mut world = World::new(config).expect("one thread can be had");
    let rules = world.add_ruleset(ruleset).expect("an empty world has room for a ruleset");
    let spec = GameSpec { script: Some(moves.into()), ..GameSpec::new(start, rules) };
    let Ok(id) = world.create(&spec) else { return };
    for _ in 0..=TICKS {
        world.step();
    }
    let position = world.position(id).expect("the game is there");
    assert_eq!(position.land.iter().sum::<u32>(), owned(&position.owners));
}

fn owned(owners: &[i8]) -> u32 {
    owners.iter().map(|&owner| u32::from(owner >= 0)).sum()
}
