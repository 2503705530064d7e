//! A dataset folder: data files that appear only when they are whole, and what is told of them.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
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
    info::Info,
    parquet_files::{self, FileWriter, RowGroups},
    schema,
    table::{EncodedGroup, EpisodeRow, Kind},
    totals::Totals,
};

/// Bytes after which a data file is closed and the next one begun.
const FILE_BYTES: u64 = 100_000_000;

/// Bytes of a row group: large enough that a reader's start on it does not count, and small enough
/// that a laptop holds one for each thread.
const GROUP_BYTES: usize = 64 << 20;

/// Files in one folder of a chunk.
const FILES_PER_CHUNK: u64 = 1_000;

/// What a folder is written with.
#[derive(Clone, Debug)]
pub struct FolderOptions {
    /// Whether a dataset that is in the folder is removed first.
    pub replaces: bool,
    /// Bytes after which a data file is closed and the next one begun.
    pub file_bytes: u64,
    /// Bytes of the wide columns that a row group of experiences holds at most before encoding,
    /// unless a single agent's episode is more. Each thread needs about so much memory.
    pub group_bytes: usize,
}

impl Default for FolderOptions {
    fn default() -> Self {
        Self { replaces: false, file_bytes: FILE_BYTES, group_bytes: GROUP_BYTES }
    }
}

/// A dataset folder being written.
pub(crate) struct Folder {
    root: PathBuf,
    kind: Kind,
    schema: SchemaRef,
    info: Info,
    file_bytes: u64,
    open: Option<OpenFile>,
    episodes: Vec<(EpisodeRow, u32, u64)>,
    pub(crate) totals: Totals,
}

struct OpenFile {
    temporary: PathBuf,
    writer: FileWriter<BufWriter<File>>,
    row_groups: u32,
    rows: u64,
}

impl Folder {
    /// Begins a dataset in an empty or new folder.
    pub(crate) fn create(
        root: &Path,
        kind: Kind,
        info: Info,
        options: &FolderOptions,
    ) -> Result<Self, DataError> {
        make_room(root, options.replaces)?;
        for part in ["data", "meta"] {
            let path = root.join(part);
            fs::create_dir_all(&path).map_err(error::file(&path, "create the folder"))?;
        }
        let folder = Self {
            root: root.to_owned(),
            schema: kind.schema(),
            kind,
            info,
            file_bytes: options.file_bytes,
            open: None,
            episodes: Vec::new(),
            totals: Totals::default(),
        };
        folder.write_meta(false)?;
        Ok(folder)
    }

    /// Appends a row group, and closes the file if it is large enough.
    pub(crate) fn append(&mut self, group: EncodedGroup) -> Result<(), DataError> {
        let path = self.path_of("data", self.totals.files);
        if self.open.is_none() {
            self.open = Some(OpenFile::begin(&path, &self.schema)?);
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        let (rows, raw_bytes) = (group.rows.rows, group.rows.raw_bytes);
        parquet_files::append(&mut open.writer, group.rows)
            .map_err(error::parquet(&open.temporary))?;
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
        if open.writer.bytes_written() as u64 >= self.file_bytes {
            self.close_file()?;
        }
        Ok(())
    }

    /// Bytes of the closed files and the one being written.
    pub(crate) fn bytes(&self) -> u64 {
        let open = self.open.as_ref().map_or(0, |open| open.writer.bytes_written() as u64);
        self.totals.bytes + open
    }

    /// Closes the last file. `complete` says whether the run did all it was asked to.
    pub(crate) fn finish(mut self, complete: bool) -> Result<Totals, DataError> {
        self.close_file()?;
        self.write_meta(complete)?;
        Ok(std::mem::take(&mut self.totals))
    }

    /// Gives the open file its final name, then tells of it.
    fn close_file(&mut self) -> Result<(), DataError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let path = self.path_of("data", self.totals.files);
        self.totals.bytes += open.close(&path)?;
        if matches!(self.kind, Kind::Experiences { .. }) {
            self.write_episodes()?;
        }
        self.totals.files += 1;
        self.write_meta(false)
    }

