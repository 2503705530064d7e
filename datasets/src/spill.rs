//! Rows that wait on disk for slow streams: segments of a few thousand rows, each a Parquet file.
//!
//! ```text
//! FOLDER/RUN/00000000000000004096-00000000000000012288.parquet    rows 4096 to 12287 of a run
//! FOLDER/RUN/end.json                                             the run ended in order
//! ```
//!
//! A segment has its name when it is whole and synced. Its rows have the columns of
//! [`schema::spilled`]: those of a dataset, and what streams are filtered by. A checksum tells
//! whether it is as it was written.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, AsArray, RecordBatch, StringArray, UInt64Array},
    datatypes::{SchemaRef, UInt64Type},
};
use bytes::Bytes;

use crate::{
    checksum::{Checksum, Summed},
    error::{self, DataError},
    live::LiveBatch,
    parquet_files::{self, RowGroups},
    parquet_input,
    schema::{self, spill},
    storage::{Storage, is_unfinished},
    stored_rows::StoredColumns,
};

/// Bytes of a segment at most that is read: far more than any that is written.
const MAX_BYTES: u64 = 1 << 30;

/// The file that says where a run ended.
const END: &str = "end.json";

/// A folder of segments, which no other process writes to while this value lives.
pub struct SpillFolder {
    storage: Storage,
    columns: StoredColumns,
    schema: SchemaRef,
}

/// Rows of a run in a file, by their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The number of its first row.
    pub first: u64,
    /// The number after that of its last row.
    pub end: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// The file, below the folder.
    pub name: String,
}

/// What is left of a run of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpilledRun {
    /// Its segments in the order of their rows. Rows between two of them were never spilled.
    pub segments: Vec<Segment>,
    /// The number of rows that it made, if it ended in order; all that streams still waited for is
    /// in its segments then.
    pub end: Option<u64>,
}

impl fmt::Debug for SpillFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpillFolder").field("folder", &self.storage.path("")).finish()
    }
}

impl SpillFolder {
    /// Opens a folder, which is made if need be, for rows with these columns and policies.
    ///
    /// # Errors
    ///
    /// Folders that cannot be made, are storage of another kind, or that another process writes to.
    pub fn open(root: &Path, rows: &SchemaRef, policies: &ArrayRef) -> Result<Self, DataError> {
        if root.to_str().is_some_and(|root| root.starts_with(crate::storage::S3)) {
            return Err(DataError::InStorage(root.to_owned()));
        }
        let storage = Storage::open(root)?;
        let names = policies.as_string_opt::<i32>().into_iter().flat_map(StringArray::iter);
        let names: Vec<String> = names.flatten().map(str::to_owned).collect();
        let mut columns =
            StoredColumns::new(rows.clone(), &names, std::collections::HashMap::new());
        // The same array, so that nobody has to compare the names of each batch.
        columns.policies = policies.clone();
        Ok(Self { storage, columns, schema: schema::spilled(rows) })
    }

    /// The runs whose rows are in the folder. What was being written when a process was killed is
    /// removed.
    ///
    /// # Errors
    ///
    /// A folder that cannot be read.
    pub fn runs(&self) -> Result<BTreeMap<String, SpilledRun>, DataError> {
        let mut runs: BTreeMap<String, SpilledRun> = BTreeMap::new();
        for name in self.storage.names("")? {
            if is_unfinished(&name) {
                self.storage.remove(&name)?;
                continue;
            }
            let Some((run, file)) = name.split_once('/') else { continue };
            if file == END {
                let bytes = self.storage.get(&name)?.unwrap_or_default();
                let end = serde_json::from_slice::<u64>(&bytes).ok();
                runs.entry(run.to_owned()).or_default().end = end;
            } else if let Some((first, end)) = numbers(file) {
                let path = self.path(&name);
                let file = fs::metadata(&path).map_err(error::file(&path, "read the size"))?;
                let segment = Segment { first, end, bytes: file.len(), name: name.clone() };
                runs.entry(run.to_owned()).or_default().segments.push(segment);
            }
        }
        for run in runs.values_mut() {
            run.segments.sort_unstable_by_key(|segment| segment.first);
        }
        Ok(runs)
    }

