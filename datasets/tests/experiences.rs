//! What a dataset of experiences promises: its rows, their order, and that nothing but its games
//! decides about its bytes.

#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "what fails in a test shows where; test games are short"
)]

mod common;

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::concat_batches,
    datatypes::{DataType, Float32Type, Int32Type, UInt8Type, UInt32Type, UInt64Type},
};
use common::{Scratch, experiences, simulation, tree, try_write, write};
use datasets::{
    DataError, Kind,
    folder::FolderOptions,
    games::ArchivedGame,
    import::Bounds,
    layouts::Layout,
    produce::{Archive, Produced, Producer, Simulation},
    schema,
    seats::Seats,
};
use parquet::{
    arrow::arrow_reader::ParquetRecordBatchReaderBuilder, file::metadata::RowGroupMetaData,
};
use systems::{
    reward::Reward,
    rollout::RolloutSpec,
    rows::{KeptRows, RowFormat, flag},
    world::{World, WorldConfig},
};

/// All row groups of a dataset, in order.
fn row_groups(scratch: &Scratch) -> Vec<RecordBatch> {
    let mut groups = Vec::new();
    for (path, _) in tree(scratch).iter().filter(|(path, _)| path.starts_with("data")) {
        let file = || fs::File::open(scratch.path().join(path)).unwrap();
        let builder = ParquetRecordBatchReaderBuilder::try_new(file()).unwrap();
        for group in 0..builder.metadata().num_row_groups() {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file()).unwrap();
            let reader = builder.with_row_groups(vec![group]).with_batch_size(1 << 20).build();
            groups.extend(reader.unwrap().map(Result::unwrap));
        }
    }
    groups
}

/// The rows of a dataset as one batch.
fn rows(scratch: &Scratch) -> RecordBatch {
    let groups = row_groups(scratch);
    let schema = groups[0].schema();
    // Dictionaries of different row groups are different; their values are what counts.
    let plain = |batch: &RecordBatch| {
        let columns = batch.columns().iter().map(|column| match column.data_type() {
            DataType::Dictionary(_, value) => arrow::compute::cast(column, value).unwrap(),
            _ => column.clone(),
        });
        columns.collect::<Vec<_>>()
    };
    let columns: Vec<_> = groups.iter().map(plain).collect();
    let whole = (0..schema.fields().len()).map(|i| {
        let parts: Vec<&dyn Array> = columns.iter().map(|c| c[i].as_ref()).collect();
        (schema.field(i).name().clone(), arrow::compute::concat(&parts).unwrap())
    });
    RecordBatch::try_from_iter_with_nullable(whole.map(|(name, array)| (name, array, true)))
        .unwrap()
}

fn format(players: usize) -> RowFormat {
    RowFormat { height: 12, width: 15, has_builds: false, has_owners: players > 2 }
}

fn records(simulation: &Simulation) -> Vec<ArchivedGame> {
    (0..)
        .map_while(|n| simulation.next(n))
        .flat_map(|job| simulation.work(job).unwrap().games)
        .collect()
}

#[test]
fn threads_do_not_change_a_byte() {
    for (players, games) in [(2, 60), (5, 20)] {
        let folders: Vec<Scratch> = [1, 2, 16]
            .map(|threads| {
                let folder = Scratch::new("threads");
                let options = FolderOptions { group_bytes: 1 << 20, ..FolderOptions::default() };
                let kind = experiences(format(players), Reward::SHAPED);
                write(&simulation(players, games), kind, &folder, options, threads);
                folder
            })
            .into();
        let trees: Vec<_> = folders.iter().map(tree).collect();
        assert!(trees[0].len() >= 4, "{:?}", trees[0].keys());
        assert!(trees[0] == trees[1] && trees[0] == trees[2]);
    }
}

