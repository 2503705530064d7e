//! Games read back from the files of a dataset.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{
        Array, AsArray, BooleanArray, GenericListArray, PrimitiveArray, RecordBatch, StringArray,
    },
    datatypes::{
        ArrowPrimitiveType, DataType, Float32Type, Int32Type, Schema, UInt8Type, UInt16Type,
        UInt32Type, UInt64Type,
    },
    error::ArrowError,
};
use bytes::Bytes;
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
    },
    errors::ParquetError,
    file::reader::ChunkReader,
};
use systems::{
    record::{GameRecord, Outcome},
    replay::ScriptMoves,
    rules::ruleset::Ruleset,
    start::Start,
};

use super::{ArchivedGame, ReplaySource};
use crate::{
    error::{self, DataError, RowError},
    import::Bounds,
    moves::{self, Board},
    parquet_input::{self, guarded},
    schema::game as column,
};

/// Games decoded at a time.
const ROWS_AT_ONCE: usize = 256;

/// The games of one Parquet file, in its order. Every fault is an error that names the row.
pub struct GamesFile {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
    batch: Option<Columns>,
    /// Row of the file that comes next.
    row: usize,
    /// Row of the batch that comes next.
    batch_row: usize,
    ruleset: Option<(String, Arc<Ruleset>)>,
    has_failed: bool,
}

impl std::fmt::Debug for GamesFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GamesFile")
            .field("path", &self.path)
            .field("row", &self.row)
            .finish_non_exhaustive()
    }
}

impl GamesFile {
    /// Opens a file of games.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or that is no Parquet file.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        Self::begin(path, builder(path)?)
    }

    /// Opens one row group of a file of games. Rows are counted from its first one.
    ///
    /// # Errors
    ///
    /// As [`GamesFile::open`], and a row group that the file does not have.
    pub fn open_row_group(path: &Path, row_group: usize) -> Result<Self, DataError> {
        let builder = builder(path)?;
        let row_groups = builder.metadata().num_row_groups();
        if row_group >= row_groups {
            let source =
                ParquetError::General(format!("row group {row_group} of {row_groups} is missing"));
            return Err(DataError::Parquet { path: path.to_owned(), source });
        }
        Self::begin(path, builder.with_row_groups(vec![row_group]))
    }

    /// The number of games in each row group of a file.
    ///
    /// # Errors
    ///
    /// As [`GamesFile::open`].
    pub fn row_groups(path: &Path) -> Result<Vec<u64>, DataError> {
        let builder = builder(path)?;
        let rows = builder
            .metadata()
            .row_groups()
            .iter()
            .map(parquet::file::metadata::RowGroupMetaData::num_rows);
        Ok(rows.map(|rows| u64::try_from(rows).unwrap_or(0)).collect())
    }

    /// Reads a file of games that is in memory. Errors name it by `path`, which is not opened.
    ///
    /// # Errors
    ///
    /// As [`GamesFile::open`].
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, DataError> {
        Self::begin(path, parquet_input::open(path, Bytes::from(bytes))?)
    }

    fn begin<R: ChunkReader + 'static>(
        path: &Path,
        builder: ParquetRecordBatchReaderBuilder<R>,
    ) -> Result<Self, DataError> {
        let reader = guarded(path, || {
            builder.with_batch_size(ROWS_AT_ONCE).build().map_err(error::parquet(path))
        })?;
        Ok(Self {
            path: path.to_owned(),
            reader,
            batch: None,
            row: 0,
            batch_row: 0,
            ruleset: None,
            has_failed: false,
        })
    }

    /// The games files of a dataset folder, in their order, or the file itself.
    ///
    /// # Errors
    ///
    /// Folders that cannot be listed, and places in storage.
    pub fn paths(root: &Path) -> Result<Vec<PathBuf>, DataError> {
        if root.is_file() {
            return Ok(vec![root.to_owned()]);
        }
        if root.starts_with("s3:") {
            return Err(DataError::InStorage(root.to_owned()));
        }
        if root.is_dir() && !root.join("data").exists() {
            return Err(DataError::NoDataset(root.to_owned()));
        }
        let mut files = Vec::new();
        let mut folders = vec![root.join("data")];
        while let Some(folder) = folders.pop() {
            let wrap = || error::file(&folder, "list the folder");
            for entry in fs::read_dir(&folder).map_err(wrap())? {
                let entry = entry.map_err(wrap())?;
                let hidden = entry.file_name().to_string_lossy().starts_with('.');
                let path = entry.path();
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path);
                } else if !hidden && path.extension().is_some_and(|e| e == "parquet") {
                    files.push(path);
                }
            }
        }
        files.sort();
        Ok(files)
    }

    /// The largest board and the most players among the games of a file, and whether a ruleset
    /// among theirs lets players build. Reads four narrow columns.
    pub(crate) fn bounds(path: &Path) -> Result<(Bounds, bool), DataError> {
        let builder = builder(path)?;
        check_columns(builder.schema(), path)?;
        let names = [column::HEIGHT, column::WIDTH, column::PLAYERS, column::RULESET_TOML];
        let mask = ProjectionMask::columns(builder.parquet_schema(), names);
        let mut reader =
            guarded(path, || builder.with_projection(mask).build().map_err(error::parquet(path)))?;
        let (mut bounds, mut has_builds, mut last) = (Bounds::default(), false, None);
        while let Some(batch) = guarded(path, || next(&mut reader, path))? {
            let columns = Columns { batch, rows: 0 };
            for row in 0..columns.batch.num_rows() {
                let of_row = |source| DataError::Row { path: path.to_owned(), row, source };
                let number = |name| columns.number::<UInt8Type>(name, row).map_err(of_row);
                bounds = bounds.max(Bounds {
                    height: number(column::HEIGHT)?.into(),
                    width: number(column::WIDTH)?.into(),
                    players: number(column::PLAYERS)?.into(),
                });
                has_builds |= columns.ruleset(row, &mut last).map_err(of_row)?.builds();
            }
        }
        Ok((bounds, has_builds))
    }

    fn try_next(&mut self) -> Result<Option<ArchivedGame>, DataError> {
        while self.batch.as_ref().is_none_or(|batch| self.batch_row >= batch.rows) {
            let reader = &mut self.reader;
            let batch = guarded(&self.path, || next(reader, &self.path))?;
            let Some(batch) = batch else { return Ok(None) };
            self.batch = Some(Columns::of(&batch, &self.path)?);
            self.batch_row = 0;
        }
        let Some(batch) = &self.batch else { return Ok(None) };
        let game = batch
            .game(self.batch_row, &mut self.ruleset)
            .map_err(|source| DataError::Row { path: self.path.clone(), row: self.row, source })?;
        self.row += 1;
        self.batch_row += 1;
        Ok(Some(game))
    }
}

