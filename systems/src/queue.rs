//! Orders that wait: the queues of a live game's seats, and what its last tick made of them.

use std::collections::VecDeque;

use bevy_ecs::component::Component;

use crate::{
    components::Order,
    policies::Policy,
    rules::tick::{Log, Queue},
};

/// The queues of a game whose players send orders ahead, and the news of its last tick.
///
/// A tick takes orders off the front of a seat's queue until one is legal (rules, section 6).
/// Seats with a built-in policy have an empty queue and play what the policy chose.
#[derive(Component, Clone, Debug, Default)]
pub struct Queues {
    waiting: Vec<VecDeque<Order>>,
    /// Seats played from outside, as a set.
    external: u16,
    news: TickNews,
}

/// What happened inside the last tick of a game with queues.
#[derive(Clone, Debug, Default)]
pub struct TickNews {
    /// Orders that were taken from the seats' queues, in the order in which they were taken.
    pub taken: Vec<(u8, Order)>,
    /// What everybody is told.
    pub happenings: Vec<Happening>,
}

/// Something that a tick did and that everybody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A general was taken.
    Captured {
        /// Seat that took it.
        captor: u8,
        /// Seat that lost it.
        victim: u8,
    },
    /// A seat gave up.
    Surrendered {
        /// The seat.
        seat: u8,
    },
    /// The land of a seat that gave up became neutral or an ally's.
    Neutralised {
        /// The seat.
        seat: u8,
        /// The ally, if there is one.
        heir: Option<u8>,
    },
    /// Two seats took each other's general and exchanged everything.
    Traded {
        /// One of them.
        a: u8,
        /// The other.
        b: u8,
    },
}

impl Queues {
    /// Empty queues for so many seats. Seats without a policy are played from outside.
    #[must_use]
    pub fn new(players: usize, policies: &[Policy]) -> Self {
        let is_external =
            |seat: &usize| policies.get(*seat).is_none_or(|&policy| policy == Policy::External);
        let external = (0..players).filter(is_external).fold(0, |set, seat| set | 1 << seat);
        Self { waiting: vec![VecDeque::new(); players], external, news: TickNews::default() }
    }

    /// The orders of a seat that wait.
    pub fn waiting(&self, seat: usize) -> &VecDeque<Order> {
        &self.waiting[seat]
    }

    /// The same, to add orders or take them back.
    pub fn waiting_mut(&mut self, seat: usize) -> &mut VecDeque<Order> {
        &mut self.waiting[seat]
    }

    /// What happened in the last tick.
    pub fn news(&self) -> &TickNews {
        &self.news
    }

    /// The two halves that a tick works with.
    pub(crate) fn for_tick(&mut self) -> (Waiting<'_>, Listener<'_>) {
        self.news.taken.clear();
        self.news.happenings.clear();
        let waiting = Waiting {
            queues: &mut self.waiting,
            external: self.external,
            given_taken: 0,
            taken: &mut self.news.taken,
        };
        (waiting, Listener(&mut self.news.happenings))
    }
}

/// The queues as a tick takes orders from them.
pub(crate) struct Waiting<'a> {
    queues: &'a mut [VecDeque<Order>],
    external: u16,
    /// Seats whose policy's order was taken, as a set.
    given_taken: u16,
    taken: &'a mut Vec<(u8, Order)>,
}

impl Queue for Waiting<'_> {
    #[expect(clippy::cast_possible_truncation, reason = "a seat is below 16")]
    fn next(&mut self, seat: usize, _turn: u32, given: Order) -> Option<Order> {
        if self.external >> seat & 1 == 0 {
            let is_new = self.given_taken >> seat & 1 == 0;
            self.given_taken |= 1 << seat;
            return is_new.then_some(given);
        }
        let order = self.queues.get_mut(seat)?.pop_front()?;
        self.taken.push((seat as u8, order));
        Some(order)
    }
}

/// Notes what a tick does.
pub(crate) struct Listener<'a>(&'a mut Vec<Happening>);

#[expect(clippy::cast_possible_truncation, reason = "seats are below 16")]
impl Log for Listener<'_> {
    const WANTS_ORDER: bool = false;

    fn captured(&mut self, captor: usize, victim: usize) {
        self.0.push(Happening::Captured { captor: captor as u8, victim: victim as u8 });
    }

    fn surrendered(&mut self, seat: usize) {
        self.0.push(Happening::Surrendered { seat: seat as u8 });
    }

    fn neutralised(&mut self, seat: usize, heir: Option<usize>) {
        let heir = heir.map(|heir| heir as u8);
        self.0.push(Happening::Neutralised { seat: seat as u8, heir });
    }

    fn traded(&mut self, a: usize, b: usize) {
        self.0.push(Happening::Traded { a: a as u8, b: b as u8 });
    }
}
