//! One tick of one game, in the exact order of the rules (section 4).

use super::{
    legality::Move,
    ruleset::{MoveOrder, Rules},
    shape::Shape,
};
use crate::components::{Cell, Game, Order};

/// Where a tick takes each player's orders from.
///
/// The queue of a player who died need not be emptied: no order of the dead is legal, so it runs
/// empty in the next tick.
pub trait Queue {
    /// The next order of the seat for this turn, taken off the front of its queue. `given` is the
    /// order that was put into the game itself.
    fn next(&mut self, seat: usize, turn: u32, given: Order) -> Option<Order>;

    /// Whether [`Queue::departure`] has something due at this turn.
    fn has_departure(&self, _turn: u32) -> bool {
        false
    }

    /// The next recorded event that is due: a seat that surrenders or, dead already, is
    /// neutralised. Where there are such events, a surrender starts no countdown of its own.
    fn departure(&mut self, _turn: u32) -> Option<usize> {
        None
    }
}

/// Who wants to know what happened inside a tick. The default is nobody, at no cost.
pub trait Log {
    /// Whether it matters in which order independent moves are executed.
    const WANTS_ORDER: bool = true;
    /// A move of the seat was executed, even if it did nothing.
    fn executed(&mut self, _seat: usize) {}
    /// `captor` took the general of `victim`.
    fn captured(&mut self, _captor: usize, _victim: usize) {}
    /// The seat surrendered or was dropped for inactivity.
    fn surrendered(&mut self, _seat: usize) {}
    /// The land of the seat became neutral, or `heir`'s.
    fn neutralised(&mut self, _seat: usize, _heir: Option<usize>) {}
    /// Two players exchanged everything.
    fn traded(&mut self, _a: usize, _b: usize) {}
}

/// Listens to nothing.
pub struct NoLog;
impl Log for NoLog {
    const WANTS_ORDER: bool = false;
}

/// The order given to each seat and no queue: what batch games are played with.
pub struct Given {
    /// Seats whose order was taken.
    taken: u16,
}

impl Given {
    /// No order has been taken.
    #[inline(always)]
    #[must_use]
    pub fn new() -> Self {
        Self { taken: 0 }
    }
}

impl Default for Given {
    fn default() -> Self {
        Self::new()
    }
}

impl Queue for Given {
    #[inline(always)]
    fn next(&mut self, seat: usize, _turn: u32, given: Order) -> Option<Order> {
        let is_new = self.taken >> seat & 1 == 0;
        self.taken |= 1 << seat;
        is_new.then_some(given)
    }
}

/// The moves selected for one tick.
pub struct Moves<const P: usize> {
    /// The moves; those from `len` on are meaningless.
    pub list: [Move; P],
    /// Moves that are carried out already.
    pub used: [bool; P],
    /// Number of moves.
    pub len: usize,
}

impl<const P: usize> Moves<P> {
    /// No move.
    #[inline(always)]
    #[must_use]
    pub fn none() -> Self {
        Self { list: [Move::default(); P], used: [false; P], len: 0 }
    }
}

/// What is left to do after the moves of a tick.
pub(super) struct Aftermath {
    /// Whether armies grow.
    pub(super) grows: bool,
    /// The seat that gets the land of the other when everything else is done.
    pub(super) heir: Option<usize>,
}

impl Aftermath {
    /// Growth and nothing else.
    pub(super) const NONE: Self = Self { grows: true, heir: None };
}