    /// Where a file is.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.storage.path(name)
    }

    /// Writes batches of a run, each with the number of its first row, as one segment, and returns
    /// it when it is synced.
    ///
    /// # Errors
    ///
    /// [`DataError::File`] for a disk that is full or cannot be written to; nothing is left of the
    /// segment then.
    pub fn write(
        &self,
        run: &str,
        batches: &[(u64, &LiveBatch)],
    ) -> Result<Option<Segment>, DataError> {
        let (Some((first, _)), Some((last, batch))) = (batches.first(), batches.last()) else {
            return Ok(None);
        };
        let (first, end) = (*first, last + batch.rows.num_rows() as u64);
        let name = format!("{run}/{first:020}-{end:020}.parquet");
        let path = self.path(&name);
        let mut group = RowGroups::new(self.schema.clone())?.begin()?;
        for (first, LiveBatch { rows, games, rulesets }) in batches {
            let numbers = UInt64Array::from_iter_values(*first..first + rows.num_rows() as u64);
            let mut arrays = rows.columns().to_vec();
            arrays.push(Arc::new(games.clone()));
            arrays.push(Arc::new(rulesets.clone()));
            arrays.push(Arc::new(numbers));
            group.write(&arrays)?;
        }
        let mut file = parquet_files::begin(self.storage.begin(&name)?, &self.schema, &path)?;
        let written = parquet_files::append(&mut file, group.finish()?)
            .and_then(|()| parquet_files::finish(file))
            .map_err(error::parquet(&path))?;
        let bytes = written.finish()?;
        self.storage.settle();
        Ok(Some(Segment { first, end, bytes, name }))
    }

    /// The batches of a segment, each with the number of its first row.
    ///
    /// # Errors
    ///
    /// [`DataError::Spill`] for a segment that is not as it was written, or whose rows have other
    /// columns or policies than those of this server.
    pub fn read(&self, segment: &Segment) -> Result<Vec<(u64, LiveBatch)>, DataError> {
        let path = self.path(&segment.name);
        let damaged = |problem: String| DataError::Spill { path: path.clone(), problem };
        if segment.bytes > MAX_BYTES {
            return Err(damaged(format!("it has {} bytes", segment.bytes)));
        }
        let bytes = fs::read(&path).map_err(error::file(&path, "read"))?;
        let bytes = Bytes::from(bytes);
        let footer = parquet_input::footer(&path, &bytes).map_err(|e| damaged(e.to_string()))?;
        let stated = Checksum::stated(footer.metadata().file_metadata().key_value_metadata());
        let stated = stated.ok_or_else(|| damaged("it has no checksum".to_owned()))?;
        let summed = usize::try_from(stated.bytes).ok().and_then(|end| bytes.get(..end));
        let summed = summed.ok_or_else(|| damaged("it is cut off".to_owned()))?;
        let mut sum = Summed::new(std::io::sink());
        std::io::Write::write_all(&mut sum, summed).map_err(error::file(&path, "sum up"))?;
        if sum.checksum() != stated {
            return Err(damaged("its checksum is not that of its bytes".to_owned()));
        }
        let file = parquet_input::open_with_schema(&path, bytes)?;
        if file.schema().fields() != self.schema.fields() {
            let problem = "its columns are not those of this server's rows: \
                           start the server with the size, players and ruleset that it was written with";
            return Err(damaged(problem.to_owned()));
        }
        let read = parquet_input::guarded(&path, || {
            let reader = file.build().map_err(error::parquet(&path))?;
            Ok(reader.collect::<Result<Vec<_>, _>>()?)
        })?;
        let mut batches = Vec::with_capacity(read.len());
        for rows in &read {
            let batch = self.columns.batch(&path, rows)?;
            split(&numbers_of(rows).unwrap_or_default(), &batch, &mut batches);
        }
        Ok(batches)
    }

    /// Removes a segment, if it is there.
    ///
    /// # Errors
    ///
    /// A file that cannot be removed.
    pub fn remove(&self, segment: &Segment) -> Result<(), DataError> {
        self.storage.remove(&segment.name)
    }

    /// Notes that a run ended in order after so many rows.
    ///
    /// # Errors
    ///
    /// As [`SpillFolder::write`].
    pub fn end(&self, run: &str, rows: u64) -> Result<(), DataError> {
        self.storage.put(&format!("{run}/{END}"), rows.to_string().as_bytes())?;
        self.storage.settle();
        Ok(())
    }

    /// Removes all that is left of a run.
    ///
    /// # Errors
    ///
    /// Files that cannot be removed.
    pub fn remove_run(&self, run: &str) -> Result<(), DataError> {
        for name in self.storage.names(run)? {
            self.storage.remove(&name)?;
        }
        Ok(())
    }
}

/// The numbers in the name of a segment.
fn numbers(file: &str) -> Option<(u64, u64)> {
    let (first, end) = file.strip_suffix(".parquet")?.split_once('-')?;
    let (first, end) = (first.parse().ok()?, end.parse().ok()?);
    (first < end).then_some((first, end))
}

/// The number of each row.
fn numbers_of(rows: &RecordBatch) -> Option<Vec<u64>> {
    Some(rows.column_by_name(spill::NUMBER)?.as_primitive_opt::<UInt64Type>()?.values().to_vec())
}

/// Cuts a batch where its rows do not follow each other.
fn split(numbers: &[u64], batch: &LiveBatch, into: &mut Vec<(u64, LiveBatch)>) {
    let mut from = 0;
    for part in numbers.chunk_by(|a, b| a + 1 == *b) {
        into.push((part[0], batch.slice(from, part.len())));
        from += part.len();
    }
}

/// Whether an error says that there is no room left.
#[must_use]
pub fn is_full(error: &DataError) -> bool {
    let full = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge];
    matches!(error, DataError::File { source, .. } if full.contains(&source.kind()))
}

#[cfg(test)]
mod tests;
