//! Whether a dataset is what it says: its bytes, its rows and their order, and its games played
//! again.
//!
//! ```text
//! every file   ──▶ checksum of its pages
//! games        ──▶ each played again: outcome, digest, every order carried out
//! experiences  ──▶ order, flags, whole episodes, meta/episodes ──▶ rows of the games played again
//! both         ──▶ counts against meta/info.json
//! ```

mod episodes;
mod games;
mod replayed;
mod rows;

pub(crate) use episodes::{Told, read_file};
pub(crate) use rows::{Run, read, refuse_others, runs_of};

use std::{
    collections::HashSet,
    fmt,
    path::{Path, PathBuf},
};

use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use rayon::prelude::*;
use serde::Serialize;

use crate::{
    checksum::Checksum,
    error::{self, DataError},
    games::GamesFile,
    info::{StoredInfo, StoredTotals},
    parquet_input,
    produce::Producer,
    schema, threads,
};

/// Faults after which nothing more is looked for.
const FAULTS_MAX: usize = 100;

/// What a fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The bytes of a file are not those that were written.
    Checksum,
    /// A file cannot be read, or a row is nothing that can be.
    Unreadable,
    /// The columns are not those of the table.
    Columns,
    /// Games, agents or steps are not in their order.
    Order,
    /// A flag, an action or a reward is not where an episode has it.
    Flags,
    /// Something is there twice, or not at all.
    Count,
    /// `meta/episodes` and the rows do not say the same.
    Episodes,
    /// A game played again ends otherwise.
    Outcome,
    /// An order is not legal where it was given.
    Move,
    /// A row is not what the game played again gives.
    Rows,
}

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What it is about.
    pub kind: FaultKind,
    /// The file, below the dataset's folder.
    pub file: Option<String>,
    /// Index of the game among those of its seed, where it is known.
    pub game: Option<u64>,
    /// Id of its episode.
    pub episode_id: Option<u64>,
    /// What was found and what was expected.
    pub message: String,
}

impl Fault {
    fn new(kind: FaultKind, message: String) -> Self {
        Self { kind, file: None, game: None, episode_id: None, message }
    }

    fn in_file(self, file: &str) -> Self {
        Self { file: Some(file.to_owned()), ..self }
    }

    fn of(self, game: Option<u64>, episode_id: u64) -> Self {
        Self { game: game.or(self.game), episode_id: Some(episode_id), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}: ")?;
        }
        match (self.game, self.episode_id) {
            (Some(game), Some(id)) => write!(f, "game {game} (episode {id}): ")?,
            (Some(game), None) => write!(f, "game {game}: ")?,
            (None, Some(id)) => write!(f, "episode {id}: ")?,
            (None, None) => {}
        }
        f.write_str(&self.message)
    }
}

/// What a dataset was found to be.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verified {
    /// `games` or `experiences`.
    pub kind: String,
    /// What was counted in the files.
    pub totals: StoredTotals,
    /// Files whose bytes were compared with their checksum.
    pub checksums: u64,
    /// Games that were played again and compared.
    pub games_played: u64,
    /// Rows that were compared with those of games played again.
    pub rows_compared: u64,
    /// Why no row of experiences was compared with its game, if none was.
    pub not_compared: Option<String>,
    /// What was not looked at, and why.
    pub notes: Vec<String>,
    /// What does not hold, in the order of the dataset; no more than a hundred.
    pub faults: Vec<Fault>,
}

impl Verified {
    /// Whether everything that was looked at holds.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    /// The first fault that a game is known for.
    pub fn first_game(&self) -> Option<&Fault> {
        self.faults.iter().find(|fault| fault.game.is_some() || fault.episode_id.is_some())
    }

    fn has_enough(&self) -> bool {
        self.faults.len() >= FAULTS_MAX
    }

    fn add(&mut self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.extend(faults);
        self.faults.truncate(FAULTS_MAX);
    }
}

