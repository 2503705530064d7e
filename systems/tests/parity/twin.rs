//! One game played twice: by the slow reference and by the fast rules in several classes.

use std::collections::VecDeque;

use systems::{
    components::{
        Armies, Cell, Command, Fallen, Game, Ledger, NO_TILE, Order, Orders, Setup, Standing,
        State, Terrain, Territory, Vision,
    },
    delta::{Face, SeenBoard},
    rules::{
        plane::Plane,
        ranking,
        ruleset::{MoveOrder, Rules, Ruleset},
        shape::Shape,
        tick::{Log, Queue, tick},
        view::{self, View},
    },
};

use crate::reference::{self, Input, MOUNTAIN, SeenTile};

/// A game of the fast rules, of any class.
pub(crate) trait Fast {
    fn tick(
        &mut self,
        queues: &[VecDeque<Input>],
        departures: &[usize],
    ) -> (Vec<usize>, Vec<VecDeque<Order>>);
    fn assert_equals(&mut self, slow: &reference::Game);
}

/// Both games.
pub(crate) struct Twin {
    pub(crate) slow: reference::Game,
    fast: Vec<Box<dyn Fast>>,
}

impl Twin {
    /// The fast games begin from the reference's present position.
    pub(crate) fn of(slow: reference::Game) -> Self {
        let (tiles, seats) = (slow.n_tiles(), slow.n_seats());
        let mut fast: Vec<Box<dyn Fast>> = vec![Box::new(Owned::<16, 16, i32>::of(&slow))];
        let fits = slow.army.iter().sum::<i64>() < i64::from(u16::TOTAL)
            && slow.army.iter().all(|&a| a >= 0);
        match (tiles <= 512, seats) {
            _ if !fits => {}
            (true, ..=2) => fast.push(Box::new(Owned::<8, 2, u16>::of(&slow))),
            (true, ..=8) => fast.push(Box::new(Owned::<8, 8, u16>::of(&slow))),
            (false, ..=2) => fast.push(Box::new(Owned::<16, 2, u16>::of(&slow))),
            (false, ..=8) => fast.push(Box::new(Owned::<16, 8, u16>::of(&slow))),
            (_, _) => fast.push(Box::new(Owned::<16, 16, u16>::of(&slow))),
        }
        Self { slow, fast }
    }

    /// Plays a tick everywhere and compares everything.
    pub(crate) fn tick(&mut self, departures: &[usize]) -> Vec<usize> {
        let queues = self.slow.queues.clone();
        let executed = self.slow.tick(departures);
        for fast in &mut self.fast {
            let (order, left) = fast.tick(&queues, departures);
            assert_eq!(order, executed, "order of execution");
            fast.assert_equals(&self.slow);
            if self.slow.rules.skips_illegal {
                let shape = Shape::<16>::new(self.slow.width as u16, self.slow.height as u16);
                for seat in (0..left.len()).filter(|&seat| self.slow.alive[seat]) {
                    let slow = accepted(&self.slow.queues[seat], &shape);
                    assert_eq!(left[seat], slow, "what is left in the queue of {seat}");
                }
            }
        }
        executed
    }
}

/// The orders that could be legal on some board, as an engine lets them into a queue.
fn accepted<const K: usize>(queue: &VecDeque<Input>, shape: &Shape<K>) -> VecDeque<Order> {
    queue.iter().filter_map(|input| order(input, shape)).collect()
}

fn order<const K: usize>(input: &Input, shape: &Shape<K>) -> Option<Order> {
    match *input {
        Input::Pass => Some(Order::PASS),
        Input::Build(tile) => {
            (tile < usize::from(shape.tiles())).then(|| Order::build(tile as u16))
        }
        Input::Move(m) => {
            let tile = |t: usize| u16::try_from(t).unwrap_or(NO_TILE);
            let direction = shape.direction(tile(m.from), tile(m.to))?;
            Some(Order::step(m.from as u16, direction as u8, m.half))
        }
    }
}

