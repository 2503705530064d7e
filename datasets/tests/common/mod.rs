//! Small datasets in folders that go away.
#![allow(dead_code, reason = "each test file uses a part")]
#![expect(clippy::unwrap_used, reason = "what fails in a test shows where")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arrow::{
    array::{ArrayRef, RecordBatch},
    compute::concat_batches,
};
use datasets::{
    DataError, Kind,
    folder::FolderOptions,
    info::Info,
    pipeline::{self, Control, Plan, Report},
    produce::{Producer, Simulation},
    seats::Seats,
    stopwatch::Stopwatch,
};
use parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};
use systems::{
    mapgen::{MapKind, MapSpec, Size},
    policies::Policy,
    reward::Reward,
    rollout::{Maps, RolloutSpec},
    rows::RowFormat,
    rules::ruleset::Ruleset,
};

/// A folder's name that nobody else has, removed at the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = std::process::id();
        Self(std::env::temp_dir().join(format!("bivouac-{name}-{id}-{number}")))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// The files of a folder by their path in it.
pub(crate) fn tree(scratch: &Scratch) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![scratch.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(scratch.path()).unwrap().to_owned();
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    files
}

/// Games of random players on small boards, some of which end by the rules.
pub(crate) fn simulation(players: usize, games: u64) -> Simulation {
    let size = Size::Fixed { width: 15, height: 12 };
    Simulation::new(RolloutSpec {
        seed: 11,
        first_game: 0,
        games,
        maps: Maps::Generated(MapSpec {
            size,
            ..MapSpec::free_for_all(MapKind::Generals, players)
        }),
        ruleset: Arc::new(Ruleset::named("generals").unwrap()),
        max_ticks: 600,
        policies: vec![Policy::Random],
        has_fog: true,
    })
}

pub(crate) fn experiences(format: RowFormat, reward: Reward) -> Kind {
    Kind::Experiences { format, reward, seats: Seats::ALL, layout: None }
}

pub(crate) fn try_write<P: Producer>(
    producer: &P,
    kind: Kind,
    folder: &Scratch,
    options: FolderOptions,
    threads: usize,
) -> Result<Report, DataError> {
    let control = Control {
        threads,
        stop: &AtomicBool::new(false),
        progress: &mut |_| (),
        stopwatch: &Stopwatch::default(),
    };
    let plan = Plan { kind, info: Info::default(), folder: options };
    pipeline::write(producer, plan, folder.path(), control)
}

pub(crate) fn write<P: Producer>(
    producer: &P,
    kind: Kind,
    folder: &Scratch,
    options: FolderOptions,
    threads: usize,
) -> Report {
    try_write(producer, kind, folder, options, threads).unwrap()
}

/// Writes a file again with other rows, row group by row group, without a checksum.
pub(crate) fn rewrite(path: &Path, mut change: impl FnMut(usize, RecordBatch) -> RecordBatch) {
    let builder =
        || ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap();
    let (schema, groups) = (builder().schema().clone(), builder().metadata().num_row_groups());
    let changed: Vec<RecordBatch> = (0..groups)
        .map(|group| {
            let reader = builder().with_row_groups(vec![group]).with_batch_size(1 << 20).build();
            let batches: Vec<_> = reader.unwrap().map(Result::unwrap).collect();
            change(group, concat_batches(&schema, &batches).unwrap())
        })
        .collect();
    let schema = changed.first().map_or(schema, RecordBatch::schema);
    let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), schema, None).unwrap();
    for batch in changed {
        writer.write(&batch).unwrap();
        writer.flush().unwrap();
    }
    writer.close().unwrap();
}

/// A batch with another column in the place of one.
pub(crate) fn with_column(batch: &RecordBatch, name: &str, column: ArrayRef) -> RecordBatch {
    let mut columns = batch.columns().to_vec();
    columns[batch.schema().index_of(name).unwrap()] = column;
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}
