//! `DoPut` of whole games: each is played again before its rows are believed.

use std::sync::{Mutex, PoisonError};

use arrow::{
    array::{ArrayRef, AsArray, RecordBatch, UInt64Array},
    datatypes::SchemaRef,
};
use datasets::{games, live::LiveBatch, replayed_rows::ReplayedRows, schema};
use systems::{record::GameRecord, reward::Reward, rows::RowFormat};

use super::{ServeError, collect, fields::malformed};

/// Bytes of the rows of a game at most: what is in memory while it is played again.
const GAME_BYTES: u64 = 256 << 20;

/// Plays games again, one at a time.
pub(super) struct Referee {
    replays: Mutex<ReplayedRows>,
    policies: ArrayRef,
    format: RowFormat,
}

impl std::fmt::Debug for Referee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Referee").field("format", &self.format).finish_non_exhaustive()
    }
}

impl Referee {
    pub(super) fn new(
        format: RowFormat,
        reward: Reward,
        schema: SchemaRef,
        policies: ArrayRef,
    ) -> Result<Self, ServeError> {
        let replays = ReplayedRows::new(format, reward, schema, policies.clone())?;
        Ok(Self { replays: Mutex::new(replays), policies, format })
    }

    /// The rows of a game, or why they are refused.
    pub(super) fn rows(&self, game: &GameRecord) -> Result<Vec<LiveBatch>, String> {
        let size = (game.start.height, game.start.width);
        collect::fits(self.format, size, game.players(), game.ruleset.builds())?;
        let known = self.policies.as_string::<i32>();
        let is_unknown = |name: &&String| !known.iter().any(|known| known == Some(name.as_str()));
        if let Some(name) = game.policies.iter().find(is_unknown) {
            let known: Vec<&str> = known.iter().flatten().collect();
            let (policies, known) = (schema::game::POLICIES, known.join(", "));
            return Err(format!(
                "{policies}: {name:?} is not known: there is {known}; add it with --learners"
            ));
        }
        let rows = u64::from(game.outcome.ticks) + 1;
        let bytes = rows * game.players() as u64 * self.format.row_bytes() as u64;
        if bytes > GAME_BYTES {
            let (ticks, mib) = (schema::game::TICKS, GAME_BYTES >> 20);
            return Err(format!(
                "{ticks}: {} are too many: the rows of a game may have {mib} MiB",
                game.outcome.ticks
            ));
        }
        let mut replays = self.replays.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batches = replays.rows(game).map_err(|error| error.to_string())?;
        for batch in &mut batches {
            batch.games = numbers(&batch.games);
        }
        Ok(batches)
    }
}

/// Marks the numbers of games that were played elsewhere.
const ELSEWHERE: u64 = 1 << 63;

/// The numbers of games that were played elsewhere, by their episodes. Simulated games are numbered
/// from 0, and an actor's episode may have any number: the highest bit keeps them apart.
pub(super) fn numbers(episodes: &UInt64Array) -> UInt64Array {
    episodes.unary(|episode| episode | ELSEWHERE)
}

/// Whether a batch has games, and not rows of agents.
pub(super) fn are_games(batch: &RecordBatch) -> bool {
    batch.column_by_name(schema::game::MOVES).is_some()
}

/// The games of a batch, or what is wrong with each.
///
/// # Errors
///
/// [`ServeError::Malformed`] for other columns.
pub(super) fn games_of(batch: &RecordBatch) -> Result<Vec<Result<GameRecord, String>>, ServeError> {
    let read = games::of_record_batch(batch);
    let read = read.map_err(|error| malformed("batch", error.to_string()))?;
    let record = |game: Result<games::ArchivedGame, _>| {
        game.map(|game| game.record).map_err(|error: datasets::error::RowError| error.to_string())
    };
    Ok(read.into_iter().map(record).collect())
}