/// The games of a record batch with the columns of a games table, or what is wrong with each.
///
/// # Errors
///
/// [`DataError::Column`] for a batch with other columns.
pub fn of_record_batch(
    batch: &RecordBatch,
) -> Result<Vec<Result<ArchivedGame, RowError>>, DataError> {
    let columns = Columns::of(batch, Path::new("the batch"))?;
    let mut ruleset = None;
    Ok((0..columns.rows).map(|row| columns.game(row, &mut ruleset)).collect())
}

fn builder(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, DataError> {
    let file = File::open(path).map_err(error::file(path, "open the file"))?;
    parquet_input::open(path, file)
}

/// The next rows of a file, with its name in the error.
fn next(
    reader: &mut ParquetRecordBatchReader,
    path: &Path,
) -> Result<Option<RecordBatch>, DataError> {
    let named = |error: ArrowError| error::parquet(path)(ParquetError::from(error));
    reader.next().transpose().map_err(named)
}

impl Iterator for GamesFile {
    type Item = Result<ArchivedGame, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let next = self.try_next().transpose();
        self.has_failed = matches!(next, Some(Err(_)));
        next
    }
}

/// Checks that a file has the columns of games.
fn check_columns(schema: &Schema, path: &Path) -> Result<(), DataError> {
    use crate::schema::column::{AGENT_ID, STEP};
    if [AGENT_ID, STEP].iter().all(|name| schema.field_with_name(name).is_ok()) {
        let (path, found) = (path.to_owned(), "experiences".to_owned());
        return Err(DataError::WrongKind { path, found, wanted: "games" });
    }
    for field in crate::schema::games().fields() {
        let expected = field.data_type();
        let found = schema.field_with_name(field.name());
        if !found.is_ok_and(|found| same_shape(found.data_type(), expected)) {
            let (column, expected) = (field.name().clone(), expected.to_string());
            return Err(DataError::Column { path: path.to_owned(), column, expected });
        }
    }
    Ok(())
}

/// The columns of a batch of games, with their types checked.
struct Columns {
    batch: RecordBatch,
    rows: usize,
}

impl Columns {
    fn of(batch: &RecordBatch, path: &Path) -> Result<Self, DataError> {
        check_columns(&batch.schema(), path)?;
        Ok(Self { batch: batch.clone(), rows: batch.num_rows() })
    }

    fn column(&self, name: &'static str) -> Result<&dyn Array, RowError> {
        self.batch.column_by_name(name).map(AsRef::as_ref).ok_or(RowError::Null(name))
    }

    fn number<T: ArrowPrimitiveType>(
        &self,
        name: &'static str,
        row: usize,
    ) -> Result<T::Native, RowError> {
        self.optional::<T>(name, row)?.ok_or(RowError::Null(name))
    }

