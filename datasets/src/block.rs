//! Rows of agents' episodes as a world wrote them, each agent's behind one another, on their way to
//! a file.

use std::{iter, ops::Range, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, BinaryArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray,
        Float32Array, Int32Array, StringArray, UInt8Array, UInt32Array, UInt64Array,
        new_null_array,
    },
    buffer::{BooleanBuffer, Buffer},
    datatypes::DataType,
};
use systems::rows::{PLANES, RowBatch, flag};

use crate::live::pool::Wide;

/// Rows that are made into arrays at once: enough that what a column costs for each part does not
/// count.
pub(crate) const PART_ROWS: usize = 1_024;

/// What is the same in all rows of an agent's episode.
#[derive(Clone, Debug)]
pub(crate) struct Constants {
    pub(crate) episode_id: u64,
    pub(crate) agent_id: u8,
    pub(crate) policy: Arc<str>,
    pub(crate) height: u8,
    pub(crate) width: u8,
}

/// Rows of one agent's episode that lie behind one another, in the form of a dataset: each row has
/// the action that was taken on its observation, and what came of it.
pub(crate) struct Rows<'b> {
    /// All but the wide columns.
    pub(crate) batch: &'b RowBatch,
    pub(crate) wide: &'b Wide,
    pub(crate) range: Range<usize>,
    /// The row that the last one led to, if there is one.
    pub(crate) next: Option<usize>,
}

impl Rows<'_> {
    pub(crate) fn len(&self) -> usize {
        self.range.len()
    }

    /// The rows, a few at a time.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Rows<'_>> {
        self.range.clone().step_by(PART_ROWS).map(|first| {
            let end = self.range.end.min(first + PART_ROWS);
            let next = if end < self.range.end { Some(end) } else { self.next };
            Rows { range: first..end, next, ..*self }
        })
    }

    /// The rows as arrays, in the order of [`crate::schema::experiences`]. The wide columns are
    /// shown from where they lie.
    pub(crate) fn arrays(&self, of: &Constants) -> Vec<ArrayRef> {
        let Self { batch, wide, range, .. } = self;
        let (rows, format) = (self.len(), batch.format);
        let shown = |(buffer, start): &(Buffer, usize), row_bytes: usize| -> ArrayRef {
            let first = start + range.start * row_bytes;
            let buffer = buffer.slice_with_length(first, rows * row_bytes);
            let row_bytes = i32::try_from(row_bytes).expect("a row has less than 32 KiB");
            Arc::new(FixedSizeBinaryArray::new(row_bytes, buffer, None))
        };
        let u32s = |values: &[u32]| -> ArrayRef {
            Arc::new(UInt32Array::from(values[range.clone()].to_vec()))
        };
        let flags = |wanted: u8| bools(&batch.flags[range.clone()], wanted, None);
        let told = |wanted: u8| {
            let next = self.next.map(|row| batch.flags[row]);
            bools(&batch.flags[range.start + 1..range.end], wanted, Some(next.unwrap_or(0)))
        };
        let nulls = |data_type: DataType| new_null_array(&data_type, rows);
        let mut arrays: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from_value(of.episode_id, rows)),
            Arc::new(UInt8Array::from_value(of.agent_id, rows)),
            u32s(&batch.step),
            shown(&wide.army, format.tiles() * 2),
            shown(&wide.planes, PLANES.len() * format.words() * 8),
            shown(&wide.mask, format.mask_planes() * format.words() * 8),
        ];
        arrays.extend(wide.owner.as_ref().map(|owner| shown(owner, format.tiles())));
        arrays.extend([
            self.exact_armies(),
            Arc::new(Int32Array::from(self.told(&batch.action, -1))) as ArrayRef,
            Arc::new(Float32Array::from(self.told(&batch.reward, 0.0))),
            told(flag::TERMINATED),
            told(flag::TRUNCATED),
            flags(flag::FIRST),
            flags(flag::TERMINATED | flag::TRUNCATED),
            one_name(&of.policy, rows),
            nulls(DataType::Float32),
            nulls(DataType::Float32),
            nulls(DataType::UInt64),
            u32s(&batch.land),
            u32s(&batch.army_total),
            u32s(&batch.opponent_land),
            u32s(&batch.opponent_army),
            Arc::new(UInt8Array::from_value(of.height, rows)),
            Arc::new(UInt8Array::from_value(of.width, rows)),
        ]);
        arrays
    }

    /// What the rows after each of these say of it; `unknown` for the last if there is none.
    fn told<T: Copy>(&self, column: &[T], unknown: T) -> Vec<T> {
        let mut told = Vec::with_capacity(self.len());
        told.extend_from_slice(&column[self.range.start + 1..self.range.end]);
        told.push(self.next.map_or(unknown, |row| column[row]));
        told
    }

    /// Armies of the rows where one is too large for the army plane.
    fn exact_armies(&self) -> ArrayRef {
        // Sorted by row, see `crate::expand`.
        let armies = &self.batch.large_army;
        let place = |row: usize| armies.partition_point(|(at, _)| (*at as usize) < row);
        let armies = &armies[place(self.range.start)..place(self.range.end)];
        if armies.is_empty() {
            return new_null_array(&DataType::Binary, self.len());
        }
        let mut rows: Vec<Option<Vec<u8>>> = vec![None; self.len()];
        for (row, units) in armies {
            let bytes = units.iter().flat_map(|n| n.to_le_bytes()).collect();
            rows[*row as usize - self.range.start] = Some(bytes);
        }
        Arc::new(rows.iter().map(Option::as_deref).collect::<BinaryArray>())
    }
}

/// Whether any of the wanted flags is set in each of these, and in one more.
fn bools(flags: &[u8], wanted: u8, last: Option<u8>) -> ArrayRef {
    let len = flags.len() + usize::from(last.is_some());
    let at = |row: usize| flags.get(row).copied().or(last).unwrap_or(0);
    let bits = BooleanBuffer::collect_bool(len, |row| at(row) & wanted != 0);
    Arc::new(BooleanArray::new(bits, None))
}

/// The same name in every row.
pub(crate) fn one_name(name: &str, rows: usize) -> ArrayRef {
    let keys = Int32Array::from_value(0, rows);
    let values = StringArray::from_iter_values(iter::once(name));
    Arc::new(DictionaryArray::new(keys, Arc::new(values) as Arc<dyn Array>))
}
