//! Experiences beside the rows of their games, played again.

use std::collections::{HashMap, VecDeque};

use arrow::array::{Array, RecordBatch};
use rayon::prelude::*;
use systems::{record::GameRecord, reward::Reward, rows::RowFormat};

use super::{
    DataFile, Fault, FaultKind, Verified, builder,
    episodes::{Names, Told, unlike_game},
    rows::{self, RowGroup, Run},
};
use crate::{
    block::Rows,
    error::DataError,
    expand::{Agent, Batch, Expander},
    games::ArchivedGame,
    info::StoredInfo,
    layouts::{DenseRows, Layout},
    produce::Producer,
    schema::{self, column},
    seats::Seats,
    table::{EpisodeRow, check_canvas, note_episode},
};

/// Columns that learners fill, of which a game knows nothing.
const NOT_PLAYED: [&str; 3] = [column::ACTION_LOGP, column::VALUE, column::POLICY_VERSION];

/// The games of a reference in their order, as far as they have been compared.
pub(super) struct Replay<'p, P: Producer> {
    games: Games<'p, P>,
    format: RowFormat,
    layout: Option<Layout>,
    reward: Reward,
    seats: Seats,
    /// The game whose rows come next, and its seats that have none yet.
    next: Option<(ArchivedGame, Seats)>,
    has_stopped: bool,
}

/// A row group and the games that it should hold.
struct Work {
    row_group: usize,
    parts: Vec<(ArchivedGame, Seats)>,
}

impl<'p, P: Producer> Replay<'p, P> {
    /// Makes ready to compare, or notes why that is not possible.
    pub(super) fn begin(
        reference: &'p P,
        files: &[DataFile],
        info: Option<&StoredInfo>,
        found: &mut Verified,
    ) -> Option<Self> {
        let schema = files.first().and_then(|file| builder(&file.path).ok());
        let schema = schema?.schema().clone();
        let (format, layout) = (schema::format_of(&schema)?, schema::layout_of(&schema));
        let reward = info.and_then(|info| serde_json::from_value(info.reward.clone()).ok());
        let Some(reward) = reward else {
            let reason = "no one reward is known of all rows: verify the parts one by one";
            found.notes.push(format!("rows were not compared with games: {reason}"));
            found.not_compared = Some(reason.to_owned());
            return None;
        };
        let seats = info.and_then(|info| info.players.clone()).map_or(Seats::ALL, Seats::of);
        let games = Games { producer: reference, jobs: 0, ready: VecDeque::new() };
        Some(Self { games, format, layout, reward, seats, next: None, has_stopped: false })
    }

    /// Compares the rows of a file. After the first game that is not where it should be, nothing
    /// more is compared.
    pub(super) fn compare(
        &mut self,
        file: &DataFile,
        groups: &[RowGroup],
        told_rows: &[Told],
        names: &Names,
        found: &mut Verified,
    ) -> Result<(), DataError> {
        let at_once = rayon::current_num_threads().max(1);
        let told = |told: &Told| ((told.run.episode_id, told.run.agent_id), told.clone());
        let told: HashMap<_, _> = told_rows.iter().map(told).collect();
        let mut numbers = 0..groups.len();
        while !self.has_stopped {
            let mut work = Vec::with_capacity(at_once);
            for row_group in numbers.by_ref().take(at_once) {
                let mut parts = Vec::new();
                let fault = self.expect(&groups[row_group].runs, names, &mut parts)?;
                work.push(Work { row_group, parts });
                if let Some(fault) = fault {
                    found.add([fault.in_file(&file.name)]);
                    self.has_stopped = true;
                    break;
                }
            }
            if work.is_empty() {
                break;
            }
            let results: Vec<_> =
                work.par_iter().map(|work| self.row_group(file, work, &told)).collect();
            for (work, result) in work.iter().zip(results) {
                match result {
                    Ok((rows, fault)) => {
                        found.rows_compared += rows;
                        found.games_played += work.parts.len() as u64;
                        found.add(fault.map(|fault| fault.in_file(&file.name)));
                    }
                    Err(error) => found
                        .add([Fault::new(FaultKind::Unreadable, error.to_string())
                            .in_file(&file.name)]),
                }
            }
        }
        Ok(())
    }

    /// The games that a row group's episodes should be, up to the first that is another.
    fn expect(
        &mut self,
        runs: &[Run],
        names: &Names,
        parts: &mut Vec<(ArchivedGame, Seats)>,
    ) -> Result<Option<Fault>, DataError> {
        let mut at = 0;
        while at < runs.len() {
            let next = match self.next.take() {
                Some(next) => Some(next),
                None => self.games.next()?.map(|game| {
                    let seats = self.seats.within(game.record.players());
                    (game, seats)
                }),
            };
            let id = runs[at].episode_id;
            let Some((game, left)) = next else {
                let text = "it is none of the games that the dataset is made of".to_owned();
                return Ok(Some(Fault::new(FaultKind::Rows, text).of(names.game(id), id)));
            };
            let (expected, index) = (game.record.episode_id(), game.record.game);
            if expected != id {
                let text = format!("its rows are missing, episode {id} is in their place");
                let fault = Fault::new(FaultKind::Order, text).of(Some(index), expected);
                return Ok(Some(fault));
            }
            if let Err(error) = check_canvas(&game.record, &self.format) {
                let fault = Fault::new(FaultKind::Rows, error.to_string());
                return Ok(Some(fault.of(Some(index), id)));
            }
            let here = runs[at..].iter().take_while(|run| run.episode_id == id);
            let seats: Vec<usize> = here.map(|run| usize::from(run.agent_id)).collect();
            at += seats.len();
            let wanted: Vec<usize> = left.iter().take(seats.len()).collect();
            if seats != wanted {
                let text = format!("the data hold players {seats:?} of it, not {wanted:?}");
                return Ok(Some(Fault::new(FaultKind::Count, text).of(Some(index), id)));
            }
            let rest = Seats::of(left.iter().skip(seats.len()));
            if !rest.is_empty() {
                self.next = Some((game.clone(), rest));
            }
            parts.push((game, Seats::of(seats)));
        }
        Ok(None)
    }

