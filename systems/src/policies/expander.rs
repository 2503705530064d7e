//! `expander`: takes land. An enemy's tile if it can, else a neutral one, each with equal chance;
//! else its largest army marches on the nearest enemy land it sees, or to free land.

use super::ways;
use crate::{
    components::{Cell, Order},
    rules::{plane::Plane, shape::Direction, view::View},
};

#[inline(always)]
pub(super) fn choose<const K: usize, const P: usize, A: Cell>(
    view: &View<'_, K, P, A>,
    bits: u64,
) -> Order {
    let steps = view.steps();
    for prey in [view.enemies(), view.neutral()] {
        if let Some(order) = ways::pick(&captures(view, &steps, &prey), bits) {
            return order;
        }
    }
    march(view, &steps)
        .or_else(|| {
            // An ally's tile would change colour, so it is left alone.
            let elsewhere = view.shape().board.without(view.allies());
            let calm = |d| steps[d as usize] & view.shape().arriving(&elsewhere, d);
            ways::pick(&Direction::ALL.map(calm), bits)
        })
        .unwrap_or(Order::PASS)
}

/// Brings the largest army nearer to enemy land, else to free land; beside an enemy it attacks,
/// though it cannot win yet.
#[inline(always)]
fn march<const K: usize, const P: usize, A: Cell>(
    view: &View<'_, K, P, A>,
    steps: &[Plane<K>; 4],
) -> Option<Order> {
    let own = view.own();
    let (mut largest, mut from) = (1, None);
    for tile in (own & view.movable()).tiles() {
        let army = view.army(tile);
        if army > largest {
            (largest, from) = (army, Some(tile));
        }
    }
    let from = from?;
    // Cities are left out: armies would waste away before one that none of them can take.
    for goal in [view.enemies(), view.neutral().without(view.cities())] {
        if let Some(way) = ways::way(view.shape(), from, &goal, &own) {
            let step = |d: &Direction| {
                let (shape, d) = (view.shape(), *d as u8);
                steps[usize::from(d)].has(from) && way.next.has(shape.step(from, d))
            };
            return Direction::ALL
                .iter()
                .find(|d| step(d))
                .map(|&d| Order::step(from, d as u8, false));
        }
    }
    None
}

/// The steps that take a tile of `prey`.
#[inline(always)]
fn captures<const K: usize, const P: usize, A: Cell>(
    view: &View<'_, K, P, A>,
    steps: &[Plane<K>; 4],
    prey: &Plane<K>,
) -> [Plane<K>; 4] {
    let shape = view.shape();
    Direction::ALL.map(|d| {
        let attacks = steps[d as usize] & shape.arriving(prey, d);
        let taking = attacks
            .tiles()
            .filter(|&from| view.army(from) - 1 > view.army(shape.step(from, d as u8)));
        Plane::of(taking)
    })
}