/// A data file by its path and its name below the dataset's folder.
#[derive(Clone, Debug)]
struct DataFile {
    path: PathBuf,
    name: String,
}

/// Looks at everything in a dataset's folder, or in a single data file.
///
/// The rows of experiences are compared with those of `reference`, the games they were made of.
/// `threads` share the work and change nothing of the result.
///
/// # Errors
///
/// What keeps it from looking at all: a folder that cannot be listed, a `meta/info.json` that is
/// none, threads that cannot be started. What is wrong with the data is in the result.
pub fn verify<P: Producer>(
    root: &Path,
    reference: Option<&P>,
    threads: usize,
) -> Result<Verified, DataError> {
    let info = StoredInfo::read(root)?;
    let name = |path: &PathBuf| {
        let name = path.strip_prefix(root).ok().filter(|name| *name != Path::new(""));
        // A file alone has no folder in which its neighbours would be looked for.
        let alone = || path.file_name().map_or(path.as_path(), Path::new);
        name.unwrap_or_else(alone).display().to_string()
    };
    let was_ended = info.as_ref().is_some_and(|info| !info.is_complete);
    let paths = match root.join("data").try_exists() {
        // A run that was ended before its first file.
        Ok(false) if was_ended => Vec::new(),
        _ => GamesFile::paths(root)?,
    };
    let mut files: Vec<DataFile> =
        paths.into_iter().map(|path| DataFile { name: name(&path), path }).collect();
    let uncounted =
        info.as_ref().filter(|_| was_ended).and_then(|info| uncounted(info, &mut files));
    let kind = match &info {
        Some(info) => info.kind.clone(),
        None => kind_of(files.first(), root)?,
    };
    let pool = threads::pool(threads)?;
    let mut found = Verified { kind, notes: Vec::from_iter(uncounted), ..Verified::default() };
    found.totals.files = files.len() as u64;
    pool.install(|| {
        let told = files
            .iter()
            .map(|file| told_of(root, file))
            .filter(|told| told.name.starts_with("meta/") && told.path.is_file());
        checksums(&files.iter().cloned().chain(told).collect::<Vec<_>>(), &mut found);
        match found.kind.as_str() {
            "games" => games::verify(&files, &mut found),
            _ => rows::verify(root, &files, info.as_ref(), reference, &mut found)?,
        }
        Ok::<_, DataError>(())
    })?;
    match &info {
        Some(info) => compare_totals(info, &mut found),
        None => found.notes.push("there is no meta/info.json: counts were not compared".to_owned()),
    }
    Ok(found)
}

/// Rows in the data files of a folder, or in a single file, as their footers count them.
///
/// # Errors
///
/// Files that cannot be read.
pub fn rows(root: &Path) -> Result<u64, DataError> {
    let mut rows = 0_u64;
    for path in GamesFile::paths(root)? {
        let of_file = builder(&path)?.metadata().file_metadata().num_rows();
        rows = rows.saturating_add(u64::try_from(of_file).unwrap_or(0));
    }
    Ok(rows)
}

/// Takes out the files that `meta/info.json` of a run which was ended does not count, and tells of
/// them. The run may have finished one since it counted last; one that puts parts together counts at
/// its end, and one that replaces a dataset finds the files of the old one.
fn uncounted(info: &StoredInfo, files: &mut Vec<DataFile>) -> Option<String> {
    let counted = usize::try_from(info.totals.files).unwrap_or(usize::MAX);
    if files.len() <= counted {
        return None;
    }
    let more = files.split_off(counted);
    let others = match more.len() {
        1 => String::new(),
        n => format!(" and {} after it", n - 1),
    };
    Some(format!(
        "{}{others}: the run was ended before meta/info.json counted it: it was not looked at, and \
         to go on or to begin anew writes it again",
        more[0].name
    ))
}

