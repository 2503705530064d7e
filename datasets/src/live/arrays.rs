//! The columns of a batch of rows as Arrow arrays, in the order of the schema.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, BinaryArray, DictionaryArray, FixedSizeBinaryArray, new_null_array},
    buffer::Buffer,
    datatypes::{DataType, Float32Type, Int32Type, UInt8Type, UInt32Type, UInt64Type},
};
use systems::rows::{PLANES, RowBatch, flag};

use super::{Outcome, PolicyNumber, one_ruleset, pool::RowPool};
use crate::batch_columns::BatchColumns;

/// Columns of a batch at most.
const COLUMNS: usize = 24;

/// Columns that are the same in all batches but for their length.
pub(super) struct FixedColumns {
    ruleset: String,
    rows: usize,
    armies: ArrayRef,
    numbers: ArrayRef,
    versions: ArrayRef,
    rulesets: DictionaryArray<Int32Type>,
}

impl FixedColumns {
    /// Those of games that are played by this ruleset.
    pub(super) fn new(ruleset: &str) -> Self {
        Self::of_length(ruleset.to_owned(), 0)
    }

    fn of_length(ruleset: String, rows: usize) -> Self {
        let nulls = |data_type: DataType| new_null_array(&data_type, rows);
        Self {
            rows,
            armies: nulls(DataType::Binary),
            numbers: nulls(DataType::Float32),
            versions: nulls(DataType::UInt64),
            rulesets: one_ruleset(&ruleset, rows),
            ruleset,
        }
    }

    /// Makes them at least so long.
    pub(super) fn reach(&mut self, rows: usize) {
        if self.rows < rows {
            *self = Self::of_length(std::mem::take(&mut self.ruleset), rows.next_power_of_two());
        }
    }

    /// The ruleset of so many rows.
    pub(super) fn rulesets(&self, rows: usize) -> DictionaryArray<Int32Type> {
        self.rulesets.slice(0, rows)
    }
}

/// All columns. The memory of the wide ones is shown, not copied; the rest of the batch goes back to
/// the pool at once.
pub(super) fn columns(
    mut batch: RowBatch,
    outcomes: &[Outcome],
    (policy_number, policies): (&PolicyNumber, &ArrayRef),
    fixed: &FixedColumns,
    pool: &RowPool,
) -> Vec<ArrayRef> {
    let (rows, format) = (batch.len, batch.format);
    let wide = pool.lend(&mut batch);
    let shown = |(buffer, start): &(Buffer, usize), row_bytes: usize| -> ArrayRef {
        let buffer = buffer.slice_with_length(*start, rows * row_bytes);
        let row_bytes = i32::try_from(row_bytes).expect("a row has less than 32 KiB");
        Arc::new(FixedSizeBinaryArray::new(row_bytes, buffer, None))
    };
    let policy = |row: usize| {
        let number = policy_number(batch.game[row], usize::from(batch.agent[row]));
        i32::try_from(number).unwrap_or(0)
    };
    let mut columns = BatchColumns::with_room(rows, COLUMNS);
    columns.put::<UInt64Type>(&batch.episode[..rows]);
    columns.put::<UInt8Type>(&batch.agent[..rows]);
    columns.put::<UInt32Type>(&batch.step[..rows]);
    columns.put_made(shown(&wide.army, format.tiles() * 2));
    columns.put_made(shown(&wide.planes, PLANES.len() * format.words() * 8));
    columns.put_made(shown(&wide.mask, format.mask_planes() * format.words() * 8));
    if let Some(owner) = &wide.owner {
        columns.put_made(shown(owner, format.tiles()));
    }
    columns.put_made(exact_armies(&batch, fixed));
    columns.put_each::<Int32Type>(outcomes.iter().map(|outcome| outcome.action));
    columns.put_each::<Float32Type>(outcomes.iter().map(|outcome| outcome.reward));
    columns.put_bits(|row| outcomes[row].flags & flag::TERMINATED != 0);
    columns.put_bits(|row| outcomes[row].flags & flag::TRUNCATED != 0);
    columns.put_bits(|row| batch.flags[row] & flag::FIRST != 0);
    columns.put_bits(|row| batch.flags[row] & (flag::TERMINATED | flag::TRUNCATED) != 0);
    columns.put_names((0..rows).map(policy), policies);
    columns.put_made(fixed.numbers.slice(0, rows));
    columns.put_made(fixed.numbers.slice(0, rows));
    columns.put_made(fixed.versions.slice(0, rows));
    columns.put::<UInt32Type>(&batch.land[..rows]);
    columns.put::<UInt32Type>(&batch.army_total[..rows]);
    columns.put::<UInt32Type>(&batch.opponent_land[..rows]);
    columns.put::<UInt32Type>(&batch.opponent_army[..rows]);
    columns.put_each::<UInt8Type>(batch.size[..rows].iter().map(|size| size[0]));
    columns.put_each::<UInt8Type>(batch.size[..rows].iter().map(|size| size[1]));
    pool.give_back(batch);
    columns.into_arrays()
}

/// Armies of the rows where one is too large for the army plane.
fn exact_armies(batch: &RowBatch, fixed: &FixedColumns) -> ArrayRef {
    if batch.large_army.is_empty() {
        return fixed.armies.slice(0, batch.len);
    }
    let mut rows: Vec<Option<Vec<u8>>> = vec![None; batch.len];
    for (row, units) in &batch.large_army {
        let bytes = units.iter().flat_map(|n| n.to_le_bytes()).collect();
        if let Some(place) = rows.get_mut(*row as usize) {
            *place = Some(bytes);
        }
    }
    Arc::new(rows.iter().map(Option::as_deref).collect::<BinaryArray>())
}
