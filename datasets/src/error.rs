//! What can go wrong with a dataset.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};

use arrow::error::ArrowError;
use parquet::errors::ParquetError;
use systems::{rules::ruleset::RulesetError, start::StartError, world::WorldError};
use thiserror::Error;

use crate::{
    gior::GiorError,
    import::Numbers,
    layouts::{Layout, LayoutError},
    moves::MovesError,
};

/// Why a dataset could not be written or read.
#[derive(Debug, Error)]
pub enum DataError {
    /// A file or folder could not be read or written.
    #[error("{}: cannot {doing}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, as in "create the folder".
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The output folder holds something already.
    #[error(
        "{}: the folder is not empty: name another one, or pass --resume to go on with the dataset in it, or --force to replace it",
        .0.display()
    )]
    NotEmpty(PathBuf),
    /// The output is one of the inputs, or one lies in the other.
    #[error(
        "--out {}: it overlaps with the input {}, which would be lost: name a folder apart from it",
        out.display(),
        input.display()
    )]
    Overlap {
        /// The output.
        out: PathBuf,
        /// The input.
        input: PathBuf,
    },
    /// `--force` or `--resume` was given for a folder that is no dataset of ours.
    #[error(
        "{}: the folder is not empty and has no meta/info.json of a dataset: nothing in it was removed; name another folder",
        .0.display()
    )]
    NotOurs(PathBuf),
    /// `--resume` was given with parameters that are not those of the dataset in the folder.
    #[error(
        "{}: the dataset in it is of another run: {difference}: give the same parameters to go on with it, or name another folder, or pass --force to replace it",
        path.display()
    )]
    OtherRun {
        /// The folder.
        path: PathBuf,
        /// The first parameter that differs, with both values.
        difference: String,
    },
    /// Datasets that are to be merged have other columns.
    #[error(
        "{}: its columns are not those of the first dataset ({difference}, \"there\" being the first): merge only datasets of one kind and canvas",
        path.display()
    )]
    Unlike {
        /// The dataset.
        path: PathBuf,
        /// The first difference, with both values.
        difference: String,
    },
    /// Datasets that are to be merged share an episode.
    #[error(
        "{}: episode {episode} is in an earlier dataset too: name each shard once, and give runs different seeds",
        path.display()
    )]
    Twice {
        /// The dataset.
        path: PathBuf,
        /// The episode's id.
        episode: u64,
    },
    /// A file that the dataset says it has is not there.
    #[error(
        "{}: the file is missing, though meta/info.json counts it: put it back, or pass --force to make the dataset anew",
        .0.display()
    )]
    Missing(PathBuf),
    /// An episode is among the games to write twice.
    #[error(
        "episode {episode} of game {game} of seed {seed} is among the games twice: keep one of them, or play the second from another seed"
    )]
    SameEpisode {
        /// Its seed.
        seed: u64,
        /// Index of the game among those of the seed.
        game: u64,
        /// Number of the episode within the game.
        episode: u32,
    },
    /// This build cannot write to S3-compatible storage.
    #[cfg(not(feature = "s3"))]
    #[error("{}: this build cannot write to S3: name a folder, or build with --features s3", .0.display())]
    NoS3(PathBuf),
    /// Only writing works in S3-compatible storage.
    #[error(
        "{}: datasets in storage are written, not read: copy it to a folder first, as with `aws s3 sync`",
        .0.display()
    )]
    InStorage(PathBuf),
    /// Another process writes to the folder.
    #[error("{}: another process is writing to the folder: wait for it, or name another one", .0.display())]
    Busy(PathBuf),
    /// A Parquet file could not be written or read.
    #[error("{}: {source}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the Parquet library said.
        source: ParquetError,
    },
    /// Rows that were spilled for a slow stream cannot be given to it.
    #[error("{}: these rows were spilled for a slow stream, and cannot be read: {problem}", path.display())]
    Spill {
        /// The segment.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Columns could not be encoded.
    #[error("encoding columns: {0}")]
    Encode(#[from] ParquetError),
    /// Columns do not fit together.
    #[error("columns: {0}")]
    Arrow(#[from] ArrowError),
    /// Rows could not be laid out.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The rows of a dataset are dense, and the compact ones are needed.
    #[error(
        "{}: its observations are dense ({layout}), the compact planes are needed: write the dataset without --layout",
        path.display()
    )]
    Dense {
        /// The dataset, or a file of it.
        path: PathBuf,
        /// The layout.
        layout: Layout,
    },
    /// The engine refused a game.
    #[error("game {game}: {source}")]
    Game {
        /// Index of the game.
        game: u64,
        /// What the engine said.
        source: WorldError,
    },
    /// The engine could not start.
    #[error(transparent)]
    World(#[from] WorldError),
    /// A game played again ended differently.
    #[error(
        "game {game}: its record says digest {expected:016x} after {expected_ticks} ticks, playing it again gives {found:016x} after {ticks}"
    )]
    Diverged {
        /// Index of the game.
        game: u64,
        /// Digest in the record.
        expected: u64,
        /// Ticks in the record.
        expected_ticks: u32,
        /// Digest of the position reached.
        found: u64,
        /// Ticks played.
        ticks: u32,
    },
    /// An agent's episode has more rows than a reader takes at once.
    #[error(
        "game {game}: {ticks} ticks of an agent are more than a row group holds ({most} ticks with these columns): cut games off earlier (--max-ticks), keep it as a game (--kind games), or take a smaller --layout or --canvas"
    )]
    TooLong {
        /// Index of the game.
        game: u64,
        /// Ticks of the game.
        ticks: u32,
        /// Ticks whose rows can be written.
        most: u64,
    },
    /// The boards are larger than the rows.
    #[error(
        "a {height}x{width} board (height x width) does not fit the canvas of {rows}x{columns}: pass --canvas {}x{}",
        height.max(rows),
        width.max(columns)
    )]
    Canvas {
        /// Rows of the board.
        height: u16,
        /// Columns of the board.
        width: u16,
        /// Rows of the canvas.
        rows: u16,
        /// Columns of the canvas.
        columns: u16,
    },
    /// A row of a games file is no game.
    #[error("{}: row {row}: {source}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The row, from 0.
        row: usize,
        /// What is wrong with it.
        source: RowError,
    },
    /// A column is missing or has another type.
    #[error("{}: column {column:?} is missing or not of type {expected}", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The type it should have.
        expected: String,
    },
    /// A folder that holds no dataset.
    #[error("{}: it is no dataset: it has no folder data", .0.display())]
    NoDataset(PathBuf),
    /// A dataset of the other kind is needed.
    #[error("{}: it holds {found}, and {wanted} are needed: {}", path.display(), made_by(wanted))]
    WrongKind {
        /// The dataset, or a file of it.
        path: PathBuf,
        /// The kind it has.
        found: String,
        /// The kind that is needed.
        wanted: &'static str,
    },
    /// A row tells of something that its dataset cannot have.
    #[error("{}: the file is damaged: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// `meta/info.json` is not what this version writes.
    #[error("{}: {problem}", path.display())]
    Info {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// No rows can be of this size.
    #[error("a canvas of {height}x{width} (height x width) is not possible: use sides of 1 to 32")]
    NoCanvas {
        /// Rows of the canvas.
        height: u16,
        /// Columns of the canvas.
        width: u16,
    },
    /// A worker thread ended without a result.
    #[error("a worker thread ended without a result: this is a fault in Bivouac, please report it")]
    Worker,
}

