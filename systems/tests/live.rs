//! Live games: queues, games that advance only when they are due, and spectators.
#![expect(clippy::pedantic, clippy::unwrap_used, reason = "test code: what goes wrong fails")]

mod common;

use std::sync::Arc;

use common::{Kind, add_rulesets, map};
use systems::{
    components::{Order, State},
    delta::WHOLE,
    policies::Policy,
    queue::Happening,
    replay::ScriptMoves,
    rows::{RowBatch, RowFormat, RowSink},
    rules::ruleset::Ruleset,
    start::Start,
    world::{GameId, GameSpec, OrderFault, World, WorldConfig},
};

fn world() -> World {
    World::new(WorldConfig { threads: 1, ..WorldConfig::default() }).unwrap()
}

fn live<'a>(start: &'a Start, rules: u8) -> GameSpec<'a> {
    GameSpec { is_live: true, has_queues: true, has_rows: false, ..GameSpec::new(start, rules) }
}

fn tick(world: &mut World, id: GameId) {
    world.make_due(id).unwrap();
    world.step_due();
}

#[test]
fn a_tick_takes_orders_until_one_is_legal() {
    let mut world = world();
    let rules = world.add_ruleset(&Ruleset::named("generals").unwrap()).unwrap();
    let start = Start::from_text("A . .\n. . #\n. . B").unwrap();
    let id = world.create(&live(&start, rules)).unwrap();
    (0..4).for_each(|_| tick(&mut world, id));
    // With 3 units on tile 0: two that are illegal, one that is not, and one that waits.
    let right = |tile| Order::step(tile, 3, false);
    world.enqueue(id, 0, &[right(4), right(3), right(0), right(1)]).unwrap();
    tick(&mut world, id);
    assert_eq!(world.queued(id, 0).unwrap(), 1);
    let taken = &world.tick_news(id).unwrap().taken;
    assert_eq!(taken[..], [(0, right(4)), (0, right(3)), (0, right(0))]);
    assert_eq!(world.orders(id).unwrap(), [right(0), Order::PASS]);
    assert_eq!(world.scoreboard(id).unwrap().land, [2, 1]);
    assert_eq!(world.clear_queue(id, 0).unwrap(), 1);
    tick(&mut world, id);
    assert_eq!(world.orders(id).unwrap(), [Order::PASS; 2], "no order is played twice");
}

#[test]
fn live_games_advance_alone_and_write_no_rows() {
    struct NoRows;
    impl RowSink for NoRows {
        fn take(&self, _format: RowFormat, _rows: usize) -> RowBatch {
            panic!("nobody asked for rows")
        }
        fn give(&self, _place: u64, _batch: RowBatch) {}
    }
    let mut world = world();
    let rules = world.add_ruleset(&Ruleset::named("generals").unwrap()).unwrap();
    let format = RowFormat { height: 4, width: 4, has_builds: false, has_owners: false };
    world.collect_rows(Arc::new(NoRows), format, systems::reward::Reward::SPARSE);
    let (small, large) = (map(4, 4, vec![0, 1], 1), map(20, 20, vec![0, 1], 2));
    let batch = world.create(&GameSpec::new(&small, rules)).unwrap();
    let policies = [Policy::Expander, Policy::Random];
    let spec = GameSpec { max_ticks: 10, policies: &policies, ..live(&large, rules) };
    let id = world.create(&spec).unwrap();
    for turn in 1..=10 {
        tick(&mut world, id);
        assert_eq!(world.progress(id).unwrap().0, turn);
        assert_eq!(world.progress(batch).unwrap().0, 0);
    }
    assert_eq!(world.progress(id).unwrap().1, State::Truncated);
    assert!(world.take_ended().is_empty(), "whoever makes it due looks at it");
}

#[test]
fn an_order_is_accepted_exactly_where_the_mask_allows_it() {
    let mut world = world();
    let rulesets = add_rulesets(&mut world);
    let (mut accepted, mut refused) = (0, 0);
    for game in 0..30 {
        let kind = Kind::of(77, game, 0);
        let id = world.create(&kind.spec(&rulesets)).unwrap();
        for _ in 0..60 {
            world.step();
        }
        if world.progress(id).unwrap().1 != State::Running {
            continue;
        }
        let tiles = kind.start.tiles();
        let bytes = usize::from(tiles).div_ceil(8);
        for seat in 0..kind.start.players() {
            let mask = world.action_mask(id, seat).unwrap().planes;
            assert_eq!(mask.len(), 5 * bytes);
            for action in 0..=9 * i32::from(tiles) {
                let order = Order::from_action(action, tiles);
                if order == Order::PASS {
                    continue;
                }
                let (plane, tile) = match action - 8 * i32::from(tiles) - 1 {
                    tile @ 0.. => (4, tile as usize),
                    _ => ((action / 2 % 4) as usize, (action / 8) as usize),
                };
                let is_legal = mask[plane * bytes + tile / 8] >> (tile % 8) & 1 != 0;
                let checked = world.check_order(id, seat, order).unwrap();
                assert_eq!(
                    checked.is_ok(),
                    is_legal,
                    "{kind:?}, seat {seat}: {order:?} {checked:?}"
                );
                *if is_legal { &mut accepted } else { &mut refused } += 1;
            }
        }
    }
    assert!(accepted > 500 && refused > 10_000, "{accepted} and {refused}");
}

