//! A dataset folder: data files that appear only when they are whole, and what is told of them.
//!
//! A full data file gets its name first, then the file of its episodes, then the card, and last
//! `meta/info.json`, which says how many files there are and where a run that was ended goes on.

use std::{
    collections::BTreeSet,
    io::{self, BufWriter},
    path::Path,
    sync::Arc,
};

use arrow::{
    array::{
        ArrayRef, BooleanArray, Float64Array, StringArray, StringDictionaryBuilder, UInt8Array,
        UInt32Array, UInt64Array,
    },
    datatypes::{Int32Type, SchemaRef},
};

use crate::{
    error::{self, DataError},
    info::{Info, Told},
    parquet_files::{self, FileWriter, RowGroups},
    resume::{self, Checkpoint, Place, Reasons},
    schema,
    storage::{self, Storage, Upload},
    table::{EncodedGroup, EpisodeRow, Kind},
    totals::Totals,
};

/// Bytes after which a data file is closed and the next one begun.
const FILE_BYTES: u64 = 100_000_000;

/// Bytes of a row group: large enough that a reader's start on it does not count, and small enough
/// that a laptop holds one for each thread.
const GROUP_BYTES: usize = 64 << 20;

/// Files in one folder of a chunk.
pub(crate) const FILES_PER_CHUNK: u64 = 1_000;

/// What a folder is written with.
#[derive(Clone, Debug)]
pub struct FolderOptions {
    /// Whether a dataset that is in the folder is removed first.
    pub replaces: bool,
    /// Whether a run that was ended goes on, with the same bytes as if it had not been. In an empty
    /// folder it begins.
    pub resumes: bool,
    /// Bytes after which a data file is closed and the next one begun.
    pub file_bytes: u64,
    /// Bytes of the wide columns that a row group of experiences holds at most before encoding,
    /// unless a single agent's episode is more. Each thread needs about so much memory. A row group
    /// of games holds at most so many bytes of moves, and never more than 4 MiB.
    pub group_bytes: usize,
}

impl Default for FolderOptions {
    fn default() -> Self {
        let (file_bytes, group_bytes) = (FILE_BYTES, GROUP_BYTES);
        Self { replaces: false, resumes: false, file_bytes, group_bytes }
    }
}

/// A dataset folder being written.
pub(crate) struct Folder {
    storage: Storage,
    kind: Kind,
    schema: SchemaRef,
    info: Info,
    options: FolderOptions,
    open: Option<OpenFile>,
    episodes: Vec<(EpisodeRow, u32, u64)>,
    /// The end of the last full file.
    checkpoint: Checkpoint,
    is_complete: bool,
    pub(crate) totals: Totals,
    /// Inputs that were skipped, by reason, as far as they are before the place in
    /// `checkpoint`, or all of them at the end.
    skipped: Reasons,
}

struct OpenFile {
    writer: FileWriter<BufWriter<Upload>>,
    row_groups: u32,
    rows: u64,
}

pub(crate) const INFO: &str = "meta/info.json";
pub(crate) const CARD: &str = "README.md";

impl Folder {
    /// Begins a dataset in an empty place, or goes on with the one that is there.
    pub(crate) fn open(
        storage: Storage,
        kind: Kind,
        info: Info,
        options: FolderOptions,
    ) -> Result<Self, DataError> {
        let mut folder = Self {
            storage,
            schema: kind.schema(),
            kind,
            info,
            options,
            open: None,
            episodes: Vec::new(),
            checkpoint: Checkpoint::default(),
            is_complete: false,
            totals: Totals::default(),
            skipped: Reasons::new(),
        };
        match folder.storage.get(INFO)? {
            Some(info) if folder.options.resumes => folder.resume(&info)?,
            _ => {
                let Self { storage, options, .. } = &folder;
                if options.resumes && !storage.is_empty()? {
                    return Err(DataError::NotOurs(storage.path("")));
                }
                claim(storage, options.replaces, &folder.told().info())?;
                storage.put(CARD, folder.told().card().as_bytes())?;
                storage.settle();
            }
        }
        Ok(folder)
    }

    /// Inputs that were skipped before the place where the run begins, by reason.
    pub(crate) fn skipped(&self) -> &Reasons {
        &self.skipped
    }

    /// Where the run begins, or nothing if it is complete already.
    pub(crate) fn place(&self) -> Option<Place> {
        (!self.is_complete).then_some(self.checkpoint.place)
    }

