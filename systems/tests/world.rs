//! What the world promises about games: they come and go while it runs, live games wait, records
//! play again, armies stay exact. That bytes are the same whatever runs them: `determinism.rs`.
#![expect(clippy::pedantic, clippy::unwrap_used, reason = "test code: what goes wrong fails")]

mod common;

use std::{collections::BTreeSet, sync::Arc};

use common::{Kind, LARGEST, add_rulesets, map, rows};
use systems::{
    components::{Order, State},
    dice::Dice,
    mapgen::{MapSpec, Size},
    owned::OwnedGame,
    policies::Policy,
    record::GameRecord,
    replay::ScriptMoves,
    reward::Reward,
    rollout::{Maps, Rollout, RolloutSpec},
    rows::{KeptRows, RowFormat, flag},
    rules::{ruleset::Ruleset, tick::NoLog},
    start::{Start, StartError},
    world::{GameId, GameSpec, World, WorldConfig, WorldError},
};

fn one_thread() -> WorldConfig {
    WorldConfig { threads: 1, ..WorldConfig::default() }
}

/// A game beside its equal in a world of its own.
struct Pair {
    id: GameId,
    kind: Kind,
    alone: World,
    alone_id: GameId,
}

fn alone(kind: &Kind) -> (World, GameId) {
    let mut world = World::new(one_thread()).unwrap();
    let rulesets = add_rulesets(&mut world);
    let id = world.create(&kind.spec(&rulesets)).unwrap();
    (world, id)
}

#[test]
fn games_come_and_go_while_the_world_runs_and_play_as_if_alone() {
    let mut dice = Dice::new(11);
    let mut world = World::new(one_thread()).unwrap();
    let rulesets = add_rulesets(&mut world);
    let (mut pairs, mut ids, mut gone): (Vec<Pair>, _, Vec<GameId>) =
        (vec![], BTreeSet::new(), vec![]);
    for step in 0..400 {
        for _ in 0..dice.below(4) {
            let kind = Kind::of(9, u64::from(dice.below(1 << 16)), 0);
            let id = world.create(&kind.spec(&rulesets)).unwrap();
            assert!(ids.insert(id), "{id:?} was given twice");
            let (alone, alone_id) = alone(&kind);
            pairs.push(Pair { id, kind, alone, alone_id });
        }
        while pairs.len() > 25 || (!pairs.is_empty() && dice.below(6) == 0) {
            let pair = pairs.swap_remove(dice.below(pairs.len() as u32) as usize);
            world.remove(pair.id).unwrap();
            gone.push(pair.id);
        }
        if !pairs.is_empty() && dice.below(3) == 0 {
            let pair = &mut pairs[0];
            let next = Kind { episode: pair.kind.episode + 1, ..pair.kind.clone() };
            world.reset(pair.id, &next.spec(&rulesets)).unwrap();
            (pair.alone, pair.alone_id) = alone(&next);
            pair.kind = next;
            pairs.rotate_left(1);
        }
        assert_eq!(world.len(), pairs.len());
        world.step();
        for pair in &mut pairs {
            pair.alone.step();
            if step % 5 == 0 {
                let (here, there) =
                    (world.position(pair.id).unwrap(), pair.alone.position(pair.alone_id).unwrap());
                assert_eq!(here, there, "{:?}", pair.kind);
            }
        }
    }
    assert!(gone.len() > 100);
    for id in gone {
        assert!(matches!(world.position(id), Err(WorldError::Unknown(_))));
        assert!(matches!(world.remove(id), Err(WorldError::Unknown(_))));
        assert!(matches!(world.order(id, 0, Order::PASS), Err(WorldError::Unknown(_))));
        assert!(matches!(world.make_due(id), Err(WorldError::Unknown(_))));
    }
}

