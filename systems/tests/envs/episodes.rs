//! Episodes: seeds, ends, resets, what is kept of them.

use std::sync::Arc;

use systems::{
    envs::{Autoreset, EnvError, EnvSpec, Opening, Seeds, VectorEnv, VectorSpec},
    mapgen::{MapKind, MapSpec, Size},
    policies::Policy,
    record::GameRecord,
    rollout::{Maps, Rollout, RolloutSpec},
    rows::flag,
    rules::digest::Digest,
    world::World,
};

use crate::{duels, mixed, one_thread, pass, rows, rows_of, with};

const BOTS: [Policy; 2] = [Policy::Expander, Policy::Random];

#[test]
fn the_modes_of_autoreset_show_the_same_episodes() {
    let n = 12;
    let (mut next, mut same, mut disabled) = (
        with(duels(n, &BOTS), Autoreset::NextStep),
        with(duels(n, &BOTS), Autoreset::SameStep),
        with(duels(n, &BOTS), Autoreset::Disabled),
    );
    // What each environment shows, row by row; an episode's last row comes before the next first.
    let mut seen: [Vec<Vec<Vec<Vec<u8>>>>; 3] = std::array::from_fn(|_| vec![Vec::new(); n]);
    let pass = vec![-1; 2 * n];
    for _ in 0..200 {
        let frame = next.step(&pass).unwrap();
        (0..n).for_each(|env| seen[0][env].push(rows_of(frame, env)));
        let frame = same.step(&pass).unwrap().clone();
        for env in 0..n {
            if let Some(finals) = same.finals()
                && let Some(i) = finals.envs.iter().position(|e| *e == env)
            {
                seen[1][env].push(rows_of(&finals.frame, i));
            }
            seen[1][env].push(rows_of(&frame, env));
        }
        let frame = disabled.step(&pass).unwrap().clone();
        (0..n).for_each(|env| seen[2][env].push(rows_of(&frame, env)));
        let over: Vec<bool> = (0..n).map(|env| frame.is_over(env)).collect();
        if over.contains(&true) {
            let frame = disabled.reset(Some(&over), None).unwrap();
            for env in (0..n).filter(|env| over[*env]) {
                seen[2][env].push(rows_of(frame, env));
            }
        }
    }
    for env in 0..n {
        let shown = |mode: usize| &seen[mode][env][..180];
        assert!(shown(0) == shown(1) && shown(0) == shown(2), "environment {env}");
    }
    assert!((0..n).all(|env| next.episode(env).unwrap().episode >= 3));
}

#[test]
fn ends_are_told_apart_and_stay_until_a_reset() {
    let spec = duels(40, &[Policy::Random; 2]);
    let hunted = EnvSpec {
        max_ticks: 300,
        policies: vec![Policy::Hunter, Policy::Random],
        ..(*spec.envs[0]).clone()
    };
    let envs =
        [spec.envs[..20].to_vec(), std::iter::repeat_n(Arc::new(hunted), 20).collect()].concat();
    let mut envs = with(VectorSpec { envs, ..spec }, Autoreset::Disabled);
    for _ in 0..310 {
        envs.step(&[-1; 80]).unwrap();
    }
    let frame = envs.frame();
    let (mut decided, mut cut_off) = (0, 0);
    for env in 0..40 {
        assert!(frame.is_over(env));
        let flags = &frame.flags()[env * 2..][..2];
        let ends = flags.iter().map(|f| f & (flag::TERMINATED | flag::TRUNCATED));
        match ends.collect::<Vec<_>>()[..] {
            [flag::TERMINATED, flag::TERMINATED] => decided += 1,
            [flag::TRUNCATED, flag::TRUNCATED] => cut_off += 1,
            ref ends => panic!("environment {env} ended with {ends:?}"),
        }
        assert!(flags.iter().all(|f| f & flag::ACTIVE == 0));
    }
    assert!(decided > 0 && cut_off > 0, "{decided} decided, {cut_off} cut off");
}

