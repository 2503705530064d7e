//! The turn phase: one tick of the rules.

use crate::{
    components::{Cell, Order, Recording, State},
    queue::Queues,
    replay::ScriptedOrder,
    rules::tick::{Given, NoLog, tick},
    visit::Visit,
};

/// Plays one tick and cuts the game off at its tick limit.
#[inline(always)]
pub fn turn<const K: usize, const P: usize, A: Cell>(visit: &mut Visit<'_, '_, K, P, A>) {
    let game = &mut visit.game;
    if game.standing.has_ended() || game.standing.is_first {
        return;
    }
    match (&mut visit.script, &mut visit.queues) {
        (None, None) => tick(game, visit.shape, visit.rules, &mut Given::new(), &mut NoLog),
        (Some(script), _) => replay_tick(game, visit.shape, visit.rules, script),
        (None, Some(queues)) => queued_tick(game, visit.shape, visit.rules, queues),
    }
    if let Some(recording) = visit.recording.as_deref_mut() {
        record(recording, visit.game.standing.turn - 1, &visit.game.orders.0);
    }
    let standing = &mut *visit.game.standing;
    if standing.turn >= visit.game.setup.max_ticks && standing.state == State::Running {
        standing.state = State::Truncated;
    }
    if standing.has_ended() {
        announce_end(visit);
    }
    let standing = &visit.game.standing;
    let total = standing.army.iter().fold(standing.neutral, |sum, &army| sum.saturating_add(army));
    if total > A::TOTAL {
        visit.context.outgrown.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Notes the orders that were carried out in the tick of `turn`.
#[inline(never)]
fn record(recording: &mut Recording, turn: u32, orders: &[Order]) {
    for (list, &order) in recording.0.iter_mut().zip(orders) {
        if order != Order::PASS {
            list.push(ScriptedOrder { turn, order });
        }
    }
}

#[cold]
fn announce_end<const K: usize, const P: usize, A: Cell>(visit: &mut Visit<'_, '_, K, P, A>) {
    if matches!(visit.context.renewal, crate::reset::Renewal::Pool { .. }) || visit.queues.is_some()
    {
        // The game renews itself, or whoever makes it due looks at it after each tick.
        return;
    }
    let mut ended = visit.context.ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    ended.push(visit.game.setup.id);
}

/// Replays are rare beside batch games; kept apart, their queues do not crowd the hot loop.
#[inline(never)]
fn replay_tick<const K: usize, const P: usize, A: Cell>(
    game: &mut crate::components::Game<'_, K, P, A>,
    shape: &crate::rules::shape::Shape<K>,
    rules: &crate::rules::ruleset::Rules,
    script: &mut crate::replay::Script<P>,
) {
    tick(game, shape, rules, script, &mut NoLog);
}

/// A tick of a game with queues, which also notes what happened. Kept apart like replays.
#[inline(never)]
fn queued_tick<const K: usize, const P: usize, A: Cell>(
    game: &mut crate::components::Game<'_, K, P, A>,
    shape: &crate::rules::shape::Shape<K>,
    rules: &crate::rules::ruleset::Rules,
    queues: &mut Queues,
) {
    let (mut waiting, mut listener) = queues.for_tick();
    tick(game, shape, rules, &mut waiting, &mut listener);
}