    /// Compares the rows of a row group with its games played again: how many agree, and the first
    /// that does not.
    fn row_group(
        &self,
        file: &DataFile,
        work: &Work,
        told: &HashMap<(u64, u8), Told>,
    ) -> Result<(u64, Option<Fault>), DataError> {
        let batch = rows::read(&file.path, work.row_group, None)?;
        let mut expander = Expander::new(self.format, self.reward)?;
        let mut dense = self.layout.map(|layout| DenseRows::new(layout, self.format));
        let (mut at, mut fault) = (0, None);
        let mut episodes: Vec<EpisodeRow> = Vec::new();
        for part in work.parts.chunk_by(|a, b| a.1 == b.1) {
            let games: Vec<&GameRecord> = part.iter().map(|(game, _)| &game.record).collect();
            let seats = part[0].1;
            let result = expander.expand(Batch { games: &games, seats }, |agent, rows| {
                let record = games[agent.game];
                note_episode(&mut episodes, agent, record, 0);
                if fault.is_none() {
                    let agent = (agent, rows);
                    fault = self.agent(&batch, &mut at, agent, record, dense.as_mut())?;
                }
                Ok(())
            });
            match result {
                Err(DataError::Diverged { game, .. }) => {
                    let text = "played again it does not end as its record says".to_owned();
                    let other = Fault::new(FaultKind::Outcome, text);
                    return Ok((at as u64, Some(Fault { game: Some(game), ..other })));
                }
                other => other?,
            }
        }
        let unlike = |played: &EpisodeRow| {
            let told = told.get(&(played.episode_id, played.agent_id))?;
            let text = unlike_game(told, played)?;
            let fault = Fault::new(FaultKind::Episodes, text);
            Some(fault.of(Some(played.game), played.episode_id))
        };
        Ok((at as u64, fault.or_else(|| episodes.iter().find_map(unlike))))
    }

    /// Compares the next rows of a batch with those of an agent.
    fn agent(
        &self,
        batch: &RecordBatch,
        at: &mut usize,
        (agent, rows): (&Agent, &Rows<'_>),
        record: &GameRecord,
        mut dense: Option<&mut DenseRows>,
    ) -> Result<Option<Fault>, DataError> {
        let schema = batch.schema();
        for part in rows.parts() {
            let (mut arrays, rows) = (part.arrays(&agent.constants), part.len());
            if let Some(dense) = &mut dense {
                let compact = RecordBatch::try_new(schema::experiences(&self.format), arrays)?;
                arrays = dense.record_batch(&compact)?.columns().to_vec();
            }
            let rows_left = batch.num_rows().saturating_sub(*at);
            let slice = batch.slice(*at, rows.min(rows_left));
            let columns = schema.fields().iter().zip(slice.columns()).zip(&arrays);
            let played =
                columns.filter(|((field, _), _)| !NOT_PLAYED.contains(&field.name().as_str()));
            for ((field, found), expected) in played {
                if found.as_ref() != expected.as_ref() {
                    let differs = |&row: &usize| found.slice(row, 1) != expected.slice(row, 1);
                    let row = (0..found.len().min(rows)).find(differs).unwrap_or(found.len());
                    let text = format!(
                        "player {}, row {}: column {:?} is not what the game played again gives",
                        agent.constants.agent_id,
                        *at + row,
                        field.name()
                    );
                    let fault = Fault::new(FaultKind::Rows, text);
                    return Ok(Some(fault.of(Some(record.game), record.episode_id())));
                }
            }
            *at += rows;
        }
        Ok(None)
    }

    /// Tells of games that have no rows, unless the run was ended early.
    pub(super) fn finish(
        mut self,
        info: Option<&StoredInfo>,
        found: &mut Verified,
    ) -> Result<(), DataError> {
        if self.has_stopped || info.is_some_and(|info| !info.is_complete) {
            return Ok(());
        }
        let next = match self.next.take() {
            Some((game, _)) => Some(game),
            None => self.games.next()?,
        };
        found.add(next.map(|game| {
            let text = "its rows are missing, and so are those of all games after it".to_owned();
            Fault::new(FaultKind::Count, text).of(Some(game.record.game), game.record.episode_id())
        }));
        Ok(())
    }
}

/// The games of a producer, a few jobs ahead.
struct Games<'p, P: Producer> {
    producer: &'p P,
    jobs: u64,
    ready: VecDeque<ArchivedGame>,
}

impl<P: Producer> Games<'_, P> {
    fn next(&mut self) -> Result<Option<ArchivedGame>, DataError> {
        while self.ready.is_empty() {
            let mut jobs = Vec::new();
            for _ in 0..rayon::current_num_threads().max(1) {
                jobs.extend(self.producer.next(self.jobs));
                self.jobs += 1;
            }
            if jobs.is_empty() {
                return Ok(None);
            }
            let made: Vec<_> = jobs.into_par_iter().map(|job| self.producer.work(job)).collect();
            for made in made {
                self.ready.extend(made?.games);
            }
        }
        Ok(self.ready.pop_front())
    }
}
