//! Actions in, rows out.

use std::sync::Arc;

use systems::{
    components::Order,
    envs::{Autoreset, EnvError, EnvSpec, Opening, Refusal, VectorEnv, VectorSpec},
    policies::Policy,
    reward::Reward,
    rollout::Maps,
    rows::{KeptRows, RowFormat, flag},
    rules::{ruleset::Ruleset, shape::Direction},
    schedule,
    start::Start,
    world::{World, WorldConfig},
};

use crate::{
    are_same,
    common::{Kind, LARGEST, add_rulesets},
    duels, from_outside, mixed, one_thread, row, rows, some_actions, with,
};

#[test]
fn rows_are_those_of_the_same_games_in_a_plain_world_at_fixed_places() {
    let n = 40;
    let mut envs = with(mixed(n), Autoreset::Disabled);
    let mut world = World::new(one_thread()).unwrap();
    let rulesets = add_rulesets(&mut world);
    let sink = Arc::new(KeptRows::default());
    world.collect_rows(sink.clone(), LARGEST, Reward::SHAPED);
    for game in 0..n {
        world.create(&Kind::of(5, game, 0).spec(&rulesets)).unwrap();
    }
    let (mut rewarded, mut kept) = (0, 0);
    let mut before = envs.frame().clone();
    for step in 0..200 {
        world.step();
        let frame = match step {
            0 => envs.frame().clone(),
            _ => envs.step(&vec![-1; 16 * n as usize]).unwrap().clone(),
        };
        let mut is_active = vec![false; frame.rows()];
        for batch in sink.drain() {
            for i in 0..batch.len {
                let r = batch.game[i] as usize * 16 + usize::from(batch.agent[i]);
                is_active[r] = true;
                let (tiles, words) = (LARGEST.tiles(), LARGEST.words());
                assert_eq!(frame.army()[r * tiles..][..tiles], batch.army[i * tiles..][..tiles]);
                let (p, m) = (9 * words, 5 * words);
                assert_eq!(frame.planes()[r * p..][..p], batch.planes[i * p..][..p]);
                assert_eq!(frame.mask()[r * m..][..m], batch.mask[i * m..][..m]);
                assert_eq!(frame.owner()[r * tiles..][..tiles], batch.owner[i * tiles..][..tiles]);
                assert_eq!(frame.flags()[r], batch.flags[i] | flag::ACTIVE);
                assert_eq!(
                    (frame.episode()[r], frame.step()[r], frame.action()[r], frame.size()[r]),
                    (batch.episode[i], batch.step[i], batch.action[i], batch.size[i])
                );
                assert_eq!(frame.reward()[r].to_bits(), batch.reward[i].to_bits());
                assert_eq!(
                    (frame.land()[r], frame.army_total()[r]),
                    (batch.land[i], batch.army_total[i])
                );
                assert_eq!(
                    (frame.opponent_land()[r], frame.opponent_army()[r]),
                    (batch.opponent_land[i], batch.opponent_army[i])
                );
                rewarded += usize::from(batch.reward[i] != 0.0);
            }
        }
        for (r, active) in is_active.iter().enumerate() {
            assert_eq!(frame.flags()[r] & flag::ACTIVE != 0, *active, "row {r} of step {step}");
            if !active {
                assert_eq!(frame.reward()[r], 0.0);
                let army = r * LARGEST.tiles()..(r + 1) * LARGEST.tiles();
                assert_eq!(frame.army()[army.clone()], before.army()[army], "row {r}, step {step}");
                assert_eq!(frame.land()[r], before.land()[r]);
                kept += usize::from(frame.flags()[r] != 0);
            }
        }
        before = frame;
    }
    assert!(rewarded > 1000 && kept > 1000, "{rewarded} rewards, {kept} rows of ended episodes");
}

#[test]
fn actions_from_outside_play_as_the_policies_that_chose_them() {
    for autoreset in [Autoreset::NextStep, Autoreset::SameStep, Autoreset::Disabled] {
        let n = 24;
        let mut chosen = with(mixed(n), autoreset);
        let mut told = with(from_outside(mixed(n)), autoreset);
        for step in 0..220 {
            let theirs = chosen.step(&vec![-1; 16 * n as usize]).unwrap().clone();
            // Where the step already shows the next episode, the last action is in its final rows.
            let mut actions = theirs.action().to_vec();
            if let Some(finals) = chosen.finals() {
                for (i, env) in finals.envs.iter().enumerate() {
                    actions[env * 16..][..16]
                        .copy_from_slice(&finals.frame.action()[i * 16..][..16]);
                }
            }
            let ours = told.step(&actions).unwrap();
            assert!(are_same(&theirs, ours), "{autoreset:?}, step {step}");
        }
        assert_eq!(told.refusals(), [0; Refusal::ALL.len()]);
    }
}

