//! Walking, drawing and counting on planes, shared by the generators.

use crate::dice::Dice;
use crate::rules::plane::Plane;
use crate::rules::shape::{MAX_SIDE, Shape};
use crate::start::Start;

/// The tiles within so many steps of `from`, walking on `open`; `from` itself included.
pub(super) fn within<const K: usize>(
    shape: &Shape<K>,
    from: Plane<K>,
    open: &Plane<K>,
    steps: u16,
) -> Plane<K> {
    let mut reached = from;
    for _ in 0..steps {
        let next = shape.grown(&reached) & *open | from;
        if next == reached {
            break;
        }
        reached = next;
    }
    reached
}

/// The tiles that can be walked to from `from` on `open`; `from` itself included.
pub(super) fn flood<const K: usize>(shape: &Shape<K>, from: Plane<K>, open: &Plane<K>) -> Plane<K> {
    // No walk without a detour is longer than the board has tiles.
    within(shape, from, open, shape.tiles())
}

/// The tiles at most `radius` away from a tile, rows and columns counted, whatever lies between.
pub(super) fn diamond<const K: usize>(shape: &Shape<K>, tile: u16, radius: u16) -> Plane<K> {
    let (row, column) = (tile / shape.width, tile % shape.width);
    let mut plane = Plane::EMPTY;
    for other in row.saturating_sub(radius)..=(row + radius).min(shape.height - 1) {
        let half = radius - row.abs_diff(other);
        let left = column.saturating_sub(half);
        let right = (column + half).min(shape.width - 1);
        // A row has at most 32 tiles, so its part of the plane lies in one word or in two.
        let first = other * shape.width + left;
        let bits = (1_u64 << (right - left + 1)) - 1;
        let (word, shift) = (usize::from(first / 64), first % 64);
        plane.0[word] |= bits << shift;
        if shift > 32 && word + 1 < K {
            plane.0[word + 1] |= bits >> (64 - shift);
        }
    }
    plane
}

/// One tile of the set, each with equal chance; `None` if it is empty.
pub(super) fn pick<const K: usize>(set: &Plane<K>, dice: &mut Dice) -> Option<u16> {
    let count = set.count();
    (count > 0).then(|| set.nth(dice.below(count)))
}

/// Tiles to draw from without putting back.
pub(super) struct Deck {
    tiles: [u16; MAX_SIDE * MAX_SIDE],
    size: u16,
}

impl Deck {
    pub(super) fn new<const K: usize>(set: &Plane<K>) -> Self {
        let mut deck = Self { tiles: [0; MAX_SIDE * MAX_SIDE], size: 0 };
        for tile in set.tiles() {
            deck.tiles[usize::from(deck.size)] = tile;
            deck.size += 1;
        }
        deck
    }

    /// `n` different tiles of the deck, or all if there are fewer; the deck keeps them for the
    /// next draw.
    pub(super) fn draw<const K: usize>(&mut self, n: u16, dice: &mut Dice) -> Plane<K> {
        let mut drawn = Plane::EMPTY;
        // The first n steps of a Fisher–Yates shuffle. Any order of the deck is as good as any
        // other, so a second draw need not restore it.
        for i in 0..n.min(self.size) {
            let at = dice.between(i, self.size - 1);
            self.tiles.swap(usize::from(i), usize::from(at));
            drawn.insert(self.tiles[usize::from(i)]);
        }
        drawn
    }
}

/// Writes mountains, neutral cities and generals, in ascending order of tile, into `start`.
///
/// `army` gives the army of each city.
pub(super) fn write<const K: usize>(
    start: &mut Start,
    mountains: &Plane<K>,
    cities: &Plane<K>,
    generals: &[u16],
    mut army: impl FnMut() -> i32,
) {
    start.mountains.clear();
    start.mountains.extend(mountains.tiles());
    start.cities.clear();
    start.cities.extend(cities.tiles().map(|tile| (tile, army())));
    start.generals.clear();
    start.generals.extend(generals.iter().copied().map(Some));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diamond_is_what_can_be_walked_on_an_empty_board() {
        for (width, height) in [(1, 1), (1, 32), (32, 1), (7, 5), (31, 32), (32, 32)] {
            let shape = Shape::<16>::new(width, height);
            for tile in 0..shape.tiles() {
                let radius = tile % 19;
                let walked = within(&shape, Plane::of([tile]), &shape.board, radius);
                assert_eq!(diamond(&shape, tile, radius), walked);
            }
        }
    }

    #[test]
    fn a_deck_gives_different_tiles_as_often_as_it_is_asked() {
        let set = Plane::<8>::of([3, 70, 71, 300]);
        let (mut deck, mut dice) = (Deck::new(&set), Dice::new(1));
        for n in [2, 4, 9, 0, 3] {
            let drawn: Plane<8> = deck.draw(n, &mut dice);
            assert_eq!(drawn.count(), u32::from(n.min(4)));
            assert!(drawn.without(set).is_empty());
        }
        assert_eq!(pick(&Plane::<8>::EMPTY, &mut dice), None);
    }
}
