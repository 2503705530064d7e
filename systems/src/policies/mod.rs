//! Built-in players. Each is one file: a view in, an order out.
//!
//! A new policy is its file, its line in [`Policy`], its line in [`Policy::ALL`], and its line in
//! the match that calls it. All its randomness is the `bits` it is given and all its memory is its
//! [`Notes`], so that games are the same on every machine and with any number of threads.

mod expander;
mod hunter;
mod random;
mod ways;

use thiserror::Error;

use crate::{
    components::{Cell, Order},
    isa::{Isa, Work},
    rules::{ruleset::Rules, view::View},
};

/// What a policy remembers of the views it saw; 0 at the start of an episode.
pub type Notes = [u64; 2];

/// Who chooses the orders of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Policy {
    /// Someone outside: a trainer, a person, a recorded game.
    External = 0,
    /// Uniform over the legal marches.
    Random = 1,
    /// Takes whatever land it can, enemies' first.
    Expander = 2,
    /// Opens fast, scouts, gathers its army and hunts generals.
    Hunter = 3,
}

/// Why there is no such policy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// No policy has this name.
    #[error("policy {name:?} is not known: use {}", names())]
    Unknown {
        /// The name.
        name: String,
    },
}

/// The names of all policies, for messages.
fn names() -> String {
    let names: Vec<_> = Policy::ALL.iter().map(|(_, name)| *name).collect();
    names.join(", ")
}

impl Policy {
    /// The policies by number, and their names.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::External, "external"),
        (Self::Random, "random"),
        (Self::Expander, "expander"),
        (Self::Hunter, "hunter"),
    ];

    /// The policy with this name.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Unknown`] for any name that is not in [`Policy::ALL`].
    pub fn named(name: &str) -> Result<Self, PolicyError> {
        let found = Self::ALL.into_iter().find(|(_, its)| *its == name);
        found
            .map(|(policy, _)| policy)
            .ok_or_else(|| PolicyError::Unknown { name: name.to_owned() })
    }

    /// The policy with this number; any other number is [`Policy::External`].
    #[inline(always)]
    #[must_use]
    pub fn of(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).map_or(Self::External, |(policy, _)| *policy)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// Whether it keeps notes from tick to tick.
    #[inline(always)]
    pub fn remembers(self) -> bool {
        matches!(self, Self::Hunter)
    }
}

/// Lets a policy choose. `bits` are this seat's random bits of this turn.
#[inline(always)]
pub fn choose<const K: usize, const P: usize, A: Cell>(
    policy: Policy,
    view: &View<'_, K, P, A>,
    rules: &Rules,
    bits: u64,
    notes: &mut Notes,
) -> Order {
    match policy {
        Policy::External => Order::PASS,
        Policy::Random => random::choose(view, bits),
        Policy::Expander | Policy::Hunter => {
            let mut order = Order::PASS;
            apart(view.isa(), Thought { policy, view, rules, bits, notes, order: &mut order });
            order
        }
    }
}

/// A choice of a policy that is too large to stand in the hot loop.
struct Thought<'a, 'v, const K: usize, const P: usize, A: Cell> {
    policy: Policy,
    view: &'a View<'v, K, P, A>,
    rules: &'a Rules,
    bits: u64,
    notes: &'a mut Notes,
    order: &'a mut Order,
}

/// Does the work outside the caller's loop, so that the loop stays small for the policies that
/// are quick. A function of its own has none of its caller's instructions, so they are entered
/// again here; whichever they are, the order is the same.
#[inline(never)]
fn apart(isa: Isa, work: impl Work) {
    isa.run(work);
}

impl<const K: usize, const P: usize, A: Cell> Work for Thought<'_, '_, K, P, A> {
    #[inline(always)]
    fn run(self, _isa: Isa) {
        *self.order = match self.policy {
            Policy::Hunter => hunter::choose(self.view, self.rules, self.bits, self.notes),
            _ => expander::choose(self.view, self.bits),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_stand_in_the_list_at_their_numbers() {
        for (number, (policy, name)) in (0..).zip(Policy::ALL) {
            assert_eq!((policy as u8, Policy::of(number)), (number, policy));
            assert_eq!((policy.name(), Policy::named(name)), (name, Ok(policy)));
        }
        assert_eq!(Policy::of(200), Policy::External);
    }

    #[test]
    fn an_unknown_name_is_named_and_the_known_ones_are_listed() {
        let error = Policy::named("chess").unwrap_err();
        assert_eq!(
            error.to_string(),
            "policy \"chess\" is not known: use external, random, expander, hunter"
        );
    }
}
