//! What one player may know: the only way from the truth to a player.
//!
//! Policies, action masks, observations, deltas, rewards and every network stream start from a
//! [`View`]. Its fields are private and each of its methods applies the fog, so nothing that is
//! built on it can depend on a tile the player does not see (rules, section 14).
//!
//! # Actions
//!
//! The flat action space of a board with `n = height * width` tiles:
//!
//! | index | meaning |
//! |---|---|
//! | `(tile * 4 + direction) * 2 + half` | march; `direction` 0 up, 1 down, 2 left, 3 right |
//! | `8 * n` | pass |
//! | `8 * n + 1 + tile` | build a city on the tile (rulesets with builds only) |

use super::{
    legality,
    plane::Plane,
    ruleset::Rules,
    shape::{Direction, Shape},
};
use crate::components::{Armies, Cell, Game, Ledger, Setup, Standing, Terrain, Territory, Vision};
use crate::isa::{Isa, Layers};

/// One player's view of a game.
#[derive(Clone, Copy)]
pub struct View<'a, const K: usize, const P: usize, A: Cell> {
    shape: &'a Shape<K>,
    setup: &'a Setup<P>,
    standing: &'a Standing<P>,
    ledger: &'a Ledger<P>,
    terrain: &'a Terrain<K>,
    territory: &'a Territory<K, P>,
    armies: &'a Armies<K, A>,
    visible: &'a Plane<K>,
    seat: usize,
    isa: Isa,
}

/// The marches and builds a view allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask<const K: usize> {
    /// Sources of legal marches by [`Direction`]; both halves are legal where one is.
    pub steps: [Plane<K>; 4],
    /// Tiles on which a city can be built.
    pub builds: Plane<K>,
}

/// The tiles a seat sees: its side's land and all eight neighbours (rules, section 14).
#[inline(always)]
pub fn vision<const K: usize, const P: usize>(
    seat: usize,
    setup: &Setup<P>,
    territory: &Territory<K, P>,
    shape: &Shape<K>,
    isa: Isa,
) -> Plane<K> {
    if !setup.has_fog {
        return shape.board;
    }
    if !setup.has_teams {
        return isa.dilated(shape, &territory.0[seat]);
    }
    let mut side = territory.0[seat];
    {
        for ally in (0..P).filter(|&ally| setup.allies[seat] >> ally & 1 != 0) {
            side |= territory.0[ally];
        }
    }
    isa.dilated(shape, &side)
}

impl<'a, const K: usize, const P: usize, A: Cell> View<'a, K, P, A> {
    /// The view of a seat, from what the fog phase last computed.
    #[inline(always)]
    #[must_use]
    pub fn of(game: &'a Game<'_, K, P, A>, shape: &'a Shape<K>, seat: usize) -> Self {
        Self::by(game, shape, seat, Isa::Portable)
    }

    /// The same, worked on with the instructions in use.
    #[inline(always)]
    #[must_use]
    pub fn by(game: &'a Game<'_, K, P, A>, shape: &'a Shape<K>, seat: usize, isa: Isa) -> Self {
        let vision: &Vision<K, P> = game.vision;
        Self {
            shape,
            setup: game.setup,
            standing: game.standing,
            ledger: game.ledger,
            terrain: game.terrain,
            territory: game.territory,
            armies: game.armies,
            visible: &vision.0[seat],
            seat,
            isa,
        }
    }

    /// The whole board, for those who play in no seat: spectators who were allowed to see it.
    #[must_use]
    pub fn whole(game: &'a Game<'_, K, P, A>, shape: &'a Shape<K>) -> Self {
        Self { visible: &shape.board, ..Self::of(game, shape, 0) }
    }

    /// The instructions in use.
    #[inline(always)]
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// The seat that looks.
    #[inline(always)]
    pub fn seat(&self) -> usize {
        self.seat
    }

