//! `hunter`: opens fast, scouts, gathers its army and hunts generals.
//!
//! Each tick the first of these that finds an order decides:
//!
//! | step | what it does |
//! |---|---|
//! | strike | takes an enemy general in reach |
//! | guard | meets an army that could take the own general |
//! | open | until the first growth of all land: columns from the general at the right times |
//! | march | takes the gathered army to the enemy general, or to where it may be |
//! | spread | takes land with the small armies at the border |
//! | settle | takes a neutral city near the gathered army when far ahead |
//! | gather | brings armies together, until there are enough for a march |
//!
//! An ally's tile is never entered: it would change colour. Cities are never built.

mod army;
mod memory;
mod opening;
mod sight;

use memory::Memory;
use sight::Sight;

use super::{Notes, ways};
use crate::{
    components::{Cell, Order},
    rules::{ruleset::Rules, view::View},
};

/// Ticks from one growth of all land to the next, as in every ruleset built in. Others are played
/// by the same plan, only less well.
const PERIOD: u32 = 50;

#[inline(always)]
pub(super) fn choose<const K: usize, const P: usize, A: Cell>(
    view: &View<'_, K, P, A>,
    rules: &Rules,
    bits: u64,
    notes: &mut Notes,
) -> Order {
    let sight = Sight::of(view);
    let mut memory = Memory::of(*notes, sight.shape.tiles());
    memory.look(view, &sight.enemies);
    let order = decide(&sight, rules, bits, &mut memory);
    *notes = memory.notes();
    order.unwrap_or(Order::PASS)
}

#[inline(always)]
fn decide<const K: usize, const P: usize, A: Cell>(
    sight: &Sight<'_, '_, K, P, A>,
    rules: &Rules,
    bits: u64,
    memory: &mut Memory,
) -> Option<Order> {
    if let Some(order) = sight.strike(rules).or_else(|| sight.guard()) {
        return Some(order);
    }
    let turn = sight.view.turn();
    if turn < PERIOD && memory.enemy.is_none() {
        return sight.open(turn);
    }
    army::rally(sight, memory);
    if memory.marches {
        if let Some(order) = army::march(sight, memory) {
            return Some(order);
        }
        memory.marches = false;
    }
    sight
        .spread(memory.head)
        .or_else(|| army::settle(sight, memory))
        .or_else(|| army::gather(sight, memory))
        .or_else(|| {
            memory.marches = true;
            army::march(sight, memory)
        })
        // Shut in, or before a general that is too strong: anything but standing still.
        .or_else(|| ways::pick(&sight.steps, bits))
}
