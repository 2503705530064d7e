//! Ticks of the rulesets `generals-bots` and `competition` (competition, "One tick").

use super::tick::Aftermath;
use super::{
    legality::Move,
    ruleset::Rules,
    shape::Shape,
    tick::{Log, Queue},
};
use crate::components::{Cell, Command, Game, Order};

impl<const K: usize, const P: usize, A: Cell> Game<'_, K, P, A> {
    /// Builds, then the two moves in their order.
    #[inline(always)]
    pub(super) fn execute_chase_first(
        &mut self,
        shape: &Shape<K>,
        rules: &Rules,
        queue: &mut impl Queue,
        log: &mut impl Log,
    ) -> Aftermath {
        self.standing.idle += 1;
        // An order that is not accepted is a lost turn here: nothing is taken in its place.
        let mut orders = [Order::PASS; 2];
        for (seat, order) in orders.iter_mut().enumerate() {
            let given = std::mem::replace(&mut self.orders.0[seat], Order::PASS);
            *order = queue.next(seat, self.standing.turn, given).unwrap_or(Order::PASS);
        }
        for (seat, order) in orders.into_iter().enumerate() {
            if let Command::Build { tile } = order.command() {
                self.build(rules, shape, seat, tile);
            }
        }
        let mut moves = [0, 1].map(|seat| self.legal_move(shape, seat, orders[seat]));
        if self.second_seat_goes_first(&moves) {
            moves.swap(0, 1);
        }
        let touchable = self.standing.turn >= rules.deathtouch_from;
        let (mut captor, mut captures, mut touches) = (None, 0, 0_u16);
        for m in moves.into_iter().flatten() {
            // The second is judged on the board the first has left.
            if !self.is_legal(&m) {
                continue;
            }
            self.standing.idle = 0;
            let seat = m.seat();
            self.orders.0[seat] = orders[seat];
            log.executed(seat);
            if touchable && self.standing.generals[1 - seat] == m.to() {
                touches |= 1 << seat;
            }
            if let Some(capture) = self.march(&m, rules) {
                captor = Some(capture.captor);
                captures += 1;
                log.captured(capture.captor, capture.victim);
            }
        }
        if captures == 0 && touches == 0 {
            return Aftermath::NONE;
        }
        let heir = self.decide(rules, captor, captures, touches);
        Aftermath { grows: captures == 0 || rules.growth_after_capture, heir }
    }

    /// Pays for a city on the tile if the rules accept it.
    #[cold]
    fn build(&mut self, rules: &Rules, shape: &Shape<K>, seat: usize, tile: u16) {
        if !self.can_build(rules, shape, seat, tile) {
            return;
        }
        let structures = self.territory.0[seat] & self.terrain.structures();
        let price = super::legality::price(rules, shape, &structures, tile);
        let army = self.armies.get(tile);
        self.armies.set(tile, army - price);
        self.standing.army[seat] = self.standing.army[seat].saturating_sub(price.unsigned_abs());
        self.terrain.cities.insert(tile);
        self.orders.0[seat] = Order::build(tile);
    }

    /// Chasers, then reinforcements, then the smaller army, then seat 0.
    #[inline(always)]
    fn second_seat_goes_first(&self, moves: &[Option<Move>; 2]) -> bool {
        let [Some(a), Some(b)] = moves else { return false };
        let key = |m: &Move, other: &Move| {
            let chases = m.to() == other.from();
            let reinforces = self.territory.0[m.seat()].has(m.to());
            (!chases, !reinforces, self.armies.get(m.from()))
        };
        key(b, a) < key(a, b)
    }

    /// Settles the game. Returns who gets the land of the other, once armies have grown.
    #[cold]
    fn decide(
        &mut self,
        rules: &Rules,
        captor: Option<usize>,
        captures: u32,
        touches: u16,
    ) -> Option<usize> {
        let mutual = captures == 2 && rules.mutual_is_draw || touches == 0b11;
        let winner = captor.unwrap_or(touches.trailing_zeros() as usize % 2);
        // A capture decides even under a touch of the other side, which makes it a draw above.
        if let Some(captor) = captor {
            self.ledger.captures[captor] = self.ledger.captures[captor].saturating_add(1);
        }
        // Whoever surrendered at the start of this tick is dead already.
        if self.standing.is_alive(1 - winner) {
            self.kill(1 - winner);
        }
        if mutual {
            self.kill(winner);
        }
        // Without a capture a draw leaves everybody the land.
        if mutual { captor } else { Some(winner) }
    }
}