#[test]
fn a_refusal_says_what_is_wrong() {
    let mut world = world();
    let rules = world.add_ruleset(&Ruleset::named("generals").unwrap()).unwrap();
    let start = Start::from_text("A . .\n# . .\n. . B").unwrap();
    let id = world.create(&live(&start, rules)).unwrap();
    let fault = |order| world.check_order(id, 0, order).unwrap().unwrap_err();
    let step = |tile, direction| Order::step(tile, direction, false);
    assert_eq!(fault(step(0, 0)), OrderFault::Outside { tile: 0, tiles: 9 });
    assert_eq!(fault(step(9, 0)), OrderFault::Outside { tile: 9, tiles: 9 });
    assert_eq!(fault(step(8, 0)), OrderFault::NotOwned { tile: 8 });
    assert_eq!(fault(step(0, 1)), OrderFault::Mountain { tile: 3 });
    assert_eq!(fault(step(0, 3)), OrderFault::ArmyTooSmall { tile: 0, army: 1, need: 2 });
    assert_eq!(fault(Order::build(0)), OrderFault::CannotBuild { tile: 0 });
}

#[test]
fn spectators_are_told_the_whole_board_by_deltas() {
    let mut world = world();
    let rules = world.add_ruleset(&Ruleset::named("generals").unwrap()).unwrap();
    let start = map(12, 12, vec![0, 1], 5);
    let policies = [Policy::Expander; 2];
    let spec = GameSpec { policies: &policies, ..live(&start, rules) };
    let id = world.create(&spec).unwrap();
    let mut board = world.watch_whole(id).unwrap();
    world.watch(id, 1).unwrap();
    for _ in 0..150 {
        tick(&mut world, id);
        let watched = world.watched(id).iter().find(|watched| watched.seat == WHOLE).unwrap();
        board.apply(&watched.delta);
        assert_eq!(board, world.seen_whole(id).unwrap());
        let position = world.position(id).unwrap();
        let armies: Vec<i32> = board.tiles.iter().map(|tile| tile.army).collect();
        assert_eq!(armies, position.armies, "nothing is hidden");
    }
    world.unwatch(id, WHOLE).unwrap();
    assert_eq!(world.watched(id).len(), 1);
    world.unwatch(id, 1).unwrap();
    assert!(world.watched(id).is_empty());
}

#[test]
fn what_everybody_is_told_is_noted() {
    let mut world = world();
    let rules = world.add_ruleset(&Ruleset::named("generals").unwrap()).unwrap();
    let start = Start::from_text("A B .\n. . C").unwrap();
    let id = world.create(&live(&start, rules)).unwrap();
    (0..4).for_each(|_| tick(&mut world, id));
    world.enqueue(id, 1, &[Order::step(1, 1, false)]).unwrap();
    tick(&mut world, id);
    assert!(world.tick_news(id).unwrap().happenings.is_empty());
    world.enqueue(id, 0, &[Order::step(0, 3, false)]).unwrap();
    world.surrender(id, 2).unwrap();
    tick(&mut world, id);
    let told = &world.tick_news(id).unwrap().happenings;
    let captured = Happening::Captured { captor: 0, victim: 1 };
    assert_eq!(told[..], [Happening::Surrendered { seat: 2 }, captured]);
    assert_eq!(world.scoreboard(id).unwrap().alive, 0b001);
}

#[test]
fn a_surrender_before_the_first_tick_is_put_off_to_turn_1() {
    let mut world = world();
    let rules = world.add_ruleset(&Ruleset::named("generals").unwrap()).unwrap();
    let start = map(12, 12, vec![0, 1, 2], 6);
    let id = world.create(&live(&start, rules)).unwrap();
    // The same as a record.
    let departures = vec![(1, 1), (51, 1)];
    let moves = Arc::new(ScriptMoves { orders: vec![Vec::new(); 3], departures });
    let spec = GameSpec { has_queues: false, script: Some(moves), ..live(&start, rules) };
    let recorded = world.create(&spec).unwrap();
    world.surrender(id, 1).unwrap();
    for turn in 1..=60 {
        [id, recorded].into_iter().for_each(|id| world.make_due(id).unwrap());
        world.step_due();
        let [live, replay] = [id, recorded].map(|id| world.position(id).unwrap());
        assert_eq!((live.turn, live.alive[1]), (turn, turn == 1));
        assert_eq!(live.land[1], u32::from(turn < 52));
        assert_eq!(live.digest, replay.digest, "turn {turn}");
    }
}
