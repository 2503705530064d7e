//! The act phase: built-in policies choose orders from the views of their seats.

use crate::{
    components::Cell,
    envs::actions,
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
    if visit.inbox.is_some() {
        hear(visit);
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

/// Makes the actions of a vector environment the orders of the seats that are played from outside.
#[inline(never)]
fn hear<const K: usize, const P: usize, A: Cell>(visit: &mut Visit<'_, '_, K, P, A>) {
    let Visit { game, shape, rules, context, inbox, .. } = visit;
    let Some(inbox) = inbox else { return };
    let seats = (0..16_usize).filter(|seat| inbox.seats >> seat & 1 != 0);
    for (agent, seat) in seats.enumerate().take_while(|(_, seat)| *seat < P) {
        let is_outside = seat < usize::from(game.setup.players)
            && Policy::of(game.setup.policies[seat]) == Policy::External;
        if !is_outside {
            continue;
        }
        let (action, format) = (inbox.actions[agent], context.outbox.format);
        let (order, refusal) = actions::read(game, shape, rules, seat, action, format);
        game.orders.0[seat] = order;
        inbox.refused[agent] = refusal as u8;
    }
}
