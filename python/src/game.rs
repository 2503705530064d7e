//! Games that were played: records to look at, to begin from, and to keep in datasets.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::ipc::{reader::StreamReader, writer::StreamWriter};
use datasets::{
    DataError,
    games::{ArchivedGame, GamesFile, of_record_batch, record_batch},
    import,
    info::StoredInfo,
    played,
};
use pyo3::{prelude::*, types::PyBytes};
use systems::{
    record::GameRecord,
    world::{World, WorldConfig},
};

use crate::{
    board::{self, Board},
    error::{Fault, guarded},
};

/// A game from its start to its end. It can be played again, or entered at any tick.
#[pyclass(frozen, module = "bivouac._engine")]
#[derive(Clone)]
pub(crate) struct Game {
    pub(crate) archived: Arc<ArchivedGame>,
    pub(crate) record: Arc<GameRecord>,
}

impl Game {
    pub(crate) fn of(archived: ArchivedGame) -> Self {
        Self { record: Arc::new(archived.record.clone()), archived: Arc::new(archived) }
    }
}

#[pymethods]
impl Game {
    /// Id of its episode, unique among the games of a seed.
    #[getter]
    fn episode_id(&self) -> u64 {
        self.record.episode_id()
    }

    /// Seed, game and episode, of which the episode is a function.
    #[getter]
    fn seed(&self) -> (u64, u64, u32) {
        (self.record.seed, self.record.game, self.record.episode)
    }

    /// Name of its ruleset.
    #[getter]
    fn ruleset(&self) -> &str {
        &self.record.ruleset.name
    }

    /// Height and width of its board.
    #[getter]
    fn size(&self) -> (u16, u16) {
        (self.record.start.height, self.record.start.width)
    }

    /// Number of its players.
    #[getter]
    fn players(&self) -> usize {
        self.record.players()
    }

    /// Who chose for each seat; `external` is whoever gave the actions.
    #[getter]
    fn policies(&self) -> Vec<String> {
        self.record.policies.clone()
    }

    /// Ticks that were played.
    #[getter]
    fn ticks(&self) -> u32 {
        self.record.outcome.ticks
    }

    /// Whether a limit or a reset ended it, not the rules.
    #[getter]
    fn is_truncated(&self) -> bool {
        self.record.outcome.is_truncated
    }

    /// Seats that won; none in a draw or a game that was cut off.
    #[getter]
    fn winners(&self) -> Vec<u16> {
        self.record.outcome.winners.iter().copied().map(u16::from).collect()
    }

    /// Seats from first to last.
    #[getter]
    fn ranking(&self) -> Vec<u16> {
        self.record.outcome.ranking.iter().copied().map(u16::from).collect()
    }

    /// Fingerprint of the final position.
    #[getter]
    fn digest(&self) -> u64 {
        self.record.outcome.digest
    }

    /// The board every few ticks from the start to the end, as a seat sees it or whole.
    #[pyo3(signature = (seat=None, every=1))]
    fn boards(&self, py: Python<'_>, seat: Option<usize>, every: u32) -> PyResult<Vec<Board>> {
        Ok(py.detach(|| guarded(|| boards(&self.record, seat, every.max(1))))?)
    }

    fn __repr__(&self) -> String {
        format!(
            "Game(episode_id={}, ruleset={:?}, players={}, ticks={}, winners={:?})",
            self.record.episode_id(),
            self.record.ruleset.name,
            self.record.players(),
            self.record.outcome.ticks,
            self.record.outcome.winners
        )
    }
}

fn boards(game: &GameRecord, seat: Option<usize>, every: u32) -> Result<Vec<Board>, Fault> {
    let config = WorldConfig { threads: 1, ..WorldConfig::default() };
    let mut world = World::new(config).map_err(Fault::argument)?;
    let id = game.replay_in(&mut world).map_err(Fault::argument)?;
    let mut boards = Vec::new();
    for tick in 0..=game.outcome.ticks {
        world.step();
        if tick % every != 0 && tick != game.outcome.ticks {
            continue;
        }
        let position = world.position(id).map_err(Fault::argument)?;
        boards.push(match seat {
            None => board::whole(&position),
            Some(seat) => board::seen(&position, &world.seen(id, seat).map_err(Fault::argument)?),
        });
    }
    Ok(boards)
}

