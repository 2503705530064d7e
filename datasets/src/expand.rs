//! Recorded games played again, a few at a time, for the rows of their agents.
//!
//! The world writes each agent's rows behind one another, so nothing is sorted or copied afterwards.

use std::{
    num::NonZeroU32,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use systems::{
    components::State,
    record::{GameRecord, Outcome},
    reward::Reward,
    rows::{RowBatch, RowBlock, RowFormat, RowSink, SPARE_ROWS, flag},
    world::{GameId, GameSpec, World, WorldConfig, WorldError},
};

use crate::{
    block::{Constants, PART_ROWS, Rows},
    error::DataError,
    live::pool::{RowPool, Wide},
    seats::Seats,
};

/// Bytes of the wide columns of games that are played before their rows are looked at, unless a
/// single game has more: few enough that the rows are still in the cache then. Fetching them back
/// from memory costs about as much as compressing them.
const CACHED_BYTES: usize = 1 << 20;

/// Bytes of the wide columns of rows that are held at once. Games that have more are played once
/// for each of their agents.
const BLOCK_BYTES: usize = 64 << 20;

/// Games to be expanded together.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    pub(crate) games: &'a [&'a GameRecord],
    /// Seats whose rows are wanted.
    pub(crate) seats: Seats,
}

/// An agent's episode, as far as its rows have been handed on.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) constants: Constants,
    /// Index of the game in its batch.
    pub(crate) game: usize,
    pub(crate) rows: u32,
    pub(crate) sum_of_rewards: f64,
    pub(crate) has_won: bool,
    pub(crate) was_truncated: bool,
    has_ended: bool,
}

/// A world in which records are played again, and the memory their rows need.
pub(crate) struct Expander {
    world: World,
    sink: Arc<Sink>,
    pool: RowPool,
    format: RowFormat,
    /// Rows of games that are played together, see [`CACHED_BYTES`].
    cached: usize,
    /// Rows that are held at once, see [`BLOCK_BYTES`].
    limit: usize,
    /// What is in the world, by index in the batch.
    playing: Vec<(usize, GameId)>,
}

impl Expander {
    pub(crate) fn new(format: RowFormat, reward: Reward) -> Result<Self, WorldError> {
        Self::with_limit(format, reward, BLOCK_BYTES / format.row_bytes().max(1))
    }

    fn with_limit(format: RowFormat, reward: Reward, limit: usize) -> Result<Self, WorldError> {
        // One thread: many expanders run side by side, and then nothing of a group is shared.
        let mut world = World::new(WorldConfig { threads: 1, ..WorldConfig::default() })?;
        let sink = Arc::new(Sink::default());
        world.collect_rows(sink.clone(), format, reward);
        let cached = limit.min(CACHED_BYTES / format.row_bytes().max(1));
        let (pool, playing) = (RowPool::default(), Vec::new());
        Ok(Self { world, sink, pool, format, cached, limit, playing })
    }

