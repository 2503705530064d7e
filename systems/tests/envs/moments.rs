//! Snapshots, copies, and games that leave their table.

use std::sync::Arc;

use proptest::prelude::*;
use systems::{
    components::Order,
    dice::Dice,
    envs::{Autoreset, EnvError, EnvSpec, Opening, VectorEnv, VectorSpec},
    owned::OwnedGame,
    policies::Policy,
    rollout::Maps,
    rules::{ruleset::Ruleset, tick::NoLog},
    start::Start,
};

use crate::{duels, from_outside, mixed, one_thread, pass, rows, rows_of, some_actions, with};

/// Steps on and returns everything that is seen.
fn played(envs: &mut VectorEnv, steps: usize, seed: u64) -> Vec<Vec<Vec<u8>>> {
    let mut dice = Dice::new(seed);
    (0..steps)
        .map(|_| {
            let actions = some_actions(envs.frame(), &mut dice);
            rows(envs.step(&actions).unwrap())
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 4, ..ProptestConfig::default() })]

    #[test]
    fn what_follows_a_restored_snapshot_follows_again(
        before in 0..120_usize,
        after in 1..60_usize,
        seed in any::<u64>(),
        mode in 0..3_usize,
    ) {
        let mode = [Autoreset::NextStep, Autoreset::SameStep, Autoreset::Disabled][mode];
        let mut envs = with(from_outside(mixed(9)), mode);
        played(&mut envs, before, seed);
        let all: Vec<usize> = (0..9).collect();
        let (snapshot, shown) = (envs.snapshot(&all).unwrap(), rows(envs.frame()));
        let first = played(&mut envs, after, seed ^ 1);
        envs.restore(&snapshot, &all).unwrap();
        prop_assert!(rows(envs.frame()) == shown);
        prop_assert!(played(&mut envs, after, seed ^ 1) == first);
        // In another vector of the same form as well, in any order.
        let mut other = with(from_outside(mixed(9)), mode);
        let turned: Vec<usize> = all.iter().rev().copied().collect();
        other.restore(&envs.snapshot(&turned).unwrap(), &all).unwrap();
        for env in 0..9 {
            prop_assert!(rows_of(other.frame(), env) == rows_of(envs.frame(), 8 - env));
        }
    }
}

#[test]
fn copies_go_on_as_their_source_does() {
    let mut envs = with(duels(6, &[Policy::Hunter, Policy::Expander]), Autoreset::NextStep);
    pass(&mut envs, 25);
    envs.copy(&[2, 2, 5], &[0, 1, 2]).unwrap();
    for _ in 0..90 {
        let frame = envs.step(&[-1; 12]).unwrap();
        assert_eq!(rows_of(frame, 0), rows_of(frame, 1));
        assert_eq!(rows_of(frame, 2), rows_of(frame, 5));
        assert_ne!(rows_of(frame, 0), rows_of(frame, 2));
    }
    assert_eq!(envs.episode(0).unwrap(), envs.episode(1).unwrap());
}

#[test]
fn an_environment_is_kept_and_written_once_however_often_it_is_named() {
    let mut envs = with(duels(3, &[]), Autoreset::NextStep);
    let before = rows(envs.frame());
    let twice = |error| matches!(error, EnvError::Twice { env: 1 });
    // A short list of numbers would be long in games.
    assert!(envs.snapshot(&[1, 0, 1]).is_err_and(twice));
    let snapshot = envs.snapshot(&[0, 2]).unwrap();
    assert!(envs.restore(&snapshot, &[1, 1]).is_err_and(twice));
    assert!(envs.copy(&[0, 0], &[1, 1]).is_err_and(twice));
    let lengths = envs.copy(&[0; 100_000], &[1]);
    assert!(matches!(lengths, Err(EnvError::Length { given: 1, wanted: 100_000, .. })));
    assert_eq!(rows(envs.frame()), before);
}

#[test]
fn a_snapshot_says_how_much_memory_it_takes_before_it_is_taken() {
    let envs = with(duels(3, &[]), Autoreset::NextStep);
    let snapshot = envs.snapshot(&[0, 2]).unwrap();
    assert_eq!(snapshot.bytes(), envs.snapshot_bytes(2));
    assert_eq!(envs.snapshot_bytes(4), 2 * envs.snapshot_bytes(2));
    // A game has more than the armies of the largest board.
    assert!(envs.snapshot_bytes(1) > 32 * 32 * 4);
}

