//! A column of flat bytes written as pages of a Parquet file, from where its rows lie.
//!
//! A plain page of such a column is its rows one after the other, compressed. The Parquet library
//! gets there by way of a value for each row and three copies, two of them in memory that is new for
//! each page, which takes as long as compressing. Here rows are copied once, into a buffer that stays
//! in the cache, and the compressor keeps its memory from page to page.

use bytes::Bytes;
use parquet::{
    basic::{Compression, Encoding, EncodingMask, PageType, ZstdLevel},
    column::{
        page::{CompressedPage, Page, PageWriter},
        writer::ColumnCloseResult,
    },
    errors::ParquetError,
    file::{
        metadata::{ColumnChunkMetaData, OffsetIndexBuilder, PageEncodingStats},
        writer::{SerializedPageWriter, TrackedWrite},
    },
    schema::types::ColumnDescPtr,
};
use zstd::bulk::Compressor;

/// A column chunk being encoded.
pub(crate) struct WideColumn {
    column: ColumnDescPtr,
    level: ZstdLevel,
    compressor: Compressor<'static>,
    row_bytes: usize,
    /// Bytes of a full page: whole rows.
    page_bytes: usize,
    /// Rows of the page that is not full.
    page: Vec<u8>,
    /// Memory for compressed pages.
    compressed: Vec<u8>,
    pages: TrackedWrite<Vec<u8>>,
    index: OffsetIndexBuilder,
    rows: u64,
    number_of_pages: i32,
    uncompressed_bytes: i64,
}

/// A column chunk that is ready to be appended.
pub(crate) struct WideChunk {
    pub(crate) pages: Bytes,
    pub(crate) close: ColumnCloseResult,
}

impl WideColumn {
    /// Begins a chunk of rows of so many bytes each, with pages of `page_bytes` or one row.
    pub(crate) fn new(
        column: ColumnDescPtr,
        level: ZstdLevel,
        row_bytes: usize,
        page_bytes: usize,
    ) -> Result<Self, ParquetError> {
        let page_bytes = row_bytes * (page_bytes / row_bytes.max(1)).max(1);
        Ok(Self {
            column,
            level,
            compressor: Compressor::new(level.compression_level())?,
            row_bytes,
            page_bytes,
            page: Vec::with_capacity(page_bytes),
            compressed: Vec::with_capacity(zstd::zstd_safe::compress_bound(page_bytes)),
            pages: TrackedWrite::new(Vec::new()),
            index: OffsetIndexBuilder::new(),
            rows: 0,
            number_of_pages: 0,
            uncompressed_bytes: 0,
        })
    }

    /// Appends whole rows.
    pub(crate) fn write(&mut self, mut rows: &[u8]) -> Result<(), ParquetError> {
        while !rows.is_empty() {
            let room = self.page_bytes - self.page.len();
            let (fits, rest) = rows.split_at(room.min(rows.len()));
            self.page.extend_from_slice(fits);
            rows = rest;
            if self.page.len() == self.page_bytes {
                self.end_page()?;
            }
        }
        Ok(())
    }

    fn end_page(&mut self) -> Result<(), ParquetError> {
        self.compressed.clear();
        self.compressor.compress_to_buffer(&self.page, &mut self.compressed)?;
        let rows = self.page.len() / self.row_bytes.max(1);
        let page = Page::DataPage {
            buf: Bytes::copy_from_slice(&self.compressed),
            num_values: u32::try_from(rows).map_err(|e| ParquetError::External(Box::new(e)))?,
            encoding: Encoding::PLAIN,
            // There are no levels: no row is null, none is a list.
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let page = CompressedPage::new(page, self.page.len());
        let written = SerializedPageWriter::new(&mut self.pages).write_page(page)?;
        let size = i32::try_from(written.compressed_size);
        let size = size.map_err(|e| ParquetError::External(Box::new(e)))?;
        self.index.append_row_count(i64::try_from(rows).unwrap_or(i64::MAX));
        self.index.append_offset_and_size(i64::try_from(written.offset).unwrap_or(i64::MAX), size);
        self.uncompressed_bytes += i64::try_from(written.uncompressed_size).unwrap_or(i64::MAX);
        self.rows += rows as u64;
        self.number_of_pages += 1;
        self.page.clear();
        Ok(())
    }

    /// Ends the chunk.
    pub(crate) fn close(mut self) -> Result<WideChunk, ParquetError> {
        if !self.page.is_empty() {
            self.end_page()?;
        }
        let pages = self.pages.into_inner()?;
        let bytes = i64::try_from(pages.len()).unwrap_or(i64::MAX);
        let encodings = [Encoding::PLAIN, Encoding::RLE];
        let metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(Compression::ZSTD(self.level))
            .set_encodings_mask(EncodingMask::new_from_encodings(encodings.iter()))
            .set_page_encoding_stats(vec![PageEncodingStats {
                page_type: PageType::DATA_PAGE,
                encoding: Encoding::PLAIN,
                count: self.number_of_pages,
            }])
            .set_total_compressed_size(bytes)
            .set_total_uncompressed_size(self.uncompressed_bytes)
            .set_num_values(i64::try_from(self.rows).unwrap_or(i64::MAX))
            .set_data_page_offset(0)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: pages.len() as u64,
            rows_written: self.rows,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: Some(self.index.build()),
        };
        Ok(WideChunk { pages: pages.into(), close })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{AsArray, FixedSizeBinaryArray, RecordBatch},
        datatypes::{DataType, Field, Schema, SchemaRef},
    };
    use parquet::{
        arrow::{
            ArrowSchemaConverter,
            arrow_reader::{
                ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
            },
        },
        file::{
            metadata::PageIndexPolicy, properties::WriterProperties, writer::SerializedFileWriter,
        },
    };
    use proptest::prelude::*;

