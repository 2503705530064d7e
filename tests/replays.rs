//! Whole recorded games against their expected results, tick by tick.
//!
//! The folder is `BIVOUAC_REPLAYS`, or `../shared/replays` beside the project; without it the
//! copies of the generated games in `tests/data/replays` are still played.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on fails")]

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use datasets::{gior::Replay, import::playable};
use flate2::read::GzDecoder;
use serde_json::Value;
use systems::{
    components::State,
    owned::OwnedGame,
    replay::Script,
    rules::tick::{Log, NoLog},
    world::{GameSpec, Position, World, WorldConfig},
};

/// Replays of a folder and its subfolders that have an expected file beside them.
fn replays(folder: &Path) -> Vec<(PathBuf, Value)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("optional") {
            found.extend(replays(&path));
        } else if path.extension().is_some_and(|extension| extension == "gior") {
            found.extend(expected(&path).map(|expected| (path, expected)));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn expected(gior: &Path) -> Option<Value> {
    let packed = gior.with_extension("expected.json.gz");
    if packed.exists() {
        return Some(serde_json::from_reader(GzDecoder::new(File::open(packed).unwrap())).unwrap());
    }
    let plain = gior.with_extension("expected.json");
    plain.exists().then(|| serde_json::from_reader(File::open(plain).unwrap()).unwrap())
}

fn own_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/replays")
}

/// The folder of recorded games, if there is one. What is named has to be there.
fn shared_folder() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("BIVOUAC_REPLAYS") {
        return Some(PathBuf::from(named));
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/replays");
    if beside.is_dir() {
        return Some(beside);
    }
    eprintln!(
        "SKIPPED: {} does not exist; set BIVOUAC_REPLAYS to play real recorded games",
        beside.display()
    );
    None
}