#[test]
fn files_are_cut_at_the_same_rows_whatever_the_threads() {
    let folders = [1, 4].map(|threads| {
        let folder = Scratch::new("files");
        let options =
            FolderOptions { group_bytes: 1 << 19, file_bytes: 40_000, ..FolderOptions::default() };
        write(
            &simulation(2, 60),
            experiences(format(2), Reward::SPARSE),
            &folder,
            options,
            threads,
        );
        folder
    });
    let trees = folders.each_ref().map(tree);
    let data = trees[0].keys().filter(|path| path.starts_with("data")).count();
    let meta = trees[0].keys().filter(|path| path.starts_with("meta/episodes")).count();
    assert!(data > 2, "{data} files");
    assert_eq!(data, meta);
    assert!(trees[0] == trees[1]);
}

#[test]
fn the_size_of_groups_does_not_change_a_row() {
    for players in [2, 5] {
        // From all games in one group, over one game in a group and one seat in a group, to an
        // agent's episode that is written in parts.
        let sizes = [64 << 20, 1 << 20, 200_000, 1_000];
        let batches = sizes.map(|group_bytes| {
            let folder = Scratch::new("groups");
            let options = FolderOptions { group_bytes, ..FolderOptions::default() };
            let kind = experiences(format(players), Reward::POTENTIAL);
            let report = write(&simulation(players, 9), kind, &folder, options, 2);
            assert_eq!(report.totals.games, 9);
            assert_eq!(report.totals.episodes, 9 * players as u64);
            rows(&folder)
        });
        for batch in &batches[1..] {
            assert!(*batch == batches[0]);
        }
    }
}

#[test]
fn an_episode_of_an_agent_never_crosses_a_row_group() {
    let folder = Scratch::new("crossing");
    let options = FolderOptions { group_bytes: 300_000, ..FolderOptions::default() };
    write(&simulation(5, 12), experiences(format(5), Reward::SPARSE), &folder, options, 2);
    let groups = row_groups(&folder);
    assert!(groups.len() > 10);
    let mut seen = std::collections::BTreeSet::new();
    for group in &groups {
        let ids = group[schema::column::EPISODE_ID].as_primitive::<UInt64Type>().values();
        let agents = group[schema::column::AGENT_ID].as_primitive::<UInt8Type>().values();
        let mut here: Vec<_> = ids.iter().copied().zip(agents.iter().copied()).collect();
        here.dedup();
        for episode in here {
            assert!(seen.insert(episode), "{episode:?} is in two places");
        }
    }
    assert_eq!(seen.len(), 12 * 5);
}

/// One agent's rows as the engine gave them: view, and what led to it.
type Raw = Vec<(Vec<u16>, Vec<u64>, i32, f32, u8)>;

/// The rows of each (game, seat) straight from a world in which all games are played again.
fn raw_rows(games: &[ArchivedGame], format: RowFormat, reward: Reward) -> BTreeMap<(u64, u8), Raw> {
    let mut world = World::new(WorldConfig { threads: 1, ..WorldConfig::default() }).unwrap();
    let sink = Arc::new(KeptRows::default());
    world.collect_rows(sink.clone(), format, reward);
    for game in games {
        game.record.replay_in(&mut world).unwrap();
    }
    let mut raw: BTreeMap<_, Raw> = BTreeMap::new();
    let longest = games.iter().map(|game| game.record.outcome.ticks).max().unwrap();
    for _ in 0..=longest {
        world.step();
        for batch in sink.drain() {
            let (tiles, words) = (format.tiles(), format.words() * 9);
            for row in 0..batch.len {
                raw.entry((batch.game[row], batch.agent[row])).or_default().push((
                    batch.army[row * tiles..][..tiles].to_vec(),
                    batch.planes[row * words..][..words].to_vec(),
                    batch.action[row],
                    batch.reward[row],
                    batch.flags[row],
                ));
            }
        }
    }
    raw
}

