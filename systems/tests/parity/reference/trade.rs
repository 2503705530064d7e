//! General trades. Source: rules, section 9.

use super::combat::{SeatMove, half_rounded_up};
use super::{Game, Input, Move, owner_number, owning_seat};

/// Looks for the later move that makes the move at `position` one half of a general trade.
///
/// Returns the position of the partner's move in `ordered`.
pub(super) fn find_trade(
    game: &Game,
    ordered: &[SeatMove],
    is_used: &[bool],
    position: usize,
) -> Option<usize> {
    if !game.rules.general_trades {
        return None;
    }
    let attack = ordered[position];
    let defender = owning_seat(game.owner[attack.order.to])?;
    let is_enemy = defender != attack.seat && !game.are_allies(attack.seat, defender);
    if !is_enemy || game.generals[defender] != Some(attack.order.to) {
        return None;
    }
    let own_general = game.generals[attack.seat]?;
    for partner in position + 1..ordered.len() {
        let counter = ordered[partner];
        if counter.seat != defender || counter.order.to != own_general || is_used[partner] {
            continue;
        }
        let both_legal = game.is_legal(attack.seat, &Input::Move(attack.order))
            && game.is_legal(counter.seat, &Input::Move(counter.order));
        let both_succeed = game.split(&attack.order).sent
            > guard(game, &attack.order, &counter.order)
            && game.split(&counter.order).sent > guard(game, &counter.order, &attack.order);
        if both_legal && both_succeed {
            return Some(partner);
        }
    }
    None
}

/// The army an attack on a general meets: all that stands there, or only what the defender's own
/// move keeps there when it starts on that general.
fn guard(game: &Game, attack: &Move, defenders_move: &Move) -> i64 {
    if defenders_move.from == attack.to {
        game.split(defenders_move).keep
    } else {
        game.army[attack.to]
    }
}

impl Game {
    /// The two players exchange everything, in the steps of rules, section 9.
    pub(super) fn trade(&mut self, first: SeatMove, second: SeatMove) {
        let first_split = self.split(&first.order);
        let second_split = self.split(&second.order);
        let left_by_first = first_split.sent - guard(self, &first.order, &second.order);
        let left_by_second = second_split.sent - guard(self, &second.order, &first.order);

        // A source that is itself one of the generals gets its army below, from the other's attack.
        let general_tiles = [first.order.to, second.order.to];
        for (order, split) in [(first.order, first_split), (second.order, second_split)] {
            if !general_tiles.contains(&order.from) {
                self.army[order.from] = split.keep;
            }
        }
        for tile in 0..self.n_tiles() {
            if general_tiles.contains(&tile) {
                continue;
            }
            if self.owner[tile] == owner_number(first.seat) {
                self.owner[tile] = owner_number(second.seat);
            } else if self.owner[tile] == owner_number(second.seat) {
                self.owner[tile] = owner_number(first.seat);
            } else {
                continue;
            }
            self.army[tile] = half_rounded_up(self.army[tile]);
        }
        self.owner[first.order.to] = owner_number(first.seat);
        self.army[first.order.to] = left_by_first;
        self.owner[second.order.to] = owner_number(second.seat);
        self.army[second.order.to] = left_by_second;
        self.generals.swap(first.seat, second.seat);
    }
}
