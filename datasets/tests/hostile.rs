//! Datasets that tell of what is not there: an error that names the file, and nothing left behind.

#![expect(clippy::unwrap_used, reason = "what fails in a test shows where")]

mod common;

use std::{path::PathBuf, sync::Arc};

use arrow::{
    array::{
        ArrayRef, AsArray, FixedSizeBinaryArray, RecordBatch, StringArray, UInt8Array, UInt32Array,
    },
    datatypes::{DataType, Schema, UInt8Type, UInt32Type},
};
use common::{Scratch, experiences, rewrite, simulation, with_column, write};
use datasets::{
    DataError,
    folder::FolderOptions,
    inspect, minari,
    produce::Archive,
    verify::{FaultKind, verify},
};
use systems::{reward::Reward, rows::RowFormat};

const FORMAT: RowFormat = RowFormat { height: 12, width: 15, has_builds: false, has_owners: false };

fn dataset() -> Scratch {
    let folder = Scratch::new("hostile");
    let kind = experiences(FORMAT, Reward::SPARSE);
    write(&simulation(2, 3), kind, &folder, FolderOptions::default(), 1);
    folder
}

fn file(folder: &Scratch, part: &str) -> PathBuf {
    folder.path().join(part).join("chunk-000/file-000.parquet")
}

/// The first value of a column of small numbers made another one.
fn first_made(batch: &RecordBatch, name: &str, value: u32) -> RecordBatch {
    let column: ArrayRef = if *batch[name].data_type() == DataType::UInt8 {
        let mut values = batch[name].as_primitive::<UInt8Type>().values().to_vec();
        values[0] = u8::try_from(value).unwrap();
        Arc::new(UInt8Array::from(values))
    } else {
        let mut values = batch[name].as_primitive::<UInt32Type>().values().to_vec();
        values[0] = value;
        Arc::new(UInt32Array::from(values))
    };
    with_column(batch, name, column)
}

#[test]
fn episodes_that_tell_of_rows_or_boards_that_cannot_be_are_an_error() {
    for (name, value, tick) in [
        ("length", 4_000_000_000, 3_999_999),
        ("height", 255, 0),
        ("width", 255, 0),
        ("agent_id", 200, 0),
        ("row_group", 99, 0),
    ] {
        let folder = dataset();
        rewrite(&file(&folder, "meta/episodes"), |_, batch| first_made(&batch, name, value));
        let error = inspect::view(folder.path(), 0, tick, 0).unwrap_err();
        assert!(matches!(error, DataError::Damaged { .. }), "{name}: {error}");
        assert!(!verify::<Archive>(folder.path(), None, 1).unwrap().is_sound(), "{name}");
    }
}

#[test]
fn episodes_name_no_file_outside_of_their_dataset() {
    for name in
        ["../other/data/chunk-000/file-000.parquet", "/etc/passwd", "data/../../a", "meta/a"]
    {
        let folder = dataset();
        rewrite(&file(&folder, "meta/episodes"), |_, batch| {
            let names = StringArray::from_iter_values((0..batch.num_rows()).map(|_| name));
            with_column(&batch, "file", Arc::new(names))
        });
        let error = inspect::view(folder.path(), 0, 0, 0).unwrap_err();
        assert!(matches!(error, DataError::Damaged { .. }), "{name}: {error}");
    }
}

/// The batch with a column that is flat bytes of another size, under the same metadata.
fn narrowed(batch: &RecordBatch, name: &str) -> RecordBatch {
    let at = batch.schema().index_of(name).unwrap();
    let mut columns = batch.columns().to_vec();
    let rows = (0..batch.num_rows()).map(|_| [7_u8; 4]);
    columns[at] = Arc::new(FixedSizeBinaryArray::try_from_iter(rows).unwrap());
    let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
    fields[at] = Arc::new(fields[at].as_ref().clone().with_data_type(DataType::FixedSizeBinary(4)));
    let schema = Schema::new_with_metadata(fields, batch.schema().metadata().clone());
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

#[test]
fn planes_that_are_too_narrow_are_an_error_and_leave_no_part_of_an_export() {
    for name in ["planes", "army", "action_mask"] {
        let folder = dataset();
        rewrite(&file(&folder, "data"), |_, batch| narrowed(&batch, name));
        let error = inspect::view(folder.path(), 0, 0, 0).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("file-000.parquet"), "{error}");
        let out = Scratch::new("hostile-minari");
        let error = minari::export(folder.path(), out.path(), "a-v0").unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        let left = std::fs::read_dir(out.path().join("a-v0")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "nothing is left of it");
        let found = verify::<Archive>(folder.path(), None, 1).unwrap();
        assert_eq!(found.faults[0].kind, FaultKind::Columns, "{}", found.faults[0]);
    }
}
