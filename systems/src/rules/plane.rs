//! A set of tiles as one bit per tile.

use std::ops::{BitAnd, BitAndAssign, BitOr, BitOrAssign, BitXor, Not};

use crate::isa::Isa;

/// A set of tiles of one board: bit `tile % 64` of word `tile / 64`.
///
/// `K` is 8 (boards of at most 512 tiles: one cache line, one AVX-512 register) or 16 (at most
/// 1024 tiles). Tiles are indexed `row * width + column`, so a step up or down is a shift by the
/// width and rows need no padding. Bits at and beyond `width * height` are always 0.
#[repr(C, align(64))]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Plane<const K: usize>(pub [u64; K]);

impl<const K: usize> Plane<K> {
    /// No tile.
    pub const EMPTY: Self = Self([0; K]);

    /// The tiles `0..n`.
    #[must_use]
    pub fn first(n: usize) -> Self {
        let mut plane = Self::EMPTY;
        for (i, word) in plane.0.iter_mut().enumerate() {
            let bits = n.saturating_sub(i * 64).min(64);
            *word = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
        }
        plane
    }

    /// The set of the tiles given.
    #[must_use]
    pub fn of(tiles: impl IntoIterator<Item = u16>) -> Self {
        let mut plane = Self::EMPTY;
        for tile in tiles {
            plane.insert(tile);
        }
        plane
    }

    /// Whether the tile is in the set. `tile` is below `64 * K`.
    #[inline(always)]
    pub fn has(&self, tile: u16) -> bool {
        self.0[word(tile) % K] >> (tile % 64) & 1 != 0
    }

    /// Puts the tile in the set.
    #[inline(always)]
    pub fn insert(&mut self, tile: u16) {
        self.0[word(tile) % K] |= 1 << (tile % 64);
    }

    /// Takes the tile out of the set.
    #[inline(always)]
    pub fn remove(&mut self, tile: u16) {
        self.0[word(tile) % K] &= !(1 << (tile % 64));
    }

    /// Puts the tile in the set or takes it out, without a branch.
    #[inline(always)]
    pub fn assign(&mut self, tile: u16, member: bool) {
        let word = &mut self.0[word(tile) % K];
        *word = *word & !(1 << (tile % 64)) | u64::from(member) << (tile % 64);
    }

    /// The set without `other`.
    #[inline(always)]
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        self & !other
    }

    /// Number of tiles in the set.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "at most 1024")]
    pub fn count(&self) -> u32 {
        let mut count = 0;
        for word in self.0 {
            count += u64::from(word.count_ones());
        }
        count as u32
    }

    /// Whether the set has no tile.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        let mut any = 0;
        for word in self.0 {
            any |= word;
        }
        any == 0
    }

    /// Every tile moved `n` indices up, `n` in 1..=63. Tiles pushed past the end are lost.
    #[inline(always)]
    #[must_use]
    pub fn shifted_up(&self, n: u32) -> Self {
        let mut out = [0; K];
        out[0] = self.0[0] << n;
        for i in 1..K {
            out[i] = self.0[i] << n | self.0[i - 1] >> (64 - n);
        }
        Self(out)
    }

    /// Every tile moved `n` indices down, `n` in 1..=63. Tiles pushed below 0 are lost.
    #[inline(always)]
    #[must_use]
    pub fn shifted_down(&self, n: u32) -> Self {
        let mut out = [0; K];
        for i in 0..K - 1 {
            out[i] = self.0[i] >> n | self.0[i + 1] << (64 - n);
        }
        out[K - 1] = self.0[K - 1] >> n;
        Self(out)
    }

    /// The tiles in ascending order.
    #[inline(always)]
    pub fn tiles(&self) -> Tiles<'_> {
        Tiles { words: &self.0, base: 0, rest: self.0[0] }
    }

    /// The `n`-th tile in ascending order, `n` below [`Plane::count`].
    #[inline(always)]
    pub fn nth(&self, n: u32) -> u16 {
        self.nth_by(n, Isa::Portable)
    }

    /// The same with the instructions in use.
    #[inline(always)]
    pub fn nth_by(&self, n: u32, isa: Isa) -> u16 {
        debug_assert!(n < self.count());
        // Which word: how many begin at or before the bit. No branch, the data is random.
        let (mut word, mut before, mut begins) = (0, 0, 0);
        for i in 0..K - 1 {
            begins += self.0[i].count_ones();
            let is_later = u32::from(begins <= n);
            word += is_later as usize;
            before = before.max(begins * is_later);
        }
        tile(word, isa.nth_bit(self.0[word], n - before))
    }
}

