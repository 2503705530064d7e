//! Files that say what is not so, and files that are too large.

use arrow::{
    array::{ArrayRef, BinaryArray, RecordBatch, UInt32Array},
    error::ArrowError,
};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::{
        metadata::{ColumnChunkMetaDataBuilder, ParquetMetaDataWriter},
        properties::WriterProperties,
    },
};

use super::*;

const ROWS: u32 = 4_000;

/// A file of two columns, one of which unpacks to much more than it has bytes.
fn file() -> Vec<u8> {
    let numbers: ArrayRef = Arc::new(UInt32Array::from_iter_values(0..ROWS));
    let zeros: ArrayRef = Arc::new(BinaryArray::from_iter_values((0..ROWS).map(|_| [0_u8; 1_000])));
    let batch = RecordBatch::try_from_iter([("number", numbers), ("bytes", zeros)]).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap()))
        .set_dictionary_enabled(false)
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// The file with another footer, in which a column states something else.
fn lying(
    column: usize,
    lie: impl Fn(ColumnChunkMetaDataBuilder) -> ColumnChunkMetaDataBuilder,
) -> Vec<u8> {
    let bytes = file();
    let metadata =
        ArrowReaderMetadata::load(&Bytes::from(bytes.clone()), ArrowReaderOptions::new());
    let metadata = (**metadata.unwrap().metadata()).clone();
    let row_group = metadata.row_group(0).clone();
    let mut columns = row_group.columns().to_vec();
    columns[column] = lie(columns[column].clone().into_builder()).build().unwrap();
    let row_group = row_group.into_builder().set_column_metadata(columns).build().unwrap();
    let metadata =
        metadata.into_builder().set_row_groups(vec![row_group]).set_page_index(None).build();
    let length = u32::from_le_bytes(bytes[bytes.len() - 8..][..4].try_into().unwrap()) as usize;
    let mut bytes = bytes[..bytes.len() - 8 - length].to_vec();
    let mut footer = Vec::new();
    ParquetMetaDataWriter::new(&mut footer, &metadata).finish().unwrap();
    bytes.extend(footer);
    bytes
}

fn read(limits: Limits, bytes: Vec<u8>) -> Result<usize, String> {
    let path = Path::new("some/file.parquet");
    let reader = open_within(limits, false, path, Bytes::from(bytes)).map_err(|e| e.to_string())?;
    let batches = reader.build().unwrap().collect::<Result<Vec<_>, ArrowError>>().unwrap();
    Ok(batches.iter().map(RecordBatch::num_rows).sum())
}

fn refused(bytes: Vec<u8>, parts: &[&str]) {
    let fault = read(LIMITS, bytes).unwrap_err();
    assert!(fault.starts_with("some/file.parquet: "), "{fault}");
    assert!(parts.iter().all(|part| fault.contains(part)), "{fault}");
}

#[test]
fn a_file_within_the_limits_is_read() {
    assert_eq!(read(LIMITS, file()), Ok(ROWS as usize));
    assert_eq!(read(LIMITS, lying(0, |column| column)), Ok(ROWS as usize));
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    let packed = file();
    assert!(packed.len() < 100_000, "{} bytes", packed.len());
    let fault = read(Limits { bytes: 1 << 20, ..LIMITS }, packed).unwrap_err();
    assert!(fault.contains("row group 0") && fault.contains("at most 1048576"), "{fault}");
    let fault = read(Limits { values: 7_999, ..LIMITS }, file()).unwrap_err();
    assert!(fault.contains("8000 values in all columns"), "{fault}");
    assert!(read(Limits { values: 8_000, ..LIMITS }, file()).is_ok());
}

#[test]
fn pages_that_hold_more_than_is_stated_are_refused() {
    refused(
        lying(1, |column| column.set_total_uncompressed_size(900_000)),
        &["column \"bytes\"", "unpack to", "900000 are stated"],
    );
    refused(lying(0, |column| column.set_num_values(3_999)), &["3999 values for 4000 rows"]);
}