    use super::*;

    const WIDTH: usize = 24;

    fn schema() -> SchemaRef {
        let width = i32::try_from(WIDTH).unwrap();
        Schema::new(vec![Field::new("wide", DataType::FixedSizeBinary(width), false)]).into()
    }

    /// A file with a row group for each list of pieces.
    fn file(groups: &[Vec<&[u8]>], page_bytes: usize) -> Bytes {
        let descriptor = ArrowSchemaConverter::new().convert(&schema()).unwrap();
        let root = descriptor.root_schema_ptr();
        let properties = Arc::new(WriterProperties::default());
        let mut writer = SerializedFileWriter::new(Vec::new(), root, properties).unwrap();
        for pieces in groups {
            let level = ZstdLevel::try_new(1).unwrap();
            let mut column =
                WideColumn::new(descriptor.column(0), level, WIDTH, page_bytes).unwrap();
            pieces.iter().for_each(|piece| column.write(piece).unwrap());
            let chunk = column.close().unwrap();
            let mut group = writer.next_row_group().unwrap();
            group.append_column(&chunk.pages, chunk.close).unwrap();
            group.close().unwrap();
        }
        writer.into_inner().unwrap().into()
    }

    fn reader(file: Bytes) -> ParquetRecordBatchReaderBuilder<Bytes> {
        let options = ArrowReaderOptions::new().with_schema(schema());
        ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).unwrap()
    }

    fn rows(
        batches: impl Iterator<Item = Result<RecordBatch, arrow::error::ArrowError>>,
    ) -> Vec<u8> {
        let mut rows = Vec::new();
        for batch in batches {
            let batch = batch.unwrap();
            let column: &FixedSizeBinaryArray = batch.column(0).as_fixed_size_binary();
            column.iter().for_each(|row| rows.extend_from_slice(row.unwrap()));
        }
        rows
    }

    proptest! {
        #[test]
        fn rows_read_back_however_they_come_and_pages_end(
            groups in prop::collection::vec(
                prop::collection::vec(
                    (0_usize..40).prop_flat_map(|n| prop::collection::vec(0_u8..4, n * WIDTH)),
                    1..6,
                ),
                1..4,
            ),
            page_bytes in 1_usize..1_000,
        ) {
            let pieces: Vec<Vec<&[u8]>> =
                groups.iter().map(|group| group.iter().map(Vec::as_slice).collect()).collect();
            let file = file(&pieces, page_bytes);
            let reader = reader(file);
            for (group, pieces) in reader.metadata().row_groups().iter().zip(&groups) {
                let bytes: usize = pieces.iter().map(Vec::len).sum();
                prop_assert_eq!(usize::try_from(group.num_rows()).unwrap(), bytes / WIDTH);
                prop_assert_eq!(usize::try_from(group.column(0).num_values()).unwrap(), bytes / WIDTH);
            }
            prop_assert_eq!(rows(reader.build().unwrap()), groups.concat().concat());
        }
    }

    #[test]
    fn the_offset_index_leads_to_the_rows_asked_for() {
        let bytes: Vec<u8> = (0..100_u8).flat_map(|row| [row; WIDTH]).collect();
        let file = file(&[vec![&bytes]], 7 * WIDTH);
        let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Required);
        let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).unwrap();
        let index = reader.metadata().page_index_for_row_group(0);
        let index = index.offset_index(0).unwrap();
        assert_eq!(index.page_locations().len(), 15);
        assert_eq!(index.page_locations()[2].first_row_index, 14);
        let selection = vec![RowSelector::skip(50), RowSelector::select(3), RowSelector::skip(47)];
        let found = rows(reader.with_row_selection(RowSelection::from(selection)).build().unwrap());
        assert_eq!(found, bytes[50 * WIDTH..53 * WIDTH]);
    }
}
