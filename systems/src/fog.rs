//! The fog phase: what every seat sees.

use crate::{components::Cell, isa::Isa, rules::view, visit::Visit};

/// Recomputes the views of all seats.
#[inline(always)]
pub fn fog<const K: usize, const P: usize, A: Cell>(visit: &mut Visit<'_, '_, K, P, A>, isa: Isa) {
    let game = &mut visit.game;
    for seat in 0..usize::from(game.setup.players) {
        game.vision.0[seat] = view::vision(seat, game.setup, game.territory, visit.shape, isa);
    }
    if game.standing.fallen > 0 {
        remember_seen(visit);
    }
}

/// Notes who sees the tiles that were generals once (rules, section 14).
#[cold]
fn remember_seen<const K: usize, const P: usize, A: Cell>(visit: &mut Visit<'_, '_, K, P, A>) {
    let game = &mut visit.game;
    for fallen in &mut game.ledger.fallen[..usize::from(game.standing.fallen)] {
        for (seat, vision) in game.vision.0.iter().enumerate() {
            fallen.seen |= u16::from(vision.has(fallen.tile)) << seat;
        }
    }
}
