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
    import,
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

/// A file of experiences is counted, and told what is wrong with it.
pub(crate) fn experiences(bytes: &[u8]) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = env::temp_dir().join(format!("bivouac-fuzz-{}-{number}.parquet", process::id()));
    fs::write(&path, bytes).expect("a temporary file can be written");
    let found = verify::<Archive>(&path, None, 1);
    fs::remove_file(&path).expect("and removed");
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