    fn resume(&mut self, info: &[u8]) -> Result<(), DataError> {
        let path = self.storage.path(INFO);
        let bad = |problem: String| DataError::Info { path: path.clone(), problem };
        let there = serde_json::from_slice(info).map_err(|e| bad(e.to_string()))?;
        let now = serde_json::from_str(&self.told().info()).map_err(|e| bad(e.to_string()))?;
        if let Some(difference) = resume::difference(&there, &now) {
            return Err(DataError::OtherRun { path: self.storage.path(""), difference });
        }
        let checkpoint = Told::read(&there).map_err(|e| bad(e.to_string()))?;
        self.is_complete = there["is_complete"] == true;
        self.totals = checkpoint.totals.clone();
        self.skipped = checkpoint.skipped.clone();
        self.checkpoint = checkpoint;
        let mut wanted: BTreeSet<String> = BTreeSet::new();
        for number in 0..self.totals.files {
            wanted.insert(name_of("data", number));
            if matches!(self.kind, Kind::Experiences { .. }) {
                wanted.insert(name_of("meta/episodes", number));
            }
        }
        let names = self.storage.names("data")?.into_iter();
        let there: BTreeSet<String> = names.chain(self.storage.names("meta")?).collect();
        if let Some(name) = wanted.difference(&there).next() {
            return Err(DataError::Missing(self.storage.path(name)));
        }
        if !self.is_complete {
            // Told first: at no time does it count a file that is gone.
            self.write_meta()?;
        }
        for name in there.difference(&wanted) {
            if storage::is_unfinished(name) || name.ends_with(".parquet") {
                self.storage.remove(name)?;
            }
        }
        Ok(())
    }

    /// Appends a row group, and closes the file if it is large enough. `skipped` counts the inputs
    /// that were skipped before the group's end, and is asked when a file is closed.
    pub(crate) fn append(
        &mut self,
        group: EncodedGroup,
        skipped: impl FnOnce(&Place) -> Reasons,
    ) -> Result<(), DataError> {
        let name = name_of("data", self.totals.files);
        let path = self.storage.path(&name);
        if self.open.is_none() {
            self.open = Some(OpenFile::begin(&self.storage, &name, &self.schema)?);
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        let (rows, raw_bytes) = (group.rows.rows, group.rows.raw_bytes);
        parquet_files::append(&mut open.writer, group.rows).map_err(error::parquet(&path))?;
        for mut episode in group.episodes {
            episode.row += open.rows;
            self.episodes.push((episode, open.row_groups, self.totals.files));
        }
        open.row_groups += 1;
        open.rows += rows;
        self.totals.rows += rows;
        self.totals.raw_bytes += raw_bytes;
        self.totals.row_groups += 1;
        for game in &group.games {
            self.totals.add(game);
        }
        if open.writer.bytes_written() as u64 >= self.options.file_bytes {
            self.close_file()?;
            self.skipped = skipped(&group.end);
            self.checkpoint = Checkpoint {
                place: group.end,
                totals: self.totals.clone(),
                skipped: self.skipped.clone(),
            };
            self.write_meta()?;
        }
        Ok(())
    }

    /// Bytes of the closed files and the one being written.
    pub(crate) fn bytes(&self) -> u64 {
        let open = self.open.as_ref().map_or(0, |open| open.writer.bytes_written() as u64);
        self.totals.bytes + open
    }

    /// Closes the last file. `is_complete` says whether the run did all it was asked to, and
    /// `skipped` counts the inputs that it skipped.
    pub(crate) fn finish(
        mut self,
        is_complete: bool,
        skipped: Reasons,
    ) -> Result<Totals, DataError> {
        if !self.is_complete {
            self.close_file()?;
            if is_complete && self.totals.files == 0 {
                self.write_nothing()?;
            }
            self.is_complete = is_complete;
            self.skipped = skipped;
            self.write_meta()?;
        }
        Ok(std::mem::take(&mut self.totals))
    }

    /// Writes a file without rows, so that a dataset of no games has its columns, and opens in
    /// every reader.
    fn write_nothing(&mut self) -> Result<(), DataError> {
        let name = name_of("data", self.totals.files);
        self.open = Some(OpenFile::begin(&self.storage, &name, &self.schema)?);
        self.close_file()
    }

    /// Gives the open file its final name, and after it the file of its episodes.
    fn close_file(&mut self) -> Result<(), DataError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let path = self.storage.path(&name_of("data", self.totals.files));
        self.totals.bytes += open.close(&path)?;
        if matches!(self.kind, Kind::Experiences { .. }) {
            self.write_episodes()?;
        }
        self.totals.files += 1;
        Ok(())
    }

    /// Tells of the episodes in the file that was just closed.
    fn write_episodes(&mut self) -> Result<(), DataError> {
        let episodes = std::mem::take(&mut self.episodes);
        self.totals.episodes += episodes.len() as u64;
        let number = self.totals.files;
        let arrays = episode_arrays(&episodes, &name_of("data", number));
        write_episodes(&self.storage, number, vec![arrays])
    }

    /// What `meta/info.json` and the card say now.
    fn told(&self) -> Told<'_> {
        Told {
            info: &self.info,
            kind: self.kind.name(),
            players: self.kind.players(),
            schema: &self.schema,
            options: &self.options,
            totals: &self.totals,
            skipped: &self.skipped,
            checkpoint: (!self.is_complete).then_some(&self.checkpoint),
        }
    }

    fn write_meta(&self) -> Result<(), DataError> {
        write_meta(&self.storage, &self.told())
    }
}