#[test]
fn live_games_advance_only_when_they_are_due() {
    let mut world = World::new(one_thread()).unwrap();
    let rules = world.add_ruleset(&Ruleset::named("generals").unwrap()).unwrap();
    let start = map(12, 12, vec![0, 1], 4);
    let policies = [Policy::Random, Policy::Random];
    let spec = GameSpec { policies: &policies, ..GameSpec::new(&start, rules) };
    let live_spec = GameSpec { is_live: true, ..spec.clone() };
    let batch = world.create(&spec).unwrap();
    let live = [world.create(&live_spec).unwrap(), world.create(&live_spec).unwrap()];
    let turn = |world: &World, id| world.progress(id).unwrap().0;
    for _ in 0..10 {
        world.step();
    }
    assert_eq!((turn(&world, batch), turn(&world, live[0])), (9, 0));
    let mut dice = Dice::new(2);
    let mut due = [0_u32; 2];
    for _ in 0..200 {
        let before = live.map(|id| world.position(id).unwrap());
        let makes_due = [dice.below(2) == 0, dice.below(5) == 0];
        for i in 0..2 {
            if makes_due[i] {
                world.make_due(live[i]).unwrap();
                world.make_due(live[i]).unwrap();
                due[i] += 1;
            }
        }
        world.step();
        for i in 0..2 {
            let after = world.position(live[i]).unwrap();
            assert_eq!(after.turn, due[i].saturating_sub(1), "one tick for each time it was due");
            assert!(makes_due[i] || after == before[i], "a game that is not due stays as it is");
        }
    }
    let mut twin = World::new(one_thread()).unwrap();
    let rules = twin.add_ruleset(&Ruleset::named("generals").unwrap()).unwrap();
    let id =
        twin.create(&GameSpec { policies: &policies, ..GameSpec::new(&start, rules) }).unwrap();
    (0..due[0]).for_each(|_| twin.step());
    assert_eq!(twin.position(id).unwrap(), world.position(live[0]).unwrap());
}

#[test]
fn rollouts_leave_records_that_play_again_to_the_same_end() {
    for (name, players) in
        [("generals", 5), ("generals-classic", 3), ("competition", 2), ("generals-bots", 2)]
    {
        let ruleset = Ruleset::named(name).unwrap();
        let spec = RolloutSpec {
            seed: 8,
            first_game: 3,
            games: 30,
            maps: Maps::Generated(MapSpec {
                kind: ruleset.map.kind,
                size: Size::Random,
                teams: Start::free_for_all(players),
                mountains: None,
                cities: None,
            }),
            ruleset: Arc::new(ruleset),
            max_ticks: 400,
            policies: vec![Policy::Random],
            has_fog: true,
        };
        let mut rollout = Rollout::new(spec, 7, one_thread()).unwrap();
        let mut records: Vec<GameRecord> = Vec::new();
        while !rollout.is_finished() {
            records.extend(rollout.step().unwrap());
        }
        records.sort_by_key(|record| record.game);
        assert_eq!(records.iter().map(|r| r.game).collect::<Vec<_>>(), (3..33).collect::<Vec<_>>());
        let mut world = World::new(one_thread()).unwrap();
        let ids: Vec<GameId> = records.iter().map(|r| r.replay_in(&mut world).unwrap()).collect();
        (0..=401).for_each(|_| world.step());
        for (record, id) in records.iter().zip(ids) {
            let end = world.position(id).unwrap();
            assert_eq!(
                (end.digest, end.turn),
                (record.outcome.digest, record.outcome.ticks),
                "{name}"
            );
            assert_eq!(end.state == State::Truncated, record.outcome.is_truncated);
        }
    }
}

/// An order that is often legal, sometimes not, and now and then a build.
fn any_order(dice: &mut Dice, world: &World, id: GameId, seat: usize) -> Order {
    let position = world.position(id).unwrap();
    let n = position.owners.len() as u32;
    let own: Vec<u16> = (0..n as u16)
        .filter(|&t| {
            position.owners[usize::from(t)] == seat as i8 && position.armies[usize::from(t)] > 1
        })
        .collect();
    match dice.below(10) {
        0 => Order::from_action(dice.below(10 * n) as i32, n as u16),
        _ if own.is_empty() => Order::PASS,
        1 => Order::build(own[dice.below(own.len() as u32) as usize]),
        _ => {
            let from = own[dice.below(own.len() as u32) as usize];
            Order::step(from, dice.below(4) as u8, dice.below(4) == 0)
        }
    }
}

