//! One game outside any world, ticked by hand: for tools that listen to what happens in a tick.
//!
//! A [`World`](crate::world::World) is the way to play games. It keeps no log, because listening
//! costs every game; here the caller brings the [`Log`].

use crate::{
    bundle::{Bundle, blank, borrow, setup},
    components::{Game, Order, Standing, State},
    reset,
    rules::{
        digest,
        ruleset::{Rules, Ruleset},
        shape::Shape,
        tick::{Given, Log, Queue, tick},
    },
    start::{Start, StartError},
    world::GameSpec,
};

/// A game of the class that holds any game, owned component by component.
pub struct OwnedGame {
    shape: Shape<16>,
    rules: Rules,
    game: Bundle<16, 16, i32>,
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
            game: blank(setup(&GameSpec::new(start, 0), 0)),
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
        self.borrow().0.orders.0 = all;
        self.tick(&mut Given::new(), log);
    }

    /// Ticks completed.
    pub fn turn(&self) -> u32 {
        self.standing().turn
    }

    /// How the game goes on.
    pub fn state(&self) -> State {
        self.standing().state
    }

    /// Whether a seat lives.
    pub fn is_alive(&self, seat: usize) -> bool {
        self.standing().is_alive(seat)
    }

    /// Fingerprint of the position, that of [`Position::digest`](crate::world::Position::digest).
    pub fn digest(&mut self) -> u64 {
        let (game, shape, _) = self.borrow();
        digest::position(&game, shape)
    }

    fn standing(&self) -> &Standing<16> {
        &self.game.1
    }

    fn borrow(&mut self) -> (Game<'_, 16, 16, i32>, &Shape<16>, &Rules) {
        (borrow(&mut self.game), &self.shape, &self.rules)
    }
}