#[test]
fn a_masked_reset_leaves_the_others_alone() {
    let mut envs = with(mixed(12), Autoreset::Disabled);
    for _ in 0..30 {
        envs.step(&[-1; 192]).unwrap();
    }
    let before = envs.frame().clone();
    let mask: Vec<bool> = (0..12).map(|env| env % 4 == 1).collect();
    let frame = envs.reset(Some(&mask), Some(&Seeds::All(8))).unwrap().clone();
    for env in 0..12 {
        let episode = envs.episode(env).unwrap();
        if mask[env] {
            assert_eq!((episode.seed, episode.game, episode.episode), (8, env as u64, 0));
            assert_eq!(frame.step()[env * 16], 0);
            assert_eq!(frame.flags()[env * 16], flag::FIRST | flag::ACTIVE);
            assert_eq!(frame.episode()[env * 16], episode.key());
        } else {
            assert_eq!(rows_of(&before, env), rows_of(&frame, env));
            assert_eq!(episode.seed, 77);
        }
    }
    // What was reset and what was not go on as if they were alone.
    let mut fresh = with(mixed(12), Autoreset::Disabled);
    fresh.reset(None, Some(&Seeds::All(8))).unwrap();
    for _ in 0..20 {
        let theirs = fresh.step(&[-1; 192]).unwrap().clone();
        let ours = envs.step(&[-1; 192]).unwrap();
        for env in (0..12).filter(|env| mask[*env]) {
            assert_eq!(rows_of(&theirs, env), rows_of(ours, env));
        }
    }
}

#[test]
fn seeds_decide_everything() {
    let play = |seeds: &Seeds| {
        let mut envs = with(duels(4, &BOTS), Autoreset::NextStep);
        envs.reset(None, Some(seeds)).unwrap();
        pass(&mut envs, 80);
        rows(envs.frame())
    };
    assert_eq!(play(&Seeds::All(5)), play(&Seeds::All(5)));
    assert_ne!(play(&Seeds::All(5)), play(&Seeds::All(6)));
    let each = play(&Seeds::Each(vec![5, 9, 5, 1]));
    assert_eq!(each[..2], each[4..6], "equal seeds are equal games");
    assert_eq!(each[..2], play(&Seeds::All(5))[..2], "game 0 of a seed is the first of all");
    assert_ne!(each[..2], each[2..4]);
}

#[test]
fn episodes_are_the_games_that_a_rollout_of_the_seed_plays() {
    let spec = RolloutSpec {
        seed: 3,
        first_game: 0,
        games: 6,
        maps: maps(&duels(1, &[])),
        ruleset: duels(1, &[]).envs[0].ruleset.clone(),
        max_ticks: 60,
        policies: vec![Policy::Expander],
        has_fog: true,
    };
    let mut rollout = Rollout::new(spec, 6, one_thread()).unwrap();
    let mut expected = Vec::new();
    while !rollout.is_finished() {
        expected.extend(rollout.step().unwrap());
    }
    expected.sort_by_key(|game| game.game);
    let bots = [Policy::Expander; 2];
    let mut envs = with(VectorSpec { is_recorded: true, ..duels(6, &bots) }, Autoreset::NextStep);
    pass(&mut envs, 62);
    let mut games: Vec<GameRecord> =
        envs.take_games().into_iter().filter(|game| game.episode == 0).collect();
    games.sort_by_key(|game| game.game);
    assert_eq!(games, expected);
    assert!(envs.take_games().is_empty());
}

fn maps(spec: &VectorSpec) -> Maps {
    match &spec.envs[0].opening {
        Opening::Maps(maps) => maps.clone(),
        Opening::Replay { .. } => unreachable!("duels begin on maps"),
    }
}

/// Plays a record again and returns the digest of its end.
fn replayed(game: &GameRecord) -> (u32, u64) {
    let mut world = World::new(one_thread()).unwrap();
    let id = game.replay_in(&mut world).unwrap();
    for _ in 0..=game.outcome.ticks {
        world.step();
    }
    let position = world.position(id).unwrap();
    (position.turn, position.digest)
}