#[test]
fn recorded_orders_played_again_give_the_same_rows() {
    for game in 0..24_u64 {
        let kind = Kind { policies: vec![], max_ticks: 150, ..Kind::of(21, game, 0) };
        let run = |script: Option<Arc<ScriptMoves>>| {
            let mut world = World::new(one_thread()).unwrap();
            let rulesets = add_rulesets(&mut world);
            let sink = Arc::new(KeptRows::default());
            world.collect_rows(sink.clone(), LARGEST, Reward::SHAPED);
            let is_replay = script.is_some();
            let id = world
                .create(&GameSpec { is_recorded: true, script, ..kind.spec(&rulesets) })
                .unwrap();
            let mut dice = Dice::new(game);
            for _ in 0..152 {
                for seat in 0..kind.start.players() {
                    if !is_replay {
                        let order = any_order(&mut dice, &world, id, seat);
                        world.order(id, seat, order).unwrap();
                    }
                }
                world.step();
            }
            let orders = world.take_recording(id).unwrap();
            (rows(&sink.drain()), ScriptMoves { orders, departures: vec![] })
        };
        let (played, moves) = run(None);
        assert!(moves.orders.iter().map(Vec::len).sum::<usize>() > 20);
        let (again, moves_again) = run(Some(Arc::new(moves.clone())));
        assert_eq!(moves, moves_again);
        assert!(played == again, "rows of game {game}");
    }
}

/// Rules under which armies grow as fast as they can, for ever.
fn fast_growth() -> Ruleset {
    let text = "extends = \"generals\"\nname = \"fast\"\n\
                [growth]\nland_every = 1\nstructures_every = 1\n[end]\nidle_ticks = 0\nlast_turn = 0\n";
    Ruleset::from_toml(text).unwrap()
}

/// Two players walled off from each other, two tiles each.
fn cells() -> Start {
    Start {
        width: 5,
        height: 1,
        teams: vec![0, 1],
        mountains: vec![2],
        generals: vec![Some(0), Some(4)],
        ..Start::default()
    }
}

#[test]
fn a_game_that_outgrows_16_bits_stays_exact() {
    let (start, ruleset) = (cells(), fast_growth());
    let mut world = World::new(one_thread()).unwrap();
    let rules = world.add_ruleset(&ruleset).unwrap();
    let sink = Arc::new(KeptRows::default());
    let format = RowFormat { height: 1, width: 5, has_builds: false, has_owners: true };
    world.collect_rows(sink.clone(), format, Reward::SPARSE);
    let id = world.create(&GameSpec { is_recorded: true, ..GameSpec::new(&start, rules) }).unwrap();
    let mut view = world.watch(id, 0).unwrap();
    let mut exact = OwnedGame::new(&start, &ruleset).unwrap();
    world.step();
    sink.drain();
    let mut large = 0;
    for turn in 0..26_000_u32 {
        // Out and back, so that all units gather on the general.
        let home = turn % 2 == 1;
        let orders = [
            Order::step(u16::from(home), 3 - u8::from(home), false),
            Order::step(4 - u16::from(home), 2 + u8::from(home), false),
        ];
        orders.iter().enumerate().for_each(|(seat, &order)| world.order(id, seat, order).unwrap());
        exact.tick_orders(&orders, &mut NoLog);
        world.step();
        view.apply(&world.watched(id)[0].delta);
        let batches = sink.drain();
        if turn % 64 == 0 || turn > 19_000 && turn < 22_100 {
            let position = world.position(id).unwrap();
            assert_eq!(position.digest, exact.digest(), "turn {turn}");
            assert_eq!(view, world.seen(id, 0).unwrap(), "turn {turn}");
            let row = &rows(&batches)[0];
            let most = *position.armies[..2].iter().max().unwrap();
            assert_eq!(row.flags & flag::LARGE_ARMY != 0, most > 65_535);
            assert_eq!(i32::from(*row.army.iter().max().unwrap()), most.min(65_535));
            let units = row.large_army.clone();
            assert_eq!(units.is_some(), most > 65_535);
            if let Some(units) = units {
                assert_eq!(units[..2], position.armies[..2], "exact armies stand beside the row");
                large += 1;
            }
        }
    }
    assert!(large > 10);
    // The record of the whole game plays again, over the change of class.
    let moves = ScriptMoves { orders: world.take_recording(id).unwrap(), departures: vec![] };
    let script = Some(Arc::new(moves));
    let again = world.create(&GameSpec { script, ..GameSpec::new(&start, rules) }).unwrap();
    (0..=26_000).for_each(|_| world.step());
    let (first, again) = (world.position(id).unwrap(), world.position(again).unwrap());
    assert_eq!(again.turn, 26_000);
    assert!(first.turn > 26_000 && again.digest == exact.digest());
    // A wide game takes a small one in its place.
    world.reset(id, &GameSpec::new(&start, rules)).unwrap();
    assert_eq!(world.progress(id).unwrap(), (0, State::Running));
}

