//! Columns of one value a row, behind one another in one allocation.
//!
//! A batch has some twenty of them, of a few kilobytes each. As many allocations, made by the thread
//! that plays and freed by the one that sends, took a tenth of what it takes to play and send a row.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray},
    buffer::{BooleanBuffer, Buffer, MutableBuffer, ScalarBuffer},
};

/// Columns begin at multiples of so many bytes, as in the messages that they are sent in.
const ALIGNMENT: usize = 64;

/// Columns of a batch that is being made.
pub(crate) struct Narrow {
    rows: usize,
    memory: MutableBuffer,
    /// The byte at which each column begins, and what makes an array of it.
    columns: Vec<(usize, MakeArray)>,
}

/// The array of so many rows that begins at a byte of a buffer.
type MakeArray = fn(&Buffer, usize, usize) -> ArrayRef;

impl Narrow {
    /// Room for so many columns of so many rows, most of which have values of `width` bytes.
    pub(crate) fn with_room(rows: usize, columns: usize, width: usize) -> Self {
        let column_bytes = (rows * width).next_multiple_of(ALIGNMENT);
        let memory = MutableBuffer::with_capacity(columns * column_bytes);
        Self { rows, memory, columns: Vec::with_capacity(columns) }
    }

    /// A column of these values, of which there has to be one for each row.
    pub(crate) fn put<T: ArrowPrimitiveType>(&mut self, values: &[T::Native]) {
        debug_assert_eq!(values.len(), self.rows);
        self.begin(numbers::<T>);
        self.memory.extend_from_slice(values);
    }

    /// The same, of values that are found one after the other.
    pub(crate) fn put_each<T: ArrowPrimitiveType>(
        &mut self,
        values: impl Iterator<Item = T::Native>,
    ) {
        self.begin(numbers::<T>);
        self.memory.extend(values);
    }

    /// A column of whether something holds for each row.
    pub(crate) fn put_bits(&mut self, is_set: impl Fn(usize) -> bool) {
        self.begin(bits);
        for first in (0..self.rows).step_by(64) {
            let rows = first..self.rows.min(first + 64);
            let word = rows.rev().fold(0, |word, row| word << 1 | u64::from(is_set(row)));
            self.memory.push(word.to_le());
        }
    }

    fn begin(&mut self, array: MakeArray) {
        let start = self.memory.len().next_multiple_of(ALIGNMENT);
        self.memory.resize(start, 0);
        self.columns.push((start, array));
    }

    /// The columns as arrays, in the order in which they were put.
    pub(crate) fn into_arrays(self) -> impl Iterator<Item = ArrayRef> {
        let (memory, rows) = (Buffer::from(self.memory), self.rows);
        self.columns.into_iter().map(move |(start, array)| array(&memory, start, rows))
    }
}

fn numbers<T: ArrowPrimitiveType>(memory: &Buffer, start: usize, rows: usize) -> ArrayRef {
    let values = memory.slice_with_length(start, rows * size_of::<T::Native>());
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), None))
}

fn bits(memory: &Buffer, start: usize, rows: usize) -> ArrayRef {
    let bytes = memory.slice_with_length(start, rows.div_ceil(8));
    Arc::new(BooleanArray::new(BooleanBuffer::new(bytes, 0, rows), None))
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::AsArray,
        datatypes::{UInt8Type, UInt64Type},
    };

    use super::*;

    #[test]
    fn columns_read_back_as_they_were_put_and_begin_at_cache_lines() {
        for rows in [0, 1, 63, 64, 65, 200] {
            let mut narrow = Narrow::with_room(rows, 4, 1);
            let bytes: Vec<u8> = (0..=255).take(rows).collect();
            narrow.put::<UInt8Type>(&bytes);
            narrow.put_bits(|row| row % 3 == 0);
            narrow.put_each::<UInt64Type>((5..).take(rows));
            narrow.put_bits(|row| row % 64 == 63);
            let arrays: Vec<_> = narrow.into_arrays().collect();
            assert_eq!(arrays[0].as_primitive::<UInt8Type>().values(), &bytes);
            let set = |array: &ArrayRef| array.as_boolean().values().set_indices().collect();
            let wanted = |is_set: fn(usize) -> bool| (0..rows).filter(|&row| is_set(row)).collect();
            let (found, all): (Vec<_>, Vec<_>) = (set(&arrays[1]), wanted(|row| row % 3 == 0));
            assert_eq!(found, all);
            let numbers = arrays[2].as_primitive::<UInt64Type>().values();
            assert!(numbers.iter().copied().eq((5..).take(rows)));
            assert_eq!(numbers.as_ptr().addr() % ALIGNMENT, 0);
            let (found, all): (Vec<_>, Vec<_>) = (set(&arrays[3]), wanted(|row| row % 64 == 63));
            assert_eq!(found, all);
        }
    }
}
