//! Rows of a closed dataset in their order, as the batches that games in progress give.
//!
//! A reader that knows [`LiveBatch`] reads old and new rows alike: the columns are the same, and so
//! is the dictionary of policies from batch to batch, whatever each file has.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{
        ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, StringArray, UInt64Array,
    },
    datatypes::{Int32Type, SchemaRef, UInt64Type},
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use systems::rows::RowFormat;

use crate::{
    error::DataError,
    games::GamesFile,
    info::StoredInfo,
    inspect,
    live::{LiveBatch, one_ruleset},
    parquet_input,
    schema::{self, column, episode},
    verify::builder,
};

/// A closed dataset of experiences, whose rows are numbered from 0 in the order of its files.
#[derive(Debug)]
pub struct StoredRows {
    files: Vec<StoredFile>,
    rows: u64,
    columns: Arc<StoredColumns>,
    format: RowFormat,
}

/// A data file, and the number of its first row.
#[derive(Clone, Debug)]
struct StoredFile {
    path: PathBuf,
    first: u64,
    rows: u64,
}

/// What makes rows of a file those of a [`LiveBatch`].
#[derive(Debug)]
pub(crate) struct StoredColumns {
    pub(crate) schema: SchemaRef,
    /// Names of all policies: the values of the dictionary in every batch.
    pub(crate) policies: ArrayRef,
    keys: BTreeMap<String, i32>,
    /// The game of each episode, where the files do not tell it row by row.
    games: HashMap<u64, u64>,
    /// The ruleset of all games, where the files do not tell it row by row.
    ruleset: Option<String>,
}

impl StoredRows {
    /// Opens the dataset in a folder. Only footers and `meta/episodes` are read.
    ///
    /// # Errors
    ///
    /// Files that cannot be read, datasets of games, and columns that differ between files.
    pub fn open(root: &Path) -> Result<Self, DataError> {
        let paths = GamesFile::paths(root)?;
        let mut files = Vec::with_capacity(paths.len());
        let mut found: Option<SchemaRef> = None;
        let mut rows = 0;
        for path in paths {
            let file = builder(&path)?;
            let of_file = file.metadata().file_metadata().num_rows();
            let of_file = u64::try_from(of_file).unwrap_or(0);
            let first = found.get_or_insert_with(|| file.schema().clone());
            if first.fields() != file.schema().fields() {
                let problem = "its columns are not those of the first file".to_owned();
                return Err(DataError::Info { path, problem });
            }
            files.push(StoredFile { path, first: rows, rows: of_file });
            rows += of_file;
        }
        let wrong =
            |problem: &str| DataError::Info { path: root.to_owned(), problem: problem.to_owned() };
        let found = found.ok_or_else(|| wrong("the dataset has no data file yet"))?;
        let format = schema::format_of(&found).filter(|_| is_of_experiences(&found));
        let format = format.ok_or_else(|| {
            wrong(
                "it holds no experiences: make them with `bivouac expand` from a dataset of games",
            )
        })?;
        let schema = schema::experiences(&format);
        let (names, games) = episodes(root)?;
        let mut columns = StoredColumns::new(schema, &names, games);
        let rulesets = StoredInfo::read(root)?.map(|info| info.rulesets).unwrap_or_default();
        if rulesets.len() == 1 {
            columns.ruleset = rulesets.into_keys().next();
        }
        let columns = Arc::new(columns);
        Ok(Self { files, rows, columns, format })
    }

    /// Rows in all files.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The columns of the rows.
    pub fn schema(&self) -> &SchemaRef {
        &self.columns.schema
    }

    /// The names of the policies, as the values of the dictionary of every batch.
    pub fn policies(&self) -> &ArrayRef {
        &self.columns.policies
    }

    /// The ruleset that all games were played by, if they were all played by one.
    pub fn ruleset(&self) -> Option<&str> {
        self.columns.ruleset.as_deref()
    }

    /// The form of the rows.
    pub fn format(&self) -> RowFormat {
        self.format
    }

    /// Reads the rows after the first `after`, in batches of `batch_rows` at most.
    pub fn read(&self, after: u64, batch_rows: usize) -> StoredBatches {
        let begin = self.files.partition_point(|file| file.first + file.rows <= after);
        StoredBatches {
            files: self.files[begin..].iter().cloned().collect(),
            open: None,
            next: after.min(self.rows),
            batch_rows,
            columns: self.columns.clone(),
        }
    }
}

fn is_of_experiences(schema: &SchemaRef) -> bool {
    schema.metadata().get(schema::KIND).is_some_and(|kind| kind == "experiences")
}

/// Names of the policies, and the game of each episode.
fn episodes(root: &Path) -> Result<(Vec<String>, HashMap<u64, u64>), DataError> {
    let told = inspect::episodes(root)?;
    let games = told.iter().map(|told| (told.run.episode_id, told.game)).collect();
    let mut names: Vec<_> = told.into_iter().map(|told| told.run.policy).collect();
    names.sort_unstable();
    names.dedup();
    Ok((names, games))
}

