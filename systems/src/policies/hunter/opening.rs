//! The first land period: columns that leave the general at the right times.
//!
//! Until turn 50 the general makes one unit every other tick and each unit can take one tile. A
//! column that leaves too early walks over its own land for each new unit; one that leaves too
//! late has units left when the period ends. So the general waits until its army needs about half
//! of the time that is left, sends everything, and does so again with what has grown meanwhile.

use super::{PERIOD, sight::Sight};
use crate::{
    components::{Cell, Order},
    rules::plane::Plane,
};

/// How far around a tile free land counts, in steps.
const OUTLOOK: u32 = 4;

impl<const K: usize, const P: usize, A: Cell> Sight<'_, '_, K, P, A> {
    /// The order of an opening without contact, if there is something to do yet.
    #[inline(always)]
    pub(super) fn open(&self, turn: u32) -> Option<Order> {
        let home = Plane::of(self.general);
        let columns = (self.own & self.view.movable()).without(home);
        let prey = self.neutral.without(self.cities);
        // A column goes on while it can.
        let takes = |from: u16, to: u16| {
            if self.army(from) - 1 > self.army(to) { 1 + self.freedom(to) } else { 0 }
        };
        if let Some(order) = self.best_attack(&columns, &prey, takes) {
            return Some(order);
        }
        for column in columns.tiles() {
            if let Some(way) = self.way(column, &prey, &self.own) {
                return self.best_step(column, &way.next, |_| 1);
            }
        }
        let general = self.general?;
        let army = self.army(general);
        let way = self.way(general, &prey, &self.own)?;
        let needed = army.cast_unsigned().saturating_add(way.distance).saturating_sub(2);
        if army < 2 || needed < (PERIOD - turn) / 2 {
            return None;
        }
        self.best_step(general, &way.next, |to| 1 + self.freedom(to))
    }

    /// How much land lies free around a tile.
    #[inline(always)]
    fn freedom(&self, tile: u16) -> i32 {
        let fog = self.shape.board.without(self.view.visible());
        let free = (self.neutral.without(self.cities) | fog).without(self.view.fog_structures());
        let mut around = Plane::of([tile]);
        for _ in 0..OUTLOOK {
            around |= self.shape.grown(&around) & free;
        }
        around.count().cast_signed()
    }
}
