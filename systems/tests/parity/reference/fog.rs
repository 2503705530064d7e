//! What each player can see. Source: rules, section 14.

use super::{Game, MOUNTAIN, owning_seat};

/// One tile as a player sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeenTile {
    /// Hidden, and nothing is known about it. Enemy generals in fog look like this.
    Fog,
    /// Hidden, but known to be a mountain or a city; the two cannot be told apart.
    StructureInFog,
    /// Visible.
    Seen {
        /// [`MOUNTAIN`], [`super::NEUTRAL`] or a seat.
        owner: i32,
        /// Army on the tile.
        army: i64,
        /// The tile is a city.
        city: bool,
        /// The tile is the general of some player.
        general: bool,
        /// The tile is a mountain.
        mountain: bool,
    },
}

impl Game {
    /// Whether each tile is visible to this seat. Shape: `[height * width]`.
    pub fn visible(&self, seat: usize) -> Vec<bool> {
        (0..self.n_tiles()).map(|tile| self.sees(seat, tile)).collect()
    }

    /// The board as this seat sees it. Shape: `[height * width]`.
    pub fn view(&self, seat: usize) -> Vec<SeenTile> {
        (0..self.n_tiles()).map(|tile| self.seen_tile(seat, tile)).collect()
    }

    fn seen_tile(&self, seat: usize, tile: usize) -> SeenTile {
        let is_mountain = self.owner[tile] == MOUNTAIN;
        let is_city = self.cities.contains(&tile);
        if self.sees(seat, tile) {
            return SeenTile::Seen {
                owner: self.owner[tile],
                army: self.army[tile],
                city: is_city,
                general: self.generals.contains(&Some(tile)),
                mountain: is_mountain,
            };
        }
        // A former general shows as a structure only to those who have seen it as a city.
        let is_known = self.former_generals.get(&tile).is_none_or(|seen_by| seen_by[seat]);
        if is_mountain || (is_city && is_known) { SeenTile::StructureInFog } else { SeenTile::Fog }
    }

    /// A tile is visible when it or one of its 8 neighbours belongs to the seat or to an ally.
    fn sees(&self, seat: usize, tile: usize) -> bool {
        let (row, column) = (tile / self.width, tile % self.width);
        for near_row in row.saturating_sub(1)..=(row + 1).min(self.height - 1) {
            for near_column in column.saturating_sub(1)..=(column + 1).min(self.width - 1) {
                if self.gives_sight(seat, near_row * self.width + near_column) {
                    return true;
                }
            }
        }
        false
    }

    fn gives_sight(&self, seat: usize, tile: usize) -> bool {
        owning_seat(self.owner[tile])
            .is_some_and(|owner| owner == seat || self.are_allies(seat, owner))
    }

    /// Notes who sees which former general in the position a tick ends with.
    pub(super) fn remember_former_generals(&mut self) {
        let tiles: Vec<usize> = self.former_generals.keys().copied().collect();
        for tile in tiles {
            for seat in 0..self.n_seats() {
                if self.sees(seat, tile) {
                    let seen_by =
                        self.former_generals.get_mut(&tile).expect("the key was just read");
                    seen_by[seat] = true;
                }
            }
        }
    }
}
