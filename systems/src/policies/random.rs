//! `random`: uniform over the legal marches, whole and half; a pass where there is none.

use crate::{
    components::{Cell, Order},
    dice,
    rules::view::View,
};

#[inline(always)]
pub(super) fn choose<const K: usize, const P: usize, A: Cell>(
    view: &View<'_, K, P, A>,
    bits: u64,
) -> Order {
    let steps = view.steps();
    let counts = steps.map(|plane| plane.count());
    let total: u32 = counts.iter().sum();
    if total == 0 {
        return Order::PASS;
    }
    let choice = dice::below(bits, 2 * total);
    let (half, mut n) = (choice & 1 != 0, choice >> 1);
    // Which of the four directions: without branches, which random data would mispredict.
    let mut direction = 0;
    for (d, &count) in counts[..3].iter().enumerate() {
        let beyond = direction == d && n >= count;
        n -= if beyond { count } else { 0 };
        direction += usize::from(beyond);
    }
    #[expect(clippy::cast_possible_truncation, reason = "a direction is below 4")]
    Order::step(steps[direction].nth(n), direction as u8, half)
}
