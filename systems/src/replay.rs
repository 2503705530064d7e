//! Playing recorded moves: a start, and who queued what when.

use std::sync::Arc;

use bevy_ecs::component::Component;

use crate::{components::Order, rows::RowBlock, rules::tick::Queue};

/// A recorded order and the turn from which it waits in its player's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScriptedOrder {
    /// Turn, in ticks.
    pub turn: u32,
    /// The order.
    pub order: Order,
}

/// The recorded moves of a whole game.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptMoves {
    /// Orders of each seat, in the order they were queued; turns do not fall.
    pub orders: Vec<Vec<ScriptedOrder>>,
    /// Seats that surrendered or were neutralised, with the turn, in the order of the record.
    pub departures: Vec<(u32, u8)>,
}

impl ScriptMoves {
    /// The first turn at which nothing is left to do, so that a game that goes on has no record.
    pub fn end(&self) -> u32 {
        let orders = self.orders.iter().filter_map(|seat| seat.last()).map(|order| order.turn);
        let last = orders.chain(self.departures.last().map(|departure| departure.0)).max();
        last.map_or(0, |turn| turn.saturating_add(1))
    }
}

/// The queues of a game that is replayed: the record, and how far each seat has come.
#[derive(Component, Clone, Debug)]
pub struct Script<const P: usize> {
    moves: Arc<ScriptMoves>,
    next: [u32; P],
    next_departure: u32,
    block: Option<RowBlock>,
}

impl<const P: usize> Script<P> {
    /// The record from its beginning.
    #[must_use]
    pub fn new(moves: Arc<ScriptMoves>) -> Self {
        Self { moves, next: [0; P], next_departure: 0, block: None }
    }

    /// The same, with a place for the game's rows.
    #[must_use]
    pub fn with_block(self, block: Option<RowBlock>) -> Self {
        Self { block, ..self }
    }

    /// Where the game's rows lie, if they have a place.
    pub fn block(&self) -> Option<&RowBlock> {
        self.block.as_ref()
    }

    /// The same for a class with more seats.
    #[must_use]
    pub fn widened<const Q: usize>(&self) -> Script<Q> {
        let next = std::array::from_fn(|seat| self.next.get(seat).copied().unwrap_or(0));
        let Self { next_departure, block, .. } = *self;
        Script { moves: self.moves.clone(), next, next_departure, block }
    }

    /// Whether every recorded order and departure has been used.
    pub fn is_finished(&self) -> bool {
        self.next_departure as usize == self.moves.departures.len()
            && self
                .moves
                .orders
                .iter()
                .zip(self.next)
                .all(|(orders, next)| orders.len() == next as usize)
    }

    /// Orders that wait in the seat's queue at `turn`.
    pub fn waiting(&self, seat: usize, turn: u32) -> usize {
        let rest = &self.moves.orders[seat][self.next[seat] as usize..];
        rest.iter().take_while(|o| o.turn <= turn).count()
    }
}

impl<const P: usize> Queue for Script<P> {
    #[inline]
    fn next(&mut self, seat: usize, turn: u32, _given: Order) -> Option<Order> {
        let scripted = self.moves.orders.get(seat)?.get(self.next[seat] as usize)?;
        (scripted.turn <= turn).then(|| {
            self.next[seat] += 1;
            scripted.order
        })
    }

    fn has_departure(&self, turn: u32) -> bool {
        self.moves.departures.get(self.next_departure as usize).is_some_and(|d| d.0 <= turn)
    }

    fn departure(&mut self, turn: u32) -> Option<usize> {
        let &(when, seat) = self.moves.departures.get(self.next_departure as usize)?;
        (when <= turn).then(|| {
            self.next_departure += 1;
            usize::from(seat)
        })
    }
}
