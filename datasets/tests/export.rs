//! Games as replays: what goes out as `.gior` comes in as the same game.

#![expect(clippy::unwrap_used, reason = "what fails in a test shows where")]

mod common;
#[path = "common/replays.rs"]
mod replays;

use std::{fs, sync::Arc};

use common::Scratch;
use datasets::{
    export::{self, ReplayError},
    games::ArchivedGame,
    gior::Replay,
    import::{self, ReplayRules},
    produce::{Producer, ReplayOptions, Replays, Simulation},
};
use proptest::prelude::*;
use replays::files;
use systems::{
    components::Order,
    mapgen::{MapKind, MapSpec, Size},
    policies::Policy,
    replay::ScriptedOrder,
    rollout::{Maps, RolloutSpec},
    rules::ruleset::Ruleset,
};

/// Imports the bytes of one replay.
fn import(replay: &Replay) -> ArchivedGame {
    let replay = Replay::decode(&replay.encode()).unwrap();
    let numbered = import::Numbered { game: 0, replay };
    let rules = ReplayRules::default();
    let games = import::games([Ok(numbered)].into_iter(), 0, &rules, true).unwrap();
    games.into_iter().next().unwrap().unwrap()
}

/// Everything that affects play, and how it ended.
fn assert_plays_alike(a: &ArchivedGame, b: &ArchivedGame, what: &str) {
    assert_eq!(a.record.start, b.record.start, "{what}");
    assert_eq!(a.record.moves, b.record.moves, "{what}");
    assert_eq!(a.record.outcome, b.record.outcome, "{what}");
    assert_eq!(a.record.has_fog, b.record.has_fog, "{what}");
    let rules = |game: &ArchivedGame| (*game.record.ruleset).clone();
    assert_eq!(Ruleset { name: rules(b).name, ..rules(a) }, rules(b), "{what}");
}

/// A small board of random players, who meet the rules' end of a game in good time, since a
/// variant with early limits is what they play by.
fn played(ruleset: Ruleset, players: usize, teams: Option<Vec<u8>>, seed: u64) -> ArchivedGame {
    let size = Size::Fixed { width: 9, height: 8 };
    let maps = MapSpec { size, ..MapSpec::free_for_all(MapKind::Generals, players) };
    let maps = MapSpec { teams: teams.unwrap_or(maps.teams.clone()), ..maps };
    let simulation = Simulation::new(RolloutSpec {
        seed,
        first_game: seed % 1000,
        games: 1,
        maps: Maps::Generated(maps),
        ruleset: Arc::new(ruleset),
        max_ticks: u32::MAX,
        policies: vec![Policy::Random],
        has_fog: true,
    });
    simulation.work(simulation.next(0).unwrap()).unwrap().games.remove(0)
}

#[test]
fn replays_come_back_as_the_same_games() {
    let files = files();
    assert!(files.len() >= 10);
    let options = ReplayOptions { keeps_names: true, ..ReplayOptions::default() };
    let replays = Replays::new(files, options);
    for job in (0..).map_while(|n| replays.next(n)) {
        for game in replays.work(job).unwrap().games {
            let again = import(&export::replay(&game).unwrap());
            let source = game.source.clone().unwrap();
            assert_plays_alike(&game, &again, &source.id);
            assert_eq!(again.source, game.source, "{}", source.id);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn games_of_every_ruleset_of_replays_come_back_as_they_were_played(
        seed in any::<u64>(), players in 2..=8_usize, has_teams in any::<bool>(),
        version in prop::sample::select(vec![5, 9, 14, 15, 16, 18, 30]),
        speed in 0.1..0.3_f64,
    ) {
        let ruleset = import::ruleset(version, speed).unwrap();
        let half = players.div_ceil(2);
        let teams = (0..players).map(|seat| u8::from(seat >= half)).collect();
        let game = played(ruleset, players, (has_teams && players > 2).then_some(teams), seed);
        prop_assert!(!game.record.outcome.is_truncated);
        let again = import(&export::replay(&game).unwrap());
        assert_plays_alike(&game, &again, &format!("version {version} at {speed}"));
    }
}

#[test]
fn what_a_replay_cannot_say_is_named() {
    let quick = import::ruleset(18, 0.1).unwrap();
    let game = played(quick.clone(), 2, None, 7);
    assert!(export::replay(&game).is_ok());
    let refused = |change: &dyn Fn(&mut ArchivedGame)| {
        let mut game = game.clone();
        change(&mut game);
        export::replay(&game).unwrap_err().to_string()
    };
    for name in ["competition", "generals-bots"] {
        let ruleset = Ruleset::named(name).unwrap();
        let message = refused(&|g| g.record.ruleset = Arc::new(ruleset.clone()));
        assert!(message.contains(name) && message.contains(" is "), "{message}");
    }
    let mut slow = quick;
    slow.growth.land_every = 25;
    let message = refused(&|g| g.record.ruleset = Arc::new(slow.clone()));
    assert!(message.contains("growth.land_every is 25"), "{message}");
    assert!(refused(&|g| g.record.outcome.is_truncated = true).contains("cut off at tick"));
    assert!(refused(&|g| g.record.has_fog = false).contains("without fog"));
    let add = |g: &mut ArchivedGame, order| {
        let mut moves = (*g.record.moves).clone();
        moves.orders[1].push(ScriptedOrder { turn: 9_999, order });
        g.record.moves = Arc::new(moves);
    };
    let build = refused(&|g| add(g, Order::build(3)));
    assert!(build.contains("seat 1 has a build at turn 9999"), "{build}");
    assert!(refused(&|g| add(g, Order::PASS)).contains("a pass at turn 9999"));
    let error = ReplayError::Modifier(7);
    assert!(error.to_string().contains('7') && !error.kind().is_empty());
}

#[test]
fn exported_replays_are_files_that_import_reads() {
    let folder = Scratch::new("export-file");
    fs::create_dir_all(folder.path()).unwrap();
    let game = played(import::ruleset(16, 0.1).unwrap(), 3, None, 21);
    let path = folder.path().join("game.gior");
    fs::write(&path, export::replay(&game).unwrap().encode()).unwrap();
    let replay = import::read(&path).unwrap();
    assert_eq!(replay.names, ["random 0", "random 1", "random 2"]);
    assert_eq!(replay.version, 18, "any version from 16 on has the rules");
}
