//! The act phase: built-in policies choose orders from the views of their seats.

use crate::{
    components::Cell,
    isa::Isa,
    policies::{self, Policy},
    rules::view::View,
    visit::Visit,
};

/// Lets the policies of the game's living seats choose.
#[inline(always)]
pub fn act<const K: usize, const P: usize, A: Cell>(visit: &mut Visit<'_, '_, K, P, A>, isa: Isa) {
    let standing = &visit.game.standing;
    if standing.has_ended() || standing.is_first {
        return;
    }
    for seat in 0..usize::from(visit.game.setup.players) {
        let policy = Policy::of(visit.game.setup.policies[seat]);
        if policy == Policy::External || !visit.game.standing.is_alive(seat) {
            continue;
        }
        let view = View::by(&visit.game, visit.shape, seat, isa);
        let bits = crate::dice::draw(visit.game.setup.key, view.turn(), seat);
        let mut notes = visit.game.ledger.notes[seat];
        let order = policies::choose(policy, &view, visit.rules, bits, &mut notes);
        visit.game.orders.0[seat] = order;
        if policy.remembers() {
            visit.game.ledger.notes[seat] = notes;
        }
    }
}
