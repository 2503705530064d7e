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
        StringArray, UInt32Array, new_null_array,
    },
    compute::{cast, filter_record_batch, take},
    datatypes::{DataType, Int32Type, SchemaRef, UInt8Type, UInt32Type, UInt64Type},
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
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::spawn_blocking,
};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::{Status, Streaming};

use super::{
    ServeError,
    access::Pass,
    fields::{cut, malformed, message_bytes, unreadable, unsigned},
    flights::EXPERIENCES,
    log::{Log, Wait},
    put_games::{self, Referee},
    put_rows::RowCheck,
    put_turns::{Turn, Turns},
    stats::PutStats,
    unpacked,
};

/// Agents' episodes of which the last row is remembered; the oldest are forgotten first.
const EPISODES: usize = 1 << 20;

/// Batches that are taken at a time. Each has a thread, which may wait for the ring; more wait
/// without one.
const AT_ONCE: usize = 16;

/// Rows that an answer names at most; all are counted.
const NAMED: usize = 32;

/// Takes rows of actors.
#[derive(Debug)]
pub(super) struct Taker {
    log: Arc<Log>,
    schema: SchemaRef,
    policies: ArrayRef,
    check: RowCheck,
    referee: Referee,
    seen: Mutex<Seen>,
    turns: Turns,
    counts: Mutex<PutStats>,
    places: Semaphore,
    /// Whether the server ends.
    stopped: watch::Receiver<bool>,
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
    /// Whether its action ended the episode, so that the next row is the last.
    is_ending: bool,
    is_over: bool,
}

/// What places a row in the episode of its agent.
#[derive(Clone, Copy, Debug)]
struct Place {
    step: u32,
    is_first: bool,
    is_ending: bool,
    is_last: bool,
}

