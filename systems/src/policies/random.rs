//! `random`: uniform over the legal marches, whole and half; a pass where there is none.

use crate::{
    components::{Cell, Order},
    rules::view::View,
};

#[inline(always)]
pub(super) fn choose<const K: usize, const P: usize, A: Cell>(
    view: &View<'_, K, P, A>,
    bits: u64,
) -> Order {
    match view.isa().pick(&view.steps(), bits) {
        Some(pick) => Order::step(pick.from, pick.direction, pick.half),
        None => Order::PASS,
    }
}
