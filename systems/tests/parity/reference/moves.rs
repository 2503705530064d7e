//! Which inputs are legal, and which one each player uses in a tick.

use super::{Game, Input, MOUNTAIN, Move, owner_number, owning_seat};

impl Game {
    /// Whether this input of this seat would be legal on the present board.
    ///
    /// Source: rules, section 6, for moves; competition, "Building", for builds. A pass is legal
    /// for the living, so that it can use up a tick.
    pub fn is_legal(&self, seat: usize, input: &Input) -> bool {
        if !self.alive[seat] {
            return false;
        }
        match input {
            Input::Pass => true,
            Input::Move(order) => self.is_legal_move(seat, order),
            Input::Build(tile) => self.is_legal_build(seat, *tile),
        }
    }

    fn is_legal_move(&self, seat: usize, order: &Move) -> bool {
        if !self.are_neighbours(order.from, order.to) {
            return false;
        }
        if self.owner[order.from] != owner_number(seat) {
            return false;
        }
        if self.owner[order.to] == MOUNTAIN {
            return false;
        }
        if self.army[order.from] >= 2 {
            return true;
        }
        // Rules, section 6, point 5: one army is enough to take over an ally's tile.
        self.army[order.from] == 1 && self.is_allied_tile(seat, order.to)
    }

    fn is_legal_build(&self, seat: usize, tile: usize) -> bool {
        self.rules.builds
            && tile < self.n_tiles()
            && self.owner[tile] == owner_number(seat)
            && !self.cities.contains(&tile)
            && !self.generals.contains(&Some(tile))
            && self.army[tile] >= self.build_price(seat, tile)
    }

    /// Price of a castle: 35, and more near the builder's own structures. Source: competition,
    /// "Building".
    pub fn build_price(&self, seat: usize, tile: usize) -> i64 {
        let mut price = 35;
        for other in 0..self.n_tiles() {
            let is_own_general = self.generals[seat] == Some(other);
            let is_own_castle =
                self.cities.contains(&other) && self.owner[other] == owner_number(seat);
            if is_own_general || is_own_castle {
                price += (14 - 2 * self.manhattan_distance(tile, other)).max(0);
            }
        }
        price
    }

    /// Whether a tile belongs to an ally of this seat, and not to the seat itself.
    pub(super) fn is_allied_tile(&self, seat: usize, tile: usize) -> bool {
        owning_seat(self.owner[tile]).is_some_and(|owner| self.are_allies(seat, owner))
    }

    /// Two tiles of the board that differ by one row or by one column. Source: rules, section 1.
    pub fn are_neighbours(&self, tile: usize, other: usize) -> bool {
        tile < self.n_tiles() && other < self.n_tiles() && self.manhattan_distance(tile, other) == 1
    }

    fn manhattan_distance(&self, tile: usize, other: usize) -> i64 {
        let rows = (tile / self.width).abs_diff(other / self.width);
        let columns = (tile % self.width).abs_diff(other % self.width);
        i64::try_from(rows + columns).expect("a board has far fewer tiles")
    }

    /// Takes this tick's input from the front of a seat's queue.
    ///
    /// Source: rules, section 5: illegal entries are thrown away until a legal one is found, and
    /// the rest stays queued. In a competition an illegal entry is a lost turn instead.
    pub(super) fn select(&mut self, seat: usize) -> Option<Input> {
        while let Some(input) = self.queues[seat].pop_front() {
            if self.is_legal(seat, &input) || !self.rules.skips_illegal {
                return Some(input);
            }
        }
        None
    }

    /// Like [`Game::select`], for rulesets in which only moves do anything.
    pub(super) fn select_move(&mut self, seat: usize) -> Option<Move> {
        match self.select(seat) {
            Some(Input::Move(order)) => Some(order),
            Some(Input::Pass | Input::Build(_)) | None => None,
        }
    }
}