    /// Plays the games from start to end and hands each agent's rows to `take`, by game and seat.
    ///
    /// The rows of an agent come at once, or in parts where a single agent has more than are held,
    /// so that not even an endless episode has to fit the memory.
    pub(crate) fn expand(
        &mut self,
        batch: Batch<'_>,
        mut take: impl FnMut(&Agent, &Rows<'_>) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let result = self.expand_parts(batch, &mut take);
        // What an error left behind must not show up among the next games.
        for (_, id) in self.playing.drain(..) {
            drop(self.world.remove(id));
        }
        result
    }

    fn expand_parts(
        &mut self,
        batch: Batch<'_>,
        take: &mut impl FnMut(&Agent, &Rows<'_>) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let rows = |record: &GameRecord| {
            batch.seats.within(record.players()).len().saturating_mul(most_rows(record))
        };
        let games: Vec<(usize, &GameRecord)> = (0..).zip(batch.games.iter().copied()).collect();
        let (mut sum, limit) = (0_usize, self.cached);
        let cached = games.chunk_by(|(_, before), (_, next)| {
            sum = sum.saturating_add(rows(before));
            let fits = sum.saturating_add(rows(next)) <= limit;
            sum = if fits { sum } else { 0 };
            fits
        });
        for games in cached {
            match games {
                [game] if rows(game.1) > self.limit => self.play_large(*game, batch.seats, take)?,
                games => self.play_block(games, batch.seats, take)?,
            }
        }
        Ok(())
    }

    /// Plays a game that has more rows than are held, once for as many agents as there is room for.
    fn play_large(
        &mut self,
        game: (usize, &GameRecord),
        seats: Seats,
        take: &mut impl FnMut(&Agent, &Rows<'_>) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let seats: Vec<usize> = seats.within(game.1.players()).iter().collect();
        let at_once = self.limit / most_rows(game.1);
        if at_once == 0 {
            return seats.iter().try_for_each(|&seat| self.play_windows(game, seat, take));
        }
        seats
            .chunks(at_once)
            .try_for_each(|seats| self.play_block(&[game], Seats::of(seats.iter().copied()), take))
    }

    /// Plays games whose rows are held until all of them have ended.
    fn play_block(
        &mut self,
        games: &[(usize, &GameRecord)],
        seats: Seats,
        take: &mut impl FnMut(&Agent, &Rows<'_>) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let mut agents = Vec::new();
        let mut first = 0;
        for &(index, record) in games {
            let seats = seats.within(record.players());
            let block = block(seats, first, most_rows(record));
            self.begin(index, record, block)?;
            for seat in seats.iter() {
                agents.push((Agent::new(index, record, seat), first..first + most_rows(record)));
                first += block.between as usize;
            }
        }
        // Rounded up, so that the memory soon serves all batches.
        let mut batch = self.pool.take(self.format, first.next_power_of_two());
        for (_, rows) in &agents {
            batch.flags[rows.start] = 0;
        }
        self.sink.put(batch);
        self.play(games)?;
        batch = self.sink.take_block()?;
        batch.large_army.sort_unstable_by_key(|(row, _)| *row);
        let wide = self.pool.lend(&mut batch);
        let result = agents.iter_mut().try_for_each(|(agent, rows)| {
            let range = agent.read(&batch, rows.clone(), None);
            take(agent, &Rows { batch: &batch, wide: &wide, range, next: None })
        });
        self.pool.give_back(batch);
        result
    }

    /// Plays a game for the rows of one agent, of which some are handed on while it is played.
    fn play_windows(
        &mut self,
        (index, record): (usize, &GameRecord),
        seat: usize,
        take: &mut impl FnMut(&Agent, &Rows<'_>) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        // The action on the last row of a window comes with the first of the next one. So there are
        // two, and one is read once the other has begun, of which the first row is written together
        // with what lies right behind it.
        let window = (self.limit / 2).clamp(1 + SPARE_ROWS, PART_ROWS);
        let block = block(Seats::of([seat]), 0, 2 * window);
        self.begin(index, record, block)?;
        let mut batch = self.pool.take(self.format, block.between as usize);
        batch.flags[0] = 0;
        self.sink.put(batch);
        let mut agent = Agent::new(index, record, seat);
        let mut written = 0;
        let mut hand_on = |sink: &Sink, end: usize, next: Option<usize>| {
            let first = (end - 1) / window * window % (2 * window);
            let rows = first..first + (end - 1) % window + 1;
            let mut batch = sink.take_block()?;
            batch.large_army.sort_unstable_by_key(|(row, _)| *row);
            let range = agent.read(&batch, rows, next);
            if !range.is_empty() {
                let next = next.filter(|_| !agent.has_ended);
                let wide = Wide::copied(&batch);
                take(&agent, &Rows { batch: &batch, wide: &wide, range, next })?;
            }
            batch.large_army.retain(|(row, _)| next == Some(*row as usize));
            sink.put(batch);
            Ok::<(), DataError>(())
        };
        // One more step than the record has tells whether a damaged one goes on for ever.
        for _ in 0..=record.outcome.ticks {
            self.world.step();
            written += 1;
            if written > window && written % window == 1 {
                hand_on(&self.sink, written - 1, Some((written - 1) % (2 * window)))?;
            }
            if !self.world.take_ended().is_empty() {
                break;
            }
        }
        hand_on(&self.sink, written, None)?;
        self.finish_all(&[(index, record)])
    }

    fn begin(
        &mut self,
        index: usize,
        record: &GameRecord,
        block: RowBlock,
    ) -> Result<(), DataError> {
        let wrap = |source| DataError::Game { game: record.game, source };
        let rules = self.world.add_ruleset(&record.ruleset).map_err(wrap)?;
        let spec = GameSpec { block: Some(block), ..record.spec(rules) };
        let id = self.world.create(&spec).map_err(wrap)?;
        self.playing.push((index, id));
        Ok(())
    }

    /// Plays what has begun to its end.
    fn play(&mut self, games: &[(usize, &GameRecord)]) -> Result<(), DataError> {
        let longest = games.iter().map(|(_, game)| game.outcome.ticks).max().unwrap_or(0);
        let mut is_going_on = true;
        while is_going_on {
            // One more step than the longest record has tells whether a damaged one goes on for
            // ever. All are taken at once unless a game outgrows its class.
            self.world.step_ahead(longest.saturating_add(1));
            drop(self.world.take_ended());
            is_going_on = false;
            for &(index, id) in &self.playing {
                let record = games[index - games[0].0].1;
                let wrap = |source| DataError::Game { game: record.game, source };
                let (turn, state) = self.world.progress(id).map_err(wrap)?;
                is_going_on |= state == State::Running && turn < record.outcome.ticks;
            }
        }
        self.finish_all(games)
    }

    /// Compares all games with their records, the first ones first.
    fn finish_all(&mut self, games: &[(usize, &GameRecord)]) -> Result<(), DataError> {
        for at in 0..self.playing.len() {
            let (index, id) = self.playing[at];
            self.finish(id, games[index - games[0].0].1)?;
        }
        self.playing.clear();
        Ok(())
    }

    fn finish(&mut self, id: GameId, record: &GameRecord) -> Result<(), DataError> {
        let wrap = |source| DataError::Game { game: record.game, source };
        let position = self.world.position(id).map_err(wrap)?;
        self.world.remove(id).map_err(wrap)?;
        let found = Outcome::of(&position, &record.start.teams);
        if found != record.outcome {
            return Err(DataError::Diverged {
                game: record.game,
                expected: record.outcome.digest,
                expected_ticks: record.outcome.ticks,
                found: found.digest,
                ticks: found.ticks,
            });
        }
        Ok(())
    }
}

/// Expanders of one form of rows, each used by one thread at a time and then by another.
pub(crate) struct Expanders {
    format: RowFormat,
    reward: Reward,
    free: Mutex<Vec<Expander>>,
}

impl Expanders {
    pub(crate) fn new(format: RowFormat, reward: Reward) -> Self {
        Self { format, reward, free: Mutex::default() }
    }

    /// One that is free, or a new one. It is not given back after an error.
    pub(crate) fn take(&self) -> Result<Expander, WorldError> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        free.map_or_else(|| Expander::new(self.format, self.reward), Ok)
    }

    pub(crate) fn give_back(&self, expander: Expander) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(expander);
    }
}

/// Rows that each agent of a game has at most.
fn most_rows(record: &GameRecord) -> usize {
    usize::try_from(record.outcome.ticks).unwrap_or(usize::MAX).saturating_add(1)
}

/// The block of a game's rows, of which there are no more than are held at once.
#[expect(clippy::cast_possible_truncation, reason = "a block is less than 4 GiB")]
fn block(seats: Seats, first: usize, rows: usize) -> RowBlock {
    RowBlock {
        seats: seats.iter().fold(0, |set, seat| set | 1 << seat),
        first_row: first as u32,
        rows: NonZeroU32::new(rows as u32).unwrap_or(NonZeroU32::MIN),
        between: (rows + SPARE_ROWS) as u32,
    }
}

/// The sink of the expander's world: one batch, in which every game has its block.
#[derive(Default)]
struct Sink(Mutex<Option<RowBatch>>);

impl Sink {
    fn lock(&self) -> MutexGuard<'_, Option<RowBatch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, batch: RowBatch) {
        *self.lock() = Some(batch);
    }

    fn take_block(&self) -> Result<RowBatch, DataError> {
        // It is there unless a worker panicked while it wrote.
        self.lock().take().ok_or(DataError::Worker)
    }
}

impl RowSink for Sink {
    fn take(&self, format: RowFormat, rows: usize) -> RowBatch {
        self.lock().take().unwrap_or_else(|| RowBatch::new(format, rows))
    }

