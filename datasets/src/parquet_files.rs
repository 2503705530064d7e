//! How columns are encoded, and row groups that are encoded apart from their file.

use std::{io, path::Path};

use arrow::{
    array::ArrayRef,
    datatypes::{DataType, SchemaRef},
};
use parquet::{
    arrow::{
        ArrowWriter,
        arrow_writer::{
            ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
        },
    },
    basic::{Compression, Encoding, ZstdLevel},
    file::{
        properties::{EnabledStatistics, WriterProperties},
        writer::SerializedFileWriter,
    },
    schema::types::ColumnPath,
};

use crate::{checksum::Summed, error::DataError};

/// Bytes of a data page before compression.
const PAGE_BYTES: usize = 1 << 20;

/// How the columns of a schema are written.
///
/// Wide columns are plain bytes without statistics, which cost 45 % of the speed and tell nothing
/// about planes. Numbers that change slowly are written as differences.
pub(crate) fn properties(schema: &SchemaRef) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_created_by(format!("bivouac {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default()))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_data_page_row_count_limit(usize::MAX)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(None);
    for field in schema.fields() {
        let path = ColumnPath::from(field.name().as_str());
        properties = match field.data_type() {
            DataType::FixedSizeBinary(_) | DataType::Binary => properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path.clone(), Encoding::PLAIN)
                .set_column_statistics_enabled(path, EnabledStatistics::None),
            DataType::UInt32 | DataType::Int32 if !field.is_nullable() => properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
            _ => properties,
        };
    }
    properties.build()
}

/// A file being written, row group by row group.
pub(crate) type FileWriter<W> = SerializedFileWriter<Summed<W>>;

/// Begins a file.
pub(crate) fn begin<W: io::Write + Send>(
    to: W,
    schema: &SchemaRef,
    path: &Path,
) -> Result<FileWriter<W>, DataError> {
    ArrowWriter::try_new(Summed::new(to), schema.clone(), Some(properties(schema)))
        .and_then(ArrowWriter::into_serialized_writer)
        .map(|(writer, _)| writer)
        .map_err(crate::error::parquet(path))
}

/// Ends a file: its checksum, indexes and footer.
pub(crate) fn finish<W: io::Write + Send>(
    mut writer: FileWriter<W>,
) -> Result<W, parquet::errors::ParquetError> {
    writer.flush()?;
    for entry in writer.inner().checksum().entries() {
        writer.append_key_value_metadata(entry);
    }
    writer.into_inner().map(Summed::into_inner)
}

/// Makes row groups of one schema on any thread.
#[derive(Debug)]
pub(crate) struct RowGroups {
    schema: SchemaRef,
    factory: ArrowRowGroupWriterFactory,
}

impl RowGroups {
    pub(crate) fn new(schema: SchemaRef) -> Result<Self, DataError> {
        // Only the file writer makes a factory, so one is begun and thrown away.
        let nowhere = ArrowWriter::try_new(io::sink(), schema.clone(), Some(properties(&schema)))?;
        let (_, factory) = nowhere.into_serialized_writer()?;
        Ok(Self { schema, factory })
    }

    pub(crate) fn begin(&self) -> Result<RowGroup, DataError> {
        // The number matters to encryption only.
        let columns = self.factory.create_column_writers(0)?;
        Ok(RowGroup { schema: self.schema.clone(), columns, rows: 0, raw_bytes: 0 })
    }
}

/// A row group being encoded.
pub(crate) struct RowGroup {
    schema: SchemaRef,
    columns: Vec<ArrowColumnWriter>,
    rows: u64,
    raw_bytes: u64,
}

/// A row group that is ready to be appended to a file.
#[derive(Debug)]
pub(crate) struct EncodedRows {
    pub(crate) chunks: Vec<ArrowColumnChunk>,
    pub(crate) rows: u64,
    /// Bytes of the columns in memory, before encoding.
    pub(crate) raw_bytes: u64,
}

impl RowGroup {
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Appends the rows of equally long arrays, one for each field of the schema.
    pub(crate) fn write(&mut self, arrays: Vec<ArrayRef>) -> Result<(), DataError> {
        debug_assert_eq!(arrays.len(), self.schema.fields().len());
        let rows = arrays.first().map_or(0, |array| array.len());
        let mut columns = self.columns.iter_mut();
        for (array, field) in arrays.iter().zip(self.schema.fields()) {
            debug_assert_eq!(array.len(), rows, "{}", field.name());
            debug_assert_eq!(array.data_type(), field.data_type(), "{}", field.name());
            self.raw_bytes += raw_bytes(array);
            for leaf in compute_leaves(field, array)? {
                if let Some(column) = columns.next() {
                    column.write(&leaf)?;
                }
            }
        }
        self.rows += rows as u64;
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<EncodedRows, DataError> {
        let chunks = self.columns.into_iter().map(ArrowColumnWriter::close);
        let chunks = chunks.collect::<Result<_, _>>()?;
        Ok(EncodedRows { chunks, rows: self.rows, raw_bytes: self.raw_bytes })
    }
}

fn raw_bytes(array: &ArrayRef) -> u64 {
    array.to_data().get_slice_memory_size().unwrap_or_default() as u64
}

/// Appends a row group to a file.
pub(crate) fn append<W: io::Write + Send>(
    writer: &mut FileWriter<W>,
    rows: EncodedRows,
) -> Result<(), parquet::errors::ParquetError> {
    let mut group = writer.next_row_group()?;
    for chunk in rows.chunks {
        chunk.append_to_row_group(&mut group)?;
    }
    group.close().map(drop)
}
