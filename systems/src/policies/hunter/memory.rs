//! What `hunter` carries from tick to tick, packed into its notes.

use crate::{
    components::Cell,
    policies::Notes,
    rules::{plane::Plane, shape::Shape, view::View},
};

/// Bits of an optional tile: 0 is none, otherwise the tile and 1.
const TILE_BITS: u32 = 11;

/// Ticks that one goal is pursued before another is looked for.
const PATIENCE: u16 = 60;

/// What it knows beyond its present view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Memory {
    /// An enemy general that was seen.
    pub(super) general: Option<u16>,
    /// A tile last seen as an enemy's.
    pub(super) enemy: Option<u16>,
    /// The tile the army is on its way to.
    pub(super) goal: Option<u16>,
    /// Where the army gathers, and the army once it marches.
    pub(super) head: Option<u16>,
    /// Whether the army marches.
    pub(super) marches: bool,
    /// Units on that general when it was last seen, 2047 at most.
    pub(super) garrison: u16,
    /// Ticks spent on the goal.
    pub(super) spent: u16,
    /// Blocks of 4 × 4 tiles whose tiles have all been seen at one time: bit
    /// `row / 4 * 8 + column / 4`. A general never moves, so it is in none of them.
    pub(super) explored: u64,
}

impl Memory {
    /// What the notes say of a board with this many tiles.
    pub(super) fn of(notes: Notes, tiles: u16) -> Self {
        let tile = |i: u32| {
            let bits = notes[0] >> (TILE_BITS * i) & ((1 << TILE_BITS) - 1);
            let tile = u16::try_from(bits).ok().and_then(|tile| tile.checked_sub(1));
            // Notes that were written on a larger board must not lead off this one.
            tile.filter(|&tile| tile < tiles)
        };
        let rest = notes[0] >> (TILE_BITS * 4);
        Self {
            general: tile(0),
            enemy: tile(1),
            goal: tile(2),
            head: tile(3),
            marches: rest & 1 != 0,
            spent: (rest >> 1 & 0xFF) as u16,
            garrison: (rest >> 9) as u16,
            explored: notes[1],
        }
    }

    /// The notes that say this.
    pub(super) fn notes(&self) -> Notes {
        let tiles = [self.general, self.enemy, self.goal, self.head];
        let rest = u64::from(self.marches)
            | u64::from(self.spent.min(0xFF)) << 1
            | u64::from(self.garrison) << 9;
        let packed = tiles.into_iter().rev().fold(rest, |bits, tile| {
            bits << TILE_BITS | tile.map_or(0, |tile| u64::from(tile) + 1)
        });
        [packed, self.explored]
    }

    /// Takes in a view: what is seen replaces what was remembered.
    #[inline(always)]
    pub(super) fn look<const K: usize, const P: usize, A: Cell>(
        &mut self,
        view: &View<'_, K, P, A>,
        enemies: &Plane<K>,
    ) {
        let visible = view.visible();
        let generals = view.generals() & *enemies;
        self.general = self.general.filter(|&tile| !visible.has(tile) || generals.has(tile));
        if self.general.is_none() {
            self.general = generals.tiles().next();
        }
        if let Some(general) = self.general.filter(|&tile| visible.has(tile)) {
            let army = view.army(general).clamp(0, 2047);
            self.garrison = u16::try_from(army).unwrap_or(2047);
        }
        self.enemy = self.enemy.filter(|&tile| !visible.has(tile) || enemies.has(tile));
        let n_enemies = enemies.count();
        if n_enemies > 0 && !self.enemy.is_some_and(|tile| enemies.has(tile)) {
            self.enemy = Some(enemies.nth(n_enemies / 2));
        }
        // Every other tick is enough: the land a march uncovers stays in view for a while.
        if view.turn().is_multiple_of(2) {
            let unseen = view.shape().board.without(visible).without(view.fog_structures());
            self.explored |= full_blocks(view.shape(), &unseen);
        }
        self.spent += 1;
        let is_stale = self.spent > PATIENCE;
        self.goal = self
            .goal
            .filter(|&tile| Some(tile) == self.general || !(is_stale || visible.has(tile)));
    }

    /// Whether a general may be on a tile, as far as it is known.
    #[inline(always)]
    pub(super) fn may_hide<const K: usize>(&self, shape: &Shape<K>, tile: u16) -> bool {
        let block = tile / shape.width / 4 * 8 + tile % shape.width / 4;
        self.explored >> block & 1 == 0
    }

    /// Pursues a goal from now on.
    pub(super) fn pursue(&mut self, goal: u16) {
        self.goal = Some(goal);
        self.spent = 0;
    }
}

/// The blocks without any of the tiles.
#[inline(always)]
fn full_blocks<const K: usize>(shape: &Shape<K>, tiles: &Plane<K>) -> u64 {
    let width = usize::from(shape.width);
    let mut occupied = 0;
    for row in 0..usize::from(shape.height) {
        let (word, bit) = (row * width / 64, row * width % 64);
        let beyond = if word + 1 < K { tiles.0[word + 1] << 1 << (63 - bit) } else { 0 };
        let columns = (tiles.0[word % K] >> bit | beyond) & ((1 << width) - 1);
        // The lowest bit of each four says whether any is set; then eight of those move together.
        let mut fours = columns | columns >> 1;
        fours = (fours | fours >> 2) & 0x1111_1111;
        fours = (fours | fours >> 3) & 0x0303_0303;
        fours = (fours | fours >> 6) & 0x000F_000F;
        fours = (fours | fours >> 12) & 0xFF;
        occupied |= fours << (row / 4 * 8);
    }
    !occupied
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_keep_everything() {
        let memory = Memory {
            general: Some(1023),
            enemy: None,
            goal: Some(0),
            head: Some(77),
            marches: true,
            spent: 61,
            garrison: 2047,
            explored: 0xDEAD_BEEF_0123_4567,
        };
        assert_eq!(Memory::of(memory.notes(), 1024), memory);
        assert_eq!(Memory::of([0; 2], 1024), Memory::default());
        let smaller = Memory::of(memory.notes(), 77);
        assert_eq!((smaller.general, smaller.goal, smaller.head), (None, Some(0), None));
    }

    #[test]
    fn a_block_is_full_without_any_of_the_tiles() {
        for (width, height) in [(18, 18), (20, 25), (32, 32), (1, 9), (31, 26)] {
            let shape = Shape::<16>::new(width, height);
            for tile in 0..shape.tiles() {
                let block = tile / width / 4 * 8 + tile % width / 4;
                assert_eq!(full_blocks(&shape, &Plane::of([tile])), !(1 << block));
            }
        }
    }
}
