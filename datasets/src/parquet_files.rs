//! How columns are encoded, and row groups that are encoded apart from their file.

use std::{io, path::Path};

use arrow::{
    array::{Array, ArrayRef, AsArray, new_empty_array},
    compute::concat,
    datatypes::{DataType, Field, SchemaRef},
};
use parquet::{
    arrow::{
        ArrowWriter,
        arrow_writer::{
            ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
        },
    },
    basic::{Compression, Encoding, Type, ZstdLevel},
    errors::ParquetError,
    file::{
        properties::{EnabledStatistics, WriterProperties, WriterVersion},
        writer::SerializedFileWriter,
    },
    schema::types::{ColumnDescPtr, ColumnPath},
};

use crate::{
    checksum::Summed,
    error::DataError,
    wide_column::{WideChunk, WideColumn},
};

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
    /// Bytes of a data page before compression.
    pub page_bytes: usize,
    /// Whether data pages are of version 2 of the format.
    pub has_pages_v2: bool,
}

impl Default for Encodings {
    fn default() -> Self {
        Self {
            zstd_level: 1,
            wide: Some(Encoding::PLAIN),
            has_wide_statistics: false,
            numbers: Some(Encoding::DELTA_BINARY_PACKED),
            floats: None,
            page_bytes: 1 << 20,
            has_pages_v2: false,
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
            ("pages of 128 KiB", Self { page_bytes: 1 << 17, ..usual }),
            ("pages of 256 KiB", Self { page_bytes: 1 << 18, ..usual }),
            ("pages of 4 MiB", Self { page_bytes: 1 << 22, ..usual }),
            ("pages of version 2", Self { has_pages_v2: true, ..usual }),
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
        .set_writer_version(if encodings.has_pages_v2 {
            WriterVersion::PARQUET_2_0
        } else {
            WriterVersion::PARQUET_1_0
        })
        .set_data_page_size_limit(encodings.page_bytes)
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
pub(crate) fn finish<W: io::Write + Send>(mut writer: FileWriter<W>) -> Result<W, ParquetError> {
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
    columns: Vec<ColumnDescPtr>,
}

impl RowGroups {
    pub(crate) fn new(schema: SchemaRef) -> Result<Self, DataError> {
        // Only the file writer makes a factory, so one is begun and thrown away.
        let nowhere = ArrowWriter::try_new(
            io::sink(),
            schema.clone(),
            Some(properties(&schema, &Encodings::default())),
        )?;
        let (writer, factory) = nowhere.into_serialized_writer()?;
        let columns = writer.schema_descr().columns().to_vec();
        Ok(Self { schema, factory, columns })
    }

    pub(crate) fn begin(&self) -> Result<RowGroup, DataError> {
        // The number matters to encryption only.
        let writers = self.factory.create_column_writers(0)?;
        let columns = writers.into_iter().zip(&self.columns).map(|(writer, column)| {
            let width = usize::try_from(column.type_length()).unwrap_or(0);
            let is_wide = column.physical_type() == Type::FIXED_LEN_BYTE_ARRAY && width > 0;
            if !is_wide || column.max_def_level() > 0 {
                return Ok(Column::Narrow(writer));
            }
            let encodings = Encodings::default();
            let level = ZstdLevel::try_new(encodings.zstd_level)?;
            WideColumn::new(column.clone(), level, width, encodings.page_bytes).map(Column::Wide)
        });
        let columns = columns.collect::<Result<_, _>>()?;
        let schema = self.schema.clone();
        Ok(RowGroup { schema, columns, waiting: Vec::new(), unwritten: 0, rows: 0, raw_bytes: 0 })
    }
}

/// A column chunk being encoded.
enum Column {
    /// By the Parquet library.
    Narrow(ArrowColumnWriter),
    /// Flat bytes without nulls, plain and without statistics.
    Wide(WideColumn),
}

/// A column chunk that is ready to be appended.
pub(crate) enum Chunk {
    Narrow(ArrowColumnChunk),
    Wide(WideChunk),
}

impl Column {
    /// Writes the array of a wide column.
    fn write_wide(&mut self, array: &ArrayRef) -> Result<(), ParquetError> {
        match (self, array.as_fixed_size_binary_opt()) {
            (Self::Narrow(_), _) => Ok(()),
            (Self::Wide(column), Some(array)) => {
                let width = usize::try_from(array.value_length()).unwrap_or(0);
                column.write(array.value_data().get(..array.len() * width).unwrap_or_default())
            }
            (Self::Wide(_), None) => {
                let problem = format!("a column of flat bytes is {}", array.data_type());
                Err(ParquetError::General(problem))
            }
        }
    }

    /// Writes the arrays of a narrow column, which follow each other.
    fn write_narrow<'a>(
        &mut self,
        field: &Field,
        arrays: impl Iterator<Item = &'a ArrayRef>,
    ) -> Result<(), ParquetError> {
        let Self::Narrow(column) = self else { return Ok(()) };
        let arrays: Vec<&dyn Array> = arrays.map(AsRef::as_ref).collect();
        let leaves = compute_leaves(field, &concat(&arrays)?)?;
        leaves.iter().try_for_each(|leaf| column.write(leaf))
    }

    fn close(self) -> Result<Chunk, ParquetError> {
        match self {
            Self::Narrow(column) => column.close().map(Chunk::Narrow),
            Self::Wide(column) => column.close().map(Chunk::Wide),
        }
    }
}

/// A row group being encoded.
pub(crate) struct RowGroup {
    schema: SchemaRef,
    /// One for each field: none of them is a struct.
    columns: Vec<Column>,
    /// Narrow columns, and the wide ones in name only, of rows that are written together.
    waiting: Vec<Vec<ArrayRef>>,
    unwritten: usize,
    rows: u64,
    raw_bytes: u64,
}

/// A row group that is ready to be appended to a file.
pub(crate) struct EncodedRows {
    pub(crate) chunks: Vec<Chunk>,
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
        debug_assert_eq!(self.columns.len(), arrays.len());
        let fields = self.schema.fields().iter();
        for ((array, field), column) in arrays.iter().zip(fields).zip(&mut self.columns) {
            debug_assert_eq!(array.len(), rows, "{}", field.name());
            debug_assert_eq!(array.data_type(), field.data_type(), "{}", field.name());
            self.raw_bytes += raw_bytes(array);
            column.write_wide(array)?;
        }
        let narrow = arrays.iter().zip(&self.columns).map(|(array, column)| match column {
            // Its memory goes back to where it came from.
            Column::Wide(_) => new_empty_array(array.data_type()),
            Column::Narrow(_) => array.clone(),
        });
        self.waiting.push(narrow.collect());
        self.rows += rows as u64;
        self.unwritten += rows;
        if self.unwritten >= PAGE_ROWS { self.write_narrow() } else { Ok(()) }
    }

    /// Writes what waits. Arrays of a few hundred rows, as episodes have, cost the library more than
    /// their values do.
    fn write_narrow(&mut self) -> Result<(), DataError> {
        let waiting = std::mem::take(&mut self.waiting);
        self.unwritten = 0;
        if waiting.is_empty() {
            return Ok(());
        }
        let fields = self.schema.fields().iter();
        for (number, (column, field)) in self.columns.iter_mut().zip(fields).enumerate() {
            column.write_narrow(field, waiting.iter().filter_map(|arrays| arrays.get(number)))?;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<EncodedRows, DataError> {
        self.write_narrow()?;
        let chunks = self.columns.into_iter().map(Column::close);
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
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    for chunk in rows.chunks {
        match chunk {
            Chunk::Narrow(chunk) => chunk.append_to_row_group(&mut group)?,
            Chunk::Wide(chunk) => group.append_column(&chunk.pages, chunk.close)?,
        }
    }
    group.close().map(drop)
}
