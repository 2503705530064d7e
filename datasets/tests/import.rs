//! Which replays become games, by what rules, and what is said of the others.

#![expect(clippy::unwrap_used, reason = "what fails in a test shows where")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::Scratch;
use datasets::{
    error::ImportError,
    gior::{AfkEvent, Replay, ReplayMove},
    import::{self, Filter},
    produce::{Produced, Producer, ReplayOptions, Replays},
};
use serde_json::{Value, json};

/// A replay of the tests: three players who stop moving, so that the idle rule ends their game.
fn idle() -> Replay {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/replays/syn_idle.gior");
    Replay::decode(&fs::read(path).unwrap()).unwrap()
}

/// The files of some replays, in a folder of their own.
fn files(folder: &Scratch, replays: &[Replay]) -> Vec<PathBuf> {
    fs::create_dir_all(folder.path()).unwrap();
    let write = |(i, replay): (usize, &Replay)| {
        let path = folder.path().join(format!("{i:03}.gior"));
        fs::write(&path, replay.encode()).unwrap();
        path
    };
    replays.iter().enumerate().map(write).collect()
}

fn produced(files: Vec<PathBuf>, options: ReplayOptions) -> Produced {
    let replays = Replays::new(files, options);
    let mut all = Produced::default();
    for job in (0..).map_while(|n| replays.next(n)) {
        let produced = replays.work(job).unwrap();
        all.games.extend(produced.games);
        all.skipped.extend(produced.skipped);
    }
    all
}

fn ticks(replay: &Replay) -> Result<u32, String> {
    let folder = Scratch::new("import-one");
    let produced = produced(files(&folder, std::slice::from_ref(replay)), ReplayOptions::default());
    match produced.skipped.first() {
        Some(skipped) => Err(skipped.reason.to_string()),
        None => Ok(produced.games[0].record.outcome.ticks),
    }
}

#[test]
fn the_limits_on_time_grow_with_the_game_speed() {
    let at = |speed: Value| ticks(&Replay { settings: json!([speed]), ..idle() });
    let normal = ticks(&idle()).unwrap();
    let last_move = normal - 2001;
    assert_eq!(at(json!(1)), Ok(normal));
    assert_eq!(at(json!(0.25)), Ok(last_move + 501));
    assert_eq!(at(json!(1.5)), Ok(last_move + 3001));
    assert_eq!(at(json!(4)), Ok(last_move + 8001));
    assert_eq!(at(json!(16)), Ok(last_move + 32_001));
    for nothing in [json!(null), json!(0), json!(0.0)] {
        assert_eq!(at(nothing), Ok(normal), "where nothing is said the speed is 1");
    }
    let none = Replay { settings: Value::Array(Vec::new()), ..idle() };
    assert_eq!(ticks(&none), Ok(normal), "where nothing is said the speed is 1");
}

#[test]
fn a_speed_that_no_game_has_is_refused_with_its_value() {
    for (settings, shown) in [
        (json!([17]), "speed of 17 "),
        (json!([-1]), "speed of -1 "),
        (json!([1e300]), "1e+300"),
        (json!(["fast"]), "fast"),
        (json!({"speed": 1}), "speed"),
        (json!([[[]]]), "[[]]"),
    ] {
        let reason = ticks(&Replay { settings, ..idle() }).unwrap_err();
        assert!(reason.contains("slot 20 (settings)") && reason.contains(shown), "{reason}");
    }
}

/// A replay of two on a board of five columns and two rows.
fn small() -> Replay {
    let generals = vec![Some(0), Some(9)];
    Replay { version: 16, width: 5, height: 2, generals, ..Replay::default() }
}

fn step(player: u32, from: u32, to: u32, turn: u32) -> ReplayMove {
    ReplayMove { player, from, to, half: false, turn }
}