#[test]
fn huge_and_negative_counts_are_refused_with_their_value() {
    let huge = i64::MAX / 4;
    refused(lying(0, |c| c.set_num_values(huge)), &["2305843009213", "values in all columns"]);
    refused(lying(0, |c| c.set_total_uncompressed_size(huge)), &["bytes once unpacked"]);
    refused(lying(0, |c| c.set_num_values(-5)), &["number of values is -5"]);
    refused(lying(1, |c| c.set_total_uncompressed_size(-7)), &["uncompressed size is -7"]);
    refused(lying(1, |c| c.set_total_compressed_size(huge)), &["past the end of the file"]);
    refused(lying(1, |c| c.set_data_page_offset(1 << 40)), &["past the end of the file"]);
}

#[test]
fn sizes_are_read_from_the_first_two_fields_of_a_page_header() {
    assert_eq!(unpacked_size(&[0x15, 0, 0x15, 6]), Some(3));
    assert_eq!(unpacked_size(&[0x15, 4, 0x15, 0x80, 0x80, 0x01, 0x15]), Some(8_192));
    for damaged in [&[][..], &[0x15], &[0x15, 0, 0x16, 6], &[0x15, 0, 0x15, 5], &[0x15; 12]] {
        assert_eq!(unpacked_size(damaged), None, "{damaged:?}");
    }
    assert_eq!(unpacked_size(&[0x15, 0, 0x15, 255, 255, 255, 255, 255, 1]), None);
}

/// A file without rows whose schema is a chain of groups in each other.
fn nested(levels: usize) -> Vec<u8> {
    // Version 1, and a list of structs with a long count.
    let mut footer = vec![0x15, 0x02, 0x19, 0xfc];
    let mut count = levels + 1;
    while count >= 128 {
        footer.push(u8::try_from(count & 127).unwrap() | 128);
        count >>= 7;
    }
    footer.push(u8::try_from(count).unwrap());
    // The root, groups with one child, and a required integer: type, repetition, name, children.
    footer.extend([0x48, 1, b'r', 0x15, 2, 0]);
    for _ in 1..levels {
        footer.extend([0x35, 0, 0x18, 1, b'g', 0x15, 2, 0]);
    }
    footer.extend([0x15, 2, 0x25, 0, 0x18, 1, b'i', 0]);
    // No rows, no row groups, the end.
    footer.extend([0x16, 0, 0x19, 0x0c, 0]);
    let length = u32::try_from(footer.len()).unwrap().to_le_bytes();
    [&b"PAR1"[..], &footer, &length, b"PAR1"].concat()
}

#[test]
fn a_schema_nested_without_end_is_refused_before_the_stack_ends() {
    for levels in [1, 2, 32] {
        assert_eq!(read(LIMITS, nested(levels)), Ok(0), "{levels} levels");
    }
    for levels in [33, 1_000, 1_000_000] {
        refused(nested(levels), &["nests its schema 32 levels deep"]);
    }
}

#[test]
fn a_footer_that_is_none_is_refused() {
    refused(b"PAR1".to_vec(), &["footer does not fit"]);
    refused(b"PAR1\xff\xff\xff\xffPAR1".to_vec(), &["footer does not fit"]);
    refused(b"PAR1\x1c\x00\x02\x00\x00\x00PAR1".to_vec(), &["footer"]);
}

#[test]
fn a_list_without_end_is_refused_in_no_time() {
    // Field 15 of the footer: a list of 2^31 - 1 truth values, for which no bytes follow.
    let endless = [0x19 | 0xa0, 0xf1, 0xff, 0xff, 0xff, 0xff, 0x07, 0];
    let file = nested(1);
    let mut footer = file[4..file.len() - 9].to_vec();
    footer.extend(endless);
    let length = u32::try_from(footer.len()).unwrap().to_le_bytes();
    let file = [&b"PAR1"[..], &footer, &length, b"PAR1"].concat();
    refused(file, &["footer cannot be read"]);
    let header = [0x15, 0, 0x15, 6, 0x15, 6, 0];
    assert!(thrift::is_struct(&header));
    assert!(!thrift::is_struct(&[&header[..6], &endless].concat()));
}
