//! Rows of one agent's episode on their way from the engine to a file.

use std::{iter, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, BinaryArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray,
        Float32Array, Int32Array, StringArray, UInt8Array, UInt32Array, UInt64Array,
        new_null_array,
    },
    buffer::{BooleanBuffer, Buffer},
    datatypes::{ArrowNativeType, DataType},
};
use systems::rows::{PLANES, RowBatch, RowFormat, flag};

/// Rows of a segment: enough that what a column costs per segment does not count.
pub(crate) const SEGMENT_ROWS: usize = 1_024;

/// Consecutive rows of one agent's episode, in the form of a dataset: each row has the action that
/// was taken on its observation, and what came of it.
#[derive(Debug, Default)]
pub(crate) struct Segment {
    army: Vec<u16>,
    planes: Vec<u64>,
    mask: Vec<u64>,
    owner: Vec<u8>,
    army_exact: Vec<(usize, Vec<u8>)>,
    step: Vec<u32>,
    action: Vec<i32>,
    reward: Vec<f32>,
    terminated: Vec<bool>,
    truncated: Vec<bool>,
    is_first: Vec<bool>,
    is_last: Vec<bool>,
    land: Vec<u32>,
    army_total: Vec<u32>,
    opponent_land: Vec<u32>,
    opponent_army: Vec<u32>,
}

/// What is the same in all rows of an agent's episode.
#[derive(Clone, Debug)]
pub(crate) struct Constants {
    pub(crate) episode_id: u64,
    pub(crate) agent_id: u8,
    pub(crate) policy: Arc<str>,
    pub(crate) height: u8,
    pub(crate) width: u8,
}

impl Segment {
    pub(crate) fn len(&self) -> usize {
        self.step.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len() >= SEGMENT_ROWS
    }

    /// Forgets the rows and keeps the memory.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            army: cleared(&mut self.army),
            planes: cleared(&mut self.planes),
            mask: cleared(&mut self.mask),
            owner: cleared(&mut self.owner),
            army_exact: cleared(&mut self.army_exact),
            step: cleared(&mut self.step),
            action: cleared(&mut self.action),
            reward: cleared(&mut self.reward),
            terminated: cleared(&mut self.terminated),
            truncated: cleared(&mut self.truncated),
            is_first: cleared(&mut self.is_first),
            is_last: cleared(&mut self.is_last),
            land: cleared(&mut self.land),
            army_total: cleared(&mut self.army_total),
            opponent_land: cleared(&mut self.opponent_land),
            opponent_army: cleared(&mut self.opponent_army),
        };
    }

    /// Adds the observation of a batch's row, on which no action has been taken yet.
    pub(crate) fn push(&mut self, batch: &RowBatch, row: usize) {
        let format = &batch.format;
        let (tiles, words, masks) = (format.tiles(), format.words(), format.mask_planes());
        if self.army.capacity() == 0 {
            // Grown once, so that pooled segments never move their rows.
            self.army.reserve_exact(SEGMENT_ROWS * tiles);
            self.planes.reserve_exact(SEGMENT_ROWS * PLANES.len() * words);
            self.mask.reserve_exact(SEGMENT_ROWS * masks * words);
        }
        let (planes, masks) = (PLANES.len() * words, masks * words);
        self.army.extend_from_slice(&batch.army[row * tiles..][..tiles]);
        self.planes.extend_from_slice(&batch.planes[row * planes..][..planes]);
        self.mask.extend_from_slice(&batch.mask[row * masks..][..masks]);
        if format.has_owners {
            self.owner.extend_from_slice(&batch.owner[row * tiles..][..tiles]);
        }
        let flags = batch.flags[row];
        if flags & flag::LARGE_ARMY != 0 {
            let exact = batch.large_army.iter().find(|(at, _)| *at as usize == row);
            let bytes = exact.iter().flat_map(|(_, units)| units).flat_map(|n| n.to_le_bytes());
            self.army_exact.push((self.len(), bytes.collect()));
        }
        self.step.push(batch.step[row]);
        self.action.push(-1);
        self.reward.push(0.0);
        self.terminated.push(false);
        self.truncated.push(false);
        self.is_first.push(flags & flag::FIRST != 0);
        self.is_last.push(flags & (flag::TERMINATED | flag::TRUNCATED) != 0);
        self.land.push(batch.land[row]);
        self.army_total.push(batch.army_total[row]);
        self.opponent_land.push(batch.opponent_land[row]);
        self.opponent_army.push(batch.opponent_army[row]);
    }

    /// Notes the action taken on the last row, which led to a batch's row.
    pub(crate) fn act(&mut self, batch: &RowBatch, row: usize) {
        let Some(last) = self.len().checked_sub(1) else { return };
        self.action[last] = batch.action[row];
        self.reward[last] = batch.reward[row];
        self.terminated[last] = batch.flags[row] & flag::TERMINATED != 0;
        self.truncated[last] = batch.flags[row] & flag::TRUNCATED != 0;
    }

    /// The rows as arrays, in the order of [`crate::schema::experiences`]. The wide columns are
    /// moved, not copied; [`Wide::give_back`] returns their memory.
    pub(crate) fn arrays(&mut self, of: &Constants, format: RowFormat) -> (Vec<ArrayRef>, Wide) {
        let rows = self.len();
        let army = moved(&mut self.army, format.tiles() * 2);
        let planes = moved(&mut self.planes, PLANES.len() * format.words() * 8);
        let mask = moved(&mut self.mask, format.mask_planes() * format.words() * 8);
        let owner = format.has_owners.then(|| moved(&mut self.owner, format.tiles()));
        let u32s = |values: &[u32]| -> ArrayRef { Arc::new(UInt32Array::from(values.to_vec())) };
        let bools = |values: &[bool]| -> ArrayRef {
            Arc::new(BooleanArray::new(BooleanBuffer::from(values), None))
        };
        let nulls = |data_type: DataType| new_null_array(&data_type, rows);
        let wide = |array: &FixedSizeBinaryArray| -> ArrayRef { Arc::new(array.clone()) };
        let mut arrays: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from_value(of.episode_id, rows)),
            Arc::new(UInt8Array::from_value(of.agent_id, rows)),
            u32s(&self.step),
            wide(&army),
            wide(&planes),
            wide(&mask),
        ];
        arrays.extend(owner.as_ref().map(wide));
        arrays.extend([
            self.exact_armies(),
            Arc::new(Int32Array::from(self.action.clone())),
            Arc::new(Float32Array::from(self.reward.clone())),
            bools(&self.terminated),
            bools(&self.truncated),
            bools(&self.is_first),
            bools(&self.is_last),
            one_name(&of.policy, rows),
            nulls(DataType::Float32),
            nulls(DataType::Float32),
            nulls(DataType::UInt64),
            u32s(&self.land),
            u32s(&self.army_total),
            u32s(&self.opponent_land),
            u32s(&self.opponent_army),
            Arc::new(UInt8Array::from_value(of.height, rows)),
            Arc::new(UInt8Array::from_value(of.width, rows)),
        ]);
        (arrays, Wide { army, planes, mask, owner })
    }

    fn exact_armies(&self) -> ArrayRef {
        if self.army_exact.is_empty() {
            return new_null_array(&DataType::Binary, self.len());
        }
        let mut rows: Vec<Option<&[u8]>> = vec![None; self.len()];
        for (row, bytes) in &self.army_exact {
            rows[*row] = Some(bytes);
        }
        Arc::new(BinaryArray::from(rows))
    }
}

