//! Two players who take each other's general in one tick exchange everything (rules, section 9).

use super::{
    legality::Move,
    plane::Plane,
    ruleset::Rules,
    shape::Shape,
    tick::{Log, Moves},
};
use crate::components::{Cell, Game};

/// One side of a trade, judged on the present board.
struct Attack {
    /// Units that set out.
    sent: i32,
    /// Units that stay behind.
    keep: i32,
    /// Units that defend the general under attack.
    guard: i32,
}

impl<const K: usize, const P: usize, A: Cell> Game<'_, K, P, A> {
    /// Carries out a trade if the move at `at` begins one; uses the partner's move up.
    #[cold]
    pub fn trade(
        &mut self,
        shape: &Shape<K>,
        rules: &Rules,
        moves: &mut Moves<P>,
        at: usize,
        log: &mut impl Log,
    ) -> bool {
        let first = moves.list[at];
        let (a, to) = (first.seat(), first.to());
        let Some(b) = self.standing.general_at(to).filter(|&b| !self.are_allies(a, b)) else {
            return false;
        };
        let home = self.standing.generals[a];
        let later = at + 1..moves.len;
        let Some(partner) = later.into_iter().find(|&j| {
            let m = &moves.list[j];
            !moves.used[j] && m.seat() == b && m.to() == home
        }) else {
            return false;
        };
        let second = moves.list[partner];
        debug_assert!(shape.direction(first.from(), first.to()).is_some());
        if !self.is_legal(&first) || !self.is_legal(&second) {
            return false;
        }
        let (ours, theirs) =
            (self.attack(&first, &second, rules), self.attack(&second, &first, rules));
        if ours.sent <= ours.guard || theirs.sent <= theirs.guard {
            return false;
        }
        self.exchange(&first, &second, &ours, &theirs);
        moves.used[partner] = true;
        log.executed(a);
        log.executed(b);
        log.traded(a, b);
        true
    }

    fn attack(&self, m: &Move, reply: &Move, rules: &Rules) -> Attack {
        let army = self.armies.get(m.from());
        let keep = m.keeps(army, rules);
        let defenders = self.armies.get(m.to());
        // A general whose own army marches this tick is defended by what that march leaves.
        let guard = if reply.from() == m.to() { reply.keeps(defenders, rules) } else { defenders };
        Attack { sent: army - keep, keep, guard }
    }

    fn exchange(&mut self, first: &Move, second: &Move, ours: &Attack, theirs: &Attack) {
        let (a, b) = (first.seat(), second.seat());
        let (home_a, home_b) = (second.to(), first.to());
        let generals = Plane::of([home_a, home_b]);
        for (m, attack) in [(first, ours), (second, theirs)] {
            if !generals.has(m.from()) {
                self.armies.set(m.from(), attack.keep);
            }
        }
        let (land_a, land_b) =
            (self.territory.0[a].without(generals), self.territory.0[b].without(generals));
        for tile in (land_a | land_b).tiles() {
            let army = self.armies.get(tile);
            self.armies.set(tile, (army + 1) >> 1);
        }
        self.armies.set(home_b, ours.sent - ours.guard);
        self.armies.set(home_a, theirs.sent - theirs.guard);
        self.territory.0[a] = land_b | Plane::of([home_b]);
        self.territory.0[b] = land_a | Plane::of([home_a]);
        self.standing.generals.swap(a, b);
        for seat in [a, b] {
            self.recount(seat);
        }
    }

    /// Counts the land and army of a seat anew.
    #[expect(
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        reason = "a board has at most 1024 tiles, owned armies are not negative"
    )]
    pub fn recount(&mut self, seat: usize) {
        let land = self.territory.0[seat];
        self.standing.land[seat] = land.count() as u16;
        self.standing.army[seat] = land.tiles().map(|tile| self.armies.get(tile) as u32).sum();
    }
}
