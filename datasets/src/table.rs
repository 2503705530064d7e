//! The two tables a dataset can hold, and how games become row groups of them.

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::SchemaRef,
};
use systems::{record::GameRecord, reward::Reward, rows::RowFormat};

use crate::{
    block::Rows,
    error::DataError,
    expand::{Agent, Batch, Expanders},
    games::{self, ArchivedGame},
    layouts::{self, DenseRows, Layout},
    parquet_files::{EncodedRows, RowGroup, RowGroups},
    parquet_input,
    resume::Place,
    schema,
    seats::Seats,
    stopwatch::{Stage, Stopwatch},
};

/// Bytes of moves and start positions that a row group of games holds at most, by estimate.
const GAMES_GROUP_BYTES: u64 = 4 << 20;

/// Bytes of dense rows that are made at once: few enough that they are still in the cache when they
/// are encoded.
const DENSE_BYTES: usize = 1 << 20;

/// Bytes that all columns but the wide ones may have in a row.
const NARROW_BYTES: u64 = 128;

/// Columns of experiences, and some to spare.
const COLUMNS_MAX: u64 = 32;

/// What a dataset is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// One row per game, with its moves.
    Games,
    /// One row per episode, agent and step, with the observation.
    Experiences {
        /// Form of the rows; every board must fit it.
        format: RowFormat,
        /// What they reward.
        reward: Reward,
        /// Whose rows they are.
        seats: Seats,
        /// How observations are laid out; none for compact planes.
        layout: Option<Layout>,
    },
}

impl Kind {
    /// The kind's name, as on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Games => "games",
            Self::Experiences { .. } => "experiences",
        }
    }

    /// The seats whose rows it has, unless all.
    pub(crate) fn players(&self) -> Option<Seats> {
        match self {
            Self::Experiences { seats, .. } if *seats != Seats::ALL => Some(*seats),
            _ => None,
        }
    }

    /// Rows of a game, those of agents that die early counted in full; one at least.
    pub(crate) fn rows(&self, record: &GameRecord) -> u64 {
        let Self::Experiences { seats, .. } = self else { return 1 };
        let agents = seats.within(record.players()).len().max(1) as u64;
        agents * (u64::from(record.outcome.ticks) + 1)
    }

    /// The columns of its table.
    pub fn schema(&self) -> SchemaRef {
        match self {
            Self::Games => schema::games(),
            Self::Experiences { format, layout: None, .. } => schema::experiences(format),
            Self::Experiences { format, layout: Some(layout), .. } => {
                schema::dense_experiences(format, *layout)
            }
        }
    }
}

/// Checks that a game's board fits the rows.
pub(crate) fn check_canvas(record: &GameRecord, format: &RowFormat) -> Result<(), DataError> {
    let (height, width) = (record.start.height, record.start.width);
    if height > format.height || width > format.width {
        let (rows, columns) = (format.height, format.width);
        return Err(DataError::Canvas { height, width, rows, columns });
    }
    Ok(())
}

/// Bytes of the wide columns of a row.
fn row_bytes(format: &RowFormat, layout: Option<Layout>) -> usize {
    match layout {
        Some(layout) => layouts::row_bytes(layout, format),
        None => format.row_bytes(),
    }
}

/// Games whose rows make up one row group.
pub(crate) struct Group {
    pub(crate) games: Vec<ArchivedGame>,
    pub(crate) seats: Seats,
    /// Whether no later group has rows of these games.
    pub(crate) completes: bool,
    /// The place after it.
    pub(crate) end: Place,
}

/// One agent's episode in a row group.
#[derive(Clone, Debug)]
pub(crate) struct EpisodeRow {
    pub(crate) episode_id: u64,
    pub(crate) agent_id: u8,
    pub(crate) seed: u64,
    pub(crate) game: u64,
    pub(crate) policy: String,
    pub(crate) sum_of_rewards: f64,
    pub(crate) has_won: bool,
    pub(crate) place: u8,
    pub(crate) end: &'static str,
    pub(crate) ticks: u32,
    pub(crate) height: u8,
    pub(crate) width: u8,
    /// First row within the row group.
    pub(crate) row: u64,
    pub(crate) rows: u32,
}

/// A row group ready to be appended, and what is told of it elsewhere.
pub(crate) struct EncodedGroup {
    pub(crate) rows: EncodedRows,
    pub(crate) episodes: Vec<EpisodeRow>,
    /// The games that are complete with this row group.
    pub(crate) games: Vec<ArchivedGame>,
    /// The place after it.
    pub(crate) end: Place,
}

