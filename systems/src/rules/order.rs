//! The order in which the moves of one tick are carried out (rules, section 8).

use super::{legality::Move, tick::Moves};
use crate::components::{Cell, Game};

impl<const K: usize, const P: usize, A: Cell> Game<'_, K, P, A> {
    /// Sorts the moves: defence, then plain attacks, then generals; larger armies first; then
    /// whoever is about to be entered waits (rules, sections 8.1 and 8.2).
    ///
    /// Unless somebody wants to know the order (`ordered`), two moves that cannot affect each
    /// other stay as they are: the board is the same either way.
    #[inline(always)]
    pub fn order_largest_first(&self, moves: &mut Moves<P>, ordered: bool) {
        let n = moves.len;
        if n < 2 || n == 2 && !ordered && self.are_independent(moves.list[0], moves.list[1]) {
            return;
        }
        let mut keys = [u64::MAX; P];
        for i in 0..n {
            keys[i] = self.priority(moves, i);
        }
        // Insertion sort: there are at most 16 moves, most often 2.
        for i in 1..n {
            let mut j = i;
            while j > 0 && keys[j] < keys[j - 1] {
                keys.swap(j, j - 1);
                moves.list.swap(j, j - 1);
                j -= 1;
            }
        }
        let entered = (0..n).any(|i| (0..n).any(|j| moves.list[j].to() == moves.list[i].from()));
        if entered {
            inward_first(moves);
        }
    }

    /// Whether two moves meet on no tile and threaten no general, so that their order is all one.
    #[inline(always)]
    fn are_independent(&self, a: Move, b: Move) -> bool {
        let meet = a.to() == b.to() || a.to() == b.from() || a.from() == b.to();
        let generals = &self.standing.generals;
        !(meet | generals.contains(&a.to()) | generals.contains(&b.to()))
    }

    /// The sort key of a move, smallest first.
    #[inline(always)]
    #[expect(clippy::cast_sign_loss, reason = "the source is owned, so its army is not negative")]
    fn priority(&self, moves: &Moves<P>, i: usize) -> u64 {
        let m = &moves.list[i];
        let defends = if self.setup.has_teams {
            self.owner(m.to()).is_some_and(|o| self.are_allies(m.seat(), o))
        } else {
            self.territory.0[m.seat()].has(m.to())
        };
        let general = self.standing.generals.contains(&m.to());
        let army = !(self.armies.get(m.from()) as u32);
        let seat = if self.standing.turn.is_multiple_of(2) { m.seat() } else { 15 - m.seat() };
        u64::from(!defends) << 60 | u64::from(general) << 59 | u64::from(army) << 8 | seat as u64
    }
}

/// Takes the moves one by one, always the first that does not wait. A move waits while another
/// enters its source, unless the two exchange places. In a closed circle the first breaks it.
fn inward_first<const P: usize>(moves: &mut Moves<P>) {
    let n = moves.len;
    let waiting = moves.list;
    let mut left: u32 = (1 << n) - 1;
    for slot in 0..n {
        let others = |i: usize| (0..n).filter(move |&j| j != i && left >> j & 1 != 0);
        let waits = |i: usize| {
            others(i).any(|j| {
                waiting[j].to() == waiting[i].from() && waiting[j].from() != waiting[i].to()
            })
        };
        let first = left.trailing_zeros() as usize;
        let next = (0..n).find(|&i| left >> i & 1 != 0 && !waits(i)).unwrap_or(first);
        moves.list[slot] = waiting[next];
        left &= !(1 << next);
    }
}