/// The memory of a segment's wide columns while arrays show it.
pub(crate) struct Wide {
    army: FixedSizeBinaryArray,
    planes: FixedSizeBinaryArray,
    mask: FixedSizeBinaryArray,
    owner: Option<FixedSizeBinaryArray>,
}

impl Wide {
    /// Empties the segment and returns its memory to it, unless somebody else holds on to the
    /// arrays.
    pub(crate) fn give_back(self, arrays: Vec<ArrayRef>, segment: &mut Segment) {
        drop(arrays);
        segment.clear();
        segment.army = reclaimed(self.army);
        segment.planes = reclaimed(self.planes);
        segment.mask = reclaimed(self.mask);
        segment.owner = self.owner.map(reclaimed).unwrap_or_default();
    }
}

fn cleared<T>(values: &mut Vec<T>) -> Vec<T> {
    values.clear();
    std::mem::take(values)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "under 32 KiB")]
fn moved<T: ArrowNativeType>(values: &mut Vec<T>, bytes: usize) -> FixedSizeBinaryArray {
    let buffer = Buffer::from_vec(std::mem::take(values));
    FixedSizeBinaryArray::new(bytes as i32, buffer, None)
}

fn reclaimed<T: ArrowNativeType>(array: FixedSizeBinaryArray) -> Vec<T> {
    let (_, buffer, _) = array.into_parts();
    let mut values = buffer.into_vec().unwrap_or_default();
    values.clear();
    values
}

/// The same name in every row.
pub(crate) fn one_name(name: &str, rows: usize) -> ArrayRef {
    let keys = Int32Array::from_value(0, rows);
    let values = StringArray::from_iter_values(iter::once(name));
    Arc::new(DictionaryArray::new(keys, Arc::new(values) as Arc<dyn Array>))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_written_rows_is_used_again() {
        let format = RowFormat { height: 4, width: 5, has_owners: true, has_builds: false };
        let mut batch = RowBatch::new(format, 1);
        batch.len = 1;
        let constants =
            Constants { episode_id: 1, agent_id: 0, policy: "".into(), height: 4, width: 5 };
        let mut segment = Segment::default();
        let memory = |of: &Segment| {
            (of.army.as_ptr(), of.planes.as_ptr(), of.mask.as_ptr(), of.owner.as_ptr())
        };
        segment.push(&batch, 0);
        let first = memory(&segment);
        let (arrays, wide) = segment.arrays(&constants, format);
        wide.give_back(arrays, &mut segment);
        assert_eq!(segment.len(), 0);
        segment.push(&batch, 0);
        assert_eq!(memory(&segment), first);
    }
}