/// Writes the card, and `meta/info.json` when all that it tells of lasts.
pub(crate) fn write_meta(storage: &Storage, told: &Told<'_>) -> Result<(), DataError> {
    storage.put(CARD, told.card().as_bytes())?;
    storage.settle();
    storage.put(INFO, told.info().as_bytes())?;
    storage.settle();
    Ok(())
}

/// Makes a place that of a new dataset: it has to be empty, or hold one that is to be replaced.
/// `info` is the text of `meta/info.json` until there is something to tell.
pub(crate) fn claim(storage: &Storage, replaces: bool, info: &str) -> Result<(), DataError> {
    if storage.get(INFO)?.is_none() {
        return match storage.is_empty()? {
            true => storage.put(INFO, info.as_bytes()),
            false if replaces => Err(DataError::NotOurs(storage.path(""))),
            false => Err(DataError::NotEmpty(storage.path(""))),
        };
    }
    if !replaces {
        return Err(DataError::NotEmpty(storage.path("")));
    }
    // The old dataset stops being one before its files go, and --resume knows what to do.
    storage.put(INFO, info.as_bytes())?;
    storage.settle();
    for part in ["data", "meta"] {
        for name in storage.names(part)? {
            if name != INFO {
                storage.remove(&name)?;
            }
        }
    }
    Ok(())
}

/// Writes the file that tells of the episodes in data file `number`.
pub(crate) fn write_episodes(
    storage: &Storage,
    number: u64,
    rows: Vec<Vec<ArrayRef>>,
) -> Result<(), DataError> {
    let name = name_of("meta/episodes", number);
    let path = storage.path(&name);
    let schema = schema::episodes();
    let mut group = RowGroups::new(schema.clone())?.begin()?;
    for arrays in rows {
        group.write(&arrays)?;
    }
    let mut open = OpenFile::begin(storage, &name, &schema)?;
    if group.rows() > 0 {
        parquet_files::append(&mut open.writer, group.finish()?).map_err(error::parquet(&path))?;
    }
    open.close(&path).map(drop)
}

/// Where file `number` of a part lies, below the dataset's folder.
pub(crate) fn name_of(part: &str, number: u64) -> String {
    let (chunk, file) = (number / FILES_PER_CHUNK, number % FILES_PER_CHUNK);
    format!("{part}/chunk-{chunk:03}/file-{file:03}.parquet")
}

impl OpenFile {
    fn begin(storage: &Storage, name: &str, schema: &SchemaRef) -> Result<Self, DataError> {
        let to = BufWriter::with_capacity(1 << 20, storage.begin(name)?);
        let writer = parquet_files::begin(to, schema, &storage.path(name))?;
        Ok(Self { writer, row_groups: 0, rows: 0 })
    }

    /// Writes what is left, makes it last, gives it its name, and returns its bytes.
    fn close(self, path: &Path) -> Result<u64, DataError> {
        let buffer = parquet_files::finish(self.writer).map_err(error::parquet(path))?;
        let upload = buffer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .map_err(error::file(path, "write"))?;
        upload.finish()
    }
}

fn episode_arrays(episodes: &[(EpisodeRow, u32, u64)], file: &str) -> Vec<ArrayRef> {
    let u8s = |of: &dyn Fn(&EpisodeRow) -> u8| -> ArrayRef {
        Arc::new(UInt8Array::from_iter_values(episodes.iter().map(|(e, ..)| of(e))))
    };
    let u32s = |of: &dyn Fn(&EpisodeRow) -> u32| -> ArrayRef {
        Arc::new(UInt32Array::from_iter_values(episodes.iter().map(|(e, ..)| of(e))))
    };
    let u64s = |of: &dyn Fn(&EpisodeRow) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(episodes.iter().map(|(e, ..)| of(e))))
    };
    let mut policies = StringDictionaryBuilder::<Int32Type>::new();
    policies.extend(episodes.iter().map(|(e, ..)| Some(&e.policy)));
    let returns = episodes.iter().map(|(e, ..)| e.sum_of_rewards);
    let won: BooleanArray = episodes.iter().map(|(e, ..)| Some(e.has_won)).collect();
    let row_groups = episodes.iter().map(|&(_, row_group, _)| row_group);
    vec![
        u64s(&|e| e.episode_id),
        u8s(&|e| e.agent_id),
        u64s(&|e| e.seed),
        u64s(&|e| e.game),
        Arc::new(policies.finish()),
        u32s(&|e| e.rows.saturating_sub(1)),
        Arc::new(Float64Array::from_iter_values(returns)),
        Arc::new(won),
        u8s(&|e| e.place),
        Arc::new(StringArray::from_iter_values(episodes.iter().map(|(e, ..)| e.end))),
        u32s(&|e| e.ticks),
        u8s(&|e| e.height),
        u8s(&|e| e.width),
        Arc::new(StringArray::from_iter_values(episodes.iter().map(|_| file))),
        Arc::new(UInt32Array::from_iter_values(row_groups)),
        u64s(&|e| e.row),
        u32s(&|e| e.rows),
    ]
}