/// Makes row groups of a kind, on any number of threads.
pub(crate) struct Table {
    pub(crate) kind: Kind,
    group_bytes: usize,
    row_groups: RowGroups,
    /// None for games, which are not played again.
    expanders: Option<Expanders>,
}

impl Table {
    pub(crate) fn new(kind: Kind, group_bytes: usize) -> Result<Self, DataError> {
        let row_groups = RowGroups::new(kind.schema())?;
        let expanders = match kind {
            Kind::Experiences { format, reward, .. } => Some(Expanders::new(format, reward)),
            Kind::Games => None,
        };
        Ok(Self { kind, group_bytes, row_groups, expanders })
    }

    /// How much a game adds to a row group, in the unit of [`Table::limit`]: rows, or bytes.
    pub(crate) fn weight(&self, record: &GameRecord) -> u64 {
        match self.kind {
            Kind::Games => 1_000 + 2 * record.n_moves() as u64,
            Kind::Experiences { .. } => self.kind.rows(record),
        }
    }

    /// How much a row group holds, unless a single game is more.
    pub(crate) fn limit(&self) -> u64 {
        match &self.kind {
            Kind::Games => GAMES_GROUP_BYTES.min(self.group_bytes as u64),
            Kind::Experiences { format, layout, .. } => {
                (self.group_bytes / row_bytes(format, *layout)).max(1) as u64
            }
        }
    }

    /// Checks that a game fits the table.
    pub(crate) fn check(&self, record: &GameRecord) -> Result<(), DataError> {
        match &self.kind {
            Kind::Experiences { format, layout, .. } => {
                check_canvas(record, format)?;
                // An agent's episode is never cut, so it has to fit a row group that is read.
                let row_bytes = NARROW_BYTES + row_bytes(format, *layout) as u64;
                let rows = u64::from(record.outcome.ticks) + 1;
                let most = (parquet_input::GROUP_BYTES_MAX / row_bytes)
                    .min(parquet_input::GROUP_VALUES_MAX / COLUMNS_MAX);
                if rows <= most {
                    return Ok(());
                }
                let (game, ticks) = (record.game, record.outcome.ticks);
                Err(DataError::TooLong { game, ticks, most: most - 1 })
            }
            Kind::Games => Ok(()),
        }
    }

    /// Encodes a group.
    pub(crate) fn encode(&self, group: Group, time: &Stopwatch) -> Result<EncodedGroup, DataError> {
        match (&self.kind, &self.expanders) {
            (Kind::Experiences { format, seats, layout, .. }, Some(expanders)) => {
                let group = Group { seats: group.seats.and(*seats), ..group };
                let dense = layout.map(|layout| DenseRows::new(layout, *format));
                self.encode_experiences(group, expanders, dense, time)
            }
            _ => self.encode_games(group, time),
        }
    }

    fn encode_games(&self, group: Group, time: &Stopwatch) -> Result<EncodedGroup, DataError> {
        time.during(Stage::Encode, || {
            let mut rows = self.row_groups.begin()?;
            rows.write(&games::arrays(&group.games))?;
            let (games, end) = (group.games, group.end);
            Ok(EncodedGroup { rows: rows.finish()?, episodes: Vec::new(), games, end })
        })
    }

    fn encode_experiences(
        &self,
        group: Group,
        expanders: &Expanders,
        mut dense: Option<DenseRows>,
        time: &Stopwatch,
    ) -> Result<EncodedGroup, DataError> {
        let mut expander = expanders.take()?;
        let mut rows = self.row_groups.begin()?;
        let mut episodes = Vec::new();
        let mut lap = time.start();
        let records: Vec<&GameRecord> = group.games.iter().map(|game| &game.record).collect();
        let batch = Batch { games: &records, seats: group.seats };
        expander.expand(batch, |agent, played| {
            lap.stop(Stage::Expand);
            let first = rows.rows();
            let result = write_agent(&mut rows, agent, played, dense.as_mut());
            note_episode(&mut episodes, agent, records[agent.game], first);
            lap.stop(Stage::Encode);
            result
        })?;
        lap.stop(Stage::Expand);
        let rows = rows.finish()?;
        lap.stop(Stage::Encode);
        expanders.give_back(expander);
        let games = if group.completes { group.games } else { Vec::new() };
        Ok(EncodedGroup { rows, episodes, games, end: group.end })
    }
}

fn write_agent(
    rows: &mut RowGroup,
    agent: &Agent,
    played: &Rows<'_>,
    mut dense: Option<&mut DenseRows>,
) -> Result<(), DataError> {
    for part in played.parts() {
        let arrays = part.arrays(&agent.constants);
        match &mut dense {
            Some(dense) => write_dense(rows, arrays, played.batch.format, dense)?,
            None => rows.write(&arrays)?,
        }
    }
    Ok(())
}