/// Why a row of a games file is no game.
#[derive(Debug, Error)]
pub enum RowError {
    /// The start position cannot be played.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The ruleset cannot be used.
    #[error(transparent)]
    Ruleset(#[from] RulesetError),
    /// The moves cannot be decoded.
    #[error(transparent)]
    Moves(#[from] MovesError),
    /// A list has another length than the one it belongs to.
    #[error("{column} has {found} entries, {expected} are needed")]
    Length {
        /// The column.
        column: &'static str,
        /// Its entries.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// A seat is none of the game's.
    #[error("{column} names seat {seat} of a game of {players}")]
    Seat {
        /// The column.
        column: &'static str,
        /// The seat.
        seat: u8,
        /// Seats of the game.
        players: usize,
    },
    /// A column without a value.
    #[error("{0} is null")]
    Null(&'static str),
    /// The id is not that of the seed, game and episode beside it.
    #[error("episode_id is {found:016x}, and seed, game and episode give {expected:016x}")]
    Id {
        /// The id in the row.
        found: u64,
        /// The id it should have.
        expected: u64,
    },
}

/// Why a replay was not imported.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The file could not be read.
    #[error("cannot read the file: {0}")]
    File(#[from] std::io::Error),
    /// The bytes are no replay that we read.
    #[error(transparent)]
    Gior(#[from] GiorError),
    /// The file is larger than any replay.
    #[error("the file has {size} bytes, replays of more than {limit} are not read")]
    TooLarge {
        /// Bytes of the file.
        size: u64,
        /// Bytes that are read at most.
        limit: u64,
    },
    /// A modifier changes the rules in a way that is not supported.
    #[error("modifier {id} ({name}) is not supported")]
    Modifier {
        /// Its number.
        id: u32,
        /// Its name.
        name: &'static str,
    },
    /// The board has tiles whose rules are not supported.
    #[error("{count} {what} on the board: such tiles are not supported")]
    Tiles {
        /// What they are, in the plural.
        what: &'static str,
        /// How many there are.
        count: usize,
    },
    /// The start position cannot be played.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The game speed is not a number that games are played at.
    #[error("slot 20 (settings): a game speed of {speed} is not supported: 0.1 to 16 are")]
    Speed {
        /// The first of the settings, as JSON.
        speed: String,
    },
    /// No ruleset is known for the version.
    #[error(transparent)]
    Ruleset(#[from] RulesetError),
    /// The engine refused it.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The bytes are those of another file.
    #[error("the same bytes as {}", of.display())]
    Duplicate {
        /// The file that is imported.
        of: PathBuf,
    },
    /// The version is not among those asked for.
    #[error("version {version} is not among those asked for ({wanted})")]
    OtherVersion {
        /// Version of the replay.
        version: u32,
        /// Those asked for.
        wanted: Numbers,
    },
    /// The number of players is not among those asked for.
    #[error("{players} players are not among the numbers asked for ({wanted})")]
    OtherPlayers {
        /// Seats of the game.
        players: u32,
        /// Those asked for.
        wanted: Numbers,
    },
    /// The game is shorter than asked for.
    #[error("the game ends after {ticks} ticks, at least {least} are asked for")]
    TooShort {
        /// Ticks played.
        ticks: u32,
        /// Ticks asked for.
        least: u32,
    },
}

impl ImportError {
    /// Whether the replay was left out by a choice of the user's, and nothing is wrong with it.
    pub fn is_choice(&self) -> bool {
        matches!(
            self,
            Self::Duplicate { .. }
                | Self::OtherVersion { .. }
                | Self::OtherPlayers { .. }
                | Self::TooShort { .. }
        )
    }

    /// Whether a [kind](Self::kind) of reason is a choice of the user's.
    pub fn is_kind_of_choice(kind: &str) -> bool {
        kind == "duplicate" || kind.starts_with("filtered by ")
    }

    /// The kind of reason, for counts in a summary.
    pub fn kind(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Modifier { name, .. } => return format!("unsupported modifier {name}").into(),
            Self::Tiles { what, .. } => return format!("unsupported tiles: {what}").into(),
            Self::File(_) => "unreadable file",
            Self::TooLarge { .. } => "file too large",
            Self::Gior(GiorError::VersionTooOld { .. }) | Self::Ruleset(_) => {
                "unsupported replay version"
            }
            Self::Gior(_) => "not a valid replay",
            Self::Speed { .. } => "unsupported game speed",
            Self::Start(StartError::Size { .. }) => "board too large",
            Self::Start(StartError::Players(_)) => "too many players",
            Self::Start(_) | Self::World(_) => "unplayable start position",
            Self::Duplicate { .. } => "duplicate",
            Self::OtherVersion { .. } => "filtered by version",
            Self::OtherPlayers { .. } => "filtered by players",
            Self::TooShort { .. } => "filtered by ticks",
        })
    }
}

/// How a dataset of a kind is made from one of the other kind.
fn made_by(wanted: &str) -> &'static str {
    match wanted {
        "games" => "experiences cannot be turned back: name the games they were made of",
        _ => "make them of the games with `bivouac expand`",
    }
}

/// Names the file in an input or output error.
pub(crate) fn file(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> DataError {
    let path = path.to_owned();
    move |source| DataError::File { path, doing, source }
}

/// Names the file in a Parquet error.
pub(crate) fn parquet(path: &Path) -> impl FnOnce(ParquetError) -> DataError {
    let path = path.to_owned();
    move |source| match source {
        // A full disk should read as one.
        ParquetError::External(error) => match error.downcast::<std::io::Error>() {
            Ok(source) => DataError::File { path, doing: "write", source: *source },
            Err(error) => DataError::Parquet { path, source: ParquetError::External(error) },
        },
        source => DataError::Parquet { path, source },
    }
}
