//! Memory of row batches, used again when nobody shows it any more.

use std::{
    collections::VecDeque,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use arrow::{buffer::Buffer, datatypes::ArrowNativeType};
use systems::rows::{Aligned, BATCH_ROWS, RowBatch, RowFormat, RowSink};

/// Where a world's rows go, and where the memory for them comes from.
///
/// Fresh memory costs more than the rows that are written to it, so wide columns are lent to
/// arrays and taken back once the arrays are gone.
#[derive(Debug, Default)]
pub struct RowPool(Mutex<Pool>);

#[derive(Debug, Default)]
struct Pool {
    given: Vec<(u64, RowBatch)>,
    /// Batches without their wide columns.
    husks: Vec<RowBatch>,
    /// The wide columns that arrays show or showed, the oldest first.
    lent: VecDeque<Wide>,
}

/// The wide columns of a batch: the memory, and the byte at which the rows begin.
#[derive(Clone, Debug)]
pub(crate) struct Wide {
    pub(crate) army: (Buffer, usize),
    pub(crate) planes: (Buffer, usize),
    pub(crate) mask: (Buffer, usize),
    pub(crate) owner: Option<(Buffer, usize)>,
    format: RowFormat,
    capacity: usize,
}

/// Lent columns that are looked at for each batch: those that someone holds on to for long must
/// not hide the free ones behind them, and looking at all would cost more than it saves.
const LOOKED_AT: usize = 4;

impl Pool {
    /// Wide columns that no array shows any more.
    fn free(&mut self) -> Option<Wide> {
        for _ in 0..LOOKED_AT {
            let oldest = self.lent.pop_front()?;
            if oldest.is_free() {
                return Some(oldest);
            }
            self.lent.push_back(oldest);
        }
        None
    }
}

impl RowPool {
    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The batches since the last call, in an order that does not depend on threads.
    pub fn drain(&self) -> Vec<RowBatch> {
        let mut given = mem::take(&mut self.lock().given);
        given.sort_by_key(|(place, _)| *place);
        given.into_iter().map(|(_, batch)| batch).collect()
    }

    /// Takes the wide columns out of a batch, to be shown by arrays.
    pub(crate) fn lend(&self, batch: &mut RowBatch) -> Wide {
        let (format, capacity) = (batch.format, batch.capacity);
        let owner = mem::take(&mut batch.owner);
        let wide = Wide {
            army: shown(&mut batch.army),
            planes: shown(&mut batch.planes),
            mask: shown(&mut batch.mask),
            owner: format.has_owners.then(|| (Buffer::from_vec(owner), 0)),
            format,
            capacity,
        };
        self.lock().lent.push_back(wide.clone());
        wide
    }

    /// Keeps what is left of a batch after [`RowPool::lend`].
    pub(crate) fn give_back(&self, mut husk: RowBatch) {
        husk.len = 0;
        husk.large_army.clear();
        self.lock().husks.push(husk);
    }
}

impl RowSink for RowPool {
    /// A batch becomes a message, of which a client reads an eighth more rows a second when they have
    /// 800 KiB than when they have 400.
    fn batch_rows(&self, format: RowFormat) -> usize {
        ((800 << 10) / format.row_bytes().max(1)).min(BATCH_ROWS)
    }

    fn take(&self, format: RowFormat, rows: usize) -> RowBatch {
        let mut pool = self.lock();
        let (Some(mut batch), Some(wide)) = (pool.husks.pop(), pool.free()) else {
            return RowBatch::new(format, rows);
        };
        drop(pool);
        let has_room = wide.capacity >= rows && batch.step.len() >= rows;
        if wide.format == format && has_room && wide.fill(&mut batch) {
            batch
        } else {
            RowBatch::new(format, rows)
        }
    }

    fn give(&self, place: u64, batch: RowBatch) {
        self.lock().given.push((place, batch));
    }
}

impl Wide {
    /// A copy of a batch's wide columns.
    pub(crate) fn copied(batch: &RowBatch) -> Self {
        let owner = || (Buffer::from_slice_ref(&batch.owner), 0);
        Self {
            army: (Buffer::from_slice_ref(&*batch.army), 0),
            planes: (Buffer::from_slice_ref(&*batch.planes), 0),
            mask: (Buffer::from_slice_ref(&*batch.mask), 0),
            owner: batch.format.has_owners.then(owner),
            format: batch.format,
            capacity: batch.capacity,
        }
    }

    /// Whether no array shows any of it.
    fn is_free(&self) -> bool {
        let free = |part: &(Buffer, usize)| part.0.strong_count() == 1;
        free(&self.army)
            && free(&self.planes)
            && free(&self.mask)
            && self.owner.as_ref().is_none_or(free)
    }

    /// Returns the memory to a batch, and whether all of it came back.
    fn fill(self, batch: &mut RowBatch) -> bool {
        let Self { army, planes, mask, owner, format, capacity } = self;
        let (Ok(army), Ok(planes), Ok(mask)) =
            (army.0.into_vec(), planes.0.into_vec(), mask.0.into_vec())
        else {
            return false;
        };
        let Ok(owner) = owner.map_or(Ok(Vec::new()), |(buffer, _)| buffer.into_vec()) else {
            return false;
        };
        batch.army = Aligned::from_buffer(army);
        batch.planes = Aligned::from_buffer(planes);
        batch.mask = Aligned::from_buffer(mask);
        batch.owner = owner;
        (batch.format, batch.capacity) = (format, capacity.min(batch.step.len()));
        true
    }
}

fn shown<T: ArrowNativeType + Default>(column: &mut Aligned<T>) -> (Buffer, usize) {
    let (buffer, start) = mem::replace(column, Aligned::from_buffer(Vec::new())).into_parts();
    (Buffer::from_vec(buffer), start * size_of::<T>())
}
