//! What follows from a board's width and height alone.

use super::plane::Plane;

/// Largest width and height of a board, in tiles. Every ladder game fits (the largest seen is
/// 30×25 and 26×31).
pub const MAX_SIDE: usize = 32;

/// A step on the board; the numbers are those of the action space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    /// Towards row 0.
    Up = 0,
    /// Towards the last row.
    Down = 1,
    /// Towards column 0.
    Left = 2,
    /// Towards the last column.
    Right = 3,
}

impl Direction {
    /// In the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Up, Self::Down, Self::Left, Self::Right];
}

/// Masks of one board size, shared by all games of that size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape<const K: usize> {
    /// Columns, 1 to 32.
    pub width: u16,
    /// Rows, 1 to 32.
    pub height: u16,
    /// All tiles.
    pub board: Plane<K>,
    /// Tiles from which a step in each [`Direction`] stays on the board.
    pub inner: [Plane<K>; 4],
}

impl<const K: usize> Shape<K> {
    /// The shape of a board of `width` × `height` tiles, which must fit `64 * K`.
    #[must_use]
    pub fn new(width: u16, height: u16) -> Self {
        let (w, h) = (usize::from(width), usize::from(height));
        debug_assert!(w >= 1 && h >= 1 && w <= MAX_SIDE && h <= MAX_SIDE && w * h <= 64 * K);
        let tiles = width * height;
        let board = Plane::first(w * h);
        let inner = [
            Plane::of(width..tiles),
            Plane::of(0..tiles - width),
            Plane::of((0..tiles).filter(|t| t % width != 0)),
            Plane::of((0..tiles).filter(|t| t % width != width - 1)),
        ];
        Self { width, height, board, inner }
    }

    /// Number of tiles.
    #[inline(always)]
    pub fn tiles(&self) -> u16 {
        self.width * self.height
    }

    /// The tile one step away, which must be on the board (see [`Shape::inner`]).
    #[inline(always)]
    pub fn step(&self, tile: u16, direction: u8) -> u16 {
        // A table of four wrapping offsets instead of a branch on random data.
        let offsets = [self.width.wrapping_neg(), self.width, 1_u16.wrapping_neg(), 1];
        tile.wrapping_add(offsets[usize::from(direction & 3)])
    }

    /// The direction of the step from one tile to another, if they are neighbours.
    pub fn direction(&self, from: u16, to: u16) -> Option<Direction> {
        if from >= self.tiles() || to >= self.tiles() {
            return None;
        }
        Direction::ALL
            .into_iter()
            .find(|&d| self.inner[d as usize].has(from) && self.step(from, d as u8) == to)
    }

    /// The tiles whose neighbour in direction `d` is in the set: where a step `d` arrives in it.
    #[inline(always)]
    #[must_use]
    pub fn arriving(&self, set: &Plane<K>, direction: Direction) -> Plane<K> {
        let moved = match direction {
            Direction::Up => set.shifted_up(u32::from(self.width)),
            Direction::Down => set.shifted_down(u32::from(self.width)),
            Direction::Left => set.shifted_up(1),
            Direction::Right => set.shifted_down(1),
        };
        moved & self.inner[direction as usize]
    }

    /// The tiles of `sources` from which a step in each direction arrives in `open`.
    #[inline(always)]
    pub(crate) fn steps(&self, sources: &Plane<K>, open: &Plane<K>) -> [Plane<K>; 4] {
        [
            self.arriving(open, Direction::Up) & *sources,
            self.arriving(open, Direction::Down) & *sources,
            self.arriving(open, Direction::Left) & *sources,
            self.arriving(open, Direction::Right) & *sources,
        ]
    }

    /// The set and the eight neighbours of each of its tiles.
    #[inline(always)]
    #[must_use]
    pub fn dilated(&self, set: &Plane<K>) -> Plane<K> {
        let (left, right) = (self.inner[2], self.inner[3]);
        let row = *set | (set.shifted_up(1) & left) | (set.shifted_down(1) & right);
        let width = u32::from(self.width);
        (row | row.shifted_up(width) | row.shifted_down(width)) & self.board
    }

    /// The set and the four neighbours of each of its tiles.
    #[inline(always)]
    #[must_use]
    pub fn grown(&self, set: &Plane<K>) -> Plane<K> {
        let (left, right) = (self.inner[2], self.inner[3]);
        let row = *set | (set.shifted_up(1) & left) | (set.shifted_down(1) & right);
        let width = u32::from(self.width);
        (row | set.shifted_up(width) | set.shifted_down(width)) & self.board
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbours(shape: &Shape<16>, tile: u16, diagonals: bool) -> Plane<16> {
        let (row, column) = (i32::from(tile / shape.width), i32::from(tile % shape.width));
        Plane::of((0..shape.tiles()).filter(|&t| {
            let (dr, dc) = (i32::from(t / shape.width) - row, i32::from(t % shape.width) - column);
            if diagonals { dr.abs().max(dc.abs()) <= 1 } else { dr.abs() + dc.abs() <= 1 }
        }))
    }

    #[test]
    fn dilation_reaches_the_neighbours_and_never_wraps() {
        for (width, height) in [(1, 1), (1, 9), (9, 1), (5, 7), (20, 20), (32, 32), (31, 26)] {
            let shape = Shape::<16>::new(width, height);
            for tile in 0..shape.tiles() {
                let one = Plane::of([tile]);
                assert_eq!(shape.dilated(&one), neighbours(&shape, tile, true));
                assert_eq!(shape.grown(&one), neighbours(&shape, tile, false));
            }
        }
    }

    #[test]
    fn steps_and_directions_agree() {
        let shape = Shape::<8>::new(7, 5);
        for from in 0..35 {
            for to in 0..35 {
                let near = neighbours(&Shape::new(7, 5), from, false).has(to) && from != to;
                let direction = shape.direction(from, to);
                assert_eq!(direction.is_some(), near, "{from} to {to}");
                if let Some(d) = direction {
                    assert_eq!(shape.step(from, d as u8), to);
                    assert!(shape.arriving(&Plane::of([to]), d).has(from));
                }
            }
        }
        assert_eq!(shape.direction(6, 7), None, "the end of a row is not next to the next row");
        assert_eq!(shape.direction(34, 41), None);
    }
}
