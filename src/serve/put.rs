//! `DoPut(["experiences"])`: rows that actors played elsewhere, on their way into the ring.
//!
//! Every batch is answered by what became of its rows. Rows of an agent's episode come in their
//! order, so that one number tells which of them are here: rows that came before are counted as
//! duplicates, and rows that do not follow are refused by name, together with what is missing.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Int32Array, RecordBatch,
        StringArray, UInt64Array, new_null_array,
    },
    compute::{cast, filter_record_batch},
    datatypes::{DataType, Float32Type, Int32Type, SchemaRef, UInt8Type, UInt32Type, UInt64Type},
};
use arrow_flight::{
    FlightData, PutResult,
    decode::{DecodedPayload, FlightDataDecoder},
    error::FlightError,
};
use datasets::{live::LiveBatch, schema::column};
use serde::Serialize;
use serde_json::Value;
use systems::{record::GameRecord, rows::RowFormat};
use tokio::{sync::mpsc, task::spawn_blocking};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::{Status, Streaming};

use super::{
    ServeError,
    fields::{malformed, unsigned},
    log::{Log, Wait},
    put_games::{self, Referee},
};

/// Agents' episodes of which the last row is remembered; the oldest are forgotten first.
const EPISODES: usize = 1 << 20;

/// Rows that an answer names at most; all are counted.
const NAMED: usize = 32;

/// Takes rows of actors.
#[derive(Debug)]
pub(super) struct Taker {
    log: Arc<Log>,
    schema: SchemaRef,
    policies: ArrayRef,
    format: RowFormat,
    referee: Referee,
    seen: Mutex<Seen>,
}

/// The last row of each agent's episode.
#[derive(Debug, Default)]
struct Seen {
    last: HashMap<(u64, u8), Last>,
    order: VecDeque<(u64, u8)>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    step: u32,
    is_over: bool,
}

/// What became of a batch.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Taken {
    /// The number that the actor gave the batch.
    seq: u64,
    /// Rows of the batch (or games, in a batch of games) that are in the streams now.
    accepted: usize,
    /// Those that came before.
    duplicates: usize,
    /// Those that were refused.
    rejected: usize,
    /// The first of them.
    reasons: Vec<Rejected>,
    /// Rows that this added to the streams.
    rows: usize,
}

impl Taken {
    fn refuse(&mut self, row: usize, reason: String) {
        self.rejected += 1;
        if self.reasons.len() < NAMED {
            self.reasons.push(Rejected { row, reason });
        }
    }
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Rejected {
    row: usize,
    reason: String,
}

/// What a row is found to be.
enum Verdict {
    New,
    Duplicate,
    Wrong(String),
}

impl Seen {
    /// Whether rows of all seats of a game came before, or of any.
    fn has_game(&self, episode: u64, players: usize) -> bool {
        let seats = 0..u8::try_from(players).unwrap_or(u8::MAX);
        seats.into_iter().any(|seat| self.last.contains_key(&(episode, seat)))
    }

    /// Remembers a game; false if it came before.
    fn add_game(&mut self, game: &GameRecord) -> bool {
        let (episode, players) = (game.episode_id(), game.players());
        if self.has_game(episode, players) {
            return false;
        }
        let last = Last { step: game.outcome.ticks, is_over: true };
        for seat in 0..u8::try_from(players).unwrap_or(u8::MAX) {
            self.last.insert((episode, seat), last);
            self.order.push_back((episode, seat));
        }
        while self.order.len() > EPISODES {
            if let Some(oldest) = self.order.pop_front() {
                self.last.remove(&oldest);
            }
        }
        true
    }

    /// Whether a row is the next of its agent, and if so remembers it.
    fn judge(&mut self, agent: (u64, u8), step: u32, is_first: bool, is_last: bool) -> Verdict {
        let now = Last { step, is_over: is_last };
        let Some(last) = self.last.get_mut(&agent) else {
            if !is_first {
                return Verdict::Wrong(format!(
                    "{}: the first row of an episode has {} set, and this one has step {step}",
                    column::IS_FIRST,
                    column::IS_FIRST
                ));
            }
            self.last.insert(agent, now);
            self.order.push_back(agent);
            if self.order.len() > EPISODES
                && let Some(oldest) = self.order.pop_front()
            {
                self.last.remove(&oldest);
            }
            return Verdict::New;
        };
        if step <= last.step {
            return Verdict::Duplicate;
        }
        if last.is_over {
            let over = last.step;
            return Verdict::Wrong(format!("{}: the episode ended at {over}", column::STEP));
        }
        if step != last.step + 1 {
            let (from, to) = (last.step + 1, step - 1);
            return Verdict::Wrong(format!("{}: {from} to {to} are missing", column::STEP));
        }
        *last = now;
        Verdict::New
    }
}

impl Taker {
    /// Takes rows with these columns and policies; the referee takes games.
    pub(super) fn new(
        log: Arc<Log>,
        schema: SchemaRef,
        policies: ArrayRef,
        format: RowFormat,
        referee: Referee,
    ) -> Self {
        Self { log, schema, policies, format, referee, seen: Mutex::default() }
    }