/// The kind of table in a file that no `meta/info.json` tells of.
fn kind_of(file: Option<&DataFile>, root: &Path) -> Result<String, DataError> {
    let no_data = || DataError::Info {
        path: root.join("meta/info.json"),
        problem: "the folder has neither this file nor Parquet files in data/".to_owned(),
    };
    let file = file.ok_or_else(no_data)?;
    let kind = footer(&file.path)?.schema().metadata().get(schema::KIND).cloned();
    kind.ok_or_else(|| DataError::Info {
        path: file.path.clone(),
        problem: format!("its metadata have no {:?}: it is no data file of Bivouac", schema::KIND),
    })
}

fn footer(path: &Path) -> Result<ArrowReaderMetadata, DataError> {
    let file = std::fs::File::open(path).map_err(error::file(path, "open the file"))?;
    parquet_input::footer(path, &file)
}

pub(crate) fn builder(
    path: &Path,
) -> Result<ParquetRecordBatchReaderBuilder<std::fs::File>, DataError> {
    let file = std::fs::File::open(path).map_err(error::file(path, "open the file"))?;
    parquet_input::open_with_schema(path, file)
}

/// The file of `meta/episodes` that tells of a data file, which games have none of.
fn told_of(root: &Path, file: &DataFile) -> DataFile {
    let name = file.name.replacen("data/", "meta/episodes/", 1);
    DataFile { path: root.join(&name), name }
}

/// Compares the bytes of each file with the checksum in its footer.
fn checksums(files: &[DataFile], found: &mut Verified) {
    let of_file = |file: &DataFile| -> Result<Option<[Checksum; 2]>, DataError> {
        let footer = footer(&file.path)?;
        let stated = Checksum::stated(footer.metadata().file_metadata().key_value_metadata());
        let pair = |stated: Checksum| Ok([stated, Checksum::of_file(&file.path, stated.bytes)?]);
        stated.map(pair).transpose()
    };
    let sums: Vec<_> = files.par_iter().map(of_file).collect();
    for (file, sum) in files.iter().zip(sums) {
        match sum {
            Ok(Some([stated, sum])) => {
                found.checksums += 1;
                let text = || {
                    format!(
                        "the checksum of its first {} bytes is {:08x}, and its footer says {:08x}: \
                         they have changed since they were written",
                        sum.bytes, sum.crc, stated.crc
                    )
                };
                let fault = (sum != stated).then(|| Fault::new(FaultKind::Checksum, text()));
                found.add(fault.map(|fault| fault.in_file(&file.name)));
            }
            Ok(None) => found.notes.push(format!("{}: its footer has no checksum", file.name)),
            // What cannot be opened is told of when its rows are looked at.
            Err(_unreadable) => {}
        }
    }
}

/// Compares what was counted with what `meta/info.json` says.
fn compare_totals(info: &StoredInfo, found: &mut Verified) {
    let (stated, counted) = (&info.totals, &found.totals);
    let is_rows = found.kind != "games";
    let counts = [
        ("data files", stated.files, counted.files),
        ("row groups", stated.row_groups, counted.row_groups),
        ("games", stated.games, counted.games),
        ("rows", stated.rows, counted.rows),
        ("agents' episodes", stated.episodes, counted.episodes),
        ("orders", if is_rows { counted.moves } else { stated.moves }, counted.moves),
        ("ticks", if is_rows { counted.ticks } else { stated.ticks }, counted.ticks),
    ];
    let faults = counts.into_iter().filter(|(_, stated, counted)| stated != counted);
    let text = |(what, stated, counted)| {
        let text = format!("meta/info.json counts {stated} {what}, the files hold {counted}");
        Fault::new(FaultKind::Count, text)
    };
    let faults: Vec<Fault> = faults.map(text).collect();
    found.add(faults);
    if !info.is_complete {
        found.notes.push("the run that wrote it was ended early: it holds a part of it".to_owned());
    }
}

/// Notes ids, and tells which were there before.
#[derive(Default)]
struct Ids<T>(HashSet<T>);

impl<T: Copy + Eq + std::hash::Hash> Ids<T> {
    fn is_new(&mut self, id: T) -> bool {
        self.0.insert(id)
    }
}