#[test]
fn games_that_were_given_up_or_entered_later_play_again_to_the_same_end() {
    let mut envs = with(VectorSpec { is_recorded: true, ..duels(8, &BOTS) }, Autoreset::NextStep);
    pass(&mut envs, 40);
    envs.reset(None, None).unwrap();
    let games = envs.take_games();
    assert_eq!(games.len(), 8);
    let longest = games.into_iter().max_by_key(|game| game.outcome.ticks).unwrap();
    assert!(longest.outcome.is_truncated && longest.outcome.ticks == 40);
    assert_eq!(replayed(&longest), (40, longest.outcome.digest));

    let game = Arc::new(longest);
    let later = Arc::new(EnvSpec {
        opening: Opening::Replay { game: game.clone(), tick: 25 },
        ruleset: game.ruleset.clone(),
        ..(*duels(1, &[Policy::Random; 2]).envs[0]).clone()
    });
    for env in 0..8 {
        envs.set_spec(env, later.clone()).unwrap();
    }
    let frame = envs.reset(None, None).unwrap();
    assert_eq!((frame.step()[3], frame.flags()[3]), (25, flag::FIRST | flag::ACTIVE));
    assert_eq!(
        frame.land()[0] + frame.opponent_land()[0],
        frame.land()[1] + frame.opponent_land()[1]
    );
    let first = rows_of(frame, 0);
    assert_eq!(first[0][..128], rows_of(frame, 7)[0][..128], "one position for all");
    pass(&mut envs, 50);
    let games = envs.take_games();
    assert!(games.len() >= 8);
    for game in &games {
        assert_eq!(replayed(game), (game.outcome.ticks, game.outcome.digest));
    }
    let too_late =
        EnvSpec { opening: Opening::Replay { game: game.clone(), tick: 40 }, ..(*later).clone() };
    let error = envs.set_spec(0, Arc::new(too_late)).unwrap_err();
    assert!(error.to_string().contains("give 0 to 39"), "{error}");
}

#[test]
fn a_position_entered_from_a_replay_is_that_of_the_replay() {
    let mut envs = with(VectorSpec { is_recorded: true, ..duels(1, &BOTS) }, Autoreset::Disabled);
    let mut shown = vec![rows(envs.frame())];
    for _ in 0..30 {
        shown.push(rows(envs.step(&[-1; 2]).unwrap()));
    }
    envs.reset(None, None).unwrap();
    let game = Arc::new(envs.take_games().remove(0));
    for tick in [0, 1, 17, 29] {
        let opening = Opening::Replay { game: game.clone(), tick };
        let spec = EnvSpec { opening, ..(*duels(1, &[]).envs[0]).clone() };
        envs.set_spec(0, Arc::new(spec)).unwrap();
        let frame = envs.reset(None, None).unwrap();
        let wide = 128 + 72 + 32;
        for agent in 0..2 {
            assert_eq!(rows(frame)[agent][..wide], shown[tick as usize][agent][..wide]);
        }
        assert_eq!(frame.step(), [tick, tick]);
    }
}

#[test]
fn what_is_played_changes_at_the_next_reset_and_who_plays_at_once() {
    let mut envs = with(
        VectorSpec {
            format: systems::rows::RowFormat { height: 20, width: 20, ..duels(1, &[]).format },
            ..duels(3, &[Policy::Random; 2])
        },
        Autoreset::NextStep,
    );
    let larger = EnvSpec { max_ticks: 30, ..EnvSpec::duel(20, 20).unwrap() };
    envs.set_spec(1, Arc::new(larger)).unwrap();
    envs.step(&[-1; 6]).unwrap();
    assert_eq!(envs.frame().size()[2], [8, 8]);
    let frame = envs.reset(None, None).unwrap();
    let sizes: Vec<_> = frame.size().iter().step_by(2).collect();
    assert_eq!(sizes, [&[8, 8], &[20, 20], &[8, 8]]);
    assert_eq!(envs.policies(1).unwrap(), [Policy::External; 2]);
    envs.set_policy(0, 0, Policy::External).unwrap();
    envs.set_policy(1, 0, Policy::Expander).unwrap();
    let mut moved = [false; 6];
    for _ in 0..20 {
        let frame = envs.step(&[-1; 6]).unwrap();
        let pass = 8 * 400;
        (0..6).for_each(|row| moved[row] |= frame.action()[row] != pass);
    }
    assert_eq!(moved, [false, true, true, false, true, true]);
}

