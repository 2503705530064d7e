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

/// Rows of a data page: narrow columns end a page here, so that a reader of some episodes skips
/// the others.
const PAGE_ROWS: usize = 8_192;

/// How the columns of a table are written. The default is what measurements spoke for; the README
/// has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encodings {
    /// Level of zstd, 1 to 22.
    pub zstd_level: i32,
    /// Of armies and planes; nothing stands for a dictionary.
    pub wide: Option<Encoding>,
    /// Whether armies and planes have statistics.
    pub has_wide_statistics: bool,
    /// Of numbers that change slowly, such as steps and totals; nothing stands for a dictionary.
    pub numbers: Option<Encoding>,
    /// Of rewards; nothing stands for a dictionary.
    pub floats: Option<Encoding>,
}

impl Default for Encodings {
    fn default() -> Self {
        Self {
            zstd_level: 1,
            wide: Some(Encoding::PLAIN),
            has_wide_statistics: false,
            numbers: Some(Encoding::DELTA_BINARY_PACKED),
            floats: None,
        }
    }
}

impl Encodings {
    /// Encodings to choose from, and what sets each apart from the default, which comes first.
    pub fn all() -> Vec<(&'static str, Self)> {
        let usual = Self::default();
        vec![
            ("as written", usual),
            ("zstd 3", Self { zstd_level: 3, ..usual }),
            ("zstd 6", Self { zstd_level: 6, ..usual }),
            ("planes in a dictionary", Self { wide: None, ..usual }),
            ("planes byte_stream_split", Self { wide: Some(Encoding::BYTE_STREAM_SPLIT), ..usual }),
            ("planes delta_byte_array", Self { wide: Some(Encoding::DELTA_BYTE_ARRAY), ..usual }),
            ("planes with statistics", Self { has_wide_statistics: true, ..usual }),
            ("numbers in a dictionary", Self { numbers: None, ..usual }),
            ("numbers plain", Self { numbers: Some(Encoding::PLAIN), ..usual }),
            ("rewards plain", Self { floats: Some(Encoding::PLAIN), ..usual }),
            (
                "rewards byte_stream_split",
                Self { floats: Some(Encoding::BYTE_STREAM_SPLIT), ..usual },
            ),
        ]
    }
}

/// How the columns of a schema are written.
///
/// Wide columns have no statistics, which cost much of the speed and tell nothing about planes. All
/// others have them for each page, which makes the page index.
pub(crate) fn properties(schema: &SchemaRef, encodings: &Encodings) -> WriterProperties {
    let level = ZstdLevel::try_new(encodings.zstd_level).unwrap_or_default();
    let mut properties = WriterProperties::builder()
        .set_created_by(format!("bivouac {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(level))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(None);
    for field in schema.fields() {
        let path = ColumnPath::from(field.name().as_str());
        let chosen = match field.data_type() {
            DataType::FixedSizeBinary(_) | DataType::Binary => {
                if !encodings.has_wide_statistics {
                    let none = EnabledStatistics::None;
                    properties = properties.set_column_statistics_enabled(path.clone(), none);
                }
                match (field.data_type(), encodings.wide) {
                    // Not defined for values of different lengths.
                    (DataType::Binary, Some(Encoding::BYTE_STREAM_SPLIT)) => Some(Encoding::PLAIN),
                    (_, wide) => wide,
                }
            }
            DataType::UInt32 | DataType::Int32 if !field.is_nullable() => encodings.numbers,
            DataType::Float32 => encodings.floats,
            _ => None,
        };
        if let Some(encoding) = chosen {
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, encoding);
        }
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
    ArrowWriter::try_new(
        Summed::new(to),
        schema.clone(),
        Some(properties(schema, &Encodings::default())),
    )
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
        let nowhere = ArrowWriter::try_new(
            io::sink(),
            schema.clone(),
            Some(properties(&schema, &Encodings::default())),
        )?;
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
    pub(crate) fn write(&mut self, arrays: &[ArrayRef]) -> Result<(), DataError> {
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
