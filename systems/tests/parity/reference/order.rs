//! The modern order of the moves of one tick.

use super::combat::SeatMove;
use super::{Game, owner_number, owning_seat};
use std::cmp::Ordering;

impl Game {
    /// The order in which the selected moves are tried, judged on the present board.
    ///
    /// Source: rules, sections 8.1 (sort) and 8.2 (inward first).
    pub(super) fn modern_order(&self, mut selected: Vec<SeatMove>) -> Vec<SeatMove> {
        selected.sort_by(|one, other| self.compare_moves(one, other));
        let mut ordered = Vec::new();
        while !selected.is_empty() {
            // If every move waits, the circle is broken at the first in sorted order.
            let next =
                (0..selected.len()).find(|&position| !must_wait(&selected, position)).unwrap_or(0);
            ordered.push(selected.remove(next));
        }
        ordered
    }

    /// The four sort keys of rules, section 8.1; the first difference decides.
    fn compare_moves(&self, one: &SeatMove, other: &SeatMove) -> Ordering {
        let by_class = self.is_offensive(one).cmp(&self.is_offensive(other));
        let by_general = self.is_onto_general(one).cmp(&self.is_onto_general(other));
        // Larger armies first, so the operands are swapped.
        let by_army = self.army[other.order.from].cmp(&self.army[one.order.from]);
        // The seat's priority flips every turn, so that no seat has a lasting advantage.
        let by_seat = if self.turn.is_multiple_of(2) {
            one.seat.cmp(&other.seat)
        } else {
            other.seat.cmp(&one.seat)
        };
        by_class.then(by_general).then(by_army).then(by_seat)
    }

    /// Anything but a move onto an own or allied tile; neutral tiles included.
    fn is_offensive(&self, current: &SeatMove) -> bool {
        let to = current.order.to;
        let is_own = self.owner[to] == owner_number(current.seat);
        !is_own && !self.is_allied_tile(current.seat, to)
    }

    /// Whether the destination is the general of its present owner, whoever that is.
    fn is_onto_general(&self, current: &SeatMove) -> bool {
        let to = current.order.to;
        owning_seat(self.owner[to]).is_some_and(|owner| self.generals[owner] == Some(to))
    }
}

/// Whether some other listed move enters this move's source, head-on pairs excepted.
///
/// Source: rules, section 8.2.
fn must_wait(listed: &[SeatMove], position: usize) -> bool {
    let current = listed[position].order;
    for (other_position, other) in listed.iter().enumerate() {
        if other_position == position {
            continue;
        }
        let enters_source = other.order.to == current.from;
        let is_head_on = enters_source && current.to == other.order.from;
        if enters_source && !is_head_on {
            return true;
        }
    }
    false
}