#[test]
fn a_row_has_the_action_taken_on_it_and_what_came_of_it() {
    let (format, reward) = (format(2), Reward::SHAPED);
    let simulation = simulation(2, 5);
    let folder = Scratch::new("shift");
    write(&simulation, experiences(format, reward), &folder, FolderOptions::default(), 2);
    let batch = rows(&folder);
    let army = batch[schema::column::ARMY].as_fixed_size_binary();
    let planes = batch[schema::column::PLANES].as_fixed_size_binary();
    let step = batch[schema::column::STEP].as_primitive::<UInt32Type>();
    let action = batch[schema::column::ACTION].as_primitive::<Int32Type>();
    let rewards = batch[schema::column::REWARD].as_primitive::<Float32Type>();
    let flags = [
        schema::column::TERMINATED,
        schema::column::TRUNCATED,
        schema::column::IS_FIRST,
        schema::column::IS_LAST,
    ]
    .map(|name| batch[name].as_boolean());
    let games = records(&simulation);
    let raw = raw_rows(&games, format, reward);
    let mut at = 0;
    for game in &games {
        for seat in 0..2 {
            let agent = &raw[&(game.record.game, seat)];
            assert_eq!(agent.len() as u32, game.record.outcome.ticks + 1, "T actions, T + 1 rows");
            for (tick, (units, bits, ..)) in agent.iter().enumerate() {
                let bytes: Vec<u8> = units.iter().flat_map(|n| n.to_le_bytes()).collect();
                assert_eq!(army.value(at), bytes);
                let bytes: Vec<u8> = bits.iter().flat_map(|n| n.to_le_bytes()).collect();
                assert_eq!(planes.value(at), bytes);
                let next = agent.get(tick + 1);
                let led = next.map_or((-1, 0.0, 0), |next| (next.2, next.3, next.4));
                assert_eq!((step.value(at), action.value(at)), (tick as u32, led.0));
                assert_eq!(rewards.value(at).to_bits(), led.1.to_bits());
                let expected = [
                    led.2 & flag::TERMINATED != 0,
                    led.2 & flag::TRUNCATED != 0,
                    tick == 0,
                    next.is_none(),
                ];
                assert_eq!(flags.map(|column| column.value(at)), expected, "{tick}");
                at += 1;
            }
        }
    }
    assert_eq!(at, batch.num_rows());
}

#[test]
fn boards_that_do_not_fit_the_canvas_are_refused_with_the_fix() {
    let folder = Scratch::new("canvas");
    let small = RowFormat { height: 12, width: 14, ..format(2) };
    let error = try_write(
        &simulation(2, 3),
        experiences(small, Reward::SPARSE),
        &folder,
        FolderOptions::default(),
        1,
    )
    .unwrap_err()
    .to_string();
    assert!(error.contains("--canvas 12x15"), "{error}");
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let folder = Scratch::new("occupied");
    fs::create_dir_all(folder.path()).unwrap();
    fs::write(folder.path().join("thesis.txt"), "years of work").unwrap();
    for replaces in [false, true] {
        let options = FolderOptions { replaces, ..FolderOptions::default() };
        let error = try_write(&simulation(2, 3), Kind::Games, &folder, options, 1);
        assert!(error.is_err());
        assert_eq!(tree(&folder).len(), 1);
    }
}

#[test]
fn expanded_games_are_the_rows_that_were_written_while_they_were_played() {
    for players in [2, 5] {
        let kind = experiences(format(players), Reward::SHAPED);
        let (played, games, expanded) =
            (Scratch::new("played"), Scratch::new("games"), Scratch::new("expanded"));
        let options = FolderOptions { group_bytes: 1 << 20, ..FolderOptions::default() };
        write(&simulation(players, 30), kind, &played, options.clone(), 2);
        write(&simulation(players, 30), Kind::Games, &games, options.clone(), 2);
        let archive = Archive::open(games.path()).unwrap();
        let bounds = Bounds { height: 12, width: 15, players };
        assert_eq!((archive.games(), archive.bounds()), (30, bounds));
        assert!(!archive.has_builds());
        write(&archive, kind, &expanded, options, 2);
        // The file in which a dataset tells where its games came from differs.
        let files = |scratch: &Scratch| {
            let mut files = tree(scratch);
            files.remove(Path::new("meta/info.json")).unwrap();
            files
        };
        assert!(files(&played) == files(&expanded));
    }
}