struct Queues {
    orders: Vec<VecDeque<Order>>,
    departures: VecDeque<usize>,
}

impl Queue for Queues {
    fn next(&mut self, seat: usize, _turn: u32, _given: Order) -> Option<Order> {
        self.orders.get_mut(seat)?.pop_front()
    }
    fn has_departure(&self, _turn: u32) -> bool {
        !self.departures.is_empty()
    }
    fn departure(&mut self, _turn: u32) -> Option<usize> {
        self.departures.pop_front()
    }
}

#[derive(Default)]
struct Executed(Vec<usize>);

impl Log for Executed {
    fn executed(&mut self, seat: usize) {
        self.0.push(seat);
    }
}

struct Owned<const K: usize, const P: usize, A: Cell> {
    shape: Shape<K>,
    rules: Rules,
    setup: Setup<P>,
    standing: Standing<P>,
    ledger: Ledger<P>,
    terrain: Terrain<K>,
    territory: Territory<K, P>,
    armies: Armies<K, A>,
    vision: Vision<K, P>,
    orders: Orders<P>,
}

fn rules(slow: &reference::Rules) -> Rules {
    let name = match slow.order {
        reference::Order::Modern => "generals",
        reference::Order::SeatAlternating => "generals-classic",
        reference::Order::ChaseFirst if slow.builds => "competition",
        reference::Order::ChaseFirst => "generals-bots",
    };
    let mut ruleset = Ruleset::named(name).unwrap();
    ruleset.moves.general_trades = slow.general_trades;
    ruleset.growth.neutral_cities_below = if slow.city_regen { 40 } else { 0 };
    Rules::from(&ruleset)
}

impl<const K: usize, const P: usize, A: Cell> Owned<K, P, A> {
    fn of(slow: &reference::Game) -> Self {
        let shape = Shape::<K>::new(slow.width as u16, slow.height as u16);
        let seats = slow.n_seats();
        let tiles = |keep: &dyn Fn(usize) -> bool| {
            Plane::of((0..slow.n_tiles()).filter(|&t| keep(t)).map(|t| t as u16))
        };
        let (land, army) = slow.scoreboard();
        let mut armies = Armies::default();
        let mut neutral = 0;
        for tile in 0..slow.n_tiles() {
            armies.set(tile as u16, slow.army[tile] as i32);
            neutral += if slow.owner[tile] < 0 { slow.army[tile].max(0) as u32 } else { 0 };
        }
        let set =
            |seats: &mut dyn Iterator<Item = usize>| seats.fold(0_u16, |set, seat| set | 1 << seat);
        let mut ledger = Ledger::BLANK;
        for (slot, &seat) in ledger.deaths.iter_mut().zip(&slow.deaths) {
            *slot = seat as u8;
        }
        ledger.n_deaths = slow.deaths.len() as u8;
        for (slot, (&tile, seen)) in ledger.fallen.iter_mut().zip(&slow.former_generals) {
            let seen = set(&mut (0..seats).filter(|&seat| seen[seat]));
            *slot = Fallen { tile: tile as u16, seen };
        }
        let has_teams = (1..seats).any(|seat| slow.teams[..seat].contains(&slow.teams[seat]));
        Self {
            rules: rules(&slow.rules),
            setup: Setup {
                id: 0,
                key: 0,
                game: 0,
                episode: 0,
                max_ticks: u32::MAX,
                shape: 0,
                rules: 0,
                players: seats as u8,
                has_teams,
                has_fog: true,
                policies: [0; P],
                allies: std::array::from_fn(|seat| {
                    set(&mut (0..P).filter(|&o| {
                        o == seat || o < seats && seat < seats && slow.are_allies(seat, o)
                    }))
                }),
            },
            standing: Standing {
                turn: slow.turn,
                idle: slow.idle,
                neutral,
                alive: set(&mut (0..seats).filter(|&seat| slow.alive[seat])),
                active: 0,
                state: State::Running,
                departing: false,
                fallen: slow.former_generals.len() as u8,
                is_first: false,
                generals: std::array::from_fn(|seat| {
                    slow.generals.get(seat).copied().flatten().map_or(NO_TILE, |t| t as u16)
                }),
                land: std::array::from_fn(|seat| land.get(seat).map_or(0, |&n| n as u16)),
                army: std::array::from_fn(|seat| army.get(seat).map_or(0, |&n| n as u32)),
            },
            ledger,
            terrain: Terrain {
                passable: tiles(&|t| slow.owner[t] != MOUNTAIN),
                cities: tiles(&|t| slow.cities.contains(&t)),
                generals: tiles(&|t| slow.generals.contains(&Some(t))),
            },
            territory: Territory(std::array::from_fn(|seat| {
                tiles(&|t| slow.owner[t] == seat as i32)
            })),
            armies,
            vision: Vision([Plane::EMPTY; P]),
            orders: Orders([Order::PASS; P]),
            shape,
        }
    }