/// The trace that `bivouac replay` writes, line by line.
fn trace(gior: &Path) -> Vec<Value> {
    let name = format!("{:016x}.jsonl", fnv(gior.as_os_str().as_encoded_bytes()));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let done = Command::new(env!("CARGO_BIN_EXE_bivouac"))
        .arg("replay")
        .arg(gior)
        .arg("--trace")
        .arg(&file)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn fnv(bytes: &[u8]) -> u64 {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Compares a trace with an expected file and returns how many ticks were equal.
fn compare(name: &str, trace: &[Value], expected: &Value) -> usize {
    let ticks = usize::try_from(expected["ticks"].as_u64().unwrap()).unwrap();
    let boards = expected["boards"].as_array().unwrap();
    let (mut totals, mut boards_seen) = (0, 0);
    for line in trace {
        if let Some(end) = line.get("final") {
            let fields = ["winners", "deaths", "ranking", "ranking_kills_first", "captures"];
            for field in fields.into_iter().chain(["tick", "alive"]) {
                assert_eq!(end[field], expected["final"][field], "{name}: final {field}");
            }
            continue;
        }
        let tick = usize::try_from(line["tick"].as_u64().unwrap()).unwrap();
        assert!(tick <= ticks, "{name}: tick {tick} of {ticks}");
        if line.get("land").is_some() {
            for field in ["land", "army"] {
                assert_eq!(line[field], expected[field][tick], "{name}: {field} at tick {tick}");
            }
            if tick > 0 {
                let order = &expected["order"][tick - 1];
                assert_eq!(line["order"], *order, "{name}: order at tick {tick}");
            }
            totals += 1;
        } else {
            let board = boards.iter().find(|board| board["tick"] == line["tick"]);
            let board = board.unwrap_or_else(|| panic!("{name}: no board is due at {tick}"));
            for (field, value) in line.as_object().unwrap() {
                if let Some(known) = board.get(field) {
                    assert_eq!(value, known, "{name}: {field} at tick {tick}");
                }
            }
            boards_seen += 1;
        }
    }
    assert_eq!(totals, ticks + 1, "{name}: every tick has a line");
    assert_eq!(boards_seen, boards.len(), "{name}: every expected board was compared");
    assert!(trace.last().unwrap().get("final").is_some(), "{name}: the result is the last line");
    ticks
}

/// Plays the replay in a world among others and on its own, and compares every position.
fn compare_worlds(name: &str, gior: &Path, expected: &Value) {
    let replay = Replay::decode(&fs::read(gior).unwrap()).unwrap();
    let (start, moves, ruleset) = playable(&replay).unwrap();
    let moves = Arc::new(moves);
    let mut world = World::new(WorldConfig { threads: 1, ..WorldConfig::default() }).unwrap();
    let rules = world.add_ruleset(&ruleset).unwrap();
    let spec = GameSpec { script: Some(moves.clone()), ..GameSpec::new(&start, rules) };
    // Two copies: games of one world do not disturb each other.
    let ids = [world.create(&spec).unwrap(), world.create(&spec).unwrap()];
    let mut owned = OwnedGame::new(&start, &ruleset).unwrap();
    let mut queue = Script::<16>::new(moves);
    world.step();
    loop {
        let [position, copy] = ids.map(|id| world.position(id).unwrap());
        let tick = usize::try_from(position.turn).unwrap();
        assert_eq!(position, copy, "{name} at tick {tick}");
        assert_eq!(position.digest, owned.digest(), "{name} at tick {tick}");
        assert_eq!(serde_json::json!(position.land), expected["land"][tick], "{name}: {tick}");
        assert_eq!(serde_json::json!(position.army), expected["army"][tick], "{name}: {tick}");
        if position.state != State::Running {
            compare_end(name, &position, expected, &start.teams);
            break;
        }
        owned.tick(&mut queue, &mut NoLog);
        world.step();
    }
    let ended = world.take_ended();
    assert!(ended.len() == 2 && ids.iter().all(|id| ended.contains(id)), "{name}: both ended");
}

fn compare_end(name: &str, position: &Position, expected: &Value, teams: &[u8]) {
    let end = &expected["final"];
    assert_eq!(position.turn, end["tick"], "{name}");
    assert_eq!(serde_json::json!(position.winners(teams)), end["winners"], "{name}");
    assert_eq!(serde_json::json!(position.deaths), end["deaths"], "{name}");
    assert_eq!(serde_json::json!(position.ranking), end["ranking"], "{name}");
    let kills_first = serde_json::json!(position.ranking_kills_first);
    assert_eq!(kills_first, end["ranking_kills_first"], "{name}");
    let captures: Vec<usize> =
        end["captures"].as_array().unwrap().iter().map(|c| c.as_array().unwrap().len()).collect();
    let counted: Vec<usize> = position.captures.iter().map(|&n| n.into()).collect();
    assert_eq!(counted, captures, "{name}");
}

fn play_all(folder: &Path) {
    let replays = replays(folder);
    assert!(!replays.is_empty(), "{} holds no replays", folder.display());
    let mut ticks = 0;
    for (gior, expected) in &replays {
        let name = gior.file_name().unwrap().to_string_lossy();
        ticks += compare(&name, &trace(gior), expected);
        compare_worlds(&name, gior, expected);
    }
    eprintln!("{} replays, {ticks} ticks equal", replays.len());
}

#[test]
fn generated_games_play_out_tick_for_tick() {
    play_all(&own_folder());
}

#[test]
fn recorded_games_play_out_tick_for_tick() {
    if let Some(folder) = shared_folder() {
        play_all(&folder);
    }
}

#[test]
fn events_are_those_of_the_expected_file() {
    /// Counts of surrenders, captures, neutralisations and trades.
    #[derive(Default)]
    struct Counts([usize; 4]);
    impl Log for Counts {
        fn surrendered(&mut self, _seat: usize) {
            self.0[0] += 1;
        }
        fn captured(&mut self, _captor: usize, _victim: usize) {
            self.0[1] += 1;
        }
        fn neutralised(&mut self, _seat: usize, _heir: Option<usize>) {
            self.0[2] += 1;
        }
        fn traded(&mut self, _a: usize, _b: usize) {
            self.0[3] += 1;
        }
    }
    for (gior, expected) in replays(&own_folder()) {
        let replay = Replay::decode(&fs::read(&gior).unwrap()).unwrap();
        let (start, moves, ruleset) = playable(&replay).unwrap();
        let mut owned = OwnedGame::new(&start, &ruleset).unwrap();
        let (mut queue, mut counts) = (Script::<16>::new(Arc::new(moves)), Counts::default());
        while owned.state() == State::Running {
            owned.tick(&mut queue, &mut counts);
        }
        let events = expected["events"].as_array().unwrap();
        let known = ["surrender", "capture", "neutralise", "general_trade"]
            .map(|kind| events.iter().filter(|event| event["type"] == kind).count());
        assert_eq!(counts.0, known, "{}", gior.display());
    }
}
