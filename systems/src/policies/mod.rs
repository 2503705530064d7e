//! Built-in players. Each is one file: a view and its mask in, an order out.

mod random;

use crate::{
    components::{Cell, Order},
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
}

impl Policy {
    /// The policies and their names.
    pub const ALL: [(Self, &'static str); 2] =
        [(Self::External, "external"), (Self::Random, "random")];

    /// The policy with this number; any other number is [`Policy::External`].
    #[inline(always)]
    #[must_use]
    pub fn of(number: u8) -> Self {
        match number {
            1 => Self::Random,
            _ => Self::External,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// Whether it keeps notes from tick to tick.
    #[inline(always)]
    pub fn remembers(self) -> bool {
        false
    }
}

/// Lets a policy choose. `bits` are this seat's random bits of this turn; `notes` are its memory,
/// 0 at the start of an episode.
#[inline(always)]
pub fn choose<const K: usize, const P: usize, A: Cell>(
    policy: Policy,
    view: &View<'_, K, P, A>,
    _rules: &Rules,
    bits: u64,
    _notes: &mut Notes,
) -> Order {
    match policy {
        Policy::External => Order::PASS,
        Policy::Random => random::choose(view, bits),
    }
}
