//! Built-in players: how strong they are, and what they never do.
#![expect(
    clippy::pedantic,
    clippy::unwrap_used,
    reason = "test code: a failed conversion is a failed test"
)]

use std::sync::Arc;

use systems::{
    components::{
        Armies, Command, Game, Ledger, NO_TILE, Order, Orders, Setup, Standing, State, Terrain,
        Territory, Vision,
    },
    dice::Dice,
    mapgen::{MapKind, MapSpec, Size},
    policies::{self, Notes, Policy},
    rollout::{Maps, Rollout, RolloutSpec},
    rules::{
        plane::Plane,
        ruleset::{Rules, Ruleset},
        shape::{Direction, Shape},
        view::{self, View},
    },
    start::Start,
    world::{GameSpec, Position, World, WorldConfig},
};

const BUILT_IN: [Policy; 3] = [Policy::Random, Policy::Expander, Policy::Hunter];

// ---- Strength ----

/// Games won by the first and the second policy, on generated 18x18 maps with seats swapped.
fn duel(policies: [Policy; 2], games: u64, max_ticks: u32) -> [u64; 2] {
    let mut maps = MapSpec::free_for_all(MapKind::Generals, 2);
    maps.size = Size::Fixed { width: 18, height: 18 };
    let spec = RolloutSpec {
        seed: 7,
        first_game: 0,
        games,
        maps: Maps::Generated(maps),
        ruleset: Arc::new(Ruleset::named("generals").unwrap()),
        max_ticks,
        policies: policies.to_vec(),
        has_fog: true,
    };
    let mut rollout = Rollout::new(spec, 100, WorldConfig::default()).unwrap();
    let mut wins = [0; 2];
    while !rollout.is_finished() {
        for record in rollout.step().unwrap() {
            for &winner in &record.outcome.winners {
                let name = &record.policies[usize::from(winner)];
                wins[policies.iter().position(|policy| policy.name() == name).unwrap()] += 1;
            }
        }
    }
    wins
}

#[test]
fn hunter_beats_expander_in_80_percent_of_200_games() {
    let wins = duel([Policy::Hunter, Policy::Expander], 200, 1000);
    assert!(wins[0] >= 160, "wins of hunter and expander: {wins:?}");
}

#[test]
fn hunter_beats_random_in_95_percent_of_100_games() {
    let wins = duel([Policy::Hunter, Policy::Random], 100, 1000);
    assert!(wins[0] >= 95, "wins of hunter and random: {wins:?}");
}

#[test]
fn expander_beats_random_in_95_percent_of_100_games() {
    let wins = duel([Policy::Expander, Policy::Random], 100, 1000);
    assert!(wins[0] >= 95, "wins of expander and random: {wins:?}");
}

// ---- Whole games of every kind ----

/// A game of the policies in turn, and its position before each tick and after the last.
fn positions(
    start: &Start,
    ruleset: &str,
    policies: &[Policy],
    seed: u64,
    ticks: u32,
) -> Vec<Position> {
    let mut world = World::new(WorldConfig { threads: 1, ..WorldConfig::default() }).unwrap();
    let rules = world.add_ruleset(&Ruleset::named(ruleset).unwrap()).unwrap();
    let spec = GameSpec { seed, policies, max_ticks: ticks, ..GameSpec::new(start, rules) };
    let id = world.create(&spec).unwrap();
    let mut positions = vec![world.position(id).unwrap()];
    while positions.last().unwrap().state == State::Running && positions.len() < 10_000 {
        world.step();
        positions.push(world.position(id).unwrap());
    }
    positions
}

/// Boards, seats, teams and rulesets that differ in every way.
fn samples() -> Vec<(Start, &'static str, Vec<Policy>)> {
    let mut samples = Vec::new();
    for (i, ruleset) in Ruleset::NAMES.into_iter().enumerate() {
        let kind = Ruleset::named(ruleset).unwrap().map.kind;
        let start = MapSpec::free_for_all(kind, 2).generate(i as u64);
        samples.push((start, ruleset, vec![Policy::Hunter, Policy::Expander]));
    }
    for (i, (width, height, teams)) in [
        (1, 9, vec![0, 1]),
        (32, 32, vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        (12, 20, vec![0, 0, 1, 1]),
        (24, 22, vec![0, 1, 2, 0, 1, 2]),
        (6, 5, vec![0, 1, 2]),
    ]
    .into_iter()
    .enumerate()
    {
        let mut maps = MapSpec::free_for_all(MapKind::Generals, teams.len());
        maps.size = Size::Fixed { width, height };
        maps.teams = teams;
        let seats = (0..maps.teams.len()).map(|seat| BUILT_IN[(seat + 2) % 3]).collect();
        samples.push((maps.generate(50 + i as u64), "generals", seats));
    }
    samples
}

/// The units and the owner of the source of a step, and its destination.
fn step_of(position: &Position, order: Order) -> Option<(i32, i8, u16)> {
    let Command::Step { from, direction, .. } = order.command() else { return None };
    let shape = Shape::<16>::new(position.width, position.height);
    assert!(shape.inner[usize::from(direction)].has(from), "{order:?} leaves the board");
    let tile = usize::from(from);
    Some((position.armies[tile], position.owners[tile], shape.step(from, direction)))
}

fn is_mate(start: &Start, seat: usize, owner: i8) -> bool {
    owner >= 0
        && owner as usize != seat
        && start.teams[owner as usize] == start.teams[seat]
        && start.has_teams()
}

#[test]
fn expander_and_hunter_never_enter_an_allys_tile() {
    for (start, ruleset, policies) in samples() {
        let positions = positions(&start, ruleset, &policies, 3, 400);
        for pair in positions.windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            for (seat, &policy) in policies.iter().enumerate() {
                let Some((army, owner, to)) = step_of(before, after.orders[seat]) else { continue };
                assert!(army >= 1 && owner == seat as i8);
                let target = before.owners[usize::from(to)];
                assert!(policy == Policy::Random || !is_mate(&start, seat, target));
            }
        }
    }
}