#[inline(always)]
fn word(tile: u16) -> usize {
    usize::from(tile / 64)
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "K is at most 16, so the tile is below 1024")]
fn tile(word: usize, bit: u32) -> u16 {
    (word * 64) as u16 + bit as u16
}

/// Iterator over the tiles of a [`Plane`].
pub struct Tiles<'a> {
    words: &'a [u64],
    base: u16,
    rest: u64,
}

impl Iterator for Tiles<'_> {
    type Item = u16;

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a bit position is below 64")]
    fn next(&mut self) -> Option<u16> {
        while self.rest == 0 {
            self.words = &self.words[1..];
            self.rest = *self.words.first()?;
            self.base += 64;
        }
        let tile = self.base + self.rest.trailing_zeros() as u16;
        self.rest &= self.rest - 1;
        Some(tile)
    }
}

impl<const K: usize> Default for Plane<K> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const K: usize> std::fmt::Debug for Plane<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.tiles()).finish()
    }
}

macro_rules! word_by_word {
    ($trait:ident, $method:ident, $op:tt) => {
        impl<const K: usize> $trait for Plane<K> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                let mut out = [0; K];
                for i in 0..K {
                    out[i] = self.0[i] $op other.0[i];
                }
                Self(out)
            }
        }
    };
}
word_by_word!(BitAnd, bitand, &);
word_by_word!(BitOr, bitor, |);
word_by_word!(BitXor, bitxor, ^);

impl<const K: usize> Not for Plane<K> {
    type Output = Self;
    /// Every other index, those beyond the board included: combine it with a set of tiles.
    #[inline(always)]
    fn not(self) -> Self {
        // A loop, not `map`: the standard library's closures are not compiled for the wide
        // instructions of the caller.
        let mut out = [0; K];
        for i in 0..K {
            out[i] = !self.0[i];
        }
        Self(out)
    }
}

impl<const K: usize> BitAndAssign for Plane<K> {
    #[inline(always)]
    fn bitand_assign(&mut self, other: Self) {
        *self = *self & other;
    }
}

impl<const K: usize> BitOrAssign for Plane<K> {
    #[inline(always)]
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: [u16; 7] = [0, 1, 63, 64, 300, 450, 511];

    #[test]
    fn shifts_move_every_tile_and_drop_those_that_leave() {
        for n in 1..64 {
            let up = Plane::<8>::of(SOME).shifted_up(n);
            let down = Plane::<8>::of(SOME).shifted_down(n);
            let n = u16::try_from(n).unwrap();
            assert_eq!(up, Plane::of(SOME.map(|t| t + n).into_iter().filter(|&t| t < 512)));
            assert_eq!(down, Plane::of(SOME.into_iter().filter_map(|t| t.checked_sub(n))));
        }
    }

    #[test]
    fn nth_walks_the_tiles_in_order() {
        for isa in [Isa::Portable, Isa::detect()] {
            nth_walks_in_order(isa);
        }
    }

    fn nth_walks_in_order(isa: Isa) {
        let plane = Plane::<8>::of(SOME);
        assert_eq!(plane.count(), 7);
        assert_eq!(plane.tiles().collect::<Vec<_>>(), SOME);
        for (n, tile) in SOME.into_iter().enumerate() {
            assert_eq!(plane.nth_by(u32::try_from(n).unwrap(), isa), tile);
        }
        let full = Plane::<16>::first(1000);
        assert!((0..1000).all(|n| full.nth_by(n, isa) == u16::try_from(n).unwrap()));
    }

    #[test]
    fn first_is_every_tile_below_n() {
        for n in [0, 1, 63, 64, 65, 400, 512] {
            assert_eq!(
                Plane::<8>::first(n).tiles().map(usize::from).collect::<Vec<_>>(),
                (0..n).collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn assign_inserts_and_removes() {
        let mut plane = Plane::<8>::of([5]);
        plane.assign(5, false);
        plane.assign(9, true);
        plane.insert(100);
        plane.remove(100);
        assert_eq!(plane, Plane::of([9]));
    }
}