impl Place {
    fn of(rows: &RecordBatch, row: usize) -> Self {
        let flag = |name: &str| rows[name].as_boolean().value(row);
        Self {
            step: value::<UInt32Type>(rows, column::STEP, row),
            is_first: flag(column::IS_FIRST),
            is_ending: flag(column::TERMINATED) || flag(column::TRUNCATED),
            is_last: flag(column::IS_LAST),
        }
    }
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
        let last = Last { step: game.outcome.ticks, is_ending: false, is_over: true };
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
    fn judge(&mut self, agent: (u64, u8), place: Place) -> Verdict {
        let Place { step, is_first, is_ending, is_last } = place;
        let now = Last { step, is_ending, is_over: is_last };
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
        if is_last != last.is_ending {
            return Verdict::Wrong(format!(
                "{}: the row after the one with {} or {} set has it set, and no other",
                column::IS_LAST,
                column::TERMINATED,
                column::TRUNCATED
            ));
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
        stopped: watch::Receiver<bool>,
    ) -> Self {
        let (check, places) = (RowCheck::new(format), Semaphore::new(AT_ONCE));
        let (seen, turns, counts) = (Mutex::default(), Turns::default(), Mutex::default());
        Self { log, schema, policies, check, referee, seen, turns, counts, places, stopped }
    }

    /// What was submitted.
    pub(super) fn stats(&self) -> PutStats {
        self.counted(|counts| counts.clone())
    }

    /// What becomes of a batch.
    async fn answer(self: Arc<Self>, seq: u64, rows: RecordBatch) -> Result<Taken, ServeError> {
        self.counted(|counts| counts.waiting += 1);
        let worker = self.clone();
        // The ring may be held, so a thread waits that the network does not need.
        let answer = match self.places.acquire().await {
            Ok(_place) => spawn_blocking(move || worker.take(seq, &rows)).await,
            // Never closed: the places live as long as the taker.
            Err(_closed) => Ok(Err(ServeError::Stopping)),
        };
        let answer = answer.map_err(|_panic| ServeError::Panicked("put")).flatten();
        self.counted(|counts| {
            counts.waiting -= 1;
            let Ok(taken) = &answer else { return };
            counts.batches += 1;
            counts.accepted += taken.accepted as u64;
            counts.duplicates += taken.duplicates as u64;
            counts.rejected += taken.rejected as u64;
            counts.rows += taken.rows as u64;
        });
        answer
    }

    fn counted<T>(&self, change: impl FnOnce(&mut PutStats) -> T) -> T {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Plays the games of a batch again, and puts the rows of those that are new and right into the
    /// ring. Waits while readers hold that.
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
                        self.log.publish(batch, Wait::ForReaders);
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

    /// Puts the rows of a batch that are new and right into the ring. Waits while readers hold that.
    fn take(&self, seq: u64, batch: &RecordBatch) -> Result<Taken, ServeError> {
        if self.log.is_closed() {
            return Err(ServeError::Finished);
        }
        if put_games::are_games(batch) {
            return self.take_games(seq, batch);
        }
        let rows = self.columns(batch)?;
        let mut taken = Taken { seq, ..Taken::default() };
        let (is_new, turn) = self.judge(&rows, &mut taken);
        taken.rows = taken.accepted;
        if let Some(turn) = turn {
            let rows = filter_record_batch(&rows, &BooleanArray::from(is_new))?;
            let games = put_games::numbers(rows[column::EPISODE_ID].as_primitive());
            let rulesets = unknown_rulesets(rows.num_rows());
            // The rows of an agent reach the ring in the order in which they were judged, and who
            // is judged next does not wait for the ring.
            turn.wait();
            self.log.publish(LiveBatch { rows, games, rulesets }, Wait::ForReaders);
        }
        Ok(taken)
    }

    /// Which rows of a batch are new, and the turn in which they are put into the ring if any is.
    fn judge(&self, rows: &RecordBatch, taken: &mut Taken) -> (Vec<bool>, Option<Turn<'_>>) {
        let mut seen = self.lock();
        let mut is_new = Vec::with_capacity(rows.num_rows());
        for row in 0..rows.num_rows() {
            let verdict = self.check.check(rows, row).map_or_else(Verdict::Wrong, |()| {
                let agent = (
                    value::<UInt64Type>(rows, column::EPISODE_ID, row),
                    value::<UInt8Type>(rows, column::AGENT_ID, row),
                );
                seen.judge(agent, Place::of(rows, row))
            });
            is_new.push(matches!(verdict, Verdict::New));
            match verdict {
                Verdict::New => taken.accepted += 1,
                Verdict::Duplicate => taken.duplicates += 1,
                Verdict::Wrong(reason) => taken.refuse(row, reason),
            }
        }
        (is_new, (taken.accepted > 0).then(|| self.turns.draw()))
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
        if array.null_count() > 0 {
            return Err(malformed(column::POLICY, "the column has nulls"));
        }
        let keys = match array.as_any_dictionary_opt() {
            // Each name is looked up once, however many rows have it.
            Some(found) if !found.is_empty() => {
                let keys = self.policy_keys(found.values(), Some(&found.normalized_keys()))?;
                let places = found.normalized_keys();
                let places = places.iter().map(|&place| u32::try_from(place).unwrap_or(u32::MAX));
                take(&keys, &UInt32Array::from_iter_values(places), None)?.as_primitive().clone()
            }
            Some(_) => Int32Array::from(Vec::<i32>::new()),
            None => self.policy_keys(array, None)?,
        };
        Ok(Arc::new(DictionaryArray::try_new(keys, self.policies.clone())?))
    }

    /// The place of each name among the policies; of names that are not used, any.
    fn policy_keys(
        &self,
        names: &ArrayRef,
        used: Option<&[usize]>,
    ) -> Result<Int32Array, ServeError> {
        let known = self.policies.as_string::<i32>();
        let names = cast(names, &DataType::Utf8)
            .map_err(|error| malformed(column::POLICY, format!("{error}: send names")))?;
        let names = names.as_string::<i32>();
        let mut is_used = vec![used.is_none(); names.len()];
        used.into_iter().flatten().for_each(|&place| is_used[place] = true);
        let mut keys = Vec::with_capacity(names.len());
        for (name, is_used) in names.iter().map(Option::unwrap_or_default).zip(is_used) {
            let key = known.iter().position(|known| known == Some(name));
            let key = key.or((!is_used).then_some(0)).ok_or_else(|| {
                let known: Vec<&str> = known.iter().flatten().collect();
                let (name, known) = (cut(name), known.join(", "));
                malformed(
                    column::POLICY,
                    format!("{name:?} is not known: there is {known}; add it with --learners"),
                )
            })?;
            keys.push(i32::try_from(key).unwrap_or(i32::MAX));
        }
        Ok(Int32Array::from(keys))
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
    pass: Pass,
    batches: Streaming<FlightData>,
) -> ReceiverStream<Result<PutResult, Status>> {
    let (out, answers) = mpsc::channel(4);
    tokio::spawn(async move {
        taker.counted(|counts| counts.actors += 1);
        let counting = taker.clone();
        // The decoder panics on some malformed messages, which is made an error.
        let ended = tokio::spawn(take_all(taker, pass, batches, out.clone())).await;
        let malformed = || malformed("batch", "the message is malformed");
        let ended = ended.unwrap_or_else(|_panic| Err(malformed()));
        counting.counted(|counts| counts.actors -= 1);
        if let Err(error) = ended {
            let _is_told = out.send(Err(error.into())).await;
        }
    });
    ReceiverStream::new(answers)
}

async fn take_all(
    taker: Arc<Taker>,
    pass: Pass,
    batches: Streaming<FlightData>,
    out: mpsc::Sender<Result<PutResult, Status>>,
) -> Result<(), ServeError> {
    let batches = batches.map(|data| data.and_then(unpacked::checked));
    let mut batches = FlightDataDecoder::new(batches.map(|data| data.map_err(FlightError::from)));
    let (mut next, mut stopped) = (0, taker.stopped.clone());
    loop {
        let batch = tokio::select! {
            batch = batches.next() => batch,
            // An actor that sends nothing does not hold up the end of the server.
            _told = stopped.wait_for(|&is_stopped| is_stopped) => return Err(ServeError::Stopping),
        };
        let Some(batch) = batch else { return Ok(()) };
        let batch = batch.map_err(|error| unreadable("batch", &error))?;
        if let Some(descriptor) = &batch.inner.flight_descriptor
            && descriptor.path != [EXPERIENCES]
        {
            let (what, name) = ("flight to submit to", cut(&descriptor.path.join("/")));
            return Err(ServeError::Unknown { what, name, known: EXPERIENCES.to_owned() });
        }
        pass.check_message(message_bytes(&batch.inner))?;
        let DecodedPayload::RecordBatch(rows) = batch.payload else { continue };
        pass.check_rows(rows.num_rows())?;
        let seq = match &batch.inner.app_metadata[..] {
            [] => next,
            json => serde_json::from_slice(json)
                .map_err(|error| malformed("app_metadata", error.to_string()))
                .and_then(|told: Value| unsigned("seq", told.get("seq").unwrap_or(&Value::Null)))?,
        };
        next = seq.wrapping_add(1);
        let answer = taker.clone().answer(seq, rows).await?;
        // Numbers and names always become JSON.
        let json = serde_json::to_vec(&answer).unwrap_or_default();
        if out.send(Ok(PutResult { app_metadata: json.into() })).await.is_err() {
            return Ok(());
        }
    }
}