#[test]
fn large_and_negative_armies_at_the_start_are_exact() {
    let ruleset = Ruleset::named("generals").unwrap();
    for (city, neutral) in [(-1, 5), (29_000, 900), (30_000, 1), (1_000_000, 1_000_000)] {
        let start = Start {
            width: 4,
            height: 4,
            teams: vec![0, 1],
            cities: vec![(1, city)],
            generals: vec![Some(0), Some(15)],
            neutrals: vec![(14, neutral)],
            ..Start::default()
        };
        let mut world = World::new(one_thread()).unwrap();
        let rules = world.add_ruleset(&ruleset).unwrap();
        let policies = [Policy::Random; 2];
        let id = world
            .create(&GameSpec { policies: &policies, ..GameSpec::new(&start, rules) })
            .unwrap();
        let mut exact = OwnedGame::new(&start, &ruleset).unwrap();
        world.step();
        assert_eq!(world.position(id).unwrap().armies[1], city);
        for turn in 0..500 {
            world.step();
            exact.tick_orders(world.orders(id).unwrap(), &mut NoLog);
            assert_eq!(world.position(id).unwrap().digest, exact.digest(), "turn {turn}");
        }
    }
}

#[test]
fn what_cannot_be_played_is_refused_by_name() {
    let mut world = World::new(one_thread()).unwrap();
    let rulesets = add_rulesets(&mut world);
    let small = cells();
    let mut refuse =
        |start: &Start, rules: u8| world.create(&GameSpec::new(start, rules)).unwrap_err();
    let large = Start { width: 33, ..small.clone() };
    assert!(matches!(
        refuse(&large, 0),
        WorldError::Start(StartError::Size { width: 33, height: 1 })
    ));
    let many = Start { teams: vec![0; 17], ..small.clone() };
    assert!(matches!(refuse(&many, 0), WorldError::Start(StartError::Players(17))));
    let none = Start { teams: vec![], ..small.clone() };
    assert!(matches!(refuse(&none, 0), WorldError::Start(StartError::Players(0))));
    let outside = Start { mountains: vec![5], ..small.clone() };
    assert!(refuse(&outside, 0).to_string().contains("tile 5"));
    let twice = Start { mountains: vec![4], ..small.clone() };
    assert!(refuse(&twice, 0).to_string().contains("tile 4"));
    assert!(matches!(refuse(&small, 200), WorldError::Ruleset(200)));
    let three =
        Start { teams: vec![0, 1, 2], generals: vec![Some(0), Some(4), None], ..small.clone() };
    assert!(matches!(refuse(&three, rulesets[3]), WorldError::TwoPlayers { players: 3, .. }));
    assert!(world.is_empty(), "nothing that was refused is left behind");
    let format = RowFormat { height: 1, width: 4, has_builds: false, has_owners: false };
    world.collect_rows(Arc::new(KeptRows::default()), format, Reward::SPARSE);
    let error = world.create(&GameSpec::new(&small, 0)).unwrap_err();
    assert!(matches!(error, WorldError::RowFormat { width: 5, rows_width: 4, .. }), "{error}");
}

#[test]
fn seats_and_sizes_that_do_not_fit_are_refused() {
    let mut world = World::new(one_thread()).unwrap();
    let rules = world.add_ruleset(&Ruleset::named("generals").unwrap()).unwrap();
    let start = cells();
    let id = world.create(&GameSpec::new(&start, rules)).unwrap();
    assert!(matches!(
        world.order(id, 2, Order::PASS),
        Err(WorldError::Seat { seat: 2, players: 2 })
    ));
    assert!(matches!(world.watch(id, 9), Err(WorldError::Seat { seat: 9, players: 2 })));
    assert!(matches!(world.surrender(id, 2), Err(WorldError::Seat { .. })));
    let other = map(30, 30, vec![0, 1], 1);
    assert!(matches!(
        world.reset(id, &GameSpec::new(&other, rules)),
        Err(WorldError::OtherSize(_))
    ));
    assert_eq!(world.position(id).unwrap().width, 5, "the game is as it was");
}