#[test]
fn threads_and_the_order_of_phases_change_no_byte() {
    let play = |threads, order| {
        let config = WorldConfig { threads, order, ..WorldConfig::default() };
        let spec = VectorSpec { config, ..from_outside(mixed(330)) };
        let mut envs = with(spec, Autoreset::SameStep);
        let mut dice = systems::dice::Dice::new(9);
        let mut digest = systems::rules::digest::Digest::new();
        for _ in 0..6 {
            let actions = some_actions(envs.frame(), &mut dice);
            let frame = envs.step(&actions).unwrap();
            for row in rows(frame) {
                let words =
                    row.chunks(8).map(|word| word.iter().fold(0, |w, b| w << 8 | u64::from(*b)));
                words.for_each(|word| digest.word(word));
            }
            frame.refused().iter().for_each(|refused| digest.word(u64::from(*refused)));
        }
        (digest.finish(), envs.refusals())
    };
    let expected = play(1, schedule::Order::Fused);
    assert_eq!(play(4, schedule::Order::Fused), expected);
    assert_eq!(play(2, schedule::Order::PhaseByPhase), expected);
}

/// A general and a mountain on a board of 2 rows and 3 columns, seen on a canvas of 3x4.
fn corner() -> VectorSpec {
    let start = Start {
        width: 3,
        height: 2,
        teams: vec![0, 1],
        mountains: vec![1],
        generals: vec![Some(0), Some(5)],
        ..Start::default()
    };
    let spec = EnvSpec {
        opening: Opening::Maps(Maps::Fixed(Arc::new(start))),
        ..EnvSpec::duel(2, 3).unwrap()
    };
    let format = RowFormat { height: 3, width: 4, has_builds: false, has_owners: false };
    VectorSpec { format, config: one_thread(), ..VectorSpec::new(vec![Arc::new(spec)], 1) }
}

#[test]
fn what_the_rules_refuse_is_a_pass_with_a_reason() {
    let march = |row: u16, column: u16, direction: Direction| {
        Order::step(row * 4 + column, direction as u8, false).action(12)
    };
    let pass = 8 * 12;
    let cases = [
        (pass, Refusal::None),
        (-1, Refusal::None),
        (-2, Refusal::OutOfRange),
        (i32::MAX, Refusal::OutOfRange),
        (pass + 1, Refusal::OutOfRange),
        (march(2, 0, Direction::Up), Refusal::OutOfRange),
        (march(0, 3, Direction::Down), Refusal::OutOfRange),
        (march(1, 2, Direction::Up), Refusal::NotOwned),
        (march(1, 0, Direction::Up), Refusal::NotOwned),
        (march(0, 0, Direction::Up), Refusal::OffBoard),
        (march(0, 0, Direction::Left), Refusal::OffBoard),
        (march(0, 0, Direction::Right), Refusal::Mountain),
        (march(0, 0, Direction::Down), Refusal::ArmyTooSmall),
    ];
    let mut envs = VectorEnv::new(corner()).unwrap();
    let mut counts = [0; Refusal::ALL.len()];
    for (action, refusal) in cases {
        let mut alone = VectorEnv::new(corner()).unwrap();
        let frame = alone.step(&[action, pass]).unwrap();
        assert_eq!(frame.refused(), [refusal as u8, 0], "action {action}");
        assert_eq!(frame.action()[0], pass, "action {action}");
        envs.reset(None, None).unwrap();
        envs.step(&[action, pass]).unwrap();
        counts[refusal as usize] += u64::from(refusal != Refusal::None);
    }
    assert_eq!(envs.refusals(), counts);
    // The general has two units after the second tick, and marches.
    envs.reset(None, None).unwrap();
    envs.step(&[pass, pass]).unwrap();
    envs.step(&[pass, pass]).unwrap();
    let down = march(0, 0, Direction::Down);
    let frame = envs.step(&[down, pass]).unwrap();
    assert_eq!((frame.action()[0], frame.refused()[0]), (down, 0));
}

