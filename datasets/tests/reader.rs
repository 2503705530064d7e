//! Rows made of games as they are asked for, beside those of files.
#![expect(clippy::unwrap_used, reason = "what fails in a test shows where")]

mod common;

use std::{fs, path::Path};

use arrow::{
    array::{AsArray, RecordBatch, RecordBatchReader},
    compute::{cast, concat_batches},
    datatypes::{DataType, Schema},
};
use common::{Scratch, experiences, simulation, tree, write};
use datasets::{
    Kind,
    folder::FolderOptions,
    layouts::Layout,
    produce::Archive,
    reader::{ExperienceReader, ReadOptions},
    schema::column,
    seats::Seats,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use systems::{reward::Reward, rows::RowFormat};

fn games(players: usize, number: u64) -> Scratch {
    let folder = Scratch::new("reader-games");
    let options = FolderOptions { group_bytes: 30_000, ..FolderOptions::default() };
    write(&simulation(players, number), Kind::Games, &folder, options, 2);
    folder
}

/// All rows of a folder's files. Names are texts: dictionaries may say the same in other ways.
fn of_files(folder: &Scratch) -> RecordBatch {
    let files = tree(folder).into_keys();
    let data = files.filter(|name| name.starts_with("data"));
    let mut batches = Vec::new();
    for name in data {
        let file = fs::File::open(folder.path().join(name)).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        batches.extend(reader.map(|batch| plain(&batch.unwrap())));
    }
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn of_reader(reader: ExperienceReader) -> RecordBatch {
    let batches: Vec<RecordBatch> = reader.map(|batch| plain(&batch.unwrap())).collect();
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn plain(batch: &RecordBatch) -> RecordBatch {
    let schema = batch.schema();
    let fields = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
        let is_name = field.name() == column::POLICY;
        let column = if is_name { cast(column, &DataType::Utf8).unwrap() } else { column.clone() };
        (field.as_ref().clone().with_data_type(column.data_type().clone()), column)
    });
    let (fields, columns): (Vec<_>, Vec<_>) = fields.unzip();
    // A file's own metadata hold its checksum too.
    RecordBatch::try_new(Schema::new(fields).into(), columns).unwrap()
}

#[test]
fn the_rows_of_a_reader_are_those_of_the_files_that_expanding_writes() {
    for (players, layout, seats) in [
        (2, None, Seats::ALL),
        (2, Some(Layout::Memory), Seats::ALL),
        (2, Some(Layout::Durbin9), Seats::of([1])),
        (4, None, Seats::of([0, 3])),
    ] {
        let games = games(players, 20);
        let format =
            RowFormat { height: 12, width: 15, has_builds: false, has_owners: players > 2 };
        let reward = Reward::SHAPED;
        let expanded = Scratch::new("reader-expanded");
        let archive = Archive::open(games.path()).unwrap().with_seats(seats);
        let kind = Kind::Experiences { format, reward, seats, layout };
        write(&archive, kind, &expanded, FolderOptions::default(), 2);
        let wanted = of_files(&expanded);
        for (batch_rows, threads) in [(777, 1), (100_000, 3)] {
            let options = ReadOptions { reward, seats, layout, batch_rows, threads, canvas: None };
            let reader = ExperienceReader::open(games.path(), &options).unwrap();
            assert_eq!((reader.games(), reader.format()), (20, format));
            let found = of_reader(reader);
            assert_eq!(found.schema(), wanted.schema());
            let columns = found.columns().iter().zip(wanted.columns());
            for (field, (found, wanted)) in found.schema().fields().iter().zip(columns) {
                let name = field.name();
                assert!(found == wanted, "{name}, {players} players, {layout:?}, {batch_rows}");
            }
        }
    }
}

#[test]
fn batches_have_the_rows_asked_for_whatever_the_threads() {
    let games = games(2, 30);
    let sizes = |threads| {
        let options = ReadOptions { batch_rows: 256, threads, ..ReadOptions::default() };
        let reader = ExperienceReader::open(games.path(), &options).unwrap();
        let schema = reader.schema();
        let batches = reader.map(|batch| batch.unwrap());
        batches
            .map(|batch| {
                assert_eq!(batch.schema(), schema);
                batch.num_rows()
            })
            .collect::<Vec<_>>()
    };
    let one = sizes(1);
    assert!(one.iter().filter(|&&rows| rows != 256).count() * 10 < one.len());
    assert!(one.iter().all(|rows| (1..=256).contains(rows)));
    assert_eq!(one, sizes(4));
}

#[test]
fn a_reader_that_is_left_early_leaves_nothing_behind() {
    let games = games(2, 40);
    let options = ReadOptions { batch_rows: 10, threads: 2, ..ReadOptions::default() };
    for taken in [0, 1, 30] {
        let reader = ExperienceReader::open(games.path(), &options).unwrap();
        assert_eq!(reader.take(taken).map(Result::unwrap).count(), taken);
    }
}

#[test]
fn what_cannot_be_read_is_an_error_and_the_end() {
    let games = games(2, 6);
    let open = |path: &Path, canvas| {
        ExperienceReader::open(path, &ReadOptions { canvas, ..ReadOptions::default() })
    };
    let small = open(games.path(), Some([10, 15])).unwrap().collect::<Vec<_>>();
    assert_eq!(small.len(), 1);
    let message = small[0].as_ref().unwrap_err().to_string();
    assert!(message.contains("12x15") && message.contains("--canvas 12x15"), "{message}");
    for canvas in [[0, 15], [33, 15]] {
        let error = open(games.path(), Some(canvas)).err().unwrap().to_string();
        assert!(error.contains("1 to 32"), "{error}");
    }
    assert!(open(Path::new("/nowhere"), None).err().unwrap().to_string().contains("/nowhere"));
    let rows = Scratch::new("reader-rows");
    let format = RowFormat { height: 12, width: 15, has_builds: false, has_owners: false };
    let kind = experiences(format, Reward::SPARSE);
    write(&simulation(2, 3), kind, &rows, FolderOptions::default(), 1);
    let error = open(rows.path(), None).err().unwrap().to_string();
    assert!(error.contains("it holds experiences, and games are needed"), "{error}");
}

#[test]
fn boards_are_padded_to_the_canvas() {
    let games = games(2, 6);
    let options = ReadOptions { canvas: Some([32, 20]), ..ReadOptions::default() };
    let rows = of_reader(ExperienceReader::open(games.path(), &options).unwrap());
    let army = rows.column_by_name(column::ARMY).unwrap().as_fixed_size_binary();
    assert_eq!(army.value_length(), 32 * 20 * 2);
}
