//! Carrying out a march, and what the capture of a general brings (rules, sections 7 and 11).

use super::{legality::Move, ruleset::Rules, tick::Log};
use crate::components::{Cell, Fallen, Game, NO_TILE};

/// A general that was just taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Seat that took it.
    pub captor: usize,
    /// Seat that lost it.
    pub victim: usize,
}

impl<const K: usize, const P: usize, A: Cell> Game<'_, K, P, A> {
    /// Carries out a march whose source still belongs to the mover.
    ///
    /// Returns the general it took. The land of the victim is not handed over yet.
    #[inline(always)]
    #[expect(clippy::cast_sign_loss, reason = "totals wrap like the armies they add up")]
    pub fn march(&mut self, m: &Move, rules: &Rules) -> Option<Capture> {
        let (mover, army) = (m.seat(), self.armies.get(m.from()));
        if army < 2 {
            self.take_over(m, army);
            return None;
        }
        let stays = m.keeps(army, rules);
        let sent = army - stays;
        let guard = self.armies.get(m.to());
        self.armies.set(m.from(), stays);
        if self.territory.0[mover].has(m.to()) {
            self.armies.set(m.to(), guard + sent);
            return None;
        }
        let owner = self.owner(m.to());
        if self.setup.has_teams && owner.is_some_and(|o| self.are_allies(mover, o)) {
            self.reinforce_ally(m, sent);
            return None;
        }
        let lost = sent.min(guard) as u32;
        self.standing.army[mover] = self.standing.army[mover].wrapping_sub(lost);
        match owner {
            Some(o) => self.standing.army[o] = self.standing.army[o].wrapping_sub(lost),
            None => self.standing.neutral = self.standing.neutral.wrapping_sub(lost),
        }
        if guard >= sent {
            self.armies.set(m.to(), guard - sent);
            return None;
        }
        self.armies.set(m.to(), sent - guard);
        self.recolour(m.to(), owner, mover);
        let victim = owner?;
        (self.standing.generals[victim] == m.to()).then_some(Capture { captor: mover, victim })
    }

    /// Gives a tile to another seat; armies and totals of armies stay.
    #[inline(always)]
    fn recolour(&mut self, tile: u16, from: Option<usize>, to: usize) {
        if let Some(from) = from {
            self.territory.0[from].remove(tile);
            self.standing.land[from] -= 1;
        }
        self.territory.0[to].insert(tile);
        self.standing.land[to] += 1;
    }

    /// A march with one unit or none does nothing, except that one unit recolours an ally's tile.
    #[cold]
    fn take_over(&mut self, m: &Move, army: i32) {
        if army != 1 || !self.setup.has_teams || self.territory.0[m.seat()].has(m.to()) {
            return;
        }
        if self.owner(m.to()).is_some_and(|o| self.are_allies(m.seat(), o)) {
            self.reinforce_ally(m, 0);
        }
    }

    /// Moves `sent` units onto an ally's tile, which changes its colour unless it is a general
    /// (rules, section 13).
    #[cold]
    #[expect(clippy::cast_sign_loss, reason = "armies on owned tiles are not negative")]
    fn reinforce_ally(&mut self, m: &Move, sent: i32) {
        let Some(ally) = self.owner(m.to()) else { return };
        let army = self.armies.get(m.to());
        self.armies.set(m.to(), army + sent);
        if self.standing.generals[ally] == m.to() {
            self.standing.army[m.seat()] -= sent as u32;
            self.standing.army[ally] += sent as u32;
        } else {
            self.recolour(m.to(), Some(ally), m.seat());
            self.standing.army[m.seat()] += army as u32;
            self.standing.army[ally] -= army as u32;
        }
    }

    /// Hands the land of a captured player to the captor, at once (rules, section 11).
    #[cold]
    pub fn capture(&mut self, capture: Capture, rules: &Rules, log: &mut impl Log) {
        let Capture { captor, victim } = capture;
        self.inherit(captor, victim, rules.inherits_half);
        self.lose_general(victim);
        self.ledger.captures[captor] = self.ledger.captures[captor].saturating_add(1);
        log.captured(captor, victim);
        if self.standing.is_alive(victim) {
            self.kill(victim);
        }
    }

    /// All land of `victim` becomes `captor`'s.
    #[expect(clippy::cast_sign_loss, reason = "armies on owned tiles are not negative")]
    pub fn inherit(&mut self, captor: usize, victim: usize, half: bool) {
        let land = self.territory.0[victim];
        let mut units = 0;
        for tile in land.tiles() {
            let army = self.armies.get(tile);
            let left = if half { (army + 1) >> 1 } else { army };
            self.armies.set(tile, left);
            units += left as u32;
        }
        self.territory.0[captor] |= land;
        self.territory.0[victim] = super::plane::Plane::EMPTY;
        self.standing.land[captor] += self.standing.land[victim];
        self.standing.land[victim] = 0;
        self.standing.army[captor] += units;
        self.standing.army[victim] = 0;
    }

    /// The seat's general becomes a city (rules, sections 11 and 12), which its enemies do not
    /// know before they see it (section 14).
    pub fn lose_general(&mut self, seat: usize) {
        let tile = std::mem::replace(&mut self.standing.generals[seat], NO_TILE);
        self.terrain.generals.remove(tile);
        self.terrain.cities.insert(tile);
        let n = usize::from(self.standing.fallen);
        // A seat loses its general once, so there are never more than P of them.
        self.ledger.fallen[n] = Fallen { tile, seen: 0 };
        self.standing.fallen += 1;
    }

    /// The seat dies; its land stays as it is.
    pub fn kill(&mut self, seat: usize) {
        self.standing.alive &= !(1 << seat);
        #[expect(clippy::cast_possible_truncation, reason = "a seat is below 16")]
        let death = seat as u8;
        self.ledger.deaths[usize::from(self.ledger.n_deaths)] = death;
        self.ledger.n_deaths += 1;
        if self.is_decided() {
            self.standing.state = crate::components::State::Over;
        }
    }

    /// Whether the living belong to at most one side (rules, section 16).
    pub fn is_decided(&self) -> bool {
        let alive = self.standing.alive;
        alive == 0 || alive & !self.setup.allies[alive.trailing_zeros() as usize] == 0
    }
}
