//! The gathered army: where it meets, when it marches, and where to.

use super::{memory::Memory, sight::Sight};
use crate::{
    components::{Cell, Command, Order},
    rules::plane::Plane,
};

/// Least army that marches, in units.
const MARCH_LEAST: i32 = 20;

/// An army marches when it is one part in so many of all own units. Waiting for more costs more
/// games against `expander` than marching with less.
const MARCH_SHARE: i32 = 4;

/// A marching army of so few units has done what it could.
const EXHAUSTED: i32 = 2;

/// Units by which the army should exceed a general's or city's garrison.
const MARGIN: i32 = 5;

/// Steps that the army goes for a city, at most.
const DETOUR: u32 = 6;

/// How far own generals are from enemies' at least, on most maps, in steps.
const APART: u16 = 10;

/// Makes sure that there is a head: the largest army.
#[inline(always)]
pub(super) fn rally<const K: usize, const P: usize, A: Cell>(
    sight: &Sight<'_, '_, K, P, A>,
    memory: &mut Memory,
) {
    let stands =
        |tile: u16| sight.own.has(tile) && (!memory.marches || sight.army(tile) > EXHAUSTED);
    if memory.head.is_some_and(stands) {
        return;
    }
    memory.marches = false;
    let mut best = (0, None);
    for tile in (sight.own & sight.view.movable()).tiles() {
        let army = sight.army(tile);
        if army > best.0 {
            best = (army, Some(tile));
        }
    }
    memory.head = best.1;
}

/// Brings armies to the head; none when it is strong enough to march, or has all there are.
#[inline(always)]
pub(super) fn gather<const K: usize, const P: usize, A: Cell>(
    sight: &Sight<'_, '_, K, P, A>,
    memory: &Memory,
) -> Option<Order> {
    let head = memory.head?;
    let total = sight.view.army_totals()[sight.view.seat()].cast_signed();
    let enough = MARCH_LEAST.max(total / MARCH_SHARE);
    let garrison = memory.general.map_or(0, |_| i32::from(memory.garrison) + MARGIN);
    if sight.army(head) >= enough.max(garrison) { None } else { sight.bring(head, u32::MAX) }
}

/// Takes the head one step towards a neutral city that it can take, when far ahead.
#[inline(always)]
pub(super) fn settle<const K: usize, const P: usize, A: Cell>(
    sight: &Sight<'_, '_, K, P, A>,
    memory: &mut Memory,
) -> Option<Order> {
    let (head, totals) = (memory.head?, sight.view.army_totals());
    let rivals = (0..sight.view.players()).filter(|&seat| !sight.view.is_ally(seat));
    let strongest = rivals.map(|seat| totals[seat]).max()?;
    if totals[sight.view.seat()] < strongest.saturating_add(strongest / 2) {
        return None;
    }
    let army = sight.army(head);
    let cities = sight.neutral & sight.cities;
    let weak = cities.tiles().filter(|&tile| sight.army(tile).saturating_add(MARGIN) < army);
    let cities = Plane::of(weak);
    if cities.is_empty() {
        return None;
    }
    let ground = sight.own | sight.neutral.without(sight.cities);
    let way = sight.way(head, &cities, &ground)?;
    if way.distance > DETOUR {
        return None;
    }
    let order = sight
        .best_step(head, &way.next, |to| if sight.own.has(to) { 1 + sight.army(to) } else { 1 })?;
    follow(sight, memory, order);
    Some(order)
}

/// Takes the head one step towards its goal.
#[inline(always)]
pub(super) fn march<const K: usize, const P: usize, A: Cell>(
    sight: &Sight<'_, '_, K, P, A>,
    memory: &mut Memory,
) -> Option<Order> {
    let head = memory.head?;
    let army = sight.army(head);
    let ground = sight.ground(army);
    let goal = goal(sight, memory, head, &ground)?;
    let Some(way) = sight.way(head, &Plane::of([goal]), &ground) else {
        memory.goal = None;
        return None;
    };
    let worth = |to: u16| {
        let garrison = sight.army(to);
        if sight.own.has(to) {
            return 1000 + garrison;
        }
        if garrison >= army - 1 {
            return 0;
        }
        let kind = if sight.enemies.has(to) { 500 } else { 300 };
        let city = if sight.cities.has(to) { 1000 } else { 0 };
        (kind + city - garrison).max(1)
    };
    let order = sight.best_step(head, &way.next, worth)?;
    follow(sight, memory, order);
    Some(order)
}

/// The head is where its order takes it.
#[inline(always)]
fn follow<const K: usize, const P: usize, A: Cell>(
    sight: &Sight<'_, '_, K, P, A>,
    memory: &mut Memory,
    order: Order,
) {
    if let Command::Step { from, direction, .. } = order.command() {
        memory.head = Some(sight.shape.step(from, direction));
    }
}

/// Where the army goes: the enemy general if it is known, else a tile that may hide it.
#[inline(always)]
fn goal<const K: usize, const P: usize, A: Cell>(
    sight: &Sight<'_, '_, K, P, A>,
    memory: &mut Memory,
    head: u16,
    ground: &Plane<K>,
) -> Option<u16> {
    if let Some(general) = memory.general {
        return Some(general);
    }
    if let Some(goal) = memory.goal {
        return Some(goal);
    }
    // Enemy land first, seen or remembered; else outwards from the army.
    let seeds = match memory.enemy {
        _ if !sight.enemies.is_empty() => sight.enemies,
        Some(enemy) => Plane::of([enemy]),
        None => Plane::of([head]),
    };
    let found = hideout(sight, memory, head, &seeds, ground, APART)
        .or_else(|| hideout(sight, memory, head, &seeds, ground, 0));
    match found {
        Some(tile) => memory.pursue(tile),
        // Everything has been looked at: begin again.
        None => memory.explored = 0,
    }
    found
}

/// The nearest tile to `seeds` that may hide a general and is so far from the own one; of equal
/// ones the nearest to the head.
#[inline(always)]
fn hideout<const K: usize, const P: usize, A: Cell>(
    sight: &Sight<'_, '_, K, P, A>,
    memory: &Memory,
    head: u16,
    seeds: &Plane<K>,
    ground: &Plane<K>,
    apart: u16,
) -> Option<u16> {
    let fog = ground.without(sight.view.visible());
    let width = sight.shape.width;
    let steps = |a: u16, b: u16| (a / width).abs_diff(b / width) + (a % width).abs_diff(b % width);
    let is_far = |tile: u16| sight.general.is_none_or(|home| steps(tile, home) >= apart);
    let mut reached = *seeds;
    loop {
        let grown = reached | sight.shape.grown(&reached) & *ground;
        let layer = grown.without(reached);
        if layer.is_empty() {
            return None;
        }
        let hidden = layer & fog;
        let fits = |tile: &u16| memory.may_hide(sight.shape, *tile) && is_far(*tile);
        let nearest = hidden.tiles().filter(fits).min_by_key(|&tile| steps(tile, head));
        if nearest.is_some() {
            return nearest;
        }
        reached = grown;
    }
}
