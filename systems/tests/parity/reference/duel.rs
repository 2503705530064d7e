//! One tick of the rulesets `generals-bots` and `competition`, for two players.
//!
//! Source: competition, "One tick" to "Deathtouch".

use super::combat::SeatMove;
use super::{Game, Input, owner_number};

impl Game {
    /// Steps 1 to 6 of the competition page.
    ///
    /// Returns the seats whose moves were legal at their turn, in order; builds are not moves.
    pub(super) fn duel_tick(&mut self) -> Vec<usize> {
        assert_eq!(self.n_seats(), 2, "this order is only defined for two players");
        let inputs = [self.select(0), self.select(1)];
        for (seat, input) in inputs.iter().enumerate() {
            if let Some(Input::Build(tile)) = *input {
                self.build(seat, tile);
            }
        }
        let is_deathtouch_tick = self.rules.deathtouch_turn.is_some_and(|first| self.turn >= first);

        let mut executed = Vec::new();
        let mut captors = Vec::new();
        let mut touchers = Vec::new();
        for seat in self.duel_order(&inputs) {
            let Some(Input::Move(order)) = inputs[seat] else {
                continue;
            };
            // The second move is checked against the position the first has left.
            if !self.is_legal(seat, &Input::Move(order)) {
                continue;
            }
            executed.push(seat);
            if is_deathtouch_tick && self.generals[1 - seat] == Some(order.to) {
                touchers.push(seat);
            }
            if self.carry_out(SeatMove { seat, order }).is_some() {
                captors.push(seat);
            }
        }
        self.idle = if executed.is_empty() { self.idle + 1 } else { 0 };
        self.turn += 1;
        self.finish_duel_tick(&captors, &touchers);
        executed
    }

    /// Spoils, growth, deathtouch and draws, in this order. `captors` and `touchers` list seats in
    /// the order of their moves.
    fn finish_duel_tick(&mut self, captors: &[usize], touchers: &[usize]) {
        if captors.is_empty() || self.rules.growth_on_capture_tick {
            self.grow();
        }
        let is_draw =
            touchers.len() == 2 || (captors.len() == 2 && self.rules.mutual_capture_is_draw);
        // The last captor overwrites the first. A touch without a capture also wins the spoils,
        // but only when the other player does not touch.
        let heir = match (captors.last(), touchers) {
            (Some(&captor), _) => Some(captor),
            (None, &[toucher]) => Some(toucher),
            (None, _) => None,
        };
        for &seat in captors {
            self.captured[seat].push(1 - seat);
        }
        let Some(winner) = heir else {
            self.drawn = is_draw;
            return;
        };
        if captors.is_empty() {
            self.captured[winner].push(1 - winner);
        }
        self.give_spoils(winner, 1 - winner);
        if is_draw {
            self.drawn = true;
        } else if self.alive[1 - winner] {
            // The loser may have surrendered in this very tick.
            self.die(1 - winner);
        }
    }

    /// Which of the two seats moves first, decided after the builds and before either move.
    ///
    /// Source: competition, "Which move goes first". It only matters if both moves are legal.
    fn duel_order(&self, inputs: &[Option<Input>; 2]) -> [usize; 2] {
        let [Some(Input::Move(zero)), Some(Input::Move(one))] = *inputs else {
            return [0, 1];
        };
        if !self.is_legal(0, &Input::Move(zero)) || !self.is_legal(1, &Input::Move(one)) {
            return [0, 1];
        }
        let zero_chases = zero.to == one.from;
        let one_chases = one.to == zero.from;
        if zero_chases != one_chases {
            return if zero_chases { [0, 1] } else { [1, 0] };
        }
        let zero_reinforces = self.owner[zero.to] == owner_number(0);
        let one_reinforces = self.owner[one.to] == owner_number(1);
        if zero_reinforces != one_reinforces {
            return if zero_reinforces { [0, 1] } else { [1, 0] };
        }
        // The whole army on the source counts, not the part sent; equal armies favour player 0.
        if self.army[one.from] < self.army[zero.from] { [1, 0] } else { [0, 1] }
    }

    /// Builds a castle if that is legal, else the turn is lost. Source: competition, "Building".
    fn build(&mut self, seat: usize, tile: usize) {
        if self.is_legal(seat, &Input::Build(tile)) {
            self.army[tile] -= self.build_price(seat, tile);
            self.cities.insert(tile);
        }
    }
}
