//! Scoreboard, the end of the game, and rankings. Source: rules, sections 15 and 16.

use super::{Game, owning_seat};
use std::cmp::Reverse;

impl Game {
    /// Land and army of every seat, dead ones included. Source: rules, section 15.
    pub fn scoreboard(&self) -> (Vec<u32>, Vec<i64>) {
        let mut land = vec![0; self.n_seats()];
        let mut army = vec![0; self.n_seats()];
        for tile in 0..self.n_tiles() {
            if let Some(seat) = owning_seat(self.owner[tile]) {
                land[seat] += 1;
                army[seat] += self.army[tile];
            }
        }
        (land, army)
    }

    /// Whether the game is decided: a draw, or no two living players of different teams.
    ///
    /// In a free-for-all every team has one member, so this is "at most one player alive".
    pub fn is_over(&self) -> bool {
        if !self.rules.ends {
            return false;
        }
        if self.drawn {
            return true;
        }
        let living = self.living();
        living.iter().all(|&seat| self.teams[seat] == self.teams[living[0]])
    }

    /// The winning seats, ascending: the whole team of the last living, dead members included.
    ///
    /// Empty while the game goes on, after a draw, and if nobody lives.
    pub fn winners(&self) -> Vec<usize> {
        if !self.is_over() || self.drawn {
            return Vec::new();
        }
        let Some(&survivor) = self.living().first() else {
            return Vec::new();
        };
        (0..self.n_seats()).filter(|&seat| self.teams[seat] == self.teams[survivor]).collect()
    }

    /// How many generals each seat has captured.
    pub fn captures(&self) -> Vec<usize> {
        self.captured.iter().map(Vec::len).collect()
    }

    /// The living first (army, land descending, seat ascending), then the dead, last death first.
    ///
    /// Source: rules, section 16.4.
    pub fn ranking(&self) -> Vec<usize> {
        let (land, army) = self.scoreboard();
        let mut ranking = self.living();
        ranking.sort_by_key(|&seat| (Reverse(army[seat]), Reverse(land[seat]), seat));
        ranking.extend(self.deaths.iter().rev());
        ranking
    }

    /// Those who captured a general first; inside both groups as in [`Game::ranking`].
    ///
    /// Source: rules, section 16.5, without the server's credit for uncaptured surrenders.
    pub fn ranking_kills_first(&self) -> Vec<usize> {
        let mut ranking = self.ranking();
        // A stable sort keeps the order inside both groups.
        ranking.sort_by_key(|&seat| self.captured[seat].is_empty());
        ranking
    }

    fn living(&self) -> Vec<usize> {
        (0..self.n_seats()).filter(|&seat| self.alive[seat]).collect()
    }

    /// Ends a game in which nobody moves, or that lasts too long. Source: rules, section 16.3.
    ///
    /// All living players but the strongest die, weakest first, judged by the scoreboard of the
    /// previous tick, which is that of the position this tick began with.
    pub(super) fn apply_idle_rule(&mut self, nobody_moved: bool, land: &[u32], army: &[i64]) {
        self.idle = if nobody_moved { self.idle + 1 } else { 0 };
        let is_idle_too_long = self.rules.idle_limit.is_some_and(|limit| self.idle >= limit);
        let is_too_late = self.rules.turn_limit.is_some_and(|limit| self.turn > limit);
        if !is_idle_too_long && !is_too_late {
            return;
        }
        let mut weakest_first = self.living();
        weakest_first.sort_by_key(|&seat| (army[seat], land[seat], seat));
        weakest_first.pop();
        for seat in weakest_first {
            self.die(seat);
        }
    }
}