/// Plays one tick. A game that has ended stays as it is.
///
/// Orders are taken from `queue`; afterwards [`Orders`](crate::components::Orders) holds the
/// order that each seat's turn was spent on, a pass where there was none.
#[inline(always)]
pub fn tick<const K: usize, const P: usize, A: Cell, L: Log>(
    game: &mut Game<'_, K, P, A>,
    shape: &Shape<K>,
    rules: &Rules,
    queue: &mut impl Queue,
    log: &mut L,
) {
    if game.standing.has_ended() {
        return;
    }
    // The idle rule judges by the scoreboard of the previous tick, which is the present one.
    let may_end = game.standing.idle >= rules.idle_ticks || game.standing.turn > rules.last_turn;
    let scoreboard = may_end.then_some((game.standing.land, game.standing.army));
    if game.standing.departing || queue.has_departure(game.standing.turn) {
        game.depart(rules, queue, log);
    }
    let after = match rules.order {
        MoveOrder::LargestFirst => {
            let mut moves = game.select(shape, queue);
            game.order_largest_first(&mut moves, L::WANTS_ORDER);
            game.execute(shape, rules, &mut moves, log);
            Aftermath::NONE
        }
        MoveOrder::SeatAlternating => {
            game.execute_by_seat(shape, rules, queue, log);
            Aftermath::NONE
        }
        MoveOrder::ChaseFirst => game.execute_chase_first(shape, rules, queue, log),
    };
    if let Some((land, army)) = scoreboard
        && (game.standing.idle > rules.idle_ticks || game.standing.turn > rules.last_turn)
    {
        game.end_by_strength(&land, &army);
    }
    game.standing.turn += 1;
    if after.grows {
        game.grow(rules);
    }
    if let Some(heir) = after.heir {
        game.inherit(heir, 1 - heir, rules.inherits_half);
    }
}

impl<const K: usize, const P: usize, A: Cell> Game<'_, K, P, A> {
    /// The first legal order in the seat's queue; illegal ones before it are thrown away. A pass
    /// uses the tick up.
    #[inline(always)]
    fn choose(&mut self, shape: &Shape<K>, queue: &mut impl Queue, seat: usize) -> Option<Move> {
        let given = std::mem::replace(&mut self.orders.0[seat], Order::PASS);
        while let Some(order) = queue.next(seat, self.standing.turn, given) {
            if order == Order::PASS {
                return None;
            }
            if let Some(m) = self.legal_move(shape, seat, order) {
                self.orders.0[seat] = order;
                return Some(m);
            }
        }
        None
    }

    /// One legal move per player, judged on the board before any move of this tick.
    #[inline(always)]
    fn select(&mut self, shape: &Shape<K>, queue: &mut impl Queue) -> Moves<P> {
        let mut moves = Moves::none();
        for seat in 0..P {
            if let Some(m) = self.choose(shape, queue, seat) {
                moves.list[moves.len] = m;
                moves.len += 1;
            }
        }
        moves
    }

    #[inline(always)]
    fn execute(
        &mut self,
        shape: &Shape<K>,
        rules: &Rules,
        moves: &mut Moves<P>,
        log: &mut impl Log,
    ) {
        self.standing.idle += 1;
        for i in 0..moves.len {
            let m = moves.list[i];
            if moves.used[i] || !self.territory.0[m.seat()].has(m.from()) {
                continue;
            }
            self.standing.idle = 0;
            if rules.general_trades
                && self.standing.generals.contains(&m.to())
                && self.trade(shape, rules, moves, i, log)
            {
                continue;
            }
            log.executed(m.seat());
            if let Some(capture) = self.march(&m, rules) {
                self.capture(capture, rules, log);
            }
        }
    }

    /// Every seat in its turn selects on the board the earlier ones left (rules, section 8.3).
    #[inline(always)]
    fn execute_by_seat(
        &mut self,
        shape: &Shape<K>,
        rules: &Rules,
        queue: &mut impl Queue,
        log: &mut impl Log,
    ) {
        self.standing.idle += 1;
        let descending = self.standing.turn % 2 == 1;
        for slot in 0..P {
            let seat = if descending { P - 1 - slot } else { slot };
            let Some(m) = self.choose(shape, queue, seat) else { continue };
            self.standing.idle = 0;
            log.executed(seat);
            if let Some(capture) = self.march(&m, rules) {
                self.capture(capture, rules, log);
            }
        }
    }
}
