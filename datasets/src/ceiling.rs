//! What the Parquet library makes of a dataset's columns without anything around it: the ceiling
//! that the writer is judged by, and what other encodings would come to.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    thread,
    time::Instant,
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};

use crate::{
    error::{self, DataError},
    games::GamesFile,
    parquet_files::{self, Encodings},
};

/// The rows of a dataset in memory, row group by row group.
#[derive(Debug)]
pub struct Rows {
    schema: SchemaRef,
    groups: Vec<Vec<RecordBatch>>,
    count: u64,
}

/// What writing or reading rows came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Rows written or read.
    pub rows: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Seconds from the first row to the last, until the files are synced.
    pub seconds: f64,
}

impl Rows {
    /// Reads all rows of a dataset's data files.
    ///
    /// # Errors
    ///
    /// A folder without data files, and files that cannot be read.
    pub fn read(root: &Path) -> Result<Self, DataError> {
        let (mut groups, mut schema, mut rows) = (Vec::new(), None, 0);
        for path in GamesFile::paths(root)? {
            let builder = reader(&path)?;
            schema = Some(builder.schema().clone());
            for group in 0..builder.metadata().num_row_groups() {
                let batches = reader(&path)?.with_row_groups(vec![group]).build();
                let batches = batches.map_err(error::parquet(&path))?;
                let group = batches.collect::<Result<Vec<_>, _>>()?;
                rows += group.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
                groups.push(group);
            }
        }
        let schema = schema.ok_or_else(|| DataError::Info {
            path: root.to_owned(),
            problem: "the dataset has no data files".to_owned(),
        })?;
        Ok(Self { schema, groups, count: rows })
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.count
    }

    /// Writes the rows with the Parquet library's own writer, each thread a share of the row groups
    /// to a file of its own in a new folder.
    ///
    /// # Errors
    ///
    /// A folder that is there already, and files that cannot be written.
    pub fn write(
        &self,
        folder: &Path,
        encodings: &Encodings,
        threads: usize,
    ) -> Result<Measured, DataError> {
        fs::create_dir(folder).map_err(error::file(folder, "create the folder"))?;
        let since = Instant::now();
        let share = self.groups.len().div_ceil(threads.max(1)).max(1);
        let bytes = thread::scope(|scope| {
            let shares = self.groups.chunks(share).enumerate();
            let writers: Vec<_> = shares
                .map(|(number, groups)| {
                    let path = folder.join(format!("{number}.parquet"));
                    scope.spawn(move || self.write_share(&path, groups, encodings))
                })
                .collect();
            let bytes = writers.into_iter().map(|w| w.join().unwrap_or(Err(DataError::Worker)));
            bytes.sum::<Result<u64, DataError>>()
        })?;
        Ok(Measured { rows: self.count, bytes, seconds: since.elapsed().as_secs_f64() })
    }

    fn write_share(
        &self,
        path: &Path,
        groups: &[Vec<RecordBatch>],
        encodings: &Encodings,
    ) -> Result<u64, DataError> {
        let file = File::create(path).map_err(error::file(path, "create the file"))?;
        let properties = parquet_files::properties(&self.schema, encodings);
        let mut writer = ArrowWriter::try_new(file, self.schema.clone(), Some(properties))
            .map_err(error::parquet(path))?;
        for group in groups {
            for batch in group {
                writer.write(batch).map_err(error::parquet(path))?;
            }
            writer.flush().map_err(error::parquet(path))?;
        }
        let file = writer.into_inner().map_err(error::parquet(path))?;
        file.sync_all().map_err(error::file(path, "sync"))?;
        Ok(file.metadata().map_err(error::file(path, "read the size"))?.len())
    }
}

/// Reads every column of the Parquet files in a folder on one thread, and drops the rows.
///
/// # Errors
///
/// Files that cannot be read.
pub fn read_files(folder: &Path) -> Result<Measured, DataError> {
    let entries = fs::read_dir(folder).map_err(error::file(folder, "list the folder"))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let since = Instant::now();
    let (mut rows, mut bytes) = (0, 0);
    for path in &paths {
        bytes += fs::metadata(path).map_err(error::file(path, "read the size"))?.len();
        for batch in reader(path)?.build().map_err(error::parquet(path))? {
            rows += batch?.num_rows() as u64;
        }
    }
    Ok(Measured { rows, bytes, seconds: since.elapsed().as_secs_f64() })
}

fn reader(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, DataError> {
    let file = File::open(path).map_err(error::file(path, "open"))?;
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(error::parquet(path))
}
