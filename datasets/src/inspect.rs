//! What is in a dataset, for who looks at it: totals, win rates, lengths, returns, single views.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Component, Path, PathBuf},
};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::UInt32Type,
};
use serde::Serialize;
use systems::{
    delta::{Face, SeenTile},
    rows::{PLANES, RowFormat},
    start::MAX_PLAYERS,
};

use crate::{
    error::DataError,
    games::{ArchivedGame, GamesFile},
    info::{StoredInfo, StoredTotals},
    schema::{self, column},
    totals::{Record, Totals},
    verify::{Run, Told, builder, read, read_file, refuse_others, runs_of},
};

/// A column and what its metadata say of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type in Arrow.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Shape of a value, as in `[9,20,20]`; empty for a single number or text.
    pub shape: String,
}

/// What is in a dataset.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// `games` or `experiences`.
    pub kind: String,
    /// The command that makes it again; empty if it is not known.
    pub command: String,
    /// Columns of the data files.
    pub columns: Vec<Column>,
    /// Counts.
    pub totals: StoredTotals,
    /// How each policy fared, one count per game and seat.
    pub policies: BTreeMap<String, Record>,
    /// Length of each game (of each agent's episode, for experiences), in ticks.
    #[serde(skip)]
    pub lengths: Vec<f64>,
    /// Return of each agent's episode; none for games.
    #[serde(skip)]
    pub returns: Vec<f64>,
}

/// A tick as an agent's row shows it.
#[derive(Clone, Debug)]
pub struct View {
    /// Columns of the board.
    pub width: u16,
    /// The seat.
    pub player: usize,
    /// Tick of the row.
    pub tick: u32,
    /// Tiles of the board, row by row.
    pub tiles: Vec<SeenTile>,
    /// Tiles and units of each seat, from its own row of the tick; none for a seat without one.
    pub scores: Vec<Option<(u32, u32)>>,
}

/// Reads what is in a dataset's folder, or in one file of games.
///
/// # Errors
///
/// Files that cannot be read, and columns that are not those of a table.
pub fn summary(root: &Path) -> Result<Summary, DataError> {
    let info = StoredInfo::read(root)?;
    let paths = GamesFile::paths(root)?;
    let Some(first) = paths.first() else {
        let problem = "the dataset has no data file yet".to_owned();
        return Err(DataError::Info { path: root.to_owned(), problem });
    };
    let schema = builder(first)?.schema().clone();
    let of_field = |field: &arrow::datatypes::FieldRef| Column {
        name: field.name().clone(),
        data_type: field.data_type().to_string(),
        shape: field.metadata().get("shape").cloned().unwrap_or_default(),
    };
    let kind = schema.metadata().get(schema::KIND).cloned().unwrap_or_default();
    let mut summary = Summary {
        command: info.map(|info| info.command).unwrap_or_default(),
        columns: schema.fields().iter().map(of_field).collect(),
        ..Summary::default()
    };
    for path in &paths {
        let builder = builder(path)?;
        summary.totals.files += 1;
        summary.totals.row_groups += builder.metadata().num_row_groups() as u64;
        let rows = builder.metadata().file_metadata().num_rows();
        summary.totals.rows += u64::try_from(rows).unwrap_or(0);
        summary.totals.bytes += path.metadata().map_or(0, |file| file.len());
    }
    if kind == "experiences" {
        of_experiences(root, &mut summary)?;
    } else {
        of_games(&paths, &mut summary)?;
    }
    summary.kind = kind;
    Ok(summary)
}

fn of_games(paths: &[PathBuf], summary: &mut Summary) -> Result<(), DataError> {
    let mut totals = Totals::default();
    for path in paths {
        for game in GamesFile::open(path)? {
            let game = game?;
            summary.lengths.push(f64::from(game.record.outcome.ticks));
            totals.add(&game);
        }
    }
    summary.totals.games = totals.games;
    summary.totals.ticks = totals.ticks;
    summary.totals.moves = totals.moves;
    summary.policies = totals.policies;
    Ok(())
}

fn of_experiences(root: &Path, summary: &mut Summary) -> Result<(), DataError> {
    let mut games = HashSet::new();
    for told in episodes(root)? {
        games.insert(told.run.episode_id);
        summary.totals.episodes += 1;
        summary.lengths.push(f64::from(told.length));
        summary.returns.push(told.run.sum_of_rewards);
        let fared = summary.policies.entry(told.run.policy).or_default();
        fared.played += 1;
        match told.end.as_str() {
            "won" => fared.won += 1,
            "draw" => fared.drawn += 1,
            "truncated" => fared.truncated += 1,
            _ => fared.lost += 1,
        }
    }
    summary.totals.games = games.len() as u64;
    Ok(())
}

/// The rows of `meta/episodes`, in their order.
pub(crate) fn episodes(root: &Path) -> Result<Vec<Told>, DataError> {
    let mut all = Vec::new();
    for path in GamesFile::paths(root)? {
        let name = path.strip_prefix(root.join("data")).unwrap_or(&path);
        all.extend(read_file(&root.join("meta/episodes").join(name))?);
    }
    Ok(all)
}