impl StoredColumns {
    pub(crate) fn new(schema: SchemaRef, names: &[String], games: HashMap<u64, u64>) -> Self {
        let keys = names.iter().cloned().zip(0..).collect();
        Self {
            schema,
            policies: Arc::new(StringArray::from(names.to_vec())),
            keys,
            games,
            ruleset: None,
        }
    }

    /// Rows as they were read from the file at `path`.
    pub(crate) fn batch(&self, path: &Path, read: &RecordBatch) -> Result<LiveBatch, DataError> {
        let wrong = |column: &str, expected: &str| DataError::Column {
            path: path.to_owned(),
            column: column.to_owned(),
            expected: expected.to_owned(),
        };
        let mut arrays = Vec::with_capacity(self.schema.fields().len());
        for field in self.schema.fields() {
            let read = read.column_by_name(field.name());
            let array = read.ok_or_else(|| wrong(field.name(), &field.data_type().to_string()))?;
            if field.name() == column::POLICY {
                let array = self.policy(array);
                arrays.push(array.ok_or_else(|| wrong(column::POLICY, "names in meta/episodes"))?);
            } else {
                arrays.push(array.clone());
            }
        }
        let games = self.games_of(read).ok_or_else(|| {
            wrong(column::EPISODE_ID, "episodes that meta/episodes tells the games of")
        })?;
        let rulesets = self.rulesets_of(read);
        Ok(LiveBatch { rows: RecordBatch::try_new(self.schema.clone(), arrays)?, games, rulesets })
    }

    /// A column of policies with the dictionary that all batches share.
    fn policy(&self, array: &ArrayRef) -> Option<ArrayRef> {
        let read = array.as_dictionary_opt::<Int32Type>()?;
        let names = read.values().as_string_opt::<i32>()?;
        let key = |name: Option<&str>| name.and_then(|name| self.keys.get(name).copied());
        let keys: Vec<Option<i32>> = names.iter().map(key).collect();
        let of_row = |at: Option<i32>| *keys.get(usize::try_from(at?).ok()?)?;
        let keys: Option<Vec<i32>> = read.keys().iter().map(of_row).collect();
        let keys = Int32Array::from(keys?);
        Some(Arc::new(DictionaryArray::try_new(keys, self.policies.clone()).ok()?))
    }

    /// The rulesets that the rows tell, or the one of all games, if it is known.
    fn rulesets_of(&self, read: &RecordBatch) -> DictionaryArray<Int32Type> {
        let told = read.column_by_name(schema::spill::RULESET);
        if let Some(told) = told.and_then(|array| array.as_dictionary_opt::<Int32Type>()) {
            return told.clone();
        }
        match &self.ruleset {
            Some(name) => one_ruleset(name, read.num_rows()),
            None => DictionaryArray::new(
                Int32Array::new_null(read.num_rows()),
                Arc::new(StringArray::from(Vec::<&str>::new())),
            ),
        }
    }

    fn games_of(&self, read: &RecordBatch) -> Option<UInt64Array> {
        if let Some(games) = read.column_by_name(episode::GAME) {
            return games.as_primitive_opt::<UInt64Type>().cloned();
        }
        let ids = read.column_by_name(column::EPISODE_ID)?.as_primitive_opt::<UInt64Type>()?;
        let of_row = |id: Option<u64>| self.games.get(&id?).copied();
        let games: Option<Vec<u64>> = ids.iter().map(of_row).collect();
        games.map(UInt64Array::from)
    }
}

/// Batches of a dataset, in order, each with the number of its first row.
#[derive(Debug)]
pub struct StoredBatches {
    files: VecDeque<StoredFile>,
    open: Option<(PathBuf, ParquetRecordBatchReader)>,
    next: u64,
    batch_rows: usize,
    columns: Arc<StoredColumns>,
}

impl StoredBatches {
    fn try_next(&mut self) -> Result<Option<(u64, LiveBatch)>, DataError> {
        loop {
            if let Some((path, reader)) = &mut self.open {
                let read = parquet_input::guarded(path, || Ok(reader.next().transpose()?))?;
                if let Some(read) = read {
                    let first = self.next;
                    self.next += read.num_rows() as u64;
                    return Ok(Some((first, self.columns.batch(path, &read)?)));
                }
                self.open = None;
            }
            let Some(file) = self.files.pop_front() else { return Ok(None) };
            let skipped = usize::try_from(self.next - file.first).unwrap_or(usize::MAX);
            self.open = Some((file.path.clone(), open(&file.path, skipped, self.batch_rows)?));
        }
    }
}

/// A reader of a file's rows, but for the first `skipped`.
pub(crate) fn open(
    path: &Path,
    skipped: usize,
    batch_rows: usize,
) -> Result<ParquetRecordBatchReader, DataError> {
    let file = builder(path)?;
    parquet_input::guarded(path, || {
        let file = file.with_batch_size(batch_rows.max(1)).with_offset(skipped);
        file.build().map_err(crate::error::parquet(path))
    })
}

impl Iterator for StoredBatches {
    type Item = Result<(u64, LiveBatch), DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.try_next();
        if next.is_err() {
            // What comes after a damaged row is not guessed at.
            self.files.clear();
            self.open = None;
        }
        next.transpose()
    }
}
