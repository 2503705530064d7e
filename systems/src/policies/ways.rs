//! Shortest ways over planes: what several policies need to get somewhere.

use crate::{
    components::Order,
    rules::{
        plane::Plane,
        shape::{Direction, Shape},
    },
};

/// The first steps of all shortest ways from a tile to a goal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way<const K: usize> {
    /// Neighbours of the tile that lie on such a way.
    pub(super) next: Plane<K>,
    /// Steps to the goal, at least 1.
    pub(super) distance: u32,
}

/// The shortest ways over `ground` from a tile that is not in the goal. The goal itself need not
/// be ground.
#[inline(always)]
pub(super) fn way<const K: usize>(
    shape: &Shape<K>,
    from: u16,
    goal: &Plane<K>,
    ground: &Plane<K>,
) -> Option<Way<K>> {
    let near = shape.grown(&Plane::of([from]));
    let mut reached = *goal;
    let mut distance = 1;
    loop {
        let next = near & reached;
        if !next.is_empty() {
            return Some(Way { next, distance });
        }
        let grown = reached | shape.grown(&reached) & *ground;
        if grown == reached {
            return None;
        }
        reached = grown;
        distance += 1;
    }
}

/// One of the steps, each with equal chance.
#[inline(always)]
pub(super) fn pick<const K: usize>(steps: &[Plane<K>; 4], bits: u64) -> Option<Order> {
    let counts = [0, 1, 2, 3].map(|d: usize| steps[d].count());
    let total: u32 = counts.iter().sum();
    if total == 0 {
        return None;
    }
    let mut n = crate::dice::below(bits, total);
    for d in Direction::ALL {
        let count = counts[d as usize];
        if n < count {
            return Some(Order::step(steps[d as usize].nth(n), d as u8, false));
        }
        n -= count;
    }
    None
}
