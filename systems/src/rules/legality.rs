//! Which orders the rules accept (rules, section 6; competition, "A move is legal when").

use super::{ruleset::Rules, shape::Shape};
use crate::components::{Cell, Command, Game, Order};

/// A march that was chosen for this tick: source, destination, seat and half in one word.
///
/// Packed by arithmetic, because a struct of small fields is written in pieces and read whole,
/// which stalls the processor every time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Move(u64);

impl Move {
    /// The march of `seat` from tile `from` to its neighbour `to`.
    #[inline(always)]
    #[must_use]
    pub fn new(seat: usize, from: u16, to: u16, half: bool) -> Self {
        Self(u64::from(from) | u64::from(to) << 16 | (seat as u64) << 32 | u64::from(half) << 40)
    }

    /// Tile of the army.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the low 16 bits")]
    pub fn from(self) -> u16 {
        self.0 as u16
    }

    /// Tile it enters.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the next 16 bits")]
    pub fn to(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// Seat that moves.
    #[inline(always)]
    pub fn seat(self) -> usize {
        (self.0 >> 32 & 0xff) as usize
    }

    /// Whether half of the army stays.
    #[inline(always)]
    pub fn is_half(self) -> bool {
        self.0 >> 40 != 0
    }

    /// Units that stay behind, of `army` on the source.
    #[inline(always)]
    pub fn keeps(self, army: i32, rules: &Rules) -> i32 {
        match (self.is_half(), rules.half_sends_larger) {
            (false, _) => 1,
            (true, false) => (army + 1) >> 1,
            (true, true) => army >> 1,
        }
    }
}

impl<const K: usize, const P: usize, A: Cell> Game<'_, K, P, A> {
    /// The march that the order stands for if the rules accept it on the present board.
    #[inline(always)]
    pub fn legal_move(&self, shape: &Shape<K>, seat: usize, order: Order) -> Option<Move> {
        let Command::Step { from, direction, half } = order.command() else { return None };
        if !shape.inner[usize::from(direction)].has(from) {
            return None;
        }
        let to = shape.step(from, direction);
        let m = Move::new(seat, from, to, half);
        self.is_legal(&m).then_some(m)
    }

    /// Whether the rules accept a march between neighbours on the present board.
    #[inline(always)]
    pub fn is_legal(&self, m: &Move) -> bool {
        self.standing.is_alive(m.seat())
            && self.territory.0[m.seat()].has(m.from())
            && self.terrain.passable.has(m.to())
            && (self.armies.movable().has(m.from()) || self.setup.has_teams && self.takes_over(m))
    }

    /// Whether the march moves a single unit onto an ally's tile, which changes the tile's colour.
    #[cold]
    fn takes_over(&self, m: &Move) -> bool {
        self.armies.get(m.from()) == 1
            && self.owner(m.to()).is_some_and(|o| o != m.seat() && self.are_allies(m.seat(), o))
    }

    /// Whether the order to build is accepted (competition, "Building").
    pub fn can_build(&self, rules: &Rules, shape: &Shape<K>, seat: usize, tile: u16) -> bool {
        rules.build.price > 0
            && tile < shape.tiles()
            && self.standing.is_alive(seat)
            && self.territory.0[seat].has(tile)
            && !self.terrain.structures().has(tile)
            && self.armies.get(tile)
                >= price(rules, shape, &(self.territory.0[seat] & self.terrain.structures()), tile)
    }
}

/// What a city on `tile` costs a player with these structures.
pub fn price<const K: usize>(
    rules: &Rules,
    shape: &Shape<K>,
    structures: &super::plane::Plane<K>,
    tile: u16,
) -> i32 {
    let place = |tile: u16| (tile / shape.width, tile % shape.width);
    let (row, column) = place(tile);
    let near = structures.tiles().map(|site| {
        let (r, c) = place(site);
        let distance = u32::from(row.abs_diff(r)) + u32::from(column.abs_diff(c));
        rules.build.near_price.saturating_sub(rules.build.near_step.saturating_mul(distance))
    });
    let price = near.fold(rules.build.price, u32::saturating_add);
    i32::try_from(price).unwrap_or(i32::MAX)
}