#[test]
fn every_episode_of_a_long_run_is_another() {
    let mut envs = with(duels(5, &BOTS), Autoreset::SameStep);
    let mut episodes = std::collections::BTreeSet::new();
    let mut digest = Digest::new();
    for _ in 0..300 {
        let frame = envs.step(&[-1; 10]).unwrap();
        frame.episode().iter().step_by(2).for_each(|key| {
            episodes.insert(*key);
            digest.word(*key);
        });
    }
    let played: u32 = (0..5).map(|env| envs.episode(env).unwrap().episode + 1).sum();
    assert_eq!(episodes.len(), played as usize);
}

/// Games of three, of whom the first only passes and is soon hunted down.
fn hunts(envs: usize) -> VectorSpec {
    let duel = EnvSpec::duel(8, 8).unwrap();
    let size = Size::Fixed { width: 8, height: 8 };
    let maps = MapSpec { size, ..MapSpec::free_for_all(MapKind::Generals, 3) };
    let policies = vec![Policy::External, Policy::Hunter, Policy::Hunter];
    let opening = Opening::Maps(Maps::Generated(maps));
    let spec = EnvSpec { opening, policies, max_ticks: 600, ..duel };
    let all = std::iter::repeat_n(Arc::new(spec), envs).collect();
    VectorSpec { config: one_thread(), ..VectorSpec::new(all, 3) }
}

#[test]
fn an_agent_that_is_out_ends_once_and_can_only_pass_from_then_on() {
    let mut envs = with(hunts(12), Autoreset::NextStep);
    let masks = envs.format().mask_planes() * envs.format().words();
    let mut waiting = 0;
    for _ in 0..600 {
        envs.step(&[-1; 36]).unwrap();
        let frame = envs.frame();
        for row in (0..36).filter(|row| frame.flags()[*row] & flag::ACTIVE == 0) {
            waiting += 1;
            assert!(frame.flags()[row] & flag::TERMINATED != 0, "it ended before");
            assert!(frame.mask()[row * masks..][..masks].iter().all(|&bits| bits == 0));
            assert_eq!((frame.reward()[row], frame.action()[row]), (0.0, -1));
        }
    }
    assert!(waiting > 300, "{waiting} rows of players who were out");
}

#[test]
fn an_environment_begins_anew_when_its_learner_is_out_whoever_plays_on() {
    let spec = hunts(12);
    let mut envs = with(VectorSpec { learner: Some(0), ..spec }, Autoreset::NextStep);
    let (mut left, mut ended) = (0, vec![false; 12]);
    for _ in 0..600 {
        envs.step(&[-1; 36]).unwrap();
        let frame = envs.frame();
        for (env, ended) in ended.iter_mut().enumerate() {
            let flags = &frame.flags()[env * 3..][..3];
            if std::mem::take(ended) {
                assert!(flags.iter().all(|f| *f == flag::FIRST | flag::ACTIVE));
            }
            assert!(flags[0] & flag::ACTIVE != 0, "the learner never waits");
            *ended = frame.has_ended(env, 0);
            left += usize::from(*ended && !frame.is_over(env));
        }
    }
    assert!(left > 1, "{left} games went on without the learner");
    let spec = VectorSpec { learner: Some(2), seats: vec![0, 1], ..hunts(1) };
    assert!(matches!(VectorEnv::new(spec), Err(EnvError::Seats { .. })));
}
