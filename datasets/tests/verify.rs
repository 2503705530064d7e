//! What `verify` finds: nothing in a sound dataset, and whatever was changed in one.

#![expect(clippy::unwrap_used, reason = "what fails in a test shows where")]

mod common;

use std::{fs, path::PathBuf, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, BooleanArray, FixedSizeBinaryArray, RecordBatch,
        StringArray, UInt8Array, UInt32Array, UInt64Array,
    },
    compute::take_record_batch,
    datatypes::{UInt8Type, UInt32Type, UInt64Type},
};
use common::{Scratch, experiences, rewrite, simulation, tree, with_column, write};
use datasets::{
    Kind,
    checksum::Checksum,
    folder::FolderOptions,
    produce::{Archive, Simulation},
    verify::{Fault, FaultKind, Verified, verify},
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use systems::{reward::Reward, rows::RowFormat};

const GAMES: u64 = 24;

fn format(players: usize) -> RowFormat {
    RowFormat { height: 12, width: 15, has_builds: false, has_owners: players > 2 }
}

/// A dataset in several row groups and files.
fn dataset(kind: Kind, players: usize) -> Scratch {
    let folder = Scratch::new("verify");
    let options =
        FolderOptions { group_bytes: 4 << 20, file_bytes: 40_000, ..FolderOptions::default() };
    write(&simulation(players, GAMES), kind, &folder, options, 2);
    // The command line tells what the rows reward; the library leaves that to its caller.
    let path = folder.path().join("meta/info.json");
    let mut info: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    info["reward"] = serde_json::to_value(Reward::SHAPED).unwrap();
    fs::write(path, info.to_string()).unwrap();
    folder
}

fn rows(players: usize) -> Scratch {
    dataset(experiences(format(players), Reward::SHAPED), players)
}

fn data_files(folder: &Scratch) -> Vec<PathBuf> {
    let names = tree(folder).into_keys().filter(|name| name.starts_with("data"));
    names.map(|name| folder.path().join(name)).collect()
}

fn episodes_file(folder: &Scratch) -> PathBuf {
    folder.path().join("meta/episodes/chunk-000/file-000.parquet")
}

fn alone(folder: &Scratch) -> Verified {
    verify::<Archive>(folder.path(), None, 2).unwrap()
}

fn with_games(folder: &Scratch, players: usize) -> Verified {
    verify::<Simulation>(folder.path(), Some(&simulation(players, GAMES)), 2).unwrap()
}

/// The rows of a batch in another order, or fewer of them.
fn rearranged(batch: &RecordBatch, rows: impl IntoIterator<Item = usize>) -> RecordBatch {
    let rows: UInt64Array = rows.into_iter().map(|row| row as u64).collect();
    take_record_batch(batch, &rows).unwrap()
}

fn ids(batch: &RecordBatch) -> Vec<u64> {
    batch["episode_id"].as_primitive::<UInt64Type>().values().to_vec()
}

#[test]
fn sound_datasets_have_no_fault() {
    let games = alone(&dataset(Kind::Games, 2));
    assert_eq!((games.faults.as_slice(), games.notes.len()), (&[][..], 0));
    assert_eq!((games.games_played, games.totals.games), (GAMES, GAMES));
    for players in [2, 5] {
        let folder = rows(players);
        let found = with_games(&folder, players);
        assert_eq!((found.faults.as_slice(), found.notes.len()), (&[][..], 0));
        assert_eq!(found.rows_compared, found.totals.rows);
        let files = 2 * found.totals.files;
        assert_eq!((found.totals.games, found.checksums), (GAMES, files), "both of each pair");
        assert!(found.totals.files > 1 && found.totals.row_groups > 2, "{found:?}");
        assert!(alone(&folder).is_sound());
    }
}

#[test]
fn a_single_flipped_bit_in_a_page_is_found() {
    for folder in [dataset(Kind::Games, 2), rows(2)] {
        let path = data_files(&folder).remove(0);
        let sound = fs::read(&path).unwrap();
        let file = fs::File::open(&path).unwrap();
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let metadata = builder.metadata().file_metadata().key_value_metadata();
        let summed = usize::try_from(Checksum::stated(metadata).unwrap().bytes).unwrap();
        let pages = builder.metadata().row_groups().last().unwrap().columns().last().unwrap();
        let (start, length) = pages.byte_range();
        assert_eq!(summed as u64, start + length, "all pages are summed up");
        for i in 0..24_usize {
            let mut bytes = sound.clone();
            bytes[4 + (i * 7_919 + i * i * 104_729) % (summed - 4)] ^= 1 << (i % 8);
            fs::write(&path, bytes).unwrap();
            let found = alone(&folder);
            let fault = &found.faults[0];
            assert_eq!(fault.kind, FaultKind::Checksum, "{fault}");
            assert!(fault.file.as_deref().unwrap().ends_with("file-000.parquet"), "{fault}");
        }
        fs::write(&path, sound).unwrap();
        assert!(alone(&folder).is_sound());
    }
}

#[test]
fn a_single_flipped_bit_in_a_file_of_episodes_is_found() {
    let folder = rows(2);
    let path = episodes_file(&folder);
    let sound = fs::read(&path).unwrap();
    let file = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(&path).unwrap()).unwrap();
    let metadata = file.metadata().file_metadata().key_value_metadata();
    let summed = usize::try_from(Checksum::stated(metadata).unwrap().bytes).unwrap();
    let group = file.metadata().row_group(0);
    let won = group.columns().iter().find(|c| c.column_path().string() == "won").unwrap();
    let (won, length) = won.byte_range();
    let won = usize::try_from(won).unwrap()..usize::try_from(won + length).unwrap();
    let anywhere = (0..16).map(|i| 4 + (i * 7_919 + i * i * 104_729) % (summed - 4));
    for (i, at) in anywhere.chain(won).enumerate() {
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << (i % 8);
        fs::write(&path, bytes).unwrap();
        let fault = &alone(&folder).faults[0];
        assert_eq!(fault.kind, FaultKind::Checksum, "{fault}");
        assert_eq!(fault.file.as_deref(), Some("meta/episodes/chunk-000/file-000.parquet"));
    }
}