    fn give(&self, _place: u64, batch: RowBatch) {
        self.put(batch);
    }
}

impl Agent {
    #[expect(clippy::cast_possible_truncation, reason = "seats below 16, sides at most 32")]
    fn new(game: usize, record: &GameRecord, seat: usize) -> Self {
        Self {
            constants: Constants {
                episode_id: record.episode_id(),
                agent_id: seat as u8,
                policy: record.policies.get(seat).map_or("", String::as_str).into(),
                height: record.start.height as u8,
                width: record.start.width as u8,
            },
            game,
            rows: 0,
            sum_of_rewards: 0.0,
            has_won: false,
            was_truncated: false,
            has_ended: false,
        }
    }

    /// Takes note of the next rows, as far as they are the agent's, and of what the row after them
    /// says of the last one.
    fn read(&mut self, batch: &RowBatch, rows: Range<usize>, next: Option<usize>) -> Range<usize> {
        let none = rows.start..rows.start;
        let begins = self.rows == 0;
        // An agent that never lived has no first row.
        self.has_ended |= begins && batch.flags[rows.start] & flag::FIRST == 0;
        if self.has_ended {
            return none;
        }
        let mut end = rows.start;
        while end < rows.end && !self.has_ended {
            let flags = batch.flags[end];
            self.has_ended = flags & (flag::TERMINATED | flag::TRUNCATED) != 0;
            self.has_won |= flags & flag::WON != 0;
            self.was_truncated |= flags & flag::TRUNCATED != 0;
            end += 1;
        }
        let told = batch.reward[rows.start + 1..end].iter().copied();
        let last = next.filter(|_| !self.has_ended).map(|row| batch.reward[row]);
        told.chain(last).for_each(|reward| self.sum_of_rewards += f64::from(reward));
        self.rows += u32::try_from(end - rows.start).unwrap_or(u32::MAX);
        rows.start..end
    }
}

#[cfg(test)]
mod tests;