#[test]
fn a_reset_game_is_live_and_recorded_as_its_new_spec_says() {
    let mut world = World::new(one_thread()).unwrap();
    let rules = world.add_ruleset(&Ruleset::named("generals").unwrap()).unwrap();
    let start = map(12, 12, vec![0, 1], 4);
    let policies = [Policy::Random, Policy::Random];
    let spec = GameSpec { policies: &policies, ..GameSpec::new(&start, rules) };
    let id = world.create(&spec).unwrap();
    (0..20).for_each(|_| world.step());
    assert!(world.take_recording(id).unwrap().is_empty(), "nothing was to be recorded");
    let live = GameSpec { is_live: true, is_recorded: true, ..spec.clone() };
    world.reset(id, &live).unwrap();
    (0..20).for_each(|_| world.step());
    assert_eq!(world.progress(id).unwrap().0, 0, "a live game waits");
    for _ in 0..21 {
        world.make_due(id).unwrap();
        world.step();
    }
    assert_eq!(world.progress(id).unwrap().0, 20);
    let moves = world.take_recording(id).unwrap();
    assert!(moves.iter().all(|seat| seat.len() > 5), "both seats were recorded");
    world.reset(id, &spec).unwrap();
    (0..20).for_each(|_| world.step());
    assert_eq!(world.progress(id).unwrap().0, 19, "a batch game is always due");
    assert!(world.take_recording(id).unwrap().is_empty());
}

#[test]
fn a_surrender_is_neutralised_after_its_countdown() {
    let mut world = World::new(one_thread()).unwrap();
    let rules = world.add_ruleset(&Ruleset::named("generals").unwrap()).unwrap();
    let start = map(12, 12, vec![0, 1, 2], 6);
    let id = world.create(&GameSpec { is_live: false, ..GameSpec::new(&start, rules) }).unwrap();
    (0..11).for_each(|_| world.step());
    world.surrender(id, 1).unwrap();
    world.step();
    let position = world.position(id).unwrap();
    assert_eq!((position.turn, position.alive[1], position.land[1]), (11, false, 1));
    (0..49).for_each(|_| world.step());
    assert_eq!((world.progress(id).unwrap().0, world.position(id).unwrap().land[1]), (60, 1));
    world.step();
    let position = world.position(id).unwrap();
    assert_eq!((position.land[1], position.generals[1]), (0, None));
    assert!(position.cities.contains(&start.generals[1].unwrap()));
}

/// Rules that are none of those built in.
fn variant(number: u32) -> Ruleset {
    let mut ruleset = Ruleset::named("generals").unwrap();
    ruleset.name = format!("variant {number}");
    ruleset.growth.land_every = 100 + number;
    ruleset
}

#[test]
fn rulesets_that_nobody_needs_make_room_for_others_and_those_built_in_always_have_some() {
    let mut world = World::new(WorldConfig { threads: 1, ..WorldConfig::default() }).unwrap();
    for number in 0..1000 {
        let rules = world.hold_ruleset(&variant(number)).unwrap();
        world.release_ruleset(rules);
    }
    let mut held: Vec<_> = (0..251).map(|n| world.hold_ruleset(&variant(n)).unwrap()).collect();
    held.sort_unstable();
    held.dedup();
    assert_eq!(held.len(), 251, "rules that differ have numbers that differ");
    let error = world.hold_ruleset(&variant(251)).unwrap_err();
    assert!(matches!(error, WorldError::RulesetsFull), "{error}");
    for name in Ruleset::NAMES {
        world.hold_ruleset(&Ruleset::named(name).unwrap()).unwrap();
    }
    assert!(world.hold_ruleset(&variant(251)).is_err());
    world.release_ruleset(held[7]);
    assert_eq!(world.hold_ruleset(&variant(251)).unwrap(), held[7]);
}

#[test]
fn a_ruleset_is_there_as_long_as_somebody_holds_it_by_whatever_name() {
    let mut world = World::new(WorldConfig { threads: 1, ..WorldConfig::default() }).unwrap();
    let start = Start::from_text("A . B").unwrap();
    let rules = world.hold_ruleset(&variant(1)).unwrap();
    let renamed = Ruleset { name: "mine".to_owned(), ..variant(1) };
    assert_eq!(world.hold_ruleset(&renamed).unwrap(), rules);
    world.release_ruleset(rules);
    world.create(&GameSpec::new(&start, rules)).unwrap();
    world.release_ruleset(rules);
    assert!(world.create(&GameSpec::new(&start, rules)).is_err(), "nobody holds it");
    // One that is added stays, however often it is held and released besides.
    assert_eq!(world.add_ruleset(&variant(1)).unwrap(), rules);
    assert_eq!(world.hold_ruleset(&variant(1)).unwrap(), rules);
    world.release_ruleset(rules);
    world.create(&GameSpec::new(&start, rules)).unwrap();
}
