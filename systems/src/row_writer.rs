//! Filling a batch of rows, one row after the other.

use crate::rows::{PLANES, RowBatch, RowBlock, RowFormat};

/// What a row says besides the observation and the mask. Fields as in [`RowBatch`].
pub(crate) struct Facts {
    pub(crate) episode: u64,
    pub(crate) game: u64,
    pub(crate) agent: u8,
    pub(crate) step: u32,
    pub(crate) action: i32,
    pub(crate) reward: f32,
    pub(crate) flags: u8,
    pub(crate) size: [u8; 2],
    pub(crate) land: u32,
    pub(crate) army_total: u32,
    pub(crate) opponent_land: u32,
    pub(crate) opponent_army: u32,
}

impl Place {
    /// A game whose rows begin at `row` and lie behind one another.
    #[inline(always)]
    fn of_game(row: usize) -> Self {
        Self { first: row, between: 1 }
    }
}

/// Writes the rows of one batch. What the format implies is worked out once.
pub(crate) struct RowWriter<'a> {
    batch: &'a mut RowBatch,
    tiles: usize,
    words: usize,
    /// Words of the planes of one row, and of its mask.
    plane_words: usize,
    mask_words: usize,
    /// Seats that have rows.
    seats: u16,
    /// Where the present game's rows lie, if every game has its place.
    place: Option<Place>,
}

/// The place of a game's rows of one step.
#[derive(Clone, Copy)]
struct Place {
    /// The row of the first seat that has one.
    first: usize,
    /// Rows from one seat's to that of the next.
    between: usize,
}

impl<'a> RowWriter<'a> {
    /// Writes behind the rows that the batch holds already.
    #[inline(always)]
    pub(crate) fn new(batch: &'a mut RowBatch) -> Self {
        let format = batch.format;
        Self {
            tiles: format.tiles(),
            words: format.words(),
            plane_words: PLANES.len() * format.words(),
            mask_words: format.mask_planes() * format.words(),
            seats: u16::MAX,
            place: None,
            batch,
        }
    }

    /// Writes one row for each of some seats, at the place of its game.
    #[inline(always)]
    pub(crate) fn in_slots(batch: &'a mut RowBatch, seats: u16) -> Self {
        Self { seats, place: Some(Place::of_game(0)), ..Self::new(batch) }
    }

    /// Turns to the game whose rows begin at `row`.
    #[inline(always)]
    pub(crate) fn turn_to_game(&mut self, row: usize) {
        self.place = Some(Place::of_game(row));
    }

    /// Turns to the rows of a replayed game in the step of `turn`.
    #[inline]
    pub(crate) fn turn_to_block(&mut self, block: &RowBlock, turn: u32) {
        self.seats = block.seats;
        let first = block.first_row as usize + (turn % block.rows) as usize;
        self.place = Some(Place { first, between: block.between as usize });
    }

    /// Turns to a seat's row. Returns whether the seat has one.
    #[inline(always)]
    pub(crate) fn turn_to_seat(&mut self, seat: usize) -> bool {
        let Some(place) = self.place else { return true };
        let before = self.seats & ((1 << seat) - 1);
        self.batch.len = place.first + before.count_ones() as usize * place.between;
        self.seats >> seat & 1 != 0
    }

    /// What all rows have in common.
    #[inline(always)]
    pub(crate) fn format(&self) -> RowFormat {
        self.batch.format
    }

    /// Words of one plane.
    #[inline(always)]
    pub(crate) fn words(&self) -> usize {
        self.words
    }

    /// The next row's army plane.
    #[inline(always)]
    pub(crate) fn army(&mut self) -> &mut [u16] {
        &mut self.batch.army[self.batch.len * self.tiles..][..self.tiles]
    }

    /// The next row's owner plane.
    #[inline(always)]
    pub(crate) fn owner(&mut self) -> &mut [u8] {
        &mut self.batch.owner[self.batch.len * self.tiles..][..self.tiles]
    }

    /// The next row's bit planes and mask, and all that comes after them.
    #[inline(always)]
    pub(crate) fn planes(&mut self) -> (&mut [u64], &mut [u64]) {
        let row = self.batch.len;
        let planes = &mut self.batch.planes[row * self.plane_words..];
        (planes, &mut self.batch.mask[row * self.mask_words..])
    }

    /// Keeps the exact armies of the next row.
    #[cold]
    pub(crate) fn keep_large_army(&mut self, exact: Vec<i32>) {
        let row = u32::try_from(self.batch.len).expect("a batch has few rows");
        self.batch.large_army.push((row, exact));
    }

    /// Completes the next row, of which the planes are written.
    #[inline(always)]
    pub(crate) fn finish(&mut self, facts: Facts) {
        let (row, batch) = (self.batch.len, &mut *self.batch);
        batch.episode[row] = facts.episode;
        batch.game[row] = facts.game;
        batch.agent[row] = facts.agent;
        batch.step[row] = facts.step;
        batch.action[row] = facts.action;
        batch.reward[row] = facts.reward;
        batch.flags[row] = facts.flags;
        batch.size[row] = facts.size;
        batch.land[row] = facts.land;
        batch.army_total[row] = facts.army_total;
        batch.opponent_land[row] = facts.opponent_land;
        batch.opponent_army[row] = facts.opponent_army;
        batch.len = row + 1;
    }
}
