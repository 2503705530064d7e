//! Parquet files that nobody vouches for: opened within limits, and the library's panics made
//! errors.
//!
//! A few hostile bytes can say that they unpack to gigabytes, or that a page repeats one value two
//! thousand million times. So the sizes that a file states are held against limits before
//! anything is unpacked, and the header of every page against what the file states of its column.

use std::{
    cell::Cell,
    io::Read,
    panic::{self, AssertUnwindSafe},
    path::Path,
    sync::{
        Arc, Once,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use parquet::{
    arrow::arrow_reader::{
        ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
    },
    column::page::PageReader,
    errors::ParquetError,
    file::{
        metadata::{ColumnChunkMetaData, RowGroupMetaData},
        reader::{ChunkReader, Length},
        serialized_reader::SerializedPageReader,
    },
};

use crate::error::{self, DataError};

#[cfg(test)]
mod tests;
mod thrift;

/// What a row group may come to.
#[derive(Clone, Copy)]
struct Limits {
    /// Bytes that it unpacks to.
    bytes: u64,
    /// Values in all its columns; a list counts its items.
    values: u64,
}

/// Bytes that a row group may unpack to: ten times our own, and those of most writers.
pub(crate) const GROUP_BYTES_MAX: u64 = 1 << 30;

/// Values in all columns of a row group.
pub(crate) const GROUP_VALUES_MAX: u64 = 1 << 27;

/// What is read. What is written keeps to it too.
const LIMITS: Limits = Limits { bytes: GROUP_BYTES_MAX, values: GROUP_VALUES_MAX };

/// Opens a Parquet file, and looks at the headers of all its pages.
///
/// Columns have the types of the Parquet schema. The Arrow schema that writers put beside it is
/// not read: it tells nothing more about our columns.
///
/// # Errors
///
/// No Parquet file, damage that shows in the headers, and sizes beyond the limits.
pub(crate) fn open<R: ChunkReader + 'static>(
    path: &Path,
    bytes: R,
) -> Result<ParquetRecordBatchReaderBuilder<R>, DataError> {
    open_within(LIMITS, false, path, bytes)
}

/// The same, with the Arrow schema that our writer puts into the file: it has the metadata of the
/// columns of experiences.
///
/// # Errors
///
/// As [`open`].
pub(crate) fn open_with_schema<R: ChunkReader + 'static>(
    path: &Path,
    bytes: R,
) -> Result<ParquetRecordBatchReaderBuilder<R>, DataError> {
    open_within(LIMITS, true, path, bytes)
}

/// What the footer of a Parquet file says; its pages are not looked at.
///
/// # Errors
///
/// No Parquet file, and damage in the footer.
pub(crate) fn footer<R: ChunkReader>(
    path: &Path,
    bytes: &R,
) -> Result<ArrowReaderMetadata, DataError> {
    guarded(path, || read_footer(bytes, true).map_err(error::parquet(path)))
}

fn read_footer<R: ChunkReader>(
    bytes: &R,
    reads_schema: bool,
) -> Result<ArrowReaderMetadata, ParquetError> {
    thrift::check_footer(bytes)?;
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(!reads_schema);
    ArrowReaderMetadata::load(bytes, options)
}

fn open_within<R: ChunkReader + 'static>(
    limits: Limits,
    reads_schema: bool,
    path: &Path,
    bytes: R,
) -> Result<ParquetRecordBatchReaderBuilder<R>, DataError> {
    guarded(path, || {
        let wrap = || error::parquet(path);
        let metadata = read_footer(&bytes, reads_schema).map_err(wrap())?;
        let headers = Arc::new(PageHeaders { bytes: &bytes, unpacked: AtomicU64::new(0) });
        for (number, row_group) in metadata.metadata().row_groups().iter().enumerate() {
            check(limits, row_group, &headers)
                .map_err(|fault| ParquetError::General(format!("row group {number}: {fault}")))
                .map_err(wrap())?;
        }
        drop(headers);
        Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata))
    })
}

/// Runs a part of the Parquet library, which panics on some damaged files, and makes an error of
/// the panic. What `read` borrows must not be used again after an error.
pub(crate) fn guarded<R>(
    path: &Path,
    read: impl FnOnce() -> Result<R, DataError>,
) -> Result<R, DataError> {
    let _silence = Silence::begin();
    panic::catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_panic| {
        let source = ParquetError::General("the file is damaged".to_owned());
        Err(DataError::Parquet { path: path.to_owned(), source })
    })
}

thread_local! {
    /// How many calls of [`guarded`] this thread is in.
    static GUARDED: Cell<u32> = const { Cell::new(0) };
}

/// While it lives, a panic of this thread is not printed: the error that is made of it is told.
struct Silence;

impl Silence {
    fn begin() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let usual = panic::take_hook();
            panic::set_hook(Box::new(move |panic| {
                if GUARDED.get() == 0 {
                    usual(panic);
                }
            }));
        });
        GUARDED.set(GUARDED.get() + 1);
        Self
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        GUARDED.set(GUARDED.get() - 1);
    }
}