    /// The board's size and masks.
    #[inline(always)]
    pub fn shape(&self) -> &'a Shape<K> {
        self.shape
    }

    /// Ticks completed.
    #[inline(always)]
    pub fn turn(&self) -> u32 {
        self.standing.turn
    }

    /// Number of seats.
    #[inline(always)]
    pub fn players(&self) -> usize {
        usize::from(self.setup.players)
    }

    /// Whether the seat lives (public).
    #[inline(always)]
    pub fn is_alive(&self, seat: usize) -> bool {
        self.standing.is_alive(seat)
    }

    /// Whether anybody lives (public).
    #[inline(always)]
    pub(crate) fn is_anybody_alive(&self) -> bool {
        self.standing.alive != 0
    }

    /// What this seat's view was worth at the last tick, as the reward had it.
    #[inline(always)]
    pub(crate) fn last_worth(&self) -> f32 {
        self.ledger.worth[self.seat]
    }

    /// Whether the seat is on this view's side (public).
    #[inline(always)]
    pub fn is_ally(&self, seat: usize) -> bool {
        self.setup.allies[self.seat] >> seat & 1 != 0
    }

    /// Tiles of each seat: the public scoreboard.
    #[inline(always)]
    pub fn land(&self) -> &'a [u16; P] {
        &self.standing.land
    }

    /// Units of each seat: the public scoreboard.
    #[inline(always)]
    pub fn army_totals(&self) -> &'a [u32; P] {
        &self.standing.army
    }

    /// Tiles that are seen.
    #[inline(always)]
    pub fn visible(&self) -> Plane<K> {
        *self.visible
    }

    /// Own tiles.
    #[inline(always)]
    pub fn own(&self) -> Plane<K> {
        self.territory.0[self.seat] & *self.visible
    }

    /// Seen tiles of one seat.
    #[inline(always)]
    pub fn land_of(&self, seat: usize) -> Plane<K> {
        self.territory.0[seat] & *self.visible
    }

    /// Seen tiles of team mates, own tiles not included.
    #[inline(always)]
    pub fn allies(&self) -> Plane<K> {
        if !self.setup.has_teams {
            return Plane::EMPTY;
        }
        let mates = (0..P).filter(|&seat| seat != self.seat && self.is_ally(seat));
        mates.fold(Plane::EMPTY, |all, seat| all | self.land_of(seat))
    }

    /// Tiles that belong to somebody, seen or not.
    #[inline(always)]
    fn owned(&self) -> Plane<K> {
        let mut owned = self.territory.0[0];
        for seat in 1..P {
            owned |= self.territory.0[seat];
        }
        owned
    }

    /// Seen tiles of opponents.
    #[inline(always)]
    pub fn enemies(&self) -> Plane<K> {
        (self.owned() & *self.visible).without(self.own() | self.allies())
    }

    /// Seen tiles of nobody, cities included, mountains not.
    #[inline(always)]
    pub fn neutral(&self) -> Plane<K> {
        (*self.visible & self.terrain.passable).without(self.owned())
    }

    /// Seen cities, whoever owns them.
    #[inline(always)]
    pub fn cities(&self) -> Plane<K> {
        self.terrain.cities & *self.visible
    }

    /// Seen generals.
    #[inline(always)]
    pub fn generals(&self) -> Plane<K> {
        self.terrain.generals & *self.visible
    }

    /// Seen mountains.
    #[inline(always)]
    pub fn mountains(&self) -> Plane<K> {
        self.visible.without(self.terrain.passable)
    }

    /// Seen tiles that can be entered.
    #[inline(always)]
    pub fn open(&self) -> Plane<K> {
        *self.visible & self.terrain.passable
    }

    /// Hidden tiles that show as a structure: mountains and cities, which look alike. A former
    /// general is one of them only once it has been seen as a city.
    #[inline(always)]
    pub fn fog_structures(&self) -> Plane<K> {
        (self.known_cities() | self.shape.board.without(self.terrain.passable))
            .without(*self.visible)
    }

    /// Cities without the former generals that this seat has not seen since.
    #[cold]
    fn known_cities(self) -> Plane<K> {
        let fallen = &self.ledger.fallen[..usize::from(self.standing.fallen)];
        let unseen = fallen.iter().filter(|f| f.seen >> self.seat & 1 == 0).map(|f| f.tile);
        self.terrain.cities.without(Plane::of(unseen))
    }

    /// Units on the tile; 0 where it is not seen.
    #[inline(always)]
    pub fn army(&self, tile: u16) -> i32 {
        if self.visible.has(tile) { self.armies.get(tile) } else { 0 }
    }

    /// Seen tiles with at least two units, whoever owns them.
    #[inline(always)]
    pub fn movable(&self) -> Plane<K> {
        *self.armies.movable() & *self.visible
    }

    /// Writes the units of seen tiles, 0 elsewhere, saturating at 65535. `out` has room for the
    /// board or for less.
    #[inline(always)]
    pub fn write_army(&self, out: &mut [u16]) {
        if let Some(units) = self.armies.narrow_words() {
            self.isa.write_army(self.visible, units, out);
        } else {
            for (word, out) in out.chunks_mut(64).enumerate() {
                saturate(self.visible.0[word % K], &self.armies.words()[word % K], out);
            }
        }
    }

    /// Writes the owners of seen tiles as seats after the viewer: 0 is the viewer, 255 nobody or
    /// unseen. `out` has room for the board or for less.
    #[inline(always)]
    pub fn write_owners(&self, out: &mut [u8]) {
        let lands = &self.territory.0[..self.players()];
        self.isa.write_owners(self.visible, lands, self.seat, out);
    }

    /// The seat's own general, if it stands.
    #[inline(always)]
    pub fn general(&self) -> Option<u16> {
        let tile = self.standing.generals[self.seat];
        (tile != crate::components::NO_TILE).then_some(tile)
    }

    /// Generals this seat has taken.
    #[inline(always)]
    pub fn captures(&self) -> u32 {
        u32::from(self.ledger.captures[self.seat])
    }

    /// The legal marches: exactly what the rules accept (rules, section 6).
    #[inline(always)]
    pub fn steps(&self) -> [Plane<K>; 4] {
        if self.setup.has_teams {
            return self.steps_with_takeovers();
        }
        self.isa.steps(self.shape, &self.sources(), &self.open())
    }

    /// Own tiles with two units or more, if the seat lives.
    #[inline(always)]
    fn sources(&self) -> Plane<K> {
        // Without a branch: the dead are rare, and the hot loop reads this for every seat.
        let alive = Plane([u64::from(self.is_alive(self.seat)).wrapping_neg(); K]);
        self.own() & *self.armies.movable() & alive
    }

    /// In team games a single unit may also march onto an ally's tile (rules, section 13).
    #[cold]
    fn steps_with_takeovers(self) -> [Plane<K>; 4] {
        let mut steps = self.isa.steps(self.shape, &self.sources(), &self.open());
        if self.is_alive(self.seat) {
            let single = (self.own() & self.armies.at_least(1)).without(*self.armies.movable());
            for d in Direction::ALL {
                steps[d as usize] |= self.shape.arriving(&self.allies(), d) & single;
            }
        }
        steps
    }

    /// Writes the nine planes of an observation ([`crate::rows::PLANES`]) and the four of the legal
    /// marches, `words` words each; both slices need `K` words more than that.
    #[inline(always)]
    pub fn write_planes(&self, words: usize, planes: &mut [u64], mask: &mut [u64]) {
        let allies;
        let known_cities;
        let layers = Layers {
            shape: self.shape,
            visible: self.visible,
            own: &self.territory.0[self.seat],
            allies: if self.setup.has_teams {
                allies = self.allies();
                Some(&allies)
            } else {
                None
            },
            lands: &self.territory.0,
            passable: &self.terrain.passable,
            cities: &self.terrain.cities,
            generals: &self.terrain.generals,
            fog_cities: if self.standing.fallen > 0 {
                known_cities = self.known_cities();
                Some(&known_cities)
            } else {
                None
            },
            movable: self.is_alive(self.seat).then_some(self.armies.movable()),
        };
        self.isa.write_view(&layers, words, planes, mask);
        if self.setup.has_teams {
            for (d, plane) in self.steps_with_takeovers().iter().enumerate() {
                mask[d * words..][..K.min(words)].copy_from_slice(&plane.0[..K.min(words)]);
            }
        }
    }

    /// The legal marches and builds.
    #[inline(always)]
    pub fn mask(&self, rules: &Rules) -> Mask<K> {
        Mask { steps: self.steps(), builds: self.builds(rules) }
    }

    /// Tiles on which a city can be built.
    #[cold]
    pub fn builds(self, rules: &Rules) -> Plane<K> {
        if rules.build.price == 0 || !self.is_alive(self.seat) {
            return Plane::EMPTY;
        }
        let own = self.own();
        let structures = own & self.terrain.structures();
        let least = i32::try_from(rules.build.price).unwrap_or(i32::MAX);
        // Few tiles hold the base price; only they are worth pricing.
        let rich = (own & self.armies.at_least(least)).without(structures);
        Plane::of(rich.tiles().filter(|&tile| {
            self.armies.get(tile) >= legality::price(rules, self.shape, &structures, tile)
        }))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 16 bits first"
)]
fn saturate<A: Cell>(keep: u64, units: &[A; 64], out: &mut [u16]) {
    for (i, out) in out.iter_mut().enumerate() {
        let clamped = units[i].get().clamp(0, i32::from(u16::MAX)) as u16;
        *out = if keep >> i & 1 != 0 { clamped } else { 0 };
    }
}