    fn game(&mut self) -> (Game<'_, K, P, A>, &Shape<K>, &Rules) {
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
        (game, &self.shape, &self.rules)
    }

    fn refresh_views(&mut self) {
        for seat in 0..usize::from(self.setup.players) {
            self.vision.0[seat] = view::vision(
                seat,
                &self.setup,
                &self.territory,
                &self.shape,
                systems::isa::Isa::detect(),
            );
        }
        for fallen in &mut self.ledger.fallen[..usize::from(self.standing.fallen)] {
            for (seat, vision) in self.vision.0.iter().enumerate() {
                fallen.seen |= u16::from(vision.has(fallen.tile)) << seat;
            }
        }
    }

    /// Every order of the action space is in the mask exactly when the rules accept it.
    fn assert_mask_is_legality(&mut self, slow: &reference::Game) {
        let n = self.shape.tiles();
        for seat in 0..usize::from(self.setup.players) {
            let (game, shape, rules) = self.game();
            let mask = View::of(&game, shape, seat).mask(rules);
            for tile in 0..n {
                for d in 0..4 {
                    let allowed = mask.steps[usize::from(d)].has(tile);
                    let order = Order::step(tile, d, false);
                    assert_eq!(allowed, game.legal_move(shape, seat, order).is_some(), "{order:?}");
                    let to = shape.inner[usize::from(d)]
                        .has(tile)
                        .then(|| usize::from(shape.step(tile, d)));
                    let input = to.map(|to| {
                        Input::Move(reference::Move { from: tile.into(), to, half: true })
                    });
                    assert_eq!(
                        allowed,
                        input.is_some_and(|input| slow.is_legal(seat, &input)),
                        "{order:?}"
                    );
                }
                assert_eq!(
                    mask.builds.has(tile),
                    slow.is_legal(seat, &Input::Build(tile.into())),
                    "build {tile}"
                );
            }
        }
    }
}

impl<const K: usize, const P: usize, A: Cell> Fast for Owned<K, P, A> {
    fn tick(
        &mut self,
        queues: &[VecDeque<Input>],
        departures: &[usize],
    ) -> (Vec<usize>, Vec<VecDeque<Order>>) {
        let chase_first = self.rules.order == MoveOrder::ChaseFirst;
        let orders = queues.iter().map(|queue| {
            if chase_first {
                queue.iter().map(|input| order(input, &self.shape).unwrap_or(Order::PASS)).collect()
            } else {
                accepted(queue, &self.shape)
            }
        });
        let mut queue =
            Queues { orders: orders.collect(), departures: departures.iter().copied().collect() };
        let mut executed = Executed::default();
        let (mut game, shape, rules) = self.game();
        tick(&mut game, shape, rules, &mut queue, &mut executed);
        self.refresh_views();
        (executed.0, queue.orders)
    }

