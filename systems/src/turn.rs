//! The turn phase: one tick of the rules.

use crate::{
    visit::Visit,
    components::{Cell, State},
    rules::tick::{NoLog, Single, tick},
};

/// Plays one tick and cuts the game off at its tick limit.
#[inline(always)]
pub fn turn<const K: usize, const P: usize, A: Cell>(visit: &mut Visit<'_, '_, K, P, A>) {
    let game = &mut visit.game;
    if game.standing.has_ended() || game.standing.is_first {
        return;
    }
    match &mut visit.script {
        None => tick(game, visit.shape, visit.rules, &mut Single(game.orders.0), &mut NoLog),
        Some(script) => replay_tick(game, visit.shape, visit.rules, script),
    }
    let standing = &mut *visit.game.standing;
    if standing.turn >= visit.game.setup.max_ticks && standing.state == State::Running {
        standing.state = State::Truncated;
    }
    let total = standing.army.iter().fold(standing.neutral, |sum, &army| sum.saturating_add(army));
    if total > A::TOTAL {
        visit.context.outgrown.store(true, std::sync::atomic::Ordering::Relaxed);
    }
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