/// Writes compact rows as dense ones, few enough at a time that these stay in the cache.
fn write_dense(
    rows: &mut RowGroup,
    compact: Vec<ArrayRef>,
    format: RowFormat,
    dense: &mut DenseRows,
) -> Result<(), DataError> {
    let compact = RecordBatch::try_new(schema::experiences(&format), compact)?;
    let at_once = (DENSE_BYTES / dense.row_bytes()).max(1);
    for first in (0..compact.num_rows()).step_by(at_once) {
        let part = compact.slice(first, at_once.min(compact.num_rows() - first));
        rows.write(dense.record_batch(&part)?.columns())?;
    }
    Ok(())
}

/// Adds the agent's episode, or brings it up to date if its rows come in parts.
pub(crate) fn note_episode(
    episodes: &mut Vec<EpisodeRow>,
    agent: &Agent,
    record: &GameRecord,
    first_row: u64,
) {
    let of = &agent.constants;
    let known = |row: &EpisodeRow| (row.episode_id, row.agent_id) == (of.episode_id, of.agent_id);
    let row = match episodes.last() {
        Some(last) if known(last) => episodes.pop().map_or(first_row, |last| last.row),
        _ => first_row,
    };
    if agent.rows == 0 {
        return;
    }
    let outcome = &record.outcome;
    let end = match () {
        () if agent.was_truncated => "truncated",
        () if agent.has_won => "won",
        () if outcome.winners.is_empty() && !outcome.is_truncated => "draw",
        () => "lost",
    };
    episodes.push(EpisodeRow {
        episode_id: of.episode_id,
        agent_id: of.agent_id,
        seed: record.seed,
        game: record.game,
        policy: of.policy.to_string(),
        sum_of_rewards: agent.sum_of_rewards,
        has_won: agent.has_won,
        place: u8::try_from(outcome.place(usize::from(of.agent_id))).unwrap_or(u8::MAX),
        end,
        ticks: outcome.ticks,
        height: of.height,
        width: of.width,
        row,
        rows: agent.rows,
    });
}

/// Gathers games in order into groups of bounded size.
///
/// Where a group ends depends on the games alone, so the files do not depend on threads; and a
/// gatherer that begins at the end of a group goes on as the one that made it.
pub(crate) struct Grouper {
    limit: u64,
    weight: u64,
    games: Vec<ArchivedGame>,
    end: Place,
}

impl Grouper {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, weight: 0, games: Vec::new(), end: Place::default() }
    }

    /// Adds the game at a place, and returns the groups that are complete.
    pub(crate) fn add(
        &mut self,
        game: ArchivedGame,
        at: Place,
        weight: u64,
        kind: &Kind,
    ) -> Vec<Group> {
        let mut groups = Vec::new();
        if self.weight + weight > self.limit {
            groups.extend(self.rest());
        }
        match kind {
            Kind::Experiences { seats, .. } if weight > self.limit => {
                groups.extend(self.split(game, at, weight, *seats));
            }
            _ => {
                self.weight += weight;
                self.games.push(game);
                self.end = Place { games: at.games + 1, ..at };
            }
        }
        groups
    }

    /// A game too large for one group, a few seats at a time.
    fn split(&self, game: ArchivedGame, at: Place, weight: u64, seats: Seats) -> Vec<Group> {
        let seats: Vec<usize> = seats.within(game.record.players()).iter().collect();
        let per_seat = (weight / seats.len().max(1) as u64).max(1);
        let at_once = usize::try_from(self.limit / per_seat).unwrap_or(usize::MAX).max(1);
        let parts = seats.len().div_ceil(at_once) as u64;
        let group = |(part, seats): (u64, &[usize])| {
            let completes = part == parts;
            let end = if completes {
                Place { games: at.games + 1, ..at }
            } else {
                Place { parts: part, ..at }
            };
            let seats = Seats::of(seats.iter().copied());
            Group { games: vec![game.clone()], seats, completes, end }
        };
        (1..).zip(seats.chunks(at_once)).map(group).collect()
    }

    /// Whether there is no group to be completed.
    pub(crate) fn is_empty(&self) -> bool {
        self.games.is_empty()
    }

    /// The group that is not full.
    pub(crate) fn rest(&mut self) -> Option<Group> {
        self.weight = 0;
        let (games, end) = (std::mem::take(&mut self.games), self.end);
        (!games.is_empty()).then_some(Group { games, seats: Seats::ALL, completes: true, end })
    }
}
