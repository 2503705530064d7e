//! Experience rows in column buffers, ready to become Arrow arrays without a copy.

use std::sync::{Arc, Mutex};

/// Planes of an observation, in the order in which a row holds them.
pub const PLANES: [&str; 9] =
    ["visible", "own", "ally", "enemy", "neutral", "city", "mountain", "general", "fog_structure"];

/// What all rows of a batch have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowFormat {
    /// Rows of tiles that every observation is padded to.
    pub height: u16,
    /// Columns of tiles that every observation is padded to.
    pub width: u16,
    /// Whether the action mask has a plane for builds after those of the four directions.
    pub has_builds: bool,
    /// Whether rows carry the owner of each seen tile (games of more than two players).
    pub has_owners: bool,
}

impl RowFormat {
    /// Tiles of a padded observation.
    #[inline(always)]
    pub fn tiles(&self) -> usize {
        usize::from(self.height) * usize::from(self.width)
    }

    /// 64-bit words of one bit plane: those its tiles need, or whole cache lines of 8 words where
    /// that wastes no more than a quarter.
    ///
    /// Planes that fill cache lines are written without touching a line twice, which is worth a
    /// quarter of the whole experience phase.
    #[inline(always)]
    pub fn words(&self) -> usize {
        let needed = self.tiles().div_ceil(64);
        let lines = needed.next_multiple_of(8);
        if 4 * needed >= 3 * lines { lines } else { needed }
    }

    /// Planes of an action mask: one for each direction, and builds.
    #[inline(always)]
    pub fn mask_planes(&self) -> usize {
        4 + usize::from(self.has_builds)
    }

    /// Bytes of the wide columns of one row.
    pub fn row_bytes(&self) -> usize {
        let owners = if self.has_owners { self.tiles() } else { 0 };
        self.tiles() * 2 + owners + (PLANES.len() + self.mask_planes()) * self.words() * 8
    }
}

/// Bits of [`RowBatch::flags`].
pub mod flag {
    /// First row of its episode: no action led here.
    pub const FIRST: u8 = 1;
    /// The rules ended the agent's episode with the action that led here.
    pub const TERMINATED: u8 = 2;
    /// The tick limit ended it.
    pub const TRUNCATED: u8 = 4;
    /// The agent won.
    pub const WON: u8 = 8;
    /// Some army is larger than the `army` column can hold and saturates in it.
    pub const LARGE_ARMY: u8 = 16;
    /// The row was written by the last step (rows of a vector environment only).
    pub const ACTIVE: u8 = 32;
}

/// Rows that a run of games writes at most, whatever their sink asks for.
pub const BATCH_ROWS: usize = 512;

/// The same, unless their sink asks for more: with two players, games are shared out by the 128.
pub(crate) const USUAL_ROWS: usize = 256;

/// Rows to leave free behind each agent's rows of a [`RowBlock`]: a plane is written as whole words
/// of its class, up to 15 more than the format has, and the shortest row has 4 words.
pub const SPARE_ROWS: usize = 4;

/// Where in a batch the rows of one replayed game lie: each agent's behind one another.
///
/// Other rows lie behind one another in the order in which they are written, game by game and step
/// by step. The sink of a world whose games have blocks gives it batches that are large enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowBlock {
    /// Seats that get rows, as a set.
    pub seats: u16,
    /// The first row of the first of them.
    pub first_row: u32,
    /// Rows of an agent. A game of more ticks begins again with the first of them.
    pub rows: std::num::NonZeroU32,
    /// Rows from one agent's first row to that of the next: `rows` and [`SPARE_ROWS`] at least.
    pub between: u32,
}

/// A buffer whose first element begins a cache line.
#[derive(Debug)]
pub struct Aligned<T> {
    buffer: Vec<T>,
    start: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// `len` zeros.
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        Self::from_buffer(vec![T::default(); len + 64 / size_of::<T>()])
    }

    /// The elements of a buffer that was taken apart with [`Aligned::into_parts`].
    #[must_use]
    pub fn from_buffer(buffer: Vec<T>) -> Self {
        // `align_offset` may decline, which would only cost speed.
        let start = buffer.as_ptr().align_offset(64);
        Self { start: if start < buffer.len().min(64) { start } else { 0 }, buffer }
    }

    /// The allocation and the place in it where the elements begin.
    #[must_use]
    pub fn into_parts(self) -> (Vec<T>, usize) {
        (self.buffer, self.start)
    }
}

impl<T> std::ops::Deref for Aligned<T> {
    type Target = [T];
    #[inline(always)]
    fn deref(&self) -> &[T] {
        &self.buffer[self.start..]
    }
}

impl<T> std::ops::DerefMut for Aligned<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.buffer[self.start..]
    }
}

