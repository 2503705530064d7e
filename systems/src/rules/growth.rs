//! Growth (rules, section 10).

use super::{plane::Plane, ruleset::Rules};
use crate::components::{Cell, Game, NO_TILE};

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
        for seat in 0..P {
            let general = self.standing.generals[seat];
            if general != NO_TILE && self.territory.0[seat].has(general) {
                self.grow_tile(seat, general);
            }
        }
        let mut owned = self.territory.0[0];
        for seat in 1..P {
            owned |= self.territory.0[seat];
        }
        let cities = self.terrain.cities & owned;
        if !cities.is_empty() {
            self.grow_cities(&cities);
        }
        if rules.neutral_cities_below > 0 {
            self.regenerate(&self.terrain.cities.without(owned), rules);
        }
    }

    #[inline(always)]
    fn grow_tile(&mut self, seat: usize, tile: u16) {
        let army = self.armies.get(tile);
        self.armies.set(tile, army + 1);
        self.standing.army[seat] += 1;
    }

    /// Few games have owned cities, and few of them.
    #[inline(never)]
    fn grow_cities(&mut self, cities: &Plane<K>) {
        for tile in cities.tiles() {
            if let Some(owner) = self.owner(tile) {
                self.grow_tile(owner, tile);
            }
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