/// One row of an episodes file with another value in a column.
fn changed(batch: &RecordBatch, name: &str) -> ArrayRef {
    let row = |i: usize| i == 2;
    match name {
        "won" => {
            let won = batch[name].as_boolean().iter().enumerate();
            Arc::new(won.map(|(i, won)| won.map(|won| won ^ row(i))).collect::<BooleanArray>())
        }
        "place" => {
            let places = batch[name].as_primitive::<UInt8Type>().values().iter().enumerate();
            Arc::new(UInt8Array::from_iter_values(
                places.map(|(i, &p)| if row(i) { 3 - p } else { p }),
            ))
        }
        "ticks" => {
            let ticks = batch[name].as_primitive::<UInt32Type>().values().iter().enumerate();
            Arc::new(UInt32Array::from_iter_values(ticks.map(|(i, &t)| t + u32::from(row(i)))))
        }
        "end" => {
            let ends = batch[name].as_string::<i32>().iter().flatten().enumerate();
            let other = |end| if end == "lost" { "draw" } else { "lost" };
            let ends = ends.map(|(i, end)| if row(i) { other(end) } else { end });
            Arc::new(StringArray::from_iter_values(ends))
        }
        _ => {
            let numbers = batch[name].as_primitive::<UInt64Type>().values().iter().enumerate();
            Arc::new(UInt64Array::from_iter_values(numbers.map(|(i, &n)| n ^ u64::from(row(i)))))
        }
    }
}

#[test]
fn each_column_of_an_episodes_file_is_compared_with_the_games() {
    for name in ["won", "place", "ticks", "seed", "end", "game"] {
        let folder = rows(2);
        let path = episodes_file(&folder);
        let mut id = 0;
        rewrite(&path, |_, batch| {
            id = ids(&batch)[2];
            with_column(&batch, name, changed(&batch, name))
        });
        let found = with_games(&folder, 2);
        let about =
            |fault: &Fault| fault.kind == FaultKind::Episodes && fault.episode_id == Some(id);
        assert!(found.faults.iter().any(about), "{name}: {:?}", found.faults);
        // All but the place can be seen to be wrong without a game.
        assert_eq!(alone(&folder).is_sound(), name == "place", "{name}");
    }
}