    fn optional<T: ArrowPrimitiveType>(
        &self,
        name: &'static str,
        row: usize,
    ) -> Result<Option<T::Native>, RowError> {
        let column = self.column(name)?;
        let column: &PrimitiveArray<T> = column.as_primitive_opt().ok_or(RowError::Null(name))?;
        Ok(column.is_valid(row).then(|| column.value(row)))
    }

    fn bool(&self, name: &'static str, row: usize) -> Result<bool, RowError> {
        let column: &BooleanArray =
            self.column(name)?.as_boolean_opt().ok_or(RowError::Null(name))?;
        column.is_valid(row).then(|| column.value(row)).ok_or(RowError::Null(name))
    }

    fn text(&self, name: &'static str, row: usize) -> Result<Option<&str>, RowError> {
        let column: &StringArray =
            self.column(name)?.as_string_opt().ok_or(RowError::Null(name))?;
        Ok(column.is_valid(row).then(|| column.value(row)))
    }

    fn items(
        &self,
        name: &'static str,
        row: usize,
    ) -> Result<Option<arrow::array::ArrayRef>, RowError> {
        let column: &GenericListArray<i32> =
            self.column(name)?.as_list_opt().ok_or(RowError::Null(name))?;
        Ok(column.is_valid(row).then(|| column.value(row)))
    }

    /// The items of a list, each of which may be null.
    fn options<T: ArrowPrimitiveType>(
        &self,
        name: &'static str,
        row: usize,
    ) -> Result<Option<Vec<Option<T::Native>>>, RowError> {
        let Some(items) = self.items(name, row)? else { return Ok(None) };
        let items: &PrimitiveArray<T> = items.as_primitive_opt().ok_or(RowError::Null(name))?;
        Ok(Some(items.iter().collect()))
    }

    /// The items of a list, none of which may be null.
    fn list<T: ArrowPrimitiveType>(
        &self,
        name: &'static str,
        row: usize,
    ) -> Result<Vec<T::Native>, RowError> {
        let items = self.options::<T>(name, row)?.ok_or(RowError::Null(name))?;
        items.into_iter().collect::<Option<_>>().ok_or(RowError::Null(name))
    }

    fn texts(&self, name: &'static str, row: usize) -> Result<Option<Vec<String>>, RowError> {
        let Some(items) = self.items(name, row)? else { return Ok(None) };
        let items: &StringArray = items.as_string_opt().ok_or(RowError::Null(name))?;
        let texts = items.iter().map(|text| text.map(str::to_owned)).collect::<Option<_>>();
        texts.map(Some).ok_or(RowError::Null(name))
    }

    fn game(
        &self,
        row: usize,
        last: &mut Option<(String, Arc<Ruleset>)>,
    ) -> Result<ArchivedGame, RowError> {
        let start = self.start(row)?;
        let players = start.players();
        let record = GameRecord {
            seed: self.number::<UInt64Type>(column::SEED, row)?,
            game: self.number::<UInt64Type>(column::GAME, row)?,
            episode: self.number::<UInt32Type>(column::EPISODE, row)?,
            ruleset: self.ruleset(row, last)?,
            has_fog: self.bool(column::HAS_FOG, row)?,
            max_ticks: self.number::<UInt32Type>(column::MAX_TICKS, row)?,
            policies: self.texts(column::POLICIES, row)?.ok_or(RowError::Null(column::POLICIES))?,
            moves: Arc::new(self.moves(row, &start)?),
            outcome: self.outcome(row, players)?,
            start: Arc::new(start),
        };
        length(column::POLICIES, record.policies.len(), players)?;
        let found = self.number::<UInt64Type>(column::EPISODE_ID, row)?;
        let expected = record.episode_id();
        if found != expected {
            return Err(RowError::Id { found, expected });
        }
        Ok(ArchivedGame { record, source: self.source(row)? })
    }

    fn ruleset(
        &self,
        row: usize,
        last: &mut Option<(String, Arc<Ruleset>)>,
    ) -> Result<Arc<Ruleset>, RowError> {
        let toml = self.text(column::RULESET_TOML, row)?;
        let toml = toml.ok_or(RowError::Null(column::RULESET_TOML))?;
        if let Some((known, ruleset)) = last
            && known == toml
        {
            return Ok(ruleset.clone());
        }
        let ruleset = Arc::new(Ruleset::from_toml(toml)?);
        *last = Some((toml.to_owned(), ruleset.clone()));
        Ok(ruleset)
    }

