//! The columns of a batch of rows as Arrow arrays, in the order of the schema.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray, Float32Array,
        Int32Array, UInt8Array, UInt32Array, UInt64Array, new_null_array,
    },
    buffer::Buffer,
    datatypes::DataType,
};
use systems::rows::{PLANES, RowBatch, flag};

use super::{Outcome, pool::RowPool};

/// All columns. The memory of the wide ones is shown, not copied; the rest of the batch goes back
/// to the pool at once.
pub(super) fn columns(
    mut batch: RowBatch,
    outcomes: &[Outcome],
    next: &[RowBatch],
    (keys, policies): (Vec<i32>, &ArrayRef),
    pool: &RowPool,
) -> Vec<ArrayRef> {
    let (rows, format) = (batch.len, batch.format);
    let exact = exact_armies(&batch);
    let wide = pool.lend(&mut batch);
    let shown = |(buffer, start): &(Buffer, usize), row_bytes: usize| -> ArrayRef {
        let buffer = buffer.slice_with_length(*start, rows * row_bytes);
        let row_bytes = i32::try_from(row_bytes).expect("a row has less than 32 KiB");
        Arc::new(FixedSizeBinaryArray::new(row_bytes, buffer, None))
    };
    let u32s =
        |values: &[u32]| -> ArrayRef { Arc::new(UInt32Array::from(values[..rows].to_vec())) };
    let u8s = |value: &dyn Fn(usize) -> u8| -> ArrayRef {
        Arc::new((0..rows).map(value).collect::<UInt8Array>())
    };
    let flags = |wanted: u8| -> ArrayRef {
        let is_set = |row: usize| Some(batch.flags[row] & wanted != 0);
        Arc::new((0..rows).map(is_set).collect::<BooleanArray>())
    };
    let nulls = |data_type: DataType| new_null_array(&data_type, rows);
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from(batch.episode[..rows].to_vec())),
        u8s(&|row| batch.agent[row]),
        u32s(&batch.step[..]),
        shown(&wide.army, format.tiles() * 2),
        shown(&wide.planes, PLANES.len() * format.words() * 8),
        shown(&wide.mask, format.mask_planes() * format.words() * 8),
    ];
    columns.extend(wide.owner.as_ref().map(|owner| shown(owner, format.tiles())));
    columns.push(exact);
    columns.extend(told(outcomes, next));
    columns.extend([
        flags(flag::FIRST),
        flags(flag::TERMINATED | flag::TRUNCATED),
        Arc::new(DictionaryArray::new(Int32Array::from(keys), policies.clone())) as ArrayRef,
        nulls(DataType::Float32),
        nulls(DataType::Float32),
        nulls(DataType::UInt64),
        u32s(&batch.land[..]),
        u32s(&batch.army_total[..]),
        u32s(&batch.opponent_land[..]),
        u32s(&batch.opponent_army[..]),
        u8s(&|row| batch.size[row][0]),
        u8s(&|row| batch.size[row][1]),
    ]);
    pool.give_back(batch);
    columns
}

/// Action, reward, terminated and truncated of each row.
fn told(outcomes: &[Outcome], next: &[RowBatch]) -> [ArrayRef; 4] {
    let of = |outcome: &Outcome| match *outcome {
        Outcome::Told(batch, row) => {
            let batch = &next[batch];
            (batch.action[row], batch.reward[row], batch.flags[row])
        }
        Outcome::Last | Outcome::Unknown => (-1, 0.0, 0),
    };
    let told: Vec<(i32, f32, u8)> = outcomes.iter().map(of).collect();
    let flags = |wanted: u8| -> ArrayRef {
        let is_set = |&(_, _, flags): &(i32, f32, u8)| Some(flags & wanted != 0);
        Arc::new(told.iter().map(is_set).collect::<BooleanArray>())
    };
    [
        Arc::new(told.iter().map(|row| row.0).collect::<Int32Array>()),
        Arc::new(told.iter().map(|row| row.1).collect::<Float32Array>()),
        flags(flag::TERMINATED),
        flags(flag::TRUNCATED),
    ]
}

/// Armies of the rows where one is too large for the army plane.
fn exact_armies(batch: &RowBatch) -> ArrayRef {
    if batch.large_army.is_empty() {
        return new_null_array(&DataType::Binary, batch.len);
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
