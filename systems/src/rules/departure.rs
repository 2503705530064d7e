//! Players who leave: surrender, neutralisation, the idle rule (rules, sections 12 and 16.3).

use super::{
    plane::Plane,
    ruleset::Rules,
    tick::{Log, Queue},
};
use crate::components::{Cell, Game, NO_TILE, State};

impl<const K: usize, const P: usize, A: Cell> Game<'_, K, P, A> {
    /// Announces that a living seat surrenders at the start of the next tick, or of the one after
    /// it before the first: a surrender at turn 0 is put off to turn 1 (rules, section 12).
    pub fn announce_surrender(&mut self, seat: usize) {
        let n = usize::from(self.ledger.n_surrenders);
        #[expect(clippy::cast_possible_truncation, reason = "a seat is below 16")]
        let seat = seat as u8;
        if !self.ledger.surrenders[..n].contains(&seat) && self.standing.is_alive(usize::from(seat))
        {
            // Every seat is listed at most once, so there is room.
            self.ledger.surrenders[n] = seat;
            self.ledger.n_surrenders += 1;
            self.standing.departing = true;
        }
    }

    /// Handles the surrenders and countdowns that are due at the start of this tick, in order,
    /// until the game is decided.
    #[cold]
    pub fn depart(&mut self, rules: &Rules, queue: &mut impl Queue, log: &mut impl Log) {
        let turn = self.standing.turn;
        while let Some(seat) = queue.departure(turn).filter(|_| !self.standing.has_ended()) {
            if self.standing.is_alive(seat) {
                self.surrender(seat, log);
            } else {
                self.neutralise(seat, log);
            }
        }
        for seat in 0..P {
            if self.ledger.neutralise_at[seat] <= turn && !self.standing.has_ended() {
                self.ledger.neutralise_at[seat] = u32::MAX;
                self.neutralise(seat, log);
            }
        }
        if turn > 0 {
            self.play_announced(rules, log);
        }
        self.standing.departing = self.ledger.n_surrenders > 0
            || self.ledger.neutralise_at.iter().any(|&turn| turn != u32::MAX);
    }

    /// Lets those surrender who have announced it, in that order.
    fn play_announced(&mut self, rules: &Rules, log: &mut impl Log) {
        for i in 0..usize::from(self.ledger.n_surrenders) {
            let seat = usize::from(self.ledger.surrenders[i]);
            if self.standing.is_alive(seat) && !self.standing.has_ended() {
                self.surrender(seat, log);
                let turn = self.standing.turn;
                self.ledger.neutralise_at[seat] = turn.saturating_add(rules.surrender_countdown);
            }
        }
        self.ledger.n_surrenders = 0;
    }

    /// The seat dies but keeps its land, until it is captured or neutralised.
    fn surrender(&mut self, seat: usize, log: &mut impl Log) {
        self.kill(seat);
        log.surrendered(seat);
    }

    /// The land of a dead player becomes neutral or goes to an ally, with unchanged armies.
    fn neutralise(&mut self, seat: usize, log: &mut impl Log) {
        if self.standing.generals[seat] == NO_TILE {
            return;
        }
        self.lose_general(seat);
        let heir = (0..P).find(|&ally| {
            self.setup.has_teams && self.standing.is_alive(ally) && self.are_allies(seat, ally)
        });
        if let Some(heir) = heir {
            self.inherit(heir, seat, false);
        } else {
            self.territory.0[seat] = Plane::EMPTY;
            self.standing.neutral = self.standing.neutral.saturating_add(self.standing.army[seat]);
            self.standing.army[seat] = 0;
            self.standing.land[seat] = 0;
        }
        log.neutralised(seat, heir);
    }

    /// All living players but the strongest die, weakest first, by the scoreboard of the
    /// previous tick (rules, section 16.3).
    #[cold]
    pub fn end_by_strength(&mut self, land: &[u16; P], army: &[u32; P]) {
        let mut living = [0; P];
        let mut n = 0;
        for seat in (0..P).filter(|&seat| self.standing.is_alive(seat)) {
            living[n] = seat;
            n += 1;
        }
        living[..n].sort_unstable_by_key(|&seat| (army[seat], land[seat], seat));
        for &seat in &living[..n.saturating_sub(1)] {
            self.kill(seat);
        }
        self.standing.state = State::Over;
    }
}
