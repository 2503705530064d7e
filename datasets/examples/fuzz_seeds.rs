//! Writes the seeds of the fuzz targets to `fuzz/corpus`: small games of built-in policies, and the
//! generated replays of the tests. `cargo run -p datasets --example fuzz_seeds`.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use datasets::{
    Kind,
    folder::FolderOptions,
    games::GamesFile,
    info::Info,
    layouts::Layout,
    pipeline::{self, Control, Plan},
    produce::{Producer, ReplayOptions, Replays, Simulation},
    seats::Seats,
    stopwatch::Stopwatch,
};
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    file::properties::{EnabledStatistics, WriterProperties},
};
use systems::{
    mapgen::{MapSpec, Size},
    policies::Policy,
    reward::Reward,
    rollout::{Maps, RolloutSpec},
    rows::RowFormat,
    rules::ruleset::Ruleset,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (gior, games) = (root.join("fuzz/corpus/gior"), root.join("fuzz/corpus/games"));
    fs::create_dir_all(&gior)?;
    fs::create_dir_all(&games)?;
    let mut replays: Vec<PathBuf> = fs::read_dir(root.join("tests/data/replays"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Outcome<Vec<_>>>()?;
    replays.retain(|path| path.extension().is_some_and(|extension| extension == "gior"));
    replays.sort();
    for replay in &replays {
        fs::copy(replay, gior.join(replay.file_stem().ok_or("a name")?))?;
    }
    for (name, ruleset, players) in [
        ("generals_2", "generals", 2),
        ("generals_5", "generals", 5),
        ("classic_3", "generals-classic", 3),
        ("bots_2", "generals-bots", 2),
        ("competition_2", "competition", 2),
    ] {
        seed(&simulation(ruleset, players, 40)?, Kind::Games, &games.join(name))?;
    }
    for name in ["syn_2v2", "syn_surrender"] {
        let path = root.join("tests/data/replays").join(name).with_extension("gior");
        let options = ReplayOptions { keeps_names: true, ..ReplayOptions::default() };
        seed(&Replays::new(vec![path], options), Kind::Games, &games.join(name))?;
    }
    experiences(&root.join("fuzz/corpus"))
}

/// Rows of a few ticks, compact and dense, with every column that there can be, and what is told of
/// their episodes.
fn experiences(corpus: &Path) -> Outcome<()> {
    for part in ["experiences", "episodes"] {
        fs::create_dir_all(corpus.join(part))?;
    }
    for (name, ruleset, players, layout) in [
        ("compact_2", "generals", 2, None),
        ("compact_3", "generals", 3, None),
        ("compact_5", "generals", 5, None),
        ("builds_2", "competition", 2, None),
        ("durbin9_2", "generals", 2, Some(Layout::Durbin9)),
        ("bots_2", "generals-bots", 2, Some(Layout::GeneralsBots)),
    ] {
        let simulation = simulation(ruleset, players, 4)?;
        let has_builds = ruleset == "competition";
        let format = RowFormat { height: 7, width: 9, has_builds, has_owners: players > 2 };
        let reward = Reward::SHAPED;
        let kind = Kind::Experiences { format, reward, seats: Seats::ALL, layout };
        seed(&simulation, kind, &corpus.join("experiences").join(name))?;
    }
    Ok(())
}

fn simulation(ruleset: &str, players: usize, max_ticks: u32) -> Outcome<Simulation> {
    let ruleset = Ruleset::named(ruleset)?;
    let size = Size::Fixed { width: 9, height: 7 };
    let maps = MapSpec { size, ..MapSpec::free_for_all(ruleset.map.kind, players) };
    Ok(Simulation::new(RolloutSpec {
        seed: 1,
        first_game: 0,
        games: 2,
        maps: Maps::Generated(maps),
        ruleset: Arc::new(ruleset),
        max_ticks,
        policies: vec![Policy::Random],
        has_fog: true,
    }))
}

/// Writes games as one file without compression and statistics: mutations of packed bytes are
/// mere damage, mutations of plain ones are other games.
fn seed<P: Producer>(producer: &P, kind: Kind, path: &Path) -> Outcome<()> {
    let folder = std::env::temp_dir().join(format!("bivouac-seeds-{}", std::process::id()));
    let control = Control {
        threads: 1,
        stop: &AtomicBool::new(false),
        progress: &mut |_| (),
        stopwatch: &Stopwatch::default(),
    };
    let plan = Plan { kind, info: Info::default(), folder: FolderOptions::default() };
    pipeline::write(producer, plan, &folder, control)?;
    for file in GamesFile::paths(&folder)? {
        plain(&file, path)?;
    }
    // What is told of experiences lies beside them.
    let told = folder.join("meta/episodes/chunk-000/file-000.parquet");
    if let (true, Some(corpus), Some(name)) =
        (told.is_file(), path.parent().and_then(Path::parent), path.file_name())
    {
        plain(&told, &corpus.join("episodes").join(name))?;
    }
    fs::remove_dir_all(folder)?;
    Ok(())
}

/// Writes the rows of a file again, plainly.
fn plain(file: &Path, path: &Path) -> Outcome<()> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(file)?)?;
    // The batches' own schema does not say which table it is, and without that a file is refused
    // before it is read.
    let schema = reader.schema().clone();
    let batches = reader.build()?.collect::<Result<Vec<_>, _>>()?;
    let properties = WriterProperties::builder()
        .set_statistics_enabled(EnabledStatistics::None)
        .set_dictionary_enabled(false)
        .build();
    let mut writer = ArrowWriter::try_new(fs::File::create(path)?, schema, Some(properties))?;
    for batch in &batches {
        writer.write(batch)?;
    }
    writer.close()?;
    Ok(())
}