    fn assert_equals(&mut self, slow: &reference::Game) {
        let seats = slow.n_seats();
        let over = self.standing.state == State::Over;
        assert_eq!(self.standing.turn, slow.turn);
        assert_eq!(over && slow.rules.ends, slow.is_over(), "whether the game is over");
        let (land, army) = slow.scoreboard();
        for tile in 0..slow.n_tiles() as u16 {
            let (game, ..) = self.game();
            let owner = match game.owner(tile) {
                Some(seat) => seat as i32,
                None if game.terrain.passable.has(tile) => -1,
                None => -2,
            };
            assert_eq!(
                owner,
                slow.owner[usize::from(tile)],
                "owner of tile {tile} at turn {}",
                slow.turn
            );
            assert_eq!(
                i64::from(game.armies.get(tile)),
                slow.army[usize::from(tile)],
                "army on tile {tile}"
            );
            assert_eq!(game.armies.movable().has(tile), slow.army[usize::from(tile)] >= 2);
        }
        let (game, ..) = self.game();
        assert_eq!(game.terrain.cities, Plane::of(slow.cities.iter().map(|&t| t as u16)), "cities");
        let neutral: i64 =
            (0..slow.n_tiles()).filter(|&t| slow.owner[t] < 0).map(|t| slow.army[t].max(0)).sum();
        assert!(i64::from(self.standing.neutral) >= neutral, "the bound of neutral units holds");
        for seat in 0..seats {
            let general = slow.generals[seat].map_or(NO_TILE, |t| t as u16);
            assert_eq!(self.standing.generals[seat], general, "general of {seat}");
            assert_eq!(u32::from(self.standing.land[seat]), land[seat], "land of {seat}");
            assert_eq!(i64::from(self.standing.army[seat]), army[seat], "army of {seat}");
        }
        let winners: Vec<usize> = (0..seats)
            .filter(|&seat| over && self.standing.alive & self.setup.allies[seat] != 0)
            .collect();
        if slow.rules.ends {
            assert_eq!(winners, slow.winners());
        }
        if !slow.drawn {
            assert_eq!(ranking::deaths(&self.ledger).collect::<Vec<_>>(), slow.deaths);
            assert_eq!(ranking::ranking(seats, &self.standing, &self.ledger), slow.ranking());
            if slow.rules.order != reference::Order::ChaseFirst {
                let kills_first = ranking::ranking_kills_first(seats, &self.standing, &self.ledger);
                assert_eq!(kills_first, slow.ranking_kills_first());
            }
        }
        for seat in 0..seats {
            let (game, shape, _) = self.game();
            let board = SeenBoard::of(&View::of(&game, shape, seat));
            let expected: Vec<_> = slow.view(seat).into_iter().map(seen).collect();
            let got: Vec<_> = board.tiles.iter().map(|t| (t.face, t.owner, t.army)).collect();
            assert_eq!(got, expected, "view of {seat}");
        }
        if !slow.is_over() && slow.n_tiles() <= 100 {
            self.assert_mask_is_legality(slow);
        }
    }
}

fn seen(tile: SeenTile) -> (Face, u8, i32) {
    match tile {
        SeenTile::Fog => (Face::Fog, 255, 0),
        SeenTile::StructureInFog => (Face::FogStructure, 255, 0),
        SeenTile::Seen { owner, army, city, general, mountain } => {
            let face = match (general, city, mountain) {
                (true, ..) => Face::General,
                (_, true, _) => Face::City,
                (_, _, true) => Face::Mountain,
                _ => Face::Plain,
            };
            (face, u8::try_from(owner).unwrap_or(255), army as i32)
        }
    }
}

/// Whether a build or step is what the order says, for the tests of chosen orders.
#[test]
fn orders_survive_the_door() {
    let shape = Shape::<8>::new(5, 4);
    let step = Input::Move(reference::Move { from: 6, to: 11, half: true });
    assert_eq!(
        order(&step, &shape).unwrap().command(),
        Command::Step { from: 6, direction: 1, half: true }
    );
    let wrap = Input::Move(reference::Move { from: 4, to: 5, half: false });
    assert_eq!(order(&wrap, &shape), None);
    assert_eq!(order(&Input::Build(20), &shape), None);
}