#[test]
fn a_dropped_row_is_named() {
    let folder = rows(2);
    let path = data_files(&folder).remove(1);
    let mut dropped = 0;
    rewrite(&path, |group, batch| match group {
        0 => {
            dropped = ids(&batch)[300];
            rearranged(&batch, (0..batch.num_rows()).filter(|&row| row != 300))
        }
        _ => batch,
    });
    for found in [alone(&folder), with_games(&folder, 2)] {
        let first = found.first_game().unwrap();
        assert_eq!((first.episode_id, first.kind), (Some(dropped), FaultKind::Order), "{first}");
        assert!(first.game.is_some() && first.message.contains("has step"), "{first}");
    }
}

#[test]
fn a_dropped_episode_is_named() {
    let folder = rows(2);
    let path = data_files(&folder).pop().unwrap();
    let mut dropped = 0;
    rewrite(&path, |group, batch| {
        if group > 0 {
            return batch;
        }
        let ids = ids(&batch);
        dropped = ids[0];
        rearranged(&batch, (0..ids.len()).filter(|&row| ids[row] != dropped))
    });
    let found = alone(&folder);
    assert_eq!(found.faults[0].kind, FaultKind::Episodes);
    assert_eq!(found.faults[0].episode_id, Some(dropped), "{}", found.faults[0]);
    assert!(found.faults.iter().any(|fault| fault.kind == FaultKind::Count));
}

#[test]
fn a_swapped_pair_of_episodes_is_named() {
    let folder = rows(2);
    let path = data_files(&folder).remove(0);
    let mut first = 0;
    rewrite(&path, |group, batch| {
        if group > 0 {
            return batch;
        }
        let ids = ids(&batch);
        first = ids[0];
        let ends: Vec<usize> = (1..ids.len()).filter(|&row| ids[row] != ids[row - 1]).collect();
        let (a, b) = (ends[0], ends[1]);
        rearranged(&batch, (a..b).chain(0..a).chain(b..ids.len()))
    });
    let found = alone(&folder);
    assert_eq!(found.faults[0].kind, FaultKind::Episodes);
    assert_eq!((found.faults[0].game, found.faults[0].episode_id), (Some(0), Some(first)));
    // Without the table of episodes, the games themselves tell.
    fs::remove_dir_all(folder.path().join("meta/episodes")).unwrap();
    let found = with_games(&folder, 2);
    let fault = found.first_game().unwrap();
    assert_eq!((fault.kind, fault.game), (FaultKind::Order, Some(0)), "{fault}");
}

#[test]
fn a_changed_observation_is_found_by_playing_the_game_again() {
    let folder = rows(5);
    let path = data_files(&folder).remove(0);
    let mut changed = (0, 0);
    rewrite(&path, |group, batch| {
        if group > 0 {
            return batch;
        }
        let army = batch["army"].as_fixed_size_binary();
        let values = (0..army.len()).map(|row| {
            let mut value = army.value(row).to_vec();
            value[40] ^= u8::from(row == 77);
            value
        });
        let army = FixedSizeBinaryArray::try_from_iter(values).unwrap();
        let agent = batch["agent_id"].as_primitive::<UInt8Type>().value(77);
        changed = (ids(&batch)[77], agent);
        with_column(&batch, "army", Arc::new(army))
    });
    assert!(alone(&folder).is_sound(), "nothing but the game tells what an army should be");
    let found = with_games(&folder, 5);
    let fault = &found.faults[0];
    assert_eq!((fault.kind, fault.episode_id), (FaultKind::Rows, Some(changed.0)), "{fault}");
    let expected = format!("player {}, row 77: column \"army\"", changed.1);
    assert!(fault.message.starts_with(&expected), "{fault}");
    assert_eq!(found.faults.len(), 1);
}

