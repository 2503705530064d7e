//! One game outside any world, ticked by hand: for tools that listen to what happens in a tick.
//!
//! A [`World`](crate::world::World) is the way to play games. It keeps no log, because listening
//! costs every game; here the caller brings the [`Log`].

use crate::{
    components::{
        Armies, Game, Ledger, NO_TILE, Order, Orders, Setup, Standing, State, Terrain, Territory,
        Vision,
    },
    reset,
    rules::{
        digest,
        plane::Plane,
        ruleset::{Rules, Ruleset},
        shape::Shape,
        tick::{Given, Log, Queue, tick},
    },
    start::{Start, StartError},
};

/// A game of the class that holds any game, owned component by component.
pub struct OwnedGame {
    shape: Shape<16>,
    rules: Rules,
    setup: Setup<16>,
    standing: Standing<16>,
    ledger: Ledger<16>,
    terrain: Terrain<16>,
    territory: Territory<16, 16>,
    armies: Armies<16, i32>,
    vision: Vision<16, 16>,
    orders: Orders<16>,
}

impl OwnedGame {
    /// The game at its start.
    ///
    /// # Errors
    ///
    /// What no game can have; see [`Start::check`].
    pub fn new(start: &Start, ruleset: &Ruleset) -> Result<Self, StartError> {
        start.check()?;
        let mut game = Self {
            shape: Shape::new(start.width, start.height),
            rules: Rules::from(ruleset),
            setup: setup(start),
            standing: Standing {
                turn: 0,
                idle: 0,
                neutral: 0,
                alive: 0,
                active: 0,
                state: State::Running,
                departing: false,
                fallen: 0,
                is_first: true,
                generals: [NO_TILE; 16],
                land: [0; 16],
                army: [0; 16],
            },
            ledger: Ledger::BLANK,
            terrain: Terrain::default(),
            territory: Territory([Plane::EMPTY; 16]),
            armies: Armies::default(),
            vision: Vision([Plane::EMPTY; 16]),
            orders: Orders([Order::PASS; 16]),
        };
        let (mut borrowed, shape, _) = game.borrow();
        reset::lay_out(&mut borrowed, shape, start);
        Ok(game)
    }

    /// Plays one tick and tells `log` what happens in it. An ended game stays as it is.
    pub fn tick(&mut self, queue: &mut impl Queue, log: &mut impl Log) {
        let (mut game, shape, rules) = self.borrow();
        tick(&mut game, shape, rules, queue, log);
    }

    /// Plays one tick in which each seat has the one order listed, or none.
    pub fn tick_orders(&mut self, orders: &[Order], log: &mut impl Log) {
        let mut all = [Order::PASS; 16];
        for (slot, &order) in all.iter_mut().zip(orders) {
            *slot = order;
        }
        self.orders.0 = all;
        self.tick(&mut Given::new(), log);
    }

    /// Ticks completed.
    pub fn turn(&self) -> u32 {
        self.standing.turn
    }

    /// How the game goes on.
    pub fn state(&self) -> State {
        self.standing.state
    }

    /// Whether a seat lives.
    pub fn is_alive(&self, seat: usize) -> bool {
        self.standing.is_alive(seat)
    }

    /// Fingerprint of the position, that of [`Position::digest`](crate::world::Position::digest).
    pub fn digest(&mut self) -> u64 {
        let (game, shape, _) = self.borrow();
        digest::position(&game, shape)
    }

    fn borrow(&mut self) -> (Game<'_, 16, 16, i32>, &Shape<16>, &Rules) {
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
}

fn setup(start: &Start) -> Setup<16> {
    let teams = &start.teams;
    let are_allies =
        |a: usize, b: usize| a == b || teams.get(a).is_some_and(|team| teams.get(b) == Some(team));
    let allies = |seat| (0..16).filter(|&o| are_allies(seat, o)).fold(0, |set, o| set | 1 << o);
    Setup {
        id: 0,
        key: 0,
        game: 0,
        episode: 0,
        max_ticks: u32::MAX,
        shape: 0,
        rules: 0,
        players: u8::try_from(start.players()).expect("a checked start has at most 16 players"),
        has_teams: start.has_teams(),
        has_fog: true,
        policies: [0; 16],
        allies: std::array::from_fn(allies),
    }
}
