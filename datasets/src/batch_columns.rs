//! The columns of a batch that is being made, those of one value a row in one allocation.
//!
//! A batch has some twenty of them, of a few kilobytes each. As many allocations, made by the thread
//! that plays and freed by the one that sends, took a tenth of what it takes to play and send a row.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, DictionaryArray, PrimitiveArray},
    buffer::{BooleanBuffer, Buffer, MutableBuffer, ScalarBuffer},
    datatypes::Int32Type,
};

/// Narrow columns begin at multiples of so many bytes, as in the messages that they are sent in.
const ALIGNMENT: usize = 64;

/// Columns in the order in which they are put.
pub(crate) struct BatchColumns {
    rows: usize,
    /// The narrow ones, behind one another.
    memory: MutableBuffer,
    columns: Vec<Column>,
}

enum Column {
    /// One that was made elsewhere, as wide ones are.
    Made(ArrayRef),
    /// The byte at which a narrow one begins, and what makes an array of it.
    Narrow(usize, MakeArray),
    /// The byte at which keys begin, and what they are the keys of.
    Keys(usize, ArrayRef),
}

/// The array of so many rows that begins at a byte of a buffer.
type MakeArray = fn(&Buffer, usize, usize) -> ArrayRef;

impl BatchColumns {
    /// Room for so many columns of so many rows, of four bytes as most narrow ones have.
    pub(crate) fn with_room(rows: usize, columns: usize) -> Self {
        let memory = MutableBuffer::with_capacity(columns * (4 * rows).next_multiple_of(ALIGNMENT));
        Self { rows, memory, columns: Vec::with_capacity(columns) }
    }

    /// A column that was made elsewhere.
    pub(crate) fn put_made(&mut self, array: ArrayRef) {
        self.columns.push(Column::Made(array));
    }

    /// A column of these values, of which there has to be one for each row.
    pub(crate) fn put<T: ArrowPrimitiveType>(&mut self, values: &[T::Native]) {
        debug_assert_eq!(values.len(), self.rows);
        let start = self.begin();
        self.memory.extend_from_slice(values);
        self.columns.push(Column::Narrow(start, numbers::<T>));
    }

    /// The same, of values that are found one after the other.
    pub(crate) fn put_each<T: ArrowPrimitiveType>(
        &mut self,
        values: impl Iterator<Item = T::Native>,
    ) {
        let start = self.begin();
        self.memory.extend(values);
        self.columns.push(Column::Narrow(start, numbers::<T>));
    }

    /// A column of some of these names, by their places among them.
    pub(crate) fn put_names(&mut self, keys: impl Iterator<Item = i32>, names: &ArrayRef) {
        let start = self.begin();
        self.memory.extend(keys);
        self.columns.push(Column::Keys(start, names.clone()));
    }

    /// A column of whether something holds for each row.
    pub(crate) fn put_bits(&mut self, is_set: impl Fn(usize) -> bool) {
        let start = self.begin();
        for first in (0..self.rows).step_by(64) {
            let rows = first..self.rows.min(first + 64);
            let word = rows.rev().fold(0, |word, row| word << 1 | u64::from(is_set(row)));
            self.memory.push(word.to_le());
        }
        self.columns.push(Column::Narrow(start, bits));
    }

    /// The byte at which the next narrow column begins.
    fn begin(&mut self) -> usize {
        let start = self.memory.len().next_multiple_of(ALIGNMENT);
        self.memory.resize(start, 0);
        start
    }

    /// The columns as arrays, in the order in which they were put.
    pub(crate) fn into_arrays(self) -> Vec<ArrayRef> {
        let (memory, rows) = (Buffer::from(self.memory), self.rows);
        let array = |column| match column {
            Column::Made(array) => array,
            Column::Narrow(start, array) => array(&memory, start, rows),
            Column::Keys(start, names) => {
                let keys = numbers::<Int32Type>(&memory, start, rows);
                Arc::new(DictionaryArray::new(keys.as_primitive::<Int32Type>().clone(), names))
                    as ArrayRef
            }
        };
        self.columns.into_iter().map(array).collect()
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
        array::StringArray,
        datatypes::{UInt8Type, UInt64Type},
    };

    use super::*;

    #[test]
    fn columns_read_back_as_they_were_put_and_begin_at_cache_lines() {
        for rows in [0, 1, 63, 64, 65, 200] {
            let mut columns = BatchColumns::with_room(rows, 6);
            let bytes: Vec<u8> = (0..=255).take(rows).collect();
            columns.put::<UInt8Type>(&bytes);
            columns.put_bits(|row| row % 3 == 0);
            columns.put_each::<UInt64Type>((5..).take(rows));
            columns.put_bits(|row| row % 64 == 63);
            let names: ArrayRef = Arc::new(StringArray::from(vec!["random", "hunter"]));
            columns.put_names((0..).take(rows).map(|row| row % 2), &names);
            columns.put_made(names.clone());
            let arrays = columns.into_arrays();
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
            let chosen = arrays[4].as_dictionary::<Int32Type>();
            assert!(chosen.keys().values().iter().copied().eq((0..).take(rows).map(|row| row % 2)));
            assert!(Arc::ptr_eq(chosen.values(), &names) && Arc::ptr_eq(&arrays[5], &names));
        }
    }
}