    /// Tells of the episodes in the file that was just closed.
    fn write_episodes(&mut self) -> Result<(), DataError> {
        let episodes = std::mem::take(&mut self.episodes);
        self.totals.episodes += episodes.len() as u64;
        let file = self.name_of("data", self.totals.files);
        let path = self.path_of("meta/episodes", self.totals.files);
        let schema = schema::episodes();
        let mut group = RowGroups::new(schema.clone())?.begin()?;
        group.write(episode_arrays(&episodes, &file))?;
        let mut open = OpenFile::begin(&path, &schema)?;
        parquet_files::append(&mut open.writer, group.finish()?).map_err(error::parquet(&path))?;
        open.close(&path).map(drop)
    }

    fn write_meta(&self, complete: bool) -> Result<(), DataError> {
        let info = self.info.text(&self.kind, &self.schema, &self.totals, complete);
        let card = self.info.card(&self.kind, &self.schema, &self.totals);
        write_whole(&self.root.join("README.md"), card.as_bytes())?;
        write_whole(&self.root.join("meta/info.json"), info.as_bytes())
    }

    /// Where file `number` of a part lies, below the dataset's folder.
    #[expect(clippy::unused_self, reason = "reads as what it is: a name within this folder")]
    fn name_of(&self, part: &str, number: u64) -> String {
        let (chunk, file) = (number / FILES_PER_CHUNK, number % FILES_PER_CHUNK);
        format!("{part}/chunk-{chunk:03}/file-{file:03}.parquet")
    }

    fn path_of(&self, part: &str, number: u64) -> PathBuf {
        self.root.join(self.name_of(part, number))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // After an error or a panic: what is not whole must not stay.
        if let Some(open) = self.open.take() {
            drop(fs::remove_file(&open.temporary));
        }
    }
}

impl OpenFile {
    fn begin(path: &Path, schema: &SchemaRef) -> Result<Self, DataError> {
        let folder = path.parent().unwrap_or(path);
        fs::create_dir_all(folder).map_err(error::file(folder, "create the folder"))?;
        let temporary = temporary(path);
        let file = File::create(&temporary).map_err(error::file(&temporary, "create the file"))?;
        let writer =
            parquet_files::begin(BufWriter::with_capacity(1 << 20, file), schema, &temporary)?;
        Ok(Self { temporary, writer, row_groups: 0, rows: 0 })
    }

    /// Writes what is left, makes it last, gives it its name, and returns its bytes.
    fn close(self, path: &Path) -> Result<u64, DataError> {
        let Self { temporary, writer, .. } = self;
        let buffer = parquet_files::finish(writer).map_err(error::parquet(&temporary))?;
        let file = buffer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .map_err(error::file(&temporary, "write"))?;
        let bytes = file.metadata().map_err(error::file(&temporary, "read the size"))?.len();
        persist(file, &temporary, path)?;
        Ok(bytes)
    }
}

/// The name under which a file is written until it is whole. Readers skip names with a dot first.
fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.tmp"))
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    let temporary = temporary(path);
    let mut file = File::create(&temporary).map_err(error::file(&temporary, "create the file"))?;
    file.write_all(bytes).map_err(error::file(&temporary, "write"))?;
    persist(file, &temporary, path)
}

/// Syncs a file, renames it, and syncs the folder, so that the name never shows a part of it.
fn persist(file: File, temporary: &Path, path: &Path) -> Result<(), DataError> {
    file.sync_all().map_err(error::file(temporary, "sync"))?;
    drop(file);
    fs::rename(temporary, path).map_err(error::file(path, "rename the finished file"))?;
    let folder = path.parent().unwrap_or(path);
    // Some file systems cannot sync a folder; the rename is atomic on them all the same.
    drop(File::open(folder).and_then(|folder| folder.sync_all()));
    Ok(())
}

/// Refuses a folder with anything in it, or empties it of our own dataset.
fn make_room(root: &Path, replaces: bool) -> Result<(), DataError> {
    let is_empty = match fs::read_dir(root) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(error::file(root, "list the folder")(error)),
    };
    if is_empty {
        return Ok(());
    }
    if !replaces {
        return Err(DataError::NotEmpty(root.to_owned()));
    }
    if !root.join("meta/info.json").is_file() {
        return Err(DataError::NotOurs(root.to_owned()));
    }
    // The dataset stops being one before its files go.
    let info = root.join("meta/info.json");
    fs::remove_file(&info).map_err(error::file(&info, "remove"))?;
    for part in ["data", "meta"] {
        let path = root.join(part);
        fs::remove_dir_all(&path).map_err(error::file(&path, "remove the folder"))?;
    }
    Ok(())
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