/// Rows of one run of games after one step, column by column.
///
/// A row is one player's view after a tick, and the action, reward and flags that led to it (the
/// form a stepping environment returns). Buffers are longer than `len` rows and are reused.
#[derive(Debug)]
pub struct RowBatch {
    /// Common properties of the rows.
    pub format: RowFormat,
    /// Rows written.
    pub len: usize,
    /// Rows it has room for.
    pub capacity: usize,
    /// Units on each seen tile, `[len, height, width]`, saturating at 65535.
    pub army: Aligned<u16>,
    /// Bit planes, `[len, 9, words]`, see [`PLANES`].
    pub planes: Aligned<u64>,
    /// Legal actions, `[len, 4 or 5, words]`: sources by direction, and builds.
    pub mask: Aligned<u64>,
    /// Owner of each seen tile, `[len, height, width]`: seats after the viewer, 255 for nobody.
    pub owner: Vec<u8>,
    /// Armies of the rows flagged [`flag::LARGE_ARMY`]: row and `[height, width]` units.
    pub large_army: Vec<(u32, Vec<i32>)>,
    /// Key of the episode (see [`crate::dice::episode_key`]).
    pub episode: Box<[u64]>,
    /// Index of the game.
    pub game: Box<[u64]>,
    /// Seat.
    pub agent: Box<[u8]>,
    /// Tick of the view.
    pub step: Box<[u32]>,
    /// Action that led here, -1 in the first row.
    pub action: Box<[i32]>,
    /// Reward for that action.
    pub reward: Box<[f32]>,
    /// See [`flag`].
    pub flags: Box<[u8]>,
    /// True size of the board.
    pub size: Box<[[u8; 2]]>,
    /// Tiles of the agent.
    pub land: Box<[u32]>,
    /// Units of the agent.
    pub army_total: Box<[u32]>,
    /// Tiles of all opponents.
    pub opponent_land: Box<[u32]>,
    /// Units of all opponents.
    pub opponent_army: Box<[u32]>,
}

impl RowBatch {
    /// Room for `rows` rows. Columns of one value have room for [`BATCH_ROWS`] at least, so that they
    /// can serve any run of games.
    #[must_use]
    pub fn new(format: RowFormat, rows: usize) -> Self {
        // A plane is written as whole words of its class, up to 16, of which the next plane
        // overwrites those beyond the format; the last one needs room for them.
        let slack = 16;
        let owners = if format.has_owners { rows * format.tiles() } else { 0 };
        Self {
            format,
            len: 0,
            capacity: rows,
            army: Aligned::zeroed(rows * format.tiles()),
            planes: Aligned::zeroed(rows * PLANES.len() * format.words() + slack),
            mask: Aligned::zeroed(rows * format.mask_planes() * format.words() + slack),
            owner: vec![255; owners],
            large_army: Vec::new(),
            episode: column(0, rows),
            game: column(0, rows),
            agent: column(0, rows),
            step: column(0, rows),
            action: column(0, rows),
            reward: column(0.0, rows),
            flags: column(0, rows),
            size: column([0; 2], rows),
            land: column(0, rows),
            army_total: column(0, rows),
            opponent_land: column(0, rows),
            opponent_army: column(0, rows),
        }
    }
}

fn column<T: Copy>(value: T, rows: usize) -> Box<[T]> {
    vec![value; rows.max(BATCH_ROWS)].into()
}

/// Where finished batches go.
///
/// Called from many threads. A batch covers one run of games of one class; `place` numbers the
/// runs of a step in an order that does not depend on threads.
pub trait RowSink: Send + Sync {
    /// Rows that a run of games of this format writes at most, up to [`BATCH_ROWS`]. Runs are what
    /// threads share out.
    ///
    /// Few enough, unless a sink has reasons for more, that the buffer that comes back is still in
    /// the second-level cache (1 MiB), beside the games.
    fn batch_rows(&self, format: RowFormat) -> usize {
        ((384 << 10) / format.row_bytes().max(1)).min(USUAL_ROWS)
    }

    /// An empty batch with room for `rows` rows, from a pool if there is one.
    fn take(&self, format: RowFormat, rows: usize) -> RowBatch;

    /// A finished batch, still warm in the cache.
    fn give(&self, place: u64, batch: RowBatch);
}

/// A pool of batches that are looked at and dropped: what a benchmark measures.
#[derive(Debug, Default)]
pub struct RecycledRows {
    free: Mutex<Vec<RowBatch>>,
    rows: std::sync::atomic::AtomicU64,
}

impl RecycledRows {
    /// Rows given so far.
    pub fn rows(&self) -> u64 {
        self.rows.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl RowSink for RecycledRows {
    fn take(&self, format: RowFormat, rows: usize) -> RowBatch {
        let mut free = self.free.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match free.pop() {
            Some(batch) if batch.format == format && batch.capacity >= rows => batch,
            _ => RowBatch::new(format, rows),
        }
    }

    fn give(&self, _place: u64, mut batch: RowBatch) {
        self.rows.fetch_add(batch.len as u64, std::sync::atomic::Ordering::Relaxed);
        batch.len = 0;
        batch.large_army.clear();
        self.free.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(batch);
    }
}

/// Keeps every batch, in the order of the runs of games: what tests and small tools read.
#[derive(Debug, Default)]
pub struct KeptRows {
    batches: Mutex<Vec<(u64, RowBatch)>>,
}

impl KeptRows {
    /// The batches since the last call, in the order of their places.
    pub fn drain(&self) -> Vec<RowBatch> {
        let mut batches = std::mem::take(
            &mut *self.batches.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        batches.sort_by_key(|(place, _)| *place);
        batches.into_iter().map(|(_, batch)| batch).collect()
    }
}

impl RowSink for KeptRows {
    fn take(&self, format: RowFormat, rows: usize) -> RowBatch {
        RowBatch::new(format, rows)
    }

    fn give(&self, place: u64, batch: RowBatch) {
        self.batches.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((place, batch));
    }
}

/// A sink shared by the systems.
pub type SharedSink = Arc<dyn RowSink>;