/// The game with an index, from a dataset of games; none if it is not there.
///
/// # Errors
///
/// As [`summary`].
pub fn game(root: &Path, index: u64) -> Result<Option<ArchivedGame>, DataError> {
    for path in GamesFile::paths(root)? {
        for game in GamesFile::open(&path)? {
            let game = game?;
            if game.record.game == index {
                return Ok(Some(game));
            }
        }
    }
    Ok(None)
}

/// A tick of a game as a player saw it, from a dataset of experiences; none if there is no such row.
///
/// # Errors
///
/// As [`summary`].
pub fn view(root: &Path, game: u64, tick: u32, player: usize) -> Result<Option<View>, DataError> {
    let told: Vec<Told> = episodes(root)?.into_iter().filter(|told| told.game == game).collect();
    let seats = told.iter().map(|told| usize::from(told.run.agent_id) + 1).max().unwrap_or(0);
    let (mut view, mut scores) = (None, vec![None; seats]);
    for told in told {
        if told.length < tick {
            continue;
        }
        let path = file_of(root, &told)?;
        let batch = read(&path, told.row_group, None)?;
        refuse_others(&path, &batch.schema())?;
        if let Some(layout) = schema::layout_of(&batch.schema()) {
            return Err(DataError::Dense { path: root.to_owned(), layout });
        }
        let damaged = |problem: String| DataError::Damaged { path: path.clone(), problem };
        let Some(format) = schema::format_of(&batch.schema()) else { continue };
        let Run { agent_id, height, width, .. } = told.run;
        let fits = u16::from(height) <= format.height && u16::from(width) <= format.width;
        if usize::from(agent_id) >= MAX_PLAYERS || !fits {
            let text = format!("player {agent_id} on a board of {height}x{width}");
            return Err(damaged(format!("meta/episodes tells of {text}")));
        }
        // Rows of an agent's episode stand together, in the order of their ticks.
        let runs = runs_of(&batch).into_iter();
        let mut runs = runs.filter(|run| {
            (run.episode_id, run.agent_id) == (told.run.episode_id, told.run.agent_id)
        });
        let Some(run) = runs.next().filter(|run| run.rows > tick as usize) else {
            let text = format!("player {agent_id} of game {game} has no row of tick {tick}");
            return Err(damaged(format!("{text}, though meta/episodes tells of one")));
        };
        let row = run.row + tick as usize;
        let number =
            |name| Some(batch.column_by_name(name)?.as_primitive_opt::<UInt32Type>()?.value(row));
        let seat = usize::from(agent_id);
        scores[seat] = number(column::LAND).zip(number(column::ARMY_TOTAL));
        if seat == player {
            let tiles = tiles(&batch, row, &told, format, seats);
            view = tiles.map(|tiles| (u16::from(told.run.width), tiles));
        }
    }
    Ok(view.map(|(width, tiles)| View { width, player, tick, tiles, scores }))
}

/// The file that a row of `meta/episodes` names, which has to be one of the dataset's.
fn file_of(root: &Path, told: &Told) -> Result<PathBuf, DataError> {
    let name = Path::new(&told.file);
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    if name.starts_with("data") && name.components().all(is_plain) {
        return Ok(root.join(name));
    }
    let problem = format!("meta/episodes names {:?}, which is no file of its data", told.file);
    Err(DataError::Damaged { path: root.to_owned(), problem })
}

/// The tiles of a row's board, without the padding.
fn tiles(
    batch: &RecordBatch,
    row: usize,
    told: &Told,
    format: RowFormat,
    seats: usize,
) -> Option<Vec<SeenTile>> {
    let wide = |name| Some(batch.column_by_name(name)?.as_fixed_size_binary_opt()?.value(row));
    let (army, planes) = (wide(column::ARMY)?, wide(column::PLANES)?);
    let owner = wide(column::OWNER);
    let viewer = usize::from(told.run.agent_id);
    let bit = |name: &str, tile: usize| {
        let plane = PLANES.iter().position(|&plane| plane == name).unwrap_or(0);
        planes[plane * format.words() * 8 + tile / 8] >> (tile % 8) & 1 != 0
    };
    let seat = |tile: usize| match owner {
        Some(owner) if owner[tile] != u8::MAX => {
            u8::try_from((viewer + usize::from(owner[tile])) % seats).unwrap_or(u8::MAX)
        }
        None if bit("own", tile) => told.run.agent_id,
        None if bit("enemy", tile) => 1 - told.run.agent_id.min(1),
        _ => u8::MAX,
    };
    let of_tile = |tile: usize| {
        let face = match () {
            () if bit("fog_structure", tile) => Face::FogStructure,
            () if !bit("visible", tile) => Face::Fog,
            () if bit("mountain", tile) => Face::Mountain,
            () if bit("general", tile) => Face::General,
            () if bit("city", tile) => Face::City,
            () => Face::Plain,
        };
        let units = u16::from_le_bytes([army[2 * tile], army[2 * tile + 1]]);
        SeenTile { face, owner: seat(tile), army: i32::from(units) }
    };
    let width = usize::from(format.width);
    let (rows, columns) = (usize::from(told.run.height), usize::from(told.run.width));
    let board = (0..rows).flat_map(|row| (0..columns).map(move |column| row * width + column));
    Some(board.map(of_tile).collect())
}