#[test]
fn a_player_who_is_out_is_refused_as_such() {
    let start = Start {
        width: 4,
        height: 4,
        teams: vec![0, 1, 2],
        generals: vec![None, Some(3), Some(12)],
        ..Start::default()
    };
    let opening = Opening::Maps(Maps::Fixed(Arc::new(start)));
    let spec = EnvSpec { opening, ..EnvSpec::duel(4, 4).unwrap() };
    let spec = VectorSpec { config: one_thread(), ..VectorSpec::new(vec![Arc::new(spec)], 1) };
    let mut envs = VectorEnv::new(spec).unwrap();
    let frame = envs.step(&[0, -1, -1]).unwrap();
    assert_eq!(frame.refused(), [Refusal::NotAlive as u8, 0, 0]);
    assert_eq!((frame.flags()[0], frame.land()[0]), (0, 0), "a seat that never played has no row");
}

#[test]
fn wrong_lengths_and_numbers_are_errors_and_change_nothing() {
    let mut envs = VectorEnv::new(duels(3, &[])).unwrap();
    let before = rows(envs.frame());
    for given in [0, 5, 7] {
        let error = envs.step(&vec![0; given]).unwrap_err();
        assert_eq!(error.to_string(), format!("actions has {given} entries: give 6"));
    }
    assert!(matches!(envs.reset(Some(&[true; 4]), None), Err(EnvError::Length { .. })));
    assert!(matches!(envs.episode(3), Err(EnvError::Env { env: 3, envs: 3 })));
    assert!(matches!(envs.snapshot(&[0, 9]), Err(EnvError::Env { env: 9, envs: 3 })));
    assert!(envs.set_policy(0, 2, Policy::Random).is_err());
    assert_eq!(rows(envs.frame()), before);
    let refuse = |change: &dyn Fn(&mut VectorSpec)| {
        let mut spec = duels(3, &[]);
        change(&mut spec);
        VectorEnv::new(spec).map(|_| ()).unwrap_err()
    };
    assert!(matches!(refuse(&|s| s.envs.clear()), EnvError::NoEnvs));
    assert!(matches!(refuse(&|s| s.seats = vec![1, 0]), EnvError::Seats { .. }));
    assert!(matches!(refuse(&|s| s.seats = vec![4]), EnvError::NobodyPlays { players: 2, .. }));
    assert!(matches!(refuse(&|s| s.format.width = 7), EnvError::Canvas { width: 8, .. }));
    let change = |change: &dyn Fn(&mut EnvSpec)| {
        refuse(&|spec| {
            let mut env = (*spec.envs[0]).clone();
            change(&mut env);
            spec.envs[1] = Arc::new(env);
        })
    };
    assert!(matches!(change(&|e| e.max_ticks = 0), EnvError::NoTicks));
    assert!(matches!(change(&|e| e.policies = vec![Policy::Random; 3]), EnvError::Length { .. }));
    let competition = Arc::new(Ruleset::named("competition").unwrap());
    let builds = competition.builds();
    let error = change(&|e| e.ruleset = competition.clone());
    assert_eq!(matches!(error, EnvError::Builds { .. }), builds, "{error}");
}

#[test]
fn one_seat_alone_sees_what_it_sees_beside_the_others() {
    let players = [Policy::Expander, Policy::Random];
    let mut both = with(duels(20, &players), Autoreset::SameStep);
    for seat in [0, 1] {
        let mut one =
            with(VectorSpec { seats: vec![seat], ..duels(20, &players) }, Autoreset::SameStep);
        both.reset(None, Some(&systems::envs::Seeds::All(3))).unwrap();
        for _ in 0..130 {
            let alone = one.step(&[-1; 20]).unwrap().clone();
            let frame = both.step(&[-1; 40]).unwrap();
            for env in 0..20 {
                assert_eq!(row(&alone, env), row(frame, env * 2 + usize::from(seat)));
            }
        }
    }
}

#[test]
fn a_frame_that_somebody_holds_never_changes() {
    let mut envs = with(from_outside(mixed(10)), Autoreset::SameStep);
    let mut dice = systems::dice::Dice::new(2);
    let mut held = Vec::new();
    for step in 0..40 {
        let actions = some_actions(envs.frame(), &mut dice);
        let frame = envs.step(&actions).unwrap().clone();
        if step % 7 < 2 {
            held.push((rows(&frame), frame));
        }
        if step % 11 == 0 {
            let mask: Vec<bool> = (0..10).map(|env| env % 3 == 0).collect();
            envs.reset(Some(&mask), None).unwrap();
        }
    }
    assert!(held.iter().all(|(before, frame)| *before == rows(frame)));
}
