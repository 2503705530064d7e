use std::{fs, sync::Arc};

use systems::{
    mapgen::{MapKind, MapSpec, Size},
    policies::Policy,
    rollout::{Maps, RolloutSpec},
    rules::ruleset::Ruleset,
};

use super::*;
use crate::{
    parquet_files::{self, RowGroups},
    produce::{Producer, Simulation},
    schema::{self, game as column},
};

fn simulated(players: usize) -> Vec<ArchivedGame> {
    let size = Size::Fixed { width: 17, height: 11 };
    let maps = MapSpec { size, ..MapSpec::free_for_all(MapKind::Generals, players) };
    let simulation = Simulation::new(RolloutSpec {
        seed: 5,
        first_game: 3,
        games: 7,
        maps: Maps::Generated(maps),
        ruleset: Arc::new(Ruleset::named("generals").unwrap()),
        max_ticks: 120,
        policies: vec![Policy::Random],
        has_fog: true,
    });
    simulation.work(simulation.next(0).unwrap()).unwrap().games
}

fn write(games: &[ArchivedGame], name: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("bivouac-{name}-{}.parquet", std::process::id()));
    let schema = schema::games();
    let file = fs::File::create(&path).unwrap();
    let mut writer = parquet_files::begin(file, &schema, &path).unwrap();
    let mut group = RowGroups::new(schema).unwrap().begin().unwrap();
    group.write(&arrays(games)).unwrap();
    parquet_files::append(&mut writer, group.finish().unwrap()).unwrap();
    writer.close().unwrap();
    path
}

#[test]
fn games_read_back_as_written() {
    let mut games = simulated(2);
    games.extend(simulated(5));
    games[3].source = Some(ReplaySource {
        id: "BkXJ1eYq0".to_owned(),
        version: 15,
        map_name: None,
        modifiers: vec![1],
        ratings: vec![Some(61.5), None],
        names: Some(vec!["a".to_owned(), String::new()]),
    });
    let path = write(&games, "round-trip");
    let read: Vec<ArchivedGame> = GamesFile::open(&path).unwrap().map(Result::unwrap).collect();
    assert!(read == games);
    fs::remove_file(path).unwrap();
}

#[test]
fn what_is_no_game_is_named_by_row() {
    let mut games = simulated(2);
    let broken = |game: &mut ArchivedGame| {
        let mut start = (*game.record.start).clone();
        start.generals[1] = start.generals[0];
        game.record.start = Arc::new(start);
    };
    broken(&mut games[4]);
    let path = write(&games, "broken-row");
    let read: Vec<_> = GamesFile::open(&path).unwrap().collect();
    assert_eq!(read.len(), 5, "reading ends with the first fault");
    let message = read[4].as_ref().unwrap_err().to_string();
    assert!(message.contains("row 4") && message.contains("general on tile"), "{message}");
    fs::remove_file(path).unwrap();
}

#[test]
fn a_column_of_another_type_is_named_with_the_type_it_should_have() {
    let path = write(&simulated(2), "other-types");
    let batches = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(
        fs::File::open(&path).unwrap(),
    );
    let batch = batches.unwrap().build().unwrap().next().unwrap().unwrap();
    for (name, type_name) in [(column::WIDTH, "UInt8"), (column::MOVES, "Binary")] {
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns()).map(|(field, array)| {
            let texts = StringArray::from_iter_values((0..batch.num_rows()).map(|_| "wide"));
            let array = if field.name() == name { Arc::new(texts) } else { array.clone() };
            (field.name().clone(), array)
        });
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut bytes = Vec::new();
        let writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None);
        let mut writer = writer.unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let shown = std::path::Path::new("hostile.parquet");
        let fault = GamesFile::from_bytes(shown, bytes).unwrap().next().unwrap().unwrap_err();
        let fault = fault.to_string();
        assert!(fault.starts_with("hostile.parquet: column"), "{fault}");
        assert!(fault.contains(name) && fault.contains(type_name), "{fault}");
    }
    fs::remove_file(path).unwrap();
}

#[test]
fn damaged_files_are_read_without_a_panic() {
    let games = simulated(3);
    let path = write(&games, "damaged");
    let whole = fs::read(&path).unwrap();
    let mut dice = systems::dice::Dice::new(9);
    for round in 0..400 {
        let mut bytes = whole.clone();
        if round % 4 == 0 {
            bytes.truncate(dice.below(u32::try_from(bytes.len()).unwrap()) as usize);
        } else {
            let at = dice.below(u32::try_from(bytes.len()).unwrap()) as usize;
            bytes[at] ^= 1 << dice.below(8);
        }
        fs::write(&path, bytes).unwrap();
        // A flipped bit may fall where nothing reads it; what counts is that nothing breaks.
        let read: Result<Vec<_>, _> = GamesFile::open(&path).and_then(Iterator::collect);
        assert!(round % 4 != 0 || read.is_err());
    }
    fs::remove_file(path).unwrap();
}