    fn start(&self, row: usize) -> Result<Start, RowError> {
        let teams = self.list::<UInt8Type>(column::TEAMS, row)?;
        let with_armies = |tiles, armies| -> Result<Vec<(u16, i32)>, RowError> {
            let at = self.list::<UInt16Type>(tiles, row)?;
            let units = self.list::<Int32Type>(armies, row)?;
            length(armies, units.len(), at.len())?;
            Ok(at.into_iter().zip(units).collect())
        };
        let generals = self.options::<UInt16Type>(column::GENERALS, row)?;
        let start = Start {
            width: self.number::<UInt8Type>(column::WIDTH, row)?.into(),
            height: self.number::<UInt8Type>(column::HEIGHT, row)?.into(),
            teams,
            mountains: self.list::<UInt16Type>(column::MOUNTAINS, row)?,
            cities: with_armies(column::CITIES, column::CITY_ARMIES)?,
            generals: generals.ok_or(RowError::Null(column::GENERALS))?,
            neutrals: with_armies(column::NEUTRALS, column::NEUTRAL_ARMIES)?,
        };
        start.check()?;
        let players = usize::from(self.number::<UInt8Type>(column::PLAYERS, row)?);
        length(column::TEAMS, start.players(), players)?;
        Ok(start)
    }

    fn moves(&self, row: usize, start: &Start) -> Result<ScriptMoves, RowError> {
        let column = self.column(column::MOVES)?;
        let bytes = column.as_binary_opt::<i32>().ok_or(RowError::Null(column::MOVES))?;
        let board = Board { width: start.width, height: start.height };
        let orders = moves::decode(bytes.value(row), start.players(), board)?;
        let n_moves = self.number::<UInt32Type>(column::N_MOVES, row)?;
        length(column::N_MOVES, n_moves as usize, orders.iter().map(Vec::len).sum())?;
        let turns = self.list::<UInt32Type>(column::DEPARTURE_TURNS, row)?;
        let seats = self.list::<UInt8Type>(column::DEPARTURE_SEATS, row)?;
        length(column::DEPARTURE_SEATS, seats.len(), turns.len())?;
        within(column::DEPARTURE_SEATS, &seats, start.players())?;
        Ok(ScriptMoves { orders, departures: turns.into_iter().zip(seats).collect() })
    }

    fn outcome(&self, row: usize, players: usize) -> Result<Outcome, RowError> {
        let outcome = Outcome {
            ticks: self.number::<UInt32Type>(column::TICKS, row)?,
            is_truncated: self.bool(column::TRUNCATED, row)?,
            winners: self.list::<UInt8Type>(column::WINNERS, row)?,
            ranking: self.list::<UInt8Type>(column::RANKING, row)?,
            captures: self.list::<UInt8Type>(column::CAPTURES, row)?,
            land: self.list::<UInt32Type>(column::LAND, row)?,
            army: self.list::<UInt32Type>(column::ARMY, row)?,
            digest: self.number::<UInt64Type>(column::DIGEST, row)?,
        };
        within(column::WINNERS, &outcome.winners, players)?;
        within(column::RANKING, &outcome.ranking, players)?;
        length(column::RANKING, outcome.ranking.len(), players)?;
        length(column::CAPTURES, outcome.captures.len(), players)?;
        length(column::LAND, outcome.land.len(), players)?;
        length(column::ARMY, outcome.army.len(), players)?;
        Ok(outcome)
    }

    fn source(&self, row: usize) -> Result<Option<ReplaySource>, RowError> {
        let Some(version) = self.optional::<UInt32Type>(column::REPLAY_VERSION, row)? else {
            return Ok(None);
        };
        let modifiers = self.options::<UInt32Type>(column::MODIFIERS, row)?.unwrap_or_default();
        Ok(Some(ReplaySource {
            id: self.text(column::REPLAY_ID, row)?.unwrap_or_default().to_owned(),
            version,
            map_name: self.text(column::MAP_NAME, row)?.map(str::to_owned),
            modifiers: modifiers.into_iter().flatten().collect(),
            ratings: self.options::<Float32Type>(column::RATINGS, row)?.unwrap_or_default(),
            names: self.texts(column::NAMES, row)?,
        }))
    }
}

fn length(column: &'static str, found: usize, expected: usize) -> Result<(), RowError> {
    if found == expected {
        return Ok(());
    }
    Err(RowError::Length { column, found, expected })
}

fn within(column: &'static str, seats: &[u8], players: usize) -> Result<(), RowError> {
    match seats.iter().find(|&&seat| usize::from(seat) >= players) {
        Some(&seat) => Err(RowError::Seat { column, seat, players }),
        None => Ok(()),
    }
}

/// Whether two types differ in nothing but names and nullability inside lists, which writers of
/// other tools choose as they like.
fn same_shape(a: &DataType, b: &DataType) -> bool {
    match (a, b) {
        (DataType::List(a), DataType::List(b)) => same_shape(a.data_type(), b.data_type()),
        _ => a == b,
    }
}