fn check<R: ChunkReader>(
    limits: Limits,
    row_group: &RowGroupMetaData,
    headers: &Arc<PageHeaders<'_, R>>,
) -> Result<(), String> {
    let (mut bytes, mut values) = (0_u64, 0_u64);
    for column in row_group.columns() {
        let name = column.column_path();
        let stated = |what: &str, number: i64| {
            u64::try_from(number).map_err(|_negative| format!("column {name}: {what} is {number}"))
        };
        bytes = bytes.saturating_add(stated("uncompressed size", column.uncompressed_size())?);
        let n = stated("number of values", column.num_values())?;
        values = values.saturating_add(n);
        let rows = stated("number of rows", row_group.num_rows())?;
        if n < rows {
            return Err(format!("column {name}: {n} values for {rows} rows"));
        }
    }
    let over = |found: u64, limit: u64, what: &str| {
        let fix = "write the file with smaller row groups";
        (found > limit).then(|| format!("{found} {what}, at most {limit} are read: {fix}"))
    };
    let too_large = over(bytes, limits.bytes, "bytes once unpacked")
        .or_else(|| over(values, limits.values, "values in all columns"));
    if let Some(too_large) = too_large {
        return Err(too_large);
    }
    row_group.columns().iter().try_for_each(|column| {
        pages(column, headers).map_err(|fault| format!("column {}: {fault}", column.column_path()))
    })
}

/// Holds the headers of a column's pages against what the file states of the column.
fn pages<R: ChunkReader>(
    column: &ColumnChunkMetaData,
    headers: &Arc<PageHeaders<'_, R>>,
) -> Result<(), String> {
    let fault = |fault: ParquetError| fault.to_string();
    let stated = |number: i64| u64::try_from(number).unwrap_or(0);
    let (start, length) = column.byte_range();
    if start.checked_add(length).is_none_or(|end| end > headers.len()) {
        return Err(format!(
            "its {length} bytes from byte {start} reach past the end of the file of {} bytes",
            headers.len()
        ));
    }
    headers.unpacked.store(0, Ordering::Relaxed);
    let mut reader = SerializedPageReader::new(headers.clone(), column, 0, None).map_err(fault)?;
    let mut values = 0_u64;
    while let Some(page) = reader.peek_next_page().map_err(fault)? {
        values += page.num_levels.or(page.num_rows).filter(|_| !page.is_dict).unwrap_or(0) as u64;
        let unpacked = headers.unpacked.load(Ordering::Relaxed);
        if values > stated(column.num_values()) {
            return Err(format!(
                "its pages have {values} values or more, {} are stated",
                column.num_values()
            ));
        }
        if unpacked > stated(column.uncompressed_size()) {
            return Err(format!(
                "its pages unpack to {unpacked} bytes or more, {} are stated",
                column.uncompressed_size()
            ));
        }
        reader.skip_next_page().map_err(fault)?;
    }
    Ok(())
}

/// The bytes of a file, of which only page headers are read, with the sum of the sizes that the
/// headers state.
struct PageHeaders<'a, R> {
    bytes: &'a R,
    unpacked: AtomicU64,
}

impl<R: ChunkReader> Length for PageHeaders<'_, R> {
    fn len(&self) -> u64 {
        self.bytes.len()
    }
}

impl<R: ChunkReader> ChunkReader for PageHeaders<'_, R> {
    type T = R::T;

    /// The page reader asks for bytes at the beginning of each header.
    fn get_read(&self, start: u64) -> Result<R::T, ParquetError> {
        let mut head = Vec::new();
        self.bytes.get_read(start)?.take(HEAD_BYTES).read_to_end(&mut head)?;
        let size = unpacked_size(&head).filter(|_| thrift::is_struct(&head));
        let size =
            size.ok_or_else(|| ParquetError::General(format!("no page header at byte {start}")))?;
        self.unpacked.fetch_add(size, Ordering::Relaxed);
        self.bytes.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.bytes.get_bytes(start, length)
    }
}

/// Bytes that a page header may have, the least and greatest values of the page included.
const HEAD_BYTES: u64 = 1 << 16;

/// The size of a page once unpacked: the second field of its header, which no call of the library
/// tells. Each of the first fields is an `i32`, in the compact protocol of Thrift a byte `0x15`
/// and a zigzag number.
fn unpacked_size(head: &[u8]) -> Option<u64> {
    let mut rest = head.iter();
    let mut field = || {
        rest.next().filter(|&&kind| kind == 0x15)?;
        let mut number = 0_u64;
        for shift in (0..35).step_by(7) {
            let byte = *rest.next()?;
            number |= u64::from(byte & 127) << shift;
            if byte < 128 {
                // Sizes are not negative, so the last bit is never set.
                return (number & 1 == 0).then_some(number >> 1);
            }
        }
        None
    };
    field().and_then(|_kind| field())
}