/// The games of a dataset: a Parquet file of games, or a folder of them; or the one of a replay
/// file, `.gior`. With `episodes`, ids of
/// episodes, no others; it reads no further than the last of them.
#[pyfunction]
#[pyo3(signature = (path, episodes=None))]
pub(crate) fn read_games(
    py: Python<'_>,
    path: PathBuf,
    episodes: Option<HashSet<u64>>,
) -> PyResult<Vec<Game>> {
    Ok(py.detach(|| guarded(|| read(&path, episodes)))?)
}

fn read(path: &Path, mut wanted: Option<HashSet<u64>>) -> Result<Vec<Game>, Fault> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gior")) {
        let game = imported(path)?;
        let is_wanted = wanted.is_none_or(|wanted| wanted.contains(&game.record.episode_id()));
        return Ok(if is_wanted { vec![game] } else { Vec::new() });
    }
    if let Some(info) = StoredInfo::read(path).map_err(Fault::argument)?
        && info.kind != "games"
    {
        return Err(Fault::Argument(format!(
            "{}: it has the rows of {}, which are not whole games: name a dataset of games, as made \
             with `--kind games` (this one was made by `{}`)",
            path.display(),
            info.kind,
            info.command
        )));
    }
    let mut games = Vec::new();
    for path in GamesFile::paths(path).map_err(Fault::argument)? {
        for game in GamesFile::open(&path).map_err(Fault::argument)? {
            let game = game.map_err(Fault::argument)?;
            if wanted.as_mut().is_none_or(|wanted| wanted.remove(&game.record.episode_id())) {
                games.push(Game::of(game));
            }
            if wanted.as_ref().is_some_and(HashSet::is_empty) {
                return Ok(games);
            }
        }
    }
    Ok(games)
}

/// The game of a replay file, as game 0 of seed 0.
fn imported(path: &Path) -> Result<Game, Fault> {
    let replay = import::read(path).map(|replay| import::Numbered { game: 0, replay });
    let rules = import::ReplayRules::default();
    let games =
        import::games(std::iter::once(replay), 0, &rules, false).map_err(Fault::argument)?;
    let named = |error| Fault::Argument(format!("{}: {error}", path.display()));
    let game = games.into_iter().next().expect("there is a place for each replay");
    game.map(Game::of).map_err(named)
}

/// The games of an Arrow IPC stream with the columns of a dataset of games.
#[pyfunction]
pub(crate) fn games_of_ipc(py: Python<'_>, bytes: &[u8]) -> PyResult<Vec<Game>> {
    let read = || {
        let mut games = Vec::new();
        for batch in StreamReader::try_new(bytes, None).map_err(Fault::argument)? {
            let batch = batch.map_err(Fault::argument)?;
            for (row, game) in
                of_record_batch(&batch).map_err(Fault::argument)?.into_iter().enumerate()
            {
                let named = |error| Fault::Argument(format!("row {row} of the table: {error}"));
                games.push(Game::of(game.map_err(named)?));
            }
        }
        Ok(games)
    };
    Ok(py.detach(|| guarded(read))?)
}

/// Writes games to a folder as a dataset of games.
#[pyfunction]
pub(crate) fn write_games(
    py: Python<'_>,
    games: Vec<PyRef<'_, Game>>,
    path: PathBuf,
    replace: bool,
) -> PyResult<()> {
    let games: Vec<ArchivedGame> = games.iter().map(|game| (*game.archived).clone()).collect();
    let write = || {
        let written = played::write(games, &path, "bivouac.write_games(games, path)", replace);
        match written {
            Ok(_totals) => Ok(()),
            Err(DataError::NotEmpty(path)) => Err(Fault::Argument(format!(
                "{}: the folder is not empty: name another one, or pass replace=True to replace the \
                 dataset in it",
                path.display()
            ))),
            Err(error) => Err(Fault::argument(error)),
        }
    };
    Ok(py.detach(|| guarded(write))?)
}

/// Games as an Arrow IPC stream with the columns of a dataset of games.
#[pyfunction]
pub(crate) fn games_ipc(py: Python<'_>, games: Vec<PyRef<'_, Game>>) -> PyResult<Py<PyBytes>> {
    let games: Vec<ArchivedGame> = games.iter().map(|game| (*game.archived).clone()).collect();
    let write = || {
        let batch = record_batch(&games).map_err(Fault::argument)?;
        let mut bytes = Vec::new();
        let mut writer =
            StreamWriter::try_new(&mut bytes, &batch.schema()).map_err(Fault::argument)?;
        writer.write(&batch).map_err(Fault::argument)?;
        writer.finish().map_err(Fault::argument)?;
        drop(writer);
        Ok(bytes)
    };
    let bytes = py.detach(|| guarded(write))?;
    Ok(PyBytes::new(py, &bytes).unbind())
}