#[test]
fn games_of_policies_are_the_same_again() {
    for (start, ruleset, policies) in samples() {
        let play = |seed| positions(&start, ruleset, &policies, seed, 200);
        assert!(play(1) == play(1));
    }
}

#[test]
fn choices_do_not_depend_on_threads() {
    let game = |threads| {
        let mut world = World::new(WorldConfig { threads, ..WorldConfig::default() }).unwrap();
        let rules = world.add_ruleset(&Ruleset::named("generals").unwrap()).unwrap();
        let starts = (0..40).map(|i| MapSpec::free_for_all(MapKind::Generals, 4).generate(i));
        let ids: Vec<_> = starts
            .map(|start| {
                let policies = &[Policy::Hunter, Policy::Expander, Policy::Hunter, Policy::Random];
                world.create(&GameSpec { policies, ..GameSpec::new(&start, rules) }).unwrap()
            })
            .collect();
        for _ in 0..150 {
            world.step();
        }
        ids.iter().map(|&id| world.position(id).unwrap().digest).collect::<Vec<_>>()
    };
    assert_eq!(game(1), game(2));
}

// ---- Fog ----

/// A game made by hand, for choices on any arrangement.
struct Hand {
    shape: Shape<8>,
    setup: Setup<4>,
    standing: Standing<4>,
    ledger: Ledger<4>,
    terrain: Terrain<8>,
    territory: Territory<8, 4>,
    armies: Armies<8, i32>,
    vision: Vision<8, 4>,
    orders: Orders<4>,
}

impl Hand {
    /// Land in patches, with mountains, cities and generals anywhere.
    fn deal(dice: &mut Dice, has_teams: bool) -> Self {
        let shape = Shape::<8>::new(4 + dice.between(0, 16), 4 + dice.between(0, 16));
        let mut hand = Self {
            setup: Setup {
                id: 0,
                key: 0,
                game: 0,
                episode: 0,
                max_ticks: u32::MAX,
                shape: 0,
                rules: 0,
                players: 4,
                has_teams,
                has_fog: true,
                policies: [0; 4],
                allies: if has_teams { [0b11, 0b11, 0b1100, 0b1100] } else { [1, 2, 4, 8] },
            },
            standing: Standing {
                turn: [0, 20, 49, 60, 99, 801][dice.below(6) as usize],
                idle: 0,
                neutral: 0,
                alive: 0b1111,
                active: 0,
                state: State::Running,
                departing: false,
                fallen: 0,
                is_first: false,
                generals: [NO_TILE; 4],
                land: [0; 4],
                army: [0; 4],
            },
            ledger: Ledger::BLANK,
            terrain: Terrain {
                passable: shape.board,
                cities: Plane::EMPTY,
                generals: Plane::EMPTY,
            },
            territory: Territory([Plane::EMPTY; 4]),
            armies: Armies::default(),
            vision: Vision([Plane::EMPTY; 4]),
            orders: Orders([Order::PASS; 4]),
            shape,
        };
        for tile in 0..hand.shape.tiles() {
            hand.redraw(dice, tile);
        }
        for seat in 0..4 {
            let land = hand.territory.0[seat].without(hand.terrain.structures());
            if land.count() > 0 {
                let general = land.nth(dice.below(land.count()));
                hand.standing.generals[seat] = general;
                hand.terrain.generals.insert(general);
            }
            hand.standing.land[seat] = hand.territory.0[seat].count() as u16;
            hand.standing.army[seat] = 100 + dice.below(100);
        }
        for seat in 0..4 {
            hand.vision.0[seat] = view::vision(
                seat,
                &hand.setup,
                &hand.territory,
                &hand.shape,
                systems::isa::Isa::detect(),
            );
        }
        hand
    }

