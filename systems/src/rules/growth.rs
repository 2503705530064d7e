//! Growth (rules, section 10).

use super::{plane::Plane, ruleset::Rules};
use crate::components::{Cell, Game};

impl<const K: usize, const P: usize, A: Cell> Game<'_, K, P, A> {
    /// Lets armies grow as the new value of `turn` demands.
    #[inline(always)]
    pub fn grow(&mut self, rules: &Rules) {
        let turn = self.standing.turn;
        if rules.structures.divides(turn) {
            self.grow_structures(rules);
        }
        if rules.land.divides(turn) {
            self.grow_land();
        }
    }

    #[inline(always)]
    fn grow_structures(&mut self, rules: &Rules) {
        let mut owned = Plane::EMPTY;
        for seat in 0..P {
            let sites = self.territory.0[seat] & self.terrain.sites;
            self.standing.army[seat] += sites.count();
            owned |= sites;
        }
        for tile in owned.tiles() {
            let army = self.armies.get(tile);
            self.armies.set(tile, army + 1);
        }
        if rules.neutral_cities_below > 0 {
            self.regenerate(&self.terrain.sites.without(owned), rules);
        }
    }

    #[cold]
    fn regenerate(&mut self, cities: &Plane<K>, rules: &Rules) {
        for tile in cities.tiles() {
            let army = self.armies.get(tile);
            if army < i32::from(rules.neutral_cities_below) {
                self.armies.set(tile, army + 1);
                self.standing.neutral += 1;
            }
        }
    }

    #[cold]
    fn grow_land(&mut self) {
        let land = self.territory.0.iter().fold(Plane::EMPTY, |all, own| all | *own);
        self.armies.grow(&land);
        for seat in 0..P {
            self.standing.army[seat] += u32::from(self.standing.land[seat]);
        }
    }
}
