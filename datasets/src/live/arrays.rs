//! The columns of a batch of rows as Arrow arrays, in the order of the schema.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, DictionaryArray, FixedSizeBinaryArray, UInt64Array,
        new_null_array,
    },
    buffer::Buffer,
    datatypes::{DataType, Float32Type, Int32Type, UInt8Type, UInt32Type, UInt64Type},
};
use systems::rows::{PLANES, RowBatch, flag};

use super::{Outcome, PolicyNumber, one_ruleset, pool::RowPool};
use crate::narrow::Narrow;

/// Columns that are the same in all batches but for their length.
pub(super) struct Constants {
    ruleset: String,
    rows: usize,
    armies: ArrayRef,
    numbers: ArrayRef,
    versions: ArrayRef,
    rulesets: DictionaryArray<Int32Type>,
}

impl Constants {
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

/// All columns, and the game of each row. The memory of the wide ones is shown, not copied; the rest
/// of the batch goes back to the pool at once.
pub(super) fn columns(
    mut batch: RowBatch,
    outcomes: &[Outcome],
    (policy_number, policies): (&PolicyNumber, &ArrayRef),
    constants: &Constants,
    pool: &RowPool,
) -> (Vec<ArrayRef>, UInt64Array) {
    let (rows, format) = (batch.len, batch.format);
    let exact = exact_armies(&batch, constants);
    let mut narrow = narrow(&batch, outcomes, policy_number).into_arrays();
    let mut narrow = |columns: usize| narrow.by_ref().take(columns).collect::<Vec<_>>();
    let wide = pool.lend(&mut batch);
    pool.give_back(batch);
    let shown = |(buffer, start): &(Buffer, usize), row_bytes: usize| -> ArrayRef {
        let buffer = buffer.slice_with_length(*start, rows * row_bytes);
        let row_bytes = i32::try_from(row_bytes).expect("a row has less than 32 KiB");
        Arc::new(FixedSizeBinaryArray::new(row_bytes, buffer, None))
    };
    let games = narrow(1)[0].as_primitive::<UInt64Type>().clone();
    let mut columns = narrow(3);
    columns.extend([
        shown(&wide.army, format.tiles() * 2),
        shown(&wide.planes, PLANES.len() * format.words() * 8),
        shown(&wide.mask, format.mask_planes() * format.words() * 8),
    ]);
    columns.extend(wide.owner.as_ref().map(|owner| shown(owner, format.tiles())));
    columns.push(exact);
    columns.extend(narrow(6));
    let keys = narrow(1)[0].as_primitive::<Int32Type>().clone();
    let numbers = constants.numbers.slice(0, rows);
    columns.extend([
        Arc::new(DictionaryArray::new(keys, policies.clone())) as ArrayRef,
        numbers.clone(),
        numbers,
        constants.versions.slice(0, rows),
    ]);
    columns.extend(narrow(6));
    (columns, games)
}

/// The game of each row, and the narrow columns in the order of the schema.
fn narrow(batch: &RowBatch, outcomes: &[Outcome], policy_number: &PolicyNumber) -> Narrow {
    let rows = batch.len;
    let policy = |row: usize| {
        let number = policy_number(batch.game[row], usize::from(batch.agent[row]));
        i32::try_from(number).unwrap_or(0)
    };
    let mut narrow = Narrow::with_room(rows, 19, 4);
    narrow.put::<UInt64Type>(&batch.game[..rows]);
    narrow.put::<UInt64Type>(&batch.episode[..rows]);
    narrow.put::<UInt8Type>(&batch.agent[..rows]);
    narrow.put::<UInt32Type>(&batch.step[..rows]);
    narrow.put_each::<Int32Type>(outcomes.iter().map(|outcome| outcome.action));
    narrow.put_each::<Float32Type>(outcomes.iter().map(|outcome| outcome.reward));
    narrow.put_bits(|row| outcomes[row].flags & flag::TERMINATED != 0);
    narrow.put_bits(|row| outcomes[row].flags & flag::TRUNCATED != 0);
    narrow.put_bits(|row| batch.flags[row] & flag::FIRST != 0);
    narrow.put_bits(|row| batch.flags[row] & (flag::TERMINATED | flag::TRUNCATED) != 0);
    narrow.put_each::<Int32Type>((0..rows).map(policy));
    narrow.put::<UInt32Type>(&batch.land[..rows]);
    narrow.put::<UInt32Type>(&batch.army_total[..rows]);
    narrow.put::<UInt32Type>(&batch.opponent_land[..rows]);
    narrow.put::<UInt32Type>(&batch.opponent_army[..rows]);
    narrow.put_each::<UInt8Type>(batch.size[..rows].iter().map(|size| size[0]));
    narrow.put_each::<UInt8Type>(batch.size[..rows].iter().map(|size| size[1]));
    narrow
}

/// Armies of the rows where one is too large for the army plane.
fn exact_armies(batch: &RowBatch, constants: &Constants) -> ArrayRef {
    if batch.large_army.is_empty() {
        return constants.armies.slice(0, batch.len);
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