    /// Another owner and army on a plain tile or city. The land of each seat has its corner.
    fn redraw(&mut self, dice: &mut Dice, tile: u16) {
        for land in &mut self.territory.0 {
            land.remove(tile);
        }
        let (width, height) = (self.shape.width, self.shape.height);
        let corner = usize::from(tile / width * 2 / height * 2 + tile % width * 2 / width);
        let kind = dice.below(10);
        self.terrain.passable.assign(tile, kind > 1);
        self.terrain.cities.assign(tile, kind == 2);
        self.armies
            .set(tile, if kind > 1 { dice.below(40) as i32 * dice.below(2) as i32 } else { 0 });
        if kind > 4 {
            self.territory.0[corner].insert(tile);
        }
    }

    fn choose(&mut self, policy: Policy, seat: usize, bits: u64, notes: &mut Notes) -> Order {
        let rules = Rules::from(&Ruleset::named("competition").unwrap());
        let game = Game {
            setup: &mut self.setup,
            standing: &mut self.standing,
            ledger: &mut self.ledger,
            terrain: &mut self.terrain,
            territory: &mut self.territory,
            armies: &mut self.armies,
            vision: &mut self.vision,
            orders: &mut self.orders,
        };
        let view = View::of(&game, &self.shape, seat);
        let order = policies::choose(policy, &view, &rules, bits, notes);
        let mask = view.mask(&rules);
        let elsewhere = self.shape.board.without(view.allies());
        let can_march = Direction::ALL
            .into_iter()
            .any(|d| !(mask.steps[d as usize] & self.shape.arriving(&elsewhere, d)).is_empty());
        // The opening of `hunter` waits for its general on purpose.
        let waits = policy == Policy::Hunter && view.turn() < 50;
        assert!(waits || !can_march || order != Order::PASS, "{policy:?} passes");
        if let Command::Step { from, direction, .. } = order.command() {
            assert!(mask.steps[usize::from(direction)].has(from), "{policy:?} {order:?}");
            assert!(game.legal_move(&self.shape, seat, order).is_some());
        } else {
            assert_eq!(order, Order::PASS);
        }
        order
    }
}

/// Notes that say nothing, or anything at all.
fn some_notes(dice: &mut Dice) -> Notes {
    if dice.below(2) == 0 { [0; 2] } else { [dice.bits(), dice.bits()] }
}

#[test]
fn choices_are_legal_and_no_needless_passes_on_any_position_with_any_notes() {
    let mut dice = Dice::new(11);
    for _ in 0..4_000 {
        let has_teams = dice.below(2) == 0;
        let mut hand = Hand::deal(&mut dice, has_teams);
        for policy in BUILT_IN {
            for seat in 0..4 {
                let (bits, mut notes) = (dice.bits(), some_notes(&mut dice));
                hand.choose(policy, seat, bits, &mut notes);
            }
        }
    }
}

#[test]
fn choices_do_not_depend_on_hidden_tiles() {
    let mut dice = Dice::new(12);
    let mut changed = 0;
    for _ in 0..4_000 {
        let mut hand = Hand::deal(&mut dice, false);
        let seat = dice.below(4) as usize;
        let (bits, notes) = (dice.bits(), some_notes(&mut dice));
        let choices = |hand: &mut Hand| {
            BUILT_IN.map(|policy| {
                let mut notes = notes;
                (hand.choose(policy, seat, bits, &mut notes), notes)
            })
        };
        let before = choices(&mut hand);
        let hidden =
            hand.shape.board.without(hand.vision.0[seat]).without(hand.terrain.structures());
        let mountains = hand.shape.board.without(hand.terrain.passable);
        for tile in hidden.without(mountains).tiles() {
            // A general in fog looks like any tile; mountains and cities look like each other.
            if hand.standing.generals.contains(&tile) {
                continue;
            }
            hand.armies.set(tile, dice.below(50) as i32);
            for other in (0..4).filter(|&other| other != seat) {
                hand.territory.0[other].assign(tile, false);
            }
            let owner = dice.below(5) as usize;
            if owner < 4 && owner != seat {
                hand.territory.0[owner].insert(tile);
            }
            changed += 1;
        }
        for tile in (hidden & mountains).tiles() {
            if dice.below(2) == 0 {
                hand.terrain.passable.insert(tile);
                hand.terrain.cities.insert(tile);
                hand.armies.set(tile, dice.below(50) as i32);
            }
        }
        for other in (0..4).filter(|&other| other != seat) {
            let old = hand.standing.generals[other];
            let free = hidden.without(mountains);
            if old != NO_TILE && !hand.vision.0[seat].has(old) && free.count() > 0 {
                let new = free.nth(dice.below(free.count()));
                if !hand.standing.generals.contains(&new) {
                    hand.terrain.generals.remove(old);
                    hand.terrain.generals.insert(new);
                    hand.standing.generals[other] = new;
                }
            }
        }
        assert_eq!(choices(&mut hand), before);
    }
    assert!(changed > 10_000, "{changed} hidden tiles were changed");
}