/// A game that says it has so many ticks.
struct Long(u32);

impl Producer for Long {
    type Job = RolloutSpec;

    fn next(&self, after: u64) -> Option<RolloutSpec> {
        simulation(2, 1).next(after)
    }

    fn work(&self, job: RolloutSpec) -> Result<Produced, DataError> {
        let mut produced = simulation(2, 1).work(job)?;
        produced.games[0].record.outcome.ticks = self.0;
        Ok(produced)
    }

    fn games(&self) -> u64 {
        1
    }
}

#[test]
fn an_episode_that_no_reader_would_take_is_refused_before_it_is_played() {
    let format = RowFormat { height: 32, width: 32, has_builds: false, has_owners: false };
    let layout = Some(Layout::Memory);
    let kind = Kind::Experiences { format, reward: Reward::SPARSE, seats: Seats::ALL, layout };
    let folder = Scratch::new("too-long");
    let error = try_write(&Long(11_000), kind, &folder, FolderOptions::default(), 1).unwrap_err();
    assert!(matches!(error, DataError::TooLong { ticks: 11_000, .. }), "{error}");
    assert!(error.to_string().contains("--max-ticks"), "{error}");
    // A little shorter it would be played, and then is found not to be that long.
    let error = try_write(&Long(9_000), kind, &Scratch::new("long"), FolderOptions::default(), 1);
    assert!(matches!(error, Err(DataError::Diverged { .. })), "{error:?}");
}

#[test]
fn an_episode_is_read_alone_through_the_table_of_episodes() {
    let folder = Scratch::new("alone");
    let format = RowFormat { height: 12, width: 15, has_builds: false, has_owners: false };
    let options =
        FolderOptions { group_bytes: 1 << 20, file_bytes: 40_000, ..FolderOptions::default() };
    write(&simulation(2, 24), experiences(format, Reward::SPARSE), &folder, options, 2);
    let read = |path: &Path, groups: Option<usize>| {
        let file = fs::File::open(path).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let before = |n: usize| {
            reader.metadata().row_groups()[..n].iter().map(RowGroupMetaData::num_rows).sum()
        };
        let before: i64 = groups.map_or(0, before);
        let reader = match groups {
            Some(group) => reader.with_row_groups(vec![group]),
            None => reader,
        };
        let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
        (concat_batches(&batches[0].schema(), &batches).unwrap(), usize::try_from(before).unwrap())
    };
    let mut seen = 0;
    for name in tree(&folder).into_keys().filter(|name| name.starts_with("meta/episodes")) {
        let (told, _) = read(&folder.path().join(name), None);
        for i in 0..told.num_rows() {
            let number = |name: &str| told[name].as_primitive::<UInt32Type>().value(i) as usize;
            let path = folder.path().join(told["file"].as_string::<i32>().value(i));
            let (rows, before) = read(&path, Some(number("row_group")));
            let first = told["row"].as_primitive::<UInt64Type>().value(i);
            let first = usize::try_from(first).unwrap() - before;
            let one = rows.slice(first, number("rows"));
            let id = told["episode_id"].as_primitive::<UInt64Type>().value(i);
            let agent = told["agent_id"].as_primitive::<UInt8Type>().value(i);
            let ids = one["episode_id"].as_primitive::<UInt64Type>();
            let agents = one["agent_id"].as_primitive::<UInt8Type>();
            assert!(
                ids.values().iter().all(|&of| of == id)
                    && agents.values().iter().all(|&a| a == agent)
            );
            let steps = one["step"].as_primitive::<UInt32Type>();
            assert!(
                steps
                    .values()
                    .iter()
                    .copied()
                    .eq(0..=told["length"].as_primitive::<UInt32Type>().value(i))
            );
            seen += 1;
        }
    }
    assert_eq!(seen, 48);
}