#[test]
fn games_that_are_missing_or_too_many_are_named() {
    let folder = rows(2);
    for (games, expected) in [(GAMES - 1, FaultKind::Rows), (GAMES + 1, FaultKind::Count)] {
        let found = verify(folder.path(), Some(&simulation(2, games)), 2).unwrap();
        let fault = found.first_game().unwrap();
        let game = Some(GAMES.min(games));
        assert_eq!((fault.kind, fault.game, found.faults.len()), (expected, game, 1), "{fault}");
    }
}

#[test]
fn a_game_that_ends_otherwise_is_named() {
    let folder = dataset(Kind::Games, 2);
    let path = data_files(&folder).remove(0);
    rewrite(&path, |_, batch| {
        let digests = batch["digest"].as_primitive::<UInt64Type>();
        let changed: UInt64Array =
            digests.values().iter().enumerate().map(|(row, &d)| d ^ u64::from(row == 7)).collect();
        with_column(&batch, "digest", Arc::new(changed))
    });
    let found = alone(&folder);
    let fault = &found.faults[0];
    assert_eq!((fault.kind, fault.game), (FaultKind::Outcome, Some(7)), "{fault}");
    assert!(fault.message.contains("digest"), "{fault}");
    assert_eq!(found.faults.len(), 1);
}

#[test]
fn an_order_that_is_not_legal_is_named() {
    let folder = dataset(Kind::Games, 2);
    let path = data_files(&folder).remove(0);
    rewrite(&path, |_, batch| {
        let moves = batch["moves"].as_binary::<i32>();
        let values = (0..moves.len()).map(|row| {
            let mut bytes = moves.value(row).to_vec();
            if row == 5 {
                // The turn of the first order: it becomes due before the seat has an army of two.
                let first = bytes.iter().skip(1).position(|&byte| byte & 128 == 0).unwrap();
                let tokens = 1
                    + (0..3).fold(0, |at, _| {
                        at + 1 + bytes[1 + at..].iter().take_while(|&&byte| byte & 128 != 0).count()
                    });
                assert!(first < tokens);
                bytes[tokens] &= 15;
            }
            bytes
        });
        with_column(&batch, "moves", Arc::new(BinaryArray::from_iter_values(values)))
    });
    let found = alone(&folder);
    let fault = &found.faults[0];
    assert_eq!((fault.kind, fault.game), (FaultKind::Move, Some(5)), "{fault}");
    assert!(fault.message.contains("order 0 of player 0"), "{fault}");
}

#[test]
fn games_that_are_swapped_dropped_or_doubled_are_named() {
    let n = usize::try_from(GAMES).unwrap();
    let swapped: Vec<usize> = (0..n).map(|row| if row / 2 == 4 { row ^ 1 } else { row }).collect();
    let dropped: Vec<usize> = (0..n).filter(|&row| row != 9).collect();
    let doubled: Vec<usize> = (0..=9).chain(9..n).collect();
    for (rows, kind, game) in [
        (swapped, FaultKind::Order, Some(8)),
        (dropped, FaultKind::Count, None),
        (doubled, FaultKind::Order, Some(9)),
    ] {
        let folder = dataset(Kind::Games, 2);
        let path = data_files(&folder).remove(0);
        rewrite(&path, |_, batch| rearranged(&batch, rows.iter().copied()));
        let found = alone(&folder);
        assert_eq!((found.faults[0].kind, found.faults[0].game), (kind, game), "{found:?}");
    }
}

#[test]
fn files_that_are_cut_or_missing_are_named() {
    for kind in [Kind::Games, experiences(format(2), Reward::SHAPED)] {
        let folder = dataset(kind, 2);
        let path = data_files(&folder).remove(0);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let found = alone(&folder);
        assert_eq!(found.faults[0].kind, FaultKind::Unreadable, "{}", found.faults[0]);
        assert!(found.faults[0].to_string().contains("file-000.parquet"));
        fs::remove_file(&path).unwrap();
        let found = alone(&folder);
        assert!(found.faults.iter().any(|fault| fault.kind == FaultKind::Count));
    }
    let nothing = Scratch::new("nothing");
    fs::create_dir_all(nothing.path().join("data")).unwrap();
    assert!(verify::<Archive>(nothing.path(), None, 1).is_err());
}
