//! Applying a delta to a view gives the next view, in every game, whatever happens to it.
#![expect(clippy::pedantic, clippy::unwrap_used, reason = "test code: what goes wrong fails")]

mod common;

use common::{Kind, add_rulesets, map};
use systems::{
    delta::SeenBoard,
    policies::Policy,
    rules::ruleset::Ruleset,
    world::{GameId, GameSpec, World, WorldConfig},
};

fn world() -> World {
    World::new(WorldConfig { threads: 1, ..WorldConfig::default() }).unwrap()
}

/// A game and the views that somebody outside keeps of it, by deltas alone.
struct Watched {
    id: GameId,
    kind: Kind,
    views: Vec<SeenBoard>,
}

impl Watched {
    fn follow(&mut self, world: &World) -> usize {
        let mut changes = 0;
        for watched in world.watched(self.id) {
            let seat = usize::from(watched.seat);
            let before = self.views[seat].clone();
            self.views[seat].apply(&watched.delta);
            let seen = world.seen(self.id, seat).unwrap();
            assert!(self.views[seat] == seen, "turn {}, {:?}", seen.turn, self.kind);
            let tiles = &watched.delta.tiles;
            assert!(tiles.is_sorted_by(|a, b| a.0 < b.0), "tiles ascend");
            let differ = |&(tile, seen)| before.tiles[usize::from(tile)] != seen;
            assert!(tiles.iter().all(differ), "only what changed is listed");
            changes += tiles.len();
        }
        changes
    }
}

#[test]
fn applying_the_delta_gives_the_next_view() {
    let mut world = world();
    let rulesets = add_rulesets(&mut world);
    let mut games = Vec::new();
    for game in 0..60 {
        let kind = Kind::of(31, game, 0);
        let id = world.create(&kind.spec(&rulesets)).unwrap();
        let views = (0..kind.start.players()).map(|seat| world.watch(id, seat).unwrap()).collect();
        games.push(Watched { id, kind, views });
    }
    let mut changes = 0;
    for _ in 0..250 {
        world.step();
        changes += games.iter_mut().map(|game| game.follow(&world)).sum::<usize>();
    }
    assert!(changes > 100_000, "{changes}");
}

#[test]
fn a_delta_is_empty_while_nothing_happens() {
    let mut world = world();
    let rules = world.add_ruleset(&Ruleset::named("generals").unwrap()).unwrap();
    let start = map(10, 10, vec![0, 1], 3);
    let id = world.create(&GameSpec { is_live: true, ..GameSpec::new(&start, rules) }).unwrap();
    let first = world.watch(id, 0).unwrap();
    world.make_due(id).unwrap();
    world.step();
    assert!(world.watched(id)[0].delta.tiles.is_empty(), "the first step shows the start");
    world.make_due(id).unwrap();
    world.step();
    assert!(world.watched(id)[0].delta.tiles.is_empty(), "nothing grows in an odd turn");
    world.make_due(id).unwrap();
    world.step();
    let delta = &world.watched(id)[0].delta;
    assert_eq!((delta.turn, delta.tiles.len()), (2, 1), "the general grew");
    assert_eq!(first.tiles.len(), 100);
}

#[test]
fn watching_again_begins_anew() {
    let mut world = world();
    let rules = world.add_ruleset(&Ruleset::named("generals").unwrap()).unwrap();
    let start = map(10, 10, vec![0, 1], 3);
    let policies = [Policy::Random; 2];
    let spec = GameSpec { policies: &policies, ..GameSpec::new(&start, rules) };
    let id = world.create(&spec).unwrap();
    world.watch(id, 1).unwrap();
    (0..30).for_each(|_| world.step());
    let mut view = world.watch(id, 1).unwrap();
    assert_eq!((view.turn, world.watched(id).len()), (29, 1));
    world.step();
    view.apply(&world.watched(id)[0].delta);
    assert_eq!(view, world.seen(id, 1).unwrap());
}

#[test]
fn a_game_that_is_reset_is_watched_anew() {
    let mut world = world();
    let rules = world.add_ruleset(&Ruleset::named("generals").unwrap()).unwrap();
    let policies = [Policy::Random; 4];
    let spec = |start| GameSpec { policies: &policies, ..GameSpec::new(start, rules) };
    let (small, large) = (map(9, 9, vec![0, 1, 2], 3), map(16, 20, vec![0, 1, 2, 3], 4));
    let id = world.create(&spec(&small)).unwrap();
    for (start, tiles) in [(&large, 320), (&small, 81), (&small, 81), (&large, 320)] {
        world.watch(id, 2).unwrap();
        (0..30).for_each(|_| world.step());
        world.reset(id, &spec(start)).unwrap();
        // The old board may have had another size, so nobody is told of the new one by deltas.
        assert!(world.watched(id).is_empty());
        let mut view = world.watch(id, 2).unwrap();
        assert_eq!((view.turn, view.tiles.len()), (0, tiles));
        for _ in 0..20 {
            world.step();
            view.apply(&world.watched(id)[0].delta);
            assert!(view == world.seen(id, 2).unwrap());
        }
    }
}