#[test]
fn a_snapshot_of_another_form_is_refused() {
    let mut envs = with(duels(2, &[]), Autoreset::NextStep);
    let other = VectorEnv::new(VectorSpec { seats: vec![1], ..duels(2, &[]) }).unwrap();
    let before = rows(envs.frame());
    let error = envs.restore(&other.snapshot(&[0]).unwrap(), &[0]).unwrap_err().to_string();
    assert!(error.contains("seats [1]") && error.contains("seats [0, 1]"), "{error}");
    let snapshot = envs.snapshot(&[0, 1]).unwrap();
    assert!(envs.restore(&snapshot, &[0]).is_err());
    assert!(envs.restore(&snapshot, &[0, 2]).is_err());
    assert_eq!(rows(envs.frame()), before);
}

/// Two generals that grow every tick, among cities of huge armies or without.
fn rich(cities: &[(u16, i32)]) -> (Start, Ruleset) {
    let start = Start {
        width: 5,
        height: 2,
        teams: vec![0, 1],
        generals: vec![Some(0), Some(4)],
        cities: cities.to_vec(),
        ..Start::default()
    };
    let text = "extends = \"generals\"\nname = \"fast\"\n\
                [growth]\nland_every = 1\nstructures_every = 1\n[end]\nidle_ticks = 0\nlast_turn = 0\n";
    (start, Ruleset::from_toml(text).unwrap())
}

#[test]
fn games_with_huge_armies_stay_exact_beside_the_others() {
    let (start, ruleset) = rich(&[]);
    let spec = |start: &Start, policies: &[Policy]| {
        Arc::new(EnvSpec {
            opening: Opening::Maps(Maps::Fixed(Arc::new(start.clone()))),
            ruleset: Arc::new(ruleset.clone()),
            max_ticks: u32::MAX,
            has_fog: false,
            policies: policies.to_vec(),
        })
    };
    let (large, _) = rich(&[(7, 50_000)]);
    let plain = spec(&start, &[]);
    let vector = VectorSpec {
        config: one_thread(),
        is_recorded: true,
        ..VectorSpec::new(
            vec![plain.clone(), spec(&large, &[]), spec(&start, &[Policy::Random; 2]), plain],
            1,
        )
    };
    let mut envs = VectorEnv::new(vector).unwrap();
    let mut exact =
        [OwnedGame::new(&start, &ruleset).unwrap(), OwnedGame::new(&large, &ruleset).unwrap()];
    let mut snapshot = None;
    let ticks = 31_000;
    for turn in 0..ticks {
        // Out and back, so that all units gather on the general.
        let home = turn % 2 == 1;
        let orders = [
            Order::step(u16::from(home), 3 - u8::from(home), false),
            Order::step(4 - u16::from(home), 2 + u8::from(home), false),
        ];
        exact.iter_mut().for_each(|game| game.tick_orders(&orders, &mut NoLog));
        let actions = orders.map(|order| order.action(10));
        let all: Vec<i32> = [actions, actions, [-1, -1], [-1, -1]].concat();
        envs.step(&all).unwrap();
        if turn == ticks - 500 {
            snapshot = Some((envs.snapshot(&[0, 1]).unwrap(), rows(envs.frame())));
        }
    }
    let frame = envs.frame().clone();
    let large_rows: Vec<u32> = frame.large_army().iter().map(|(row, _)| *row).collect();
    assert!(large_rows.contains(&0) && large_rows.contains(&2), "{large_rows:?}");
    assert!(frame.large_army()[0].1.iter().any(|&army| army > 65_535));
    let (snapshot, shown) = snapshot.unwrap();
    envs.reset(None, None).unwrap();
    let games = envs.take_games();
    for (number, exact) in exact.iter_mut().enumerate() {
        let game = games.iter().find(|game| game.game == number as u64).unwrap();
        assert_eq!((game.outcome.ticks, game.outcome.digest), (ticks, exact.digest()));
    }
    // Small games are back in their slots, and a large one goes where a small one was.
    assert!(envs.frame().large_army().is_empty());
    envs.restore(&snapshot, &[3, 0]).unwrap();
    assert_eq!(rows_of(envs.frame(), 3), shown[..2]);
    assert_eq!(rows_of(envs.frame(), 0), shown[2..4]);
    envs.step(&[-1; 8]).unwrap();
    assert!(envs.frame().army_total()[6] > 60_000);
}