    /// Plays the games of a batch again, and puts the rows of those that are new and right into the
    /// ring. Waits while that is full.
    fn take_games(&self, seq: u64, batch: &RecordBatch) -> Result<Taken, ServeError> {
        let mut taken = Taken { seq, ..Taken::default() };
        for (row, game) in put_games::games_of(batch)?.into_iter().enumerate() {
            let rows = game.and_then(|game| {
                let is_new = !self.lock().has_game(game.episode_id(), game.players());
                Ok((is_new.then(|| self.referee.rows(&game)).transpose()?, game))
            });
            match rows {
                Ok((Some(batches), game)) if self.lock().add_game(&game) => {
                    taken.accepted += 1;
                    for batch in batches {
                        taken.rows += batch.rows.num_rows();
                        self.log.publish(batch, Wait::Always);
                    }
                }
                Ok(_) => taken.duplicates += 1,
                Err(reason) => taken.refuse(row, reason),
            }
        }
        Ok(taken)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the rows of a batch that are new and right into the ring. Waits while that is full.
    fn take(&self, seq: u64, batch: &RecordBatch) -> Result<Taken, ServeError> {
        if self.log.is_closed() {
            return Err(ServeError::Finished);
        }
        if put_games::are_games(batch) {
            return self.take_games(seq, batch);
        }
        let rows = self.columns(batch)?;
        let mut taken = Taken { seq, ..Taken::default() };
        let mut is_new = Vec::with_capacity(rows.num_rows());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for row in 0..rows.num_rows() {
            let verdict = self.check(&rows, row).map_or_else(Verdict::Wrong, |()| {
                let agent = (
                    value::<UInt64Type>(&rows, column::EPISODE_ID, row),
                    value::<UInt8Type>(&rows, column::AGENT_ID, row),
                );
                let step = value::<UInt32Type>(&rows, column::STEP, row);
                let flag = |name: &str| rows[name].as_boolean().value(row);
                seen.judge(agent, step, flag(column::IS_FIRST), flag(column::IS_LAST))
            });
            is_new.push(matches!(verdict, Verdict::New));
            match verdict {
                Verdict::New => taken.accepted += 1,
                Verdict::Duplicate => taken.duplicates += 1,
                Verdict::Wrong(reason) => taken.refuse(row, reason),
            }
        }
        taken.rows = taken.accepted;
        if taken.accepted > 0 {
            let rows = filter_record_batch(&rows, &BooleanArray::from(is_new))?;
            // A game that was played elsewhere has no number here; its episode stands for it.
            let games: UInt64Array = rows[column::EPISODE_ID].as_primitive().clone();
            let rulesets = unknown_rulesets(rows.num_rows());
            // Still under the lock: the rows of an agent reach the ring in their order.
            self.log.publish(LiveBatch { rows, games, rulesets }, Wait::Always);
        }
        Ok(taken)
    }

    /// The columns in the order and with the types of the ring's rows.
    fn columns(&self, batch: &RecordBatch) -> Result<RecordBatch, ServeError> {
        let mut arrays = Vec::with_capacity(self.schema.fields().len());
        for field in self.schema.fields() {
            let array = match batch.column_by_name(field.name()) {
                Some(array) if field.name() == column::POLICY => self.policy(array)?,
                Some(array) if array.data_type() == field.data_type() => array.clone(),
                Some(array) => {
                    let (found, wanted) = (array.data_type(), field.data_type());
                    return Err(malformed(
                        field.name(),
                        format!("the column is {found}: send {wanted}"),
                    ));
                }
                None if field.is_nullable() => new_null_array(field.data_type(), batch.num_rows()),
                None => return Err(malformed(field.name(), "the batch has no such column")),
            };
            if !field.is_nullable() && array.null_count() > 0 {
                return Err(malformed(field.name(), "the column has nulls"));
            }
            arrays.push(array);
        }
        Ok(RecordBatch::try_new(self.schema.clone(), arrays)?)
    }

    /// Names of policies with the dictionary that all rows of the ring share.
    fn policy(&self, array: &ArrayRef) -> Result<ArrayRef, ServeError> {
        let names = cast(array, &DataType::Utf8)
            .map_err(|error| malformed(column::POLICY, format!("{error}: send names")))?;
        let known = self.policies.as_string::<i32>();
        let mut keys = Vec::with_capacity(names.len());
        for name in names.as_string::<i32>().iter().map(Option::unwrap_or_default) {
            let key = known.iter().position(|known| known == Some(name)).ok_or_else(|| {
                let known: Vec<&str> = known.iter().flatten().collect();
                let known = known.join(", ");
                malformed(
                    column::POLICY,
                    format!("{name:?} is not known: there is {known}; add it with --learners"),
                )
            })?;
            keys.push(i32::try_from(key).unwrap_or(i32::MAX));
        }
        let keys = Int32Array::from(keys);
        Ok(Arc::new(DictionaryArray::try_new(keys, self.policies.clone())?))
    }

    /// Whether the values of a row can be.
    fn check(&self, rows: &RecordBatch, row: usize) -> Result<(), String> {
        let flag = |name: &str| rows[name].as_boolean().value(row);
        let action = value::<Int32Type>(rows, column::ACTION, row);
        let tiles = i32::try_from(self.format.tiles()).unwrap_or(i32::MAX);
        let actions = 8 * tiles + 1 + if self.format.has_builds { tiles } else { 0 };
        let reward = value::<Float32Type>(rows, column::REWARD, row);
        let (height, width) = (
            value::<UInt8Type>(rows, column::HEIGHT, row),
            value::<UInt8Type>(rows, column::WIDTH, row),
        );
        let seat = value::<UInt8Type>(rows, column::AGENT_ID, row);
        let is_last = flag(column::IS_LAST);
        if seat >= 16 {
            return Err(format!("{}: {seat} is no seat: use 0 to 15", column::AGENT_ID));
        }
        if is_last && (action != -1 || reward != 0.0) {
            return Err(format!(
                "{}: the last row has action -1 and reward 0, this one {action} and {reward}",
                column::ACTION
            ));
        }
        if !is_last && !(0..actions).contains(&action) {
            return Err(format!("{}: {action} is none: use 0 to {}", column::ACTION, actions - 1));
        }
        if !reward.is_finite() {
            return Err(format!("{}: {reward} is not finite", column::REWARD));
        }
        let inside = |side: u8, most: u16| (1..=most).contains(&u16::from(side));
        if !inside(height, self.format.height) || !inside(width, self.format.width) {
            let RowFormat { height: most_height, width: most_width, .. } = self.format;
            return Err(format!(
                "{}: a board of {height}x{width} does not fit {most_height}x{most_width}",
                column::HEIGHT
            ));
        }
        Ok(())
    }
}

/// Actors do not say which rules they played by.
fn unknown_rulesets(rows: usize) -> DictionaryArray<Int32Type> {
    let names = Arc::new(StringArray::from(Vec::<&str>::new()));
    DictionaryArray::new(Int32Array::new_null(rows), names)
}

fn value<T: arrow::datatypes::ArrowPrimitiveType>(
    rows: &RecordBatch,
    name: &str,
    row: usize,
) -> T::Native {
    rows[name].as_primitive::<T>().value(row)
}

/// Takes the batches of one actor, and answers each.
pub(super) fn serve(
    taker: Arc<Taker>,
    batches: Streaming<FlightData>,
) -> ReceiverStream<Result<PutResult, Status>> {
    let (out, answers) = mpsc::channel(4);
    tokio::spawn(async move {
        // The decoder panics on some malformed messages, which is made an error.
        let ended = tokio::spawn(take_all(taker, batches, out.clone())).await;
        let malformed = || malformed("batch", "the message is malformed");
        if let Err(error) = ended.unwrap_or_else(|_panic| Err(malformed())) {
            let _is_told = out.send(Err(error.into())).await;
        }
    });
    ReceiverStream::new(answers)
}

async fn take_all(
    taker: Arc<Taker>,
    batches: Streaming<FlightData>,
    out: mpsc::Sender<Result<PutResult, Status>>,
) -> Result<(), ServeError> {
    let mut batches = FlightDataDecoder::new(batches.map(|data| data.map_err(FlightError::from)));
    let mut next = 0;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|error| malformed("batch", error.to_string()))?;
        let DecodedPayload::RecordBatch(rows) = batch.payload else { continue };
        let seq = match &batch.inner.app_metadata[..] {
            [] => next,
            json => serde_json::from_slice(json)
                .map_err(|error| malformed("app_metadata", error.to_string()))
                .and_then(|told: Value| unsigned("seq", told.get("seq").unwrap_or(&Value::Null)))?,
        };
        next = seq + 1;
        // The ring may be full, so a thread waits that the network does not need.
        let taker = taker.clone();
        let answer = spawn_blocking(move || taker.take(seq, &rows)).await;
        let answer = answer.map_err(|_panic| ServeError::Panicked("put"))??;
        // Numbers and names always become JSON.
        let json = serde_json::to_vec(&answer).unwrap_or_default();
        if out.send(Ok(PutResult { app_metadata: json.into() })).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}