#[test]
fn a_move_or_event_that_lies_before_an_earlier_one_waits_for_it() {
    let moves = vec![step(0, 0, 1, 9), step(1, 9, 8, 4), step(0, 1, 2, 6), step(0, 2, 3, 12)];
    let afk = [(1, 20), (1, 7), (0, 30)].map(|(player, turn)| AfkEvent { player, turn });
    let script = import::script(&Replay { moves, afk: afk.to_vec(), ..small() });
    let turns = |seat: usize| script.orders[seat].iter().map(|o| o.turn).collect::<Vec<_>>();
    assert_eq!((turns(0), turns(1)), (vec![9, 9, 12], vec![9]));
    assert_eq!(script.departures, [(20, 1), (20, 1), (30, 0)]);
    let never = import::script(&Replay { moves: vec![step(0, 0, 1, u32::MAX)], ..small() });
    assert_eq!(never.end(), u32::MAX);
}

#[test]
fn what_belongs_to_no_seat_is_left_out_and_counted() {
    let moves = vec![step(0, 0, 1, 2), step(2, 0, 1, 3), step(u32::MAX, 0, 1, 4), step(1, 9, 8, 5)];
    let afk = [(5, 6), (0, 90)].map(|(player, turn)| AfkEvent { player, turn });
    let replay = Replay { moves, afk: afk.to_vec(), ..small() };
    assert_eq!(import::strangers(&replay), 3);
    let script = import::script(&replay);
    assert_eq!(script.orders.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(script.departures, [(90, 0)]);
    assert_eq!(ticks(&Replay::decode(&replay.encode()).unwrap()), Ok(91));
    assert_eq!(import::strangers(&small()), 0);
    let folder = Scratch::new("import-strangers");
    let replays = Replays::new(files(&folder, &[small(), replay]), ReplayOptions::default());
    replays.work(replays.next(0).unwrap()).unwrap();
    assert_eq!(replays.strangers(), 3);
}

#[test]
fn a_move_that_no_rule_allows_does_not_hold_up_those_behind_it() {
    let legal = vec![step(0, 0, 1, 2), step(0, 1, 2, 3)];
    let end = vec![AfkEvent { player: 1, turn: 9 }];
    let outcome = |moves| {
        let folder = Scratch::new("import-illegal");
        let replay = Replay { moves, afk: end.clone(), ..small() };
        produced(files(&folder, &[replay]), ReplayOptions::default()).games.remove(0).record.outcome
    };
    let nonsense = vec![legal[0], step(0, u32::MAX, 2, 3), step(0, 1, u32::MAX, 3), legal[1]];
    assert_eq!(outcome(nonsense), outcome(legal));
}

#[test]
fn of_things_placed_on_one_tile_the_last_stays() {
    let replay = Replay {
        mountains: vec![1, 1, 2, 0, 3],
        cities: vec![2, 4, 4, 9, 5],
        city_armies: vec![40, 41, 42, 43, 44],
        neutrals: vec![5, 6, 6, 1, 0],
        neutral_armies: vec![7, 8, 9, 10, 11],
        ..small()
    };
    let start = import::start(&Replay::decode(&replay.encode()).unwrap()).unwrap();
    assert_eq!(start.mountains, [1, 3]);
    assert_eq!(start.cities, [(2, 40), (4, 42), (5, 7)]);
    assert_eq!(start.generals, [Some(0), Some(9)]);
    assert_eq!(start.neutrals, [(6, 9)]);
    let shared = Replay { generals: vec![Some(0), Some(0)], ..small() };
    assert!(import::start(&shared).is_err(), "a player without land of his own");
}

#[test]
fn lights_are_refused_in_whatever_shape_they_come() {
    for lights in [json!([3, 4]), json!({"3": 1}), json!(5), json!("all")] {
        let reason = ticks(&Replay { lights, ..idle() }).unwrap_err();
        assert!(reason.contains("lights"), "{reason}");
    }
    for lights in [json!([]), json!({}), json!(null)] {
        assert!(ticks(&Replay { lights, ..idle() }).is_ok());
    }
}

#[test]
fn unsupported_modifiers_are_named_and_counted_by_name() {
    let error = import::start(&Replay { modifiers: vec![1, 7], ..idle() }).unwrap_err();
    assert!(error.to_string().contains("7 (Torus)"), "{error}");
    assert_eq!(error.kind(), "unsupported modifier Torus");
    assert!(import::start(&Replay { modifiers: vec![1], ..idle() }).is_ok());
    let later = import::start(&Replay { modifiers: vec![77], ..idle() }).unwrap_err();
    assert!(later.to_string().contains("77 (unknown)"), "{later}");
}

#[test]
fn files_with_equal_bytes_are_imported_once_unless_copies_are_kept() {
    let folder = Scratch::new("import-copies");
    let other = Replay { id: "another".to_owned(), ..idle() };
    // More than a job's files, so that copies lie in jobs of their own.
    let mut replays = vec![idle(); 40];
    replays[35] = other;
    let files = files(&folder, &replays);
    let once = produced(files.clone(), ReplayOptions::default());
    let places: Vec<u64> = once.games.iter().map(|game| game.record.game).collect();
    assert_eq!(places, [0, 35]);
    assert_eq!(once.skipped.len(), 38);
    for skipped in &once.skipped {
        assert!(skipped.reason.is_choice());
        assert!(matches!(&skipped.reason, ImportError::Duplicate { of } if *of == files[0]));
    }
    let keeps_duplicates = ReplayOptions { keeps_duplicates: true, ..ReplayOptions::default() };
    assert_eq!(produced(files, keeps_duplicates).games.len(), 40);
}

#[test]
fn filters_leave_out_what_they_name_and_nothing_else() {
    let folder = Scratch::new("import-filters");
    let two = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/replays/syn_2v2.gior");
    let two = Replay::decode(&fs::read(two).unwrap()).unwrap();
    // Version 18, 3 players, 2045 ticks; version 16, 4 players, 193 ticks.
    let files = files(&folder, &[idle(), two]);
    let left = |filter: Filter| {
        let produced =
            produced(files.clone(), ReplayOptions { filter, ..ReplayOptions::default() });
        let reasons = produced.skipped.iter().map(|s| s.reason.kind().into_owned());
        let games = produced.games.iter().map(|game| game.record.game).collect::<Vec<_>>();
        (games, reasons.collect::<Vec<_>>())
    };
    let nothing: Vec<String> = Vec::new();
    assert_eq!(left(Filter::default()), (vec![0, 1], nothing));
    let least = |min_ticks| Filter { min_ticks, ..Filter::default() };
    assert_eq!(left(least(193)).0, [0, 1]);
    assert_eq!(left(least(194)), (vec![0], vec!["filtered by ticks".to_owned()]));
    let versions = Filter { versions: "17..".parse().ok(), ..Filter::default() };
    assert_eq!(left(versions), (vec![0], vec!["filtered by version".to_owned()]));
    let players = Filter { players: "4,8".parse().ok(), ..Filter::default() };
    assert_eq!(left(players), (vec![1], vec!["filtered by players".to_owned()]));
}

#[test]
fn ratings_are_kept_and_names_only_when_asked_for() {
    let folder = Scratch::new("import-names");
    let replay = Replay {
        names: ["a", "b", "c"].map(str::to_owned).to_vec(),
        stars: vec![Some(61.5), None, Some(3.0)],
        ..idle()
    };
    let files = files(&folder, &[replay]);
    for keeps_names in [false, true] {
        let options = ReplayOptions { keeps_names, ..ReplayOptions::default() };
        let source = produced(files.clone(), options).games[0].source.clone().unwrap();
        assert_eq!(source.ratings, [Some(61.5), None, Some(3.0)]);
        assert_eq!(source.names.is_some(), keeps_names);
    }
}
