//! Carrying out the moves of a tick: combat, captures, and the loops of the two seat-based rulesets.

use super::trade::find_trade;
use super::{Game, Move, owner_number, owning_seat};

/// A move together with the seat that makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SeatMove {
    pub(super) seat: usize,
    pub(super) order: Move,
}

/// How an army splits when it marches: what stays and what goes. Source: rules, section 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) keep: i64,
    pub(super) sent: i64,
}

impl Game {
    /// Steps 4 to 6 of rules, section 4, with the modern order.
    ///
    /// All selections are judged on the board before the first move.
    pub(super) fn play_sorted_moves(&mut self) -> Vec<usize> {
        let mut selected = Vec::new();
        for seat in 0..self.n_seats() {
            if let Some(order) = self.select_move(seat) {
                selected.push(SeatMove { seat, order });
            }
        }
        let ordered = self.modern_order(selected);
        let mut is_used = vec![false; ordered.len()];
        let mut executed = Vec::new();
        for position in 0..ordered.len() {
            let current = ordered[position];
            if is_used[position] {
                continue;
            }
            if self.owner[current.order.from] != owner_number(current.seat) {
                // Rules, section 4, step 6: the source is lost, so the move is dropped.
                continue;
            }
            is_used[position] = true;
            if let Some(partner) = find_trade(self, &ordered, &is_used, position) {
                is_used[partner] = true;
                self.trade(current, ordered[partner]);
                executed.push(current.seat);
                executed.push(ordered[partner].seat);
            } else {
                self.carry_out_and_capture(current);
                executed.push(current.seat);
            }
        }
        executed
    }

    /// Steps 4 to 6 of rules, section 4, with the classic order.
    ///
    /// Each entry is selected when the player's slot comes up, on the board the earlier players
    /// have left. Source: rules, sections 5 and 8.3.
    pub(super) fn play_seats_in_turn(&mut self) -> Vec<usize> {
        let mut seats: Vec<usize> = (0..self.n_seats()).collect();
        if !self.turn.is_multiple_of(2) {
            seats.reverse();
        }
        let mut executed = Vec::new();
        for seat in seats {
            if let Some(order) = self.select_move(seat) {
                self.carry_out_and_capture(SeatMove { seat, order });
                executed.push(seat);
            }
        }
        executed
    }

    /// What would stay on and what would leave the source of this move now.
    pub(super) fn split(&self, order: &Move) -> Split {
        let army = self.army[order.from];
        let keep = if order.half { half_rounded_up(army) } else { 1 };
        Split { keep, sent: army - keep }
    }

    fn carry_out_and_capture(&mut self, current: SeatMove) {
        if let Some(captured) = self.carry_out(current) {
            self.capture(current.seat, captured);
        }
    }

    /// Moves the army and fights. Source: rules, section 7.
    ///
    /// Returns the seat whose general was on the tile, if the move took a general from its owner.
    pub(super) fn carry_out(&mut self, current: SeatMove) -> Option<usize> {
        let SeatMove { seat, order } = current;
        let defender = owning_seat(self.owner[order.to]);
        let is_general = defender.is_some_and(|owner| self.generals[owner] == Some(order.to));
        let is_allied = self.is_allied_tile(seat, order.to);
        if self.army[order.from] < 2 {
            // Rules, section 6: a weakened source does nothing, but one army still takes over an
            // ally's tile. No army moves (section 13).
            if self.army[order.from] == 1 && is_allied && !is_general {
                self.owner[order.to] = owner_number(seat);
            }
            return None;
        }
        let Split { keep, sent } = self.split(&order);
        self.army[order.from] = keep;
        if defender == Some(seat) {
            self.army[order.to] += sent;
            return None;
        }
        if is_allied {
            self.army[order.to] += sent;
            if !is_general {
                self.owner[order.to] = owner_number(seat);
            }
            return None;
        }
        if self.army[order.to] >= sent {
            self.army[order.to] -= sent;
            return None;
        }
        self.army[order.to] = sent - self.army[order.to];
        self.owner[order.to] = owner_number(seat);
        if is_general { defender } else { None }
    }

    /// A general has been taken: the captor inherits. Source: rules, section 11.
    pub(super) fn capture(&mut self, captor: usize, captured: usize) {
        self.captured[captor].push(captured);
        self.give_spoils(captor, captured);
        if self.alive[captured] {
            self.die(captured);
        }
        if self.rules.captured_general_becomes_city
            && let Some(tile) = self.generals[captured]
        {
            self.lose_general(captured, tile);
        }
    }

    /// Every tile the loser still owns changes hands. The general tile, already taken, is not
    /// among them and is therefore not halved.
    pub(super) fn give_spoils(&mut self, captor: usize, captured: usize) {
        for tile in 0..self.n_tiles() {
            if self.owner[tile] == owner_number(captured) {
                self.owner[tile] = owner_number(captor);
                if self.rules.halve_on_capture {
                    self.army[tile] = half_rounded_up(self.army[tile]);
                }
            }
        }
    }
}

/// Half of an army, rounded up: 7 gives 4, 1 gives 1, 0 gives 0.
pub(super) fn half_rounded_up(army: i64) -> i64 {
    (army + 1) / 2
}
