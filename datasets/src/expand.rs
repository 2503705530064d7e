//! Recorded games played again side by side, for the rows of their agents.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use systems::{
    record::{GameRecord, Outcome},
    reward::Reward,
    rows::{RowBatch, RowFormat, RowSink, flag},
    world::{GameId, World, WorldConfig, WorldError},
};

use crate::{
    error::DataError,
    seats::Seats,
    segment::{Constants, Segment},
};

/// Games to be expanded together.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    pub(crate) games: &'a [&'a GameRecord],
    /// Seats whose rows are wanted.
    pub(crate) seats: Seats,
}

/// The rows of one agent's episode.
#[derive(Debug)]
pub(crate) struct AgentRows {
    pub(crate) constants: Constants,
    /// Index of the game in its batch.
    pub(crate) game: usize,
    pub(crate) segments: Vec<Segment>,
    pub(crate) rows: u32,
    pub(crate) sum_of_rewards: f64,
    pub(crate) has_won: bool,
    pub(crate) was_truncated: bool,
}

/// A world in which records are played again, and the memory their rows need.
pub(crate) struct Expander {
    world: World,
    gather: Arc<Gather>,
}

impl Expander {
    pub(crate) fn new(format: RowFormat, reward: Reward) -> Result<Self, WorldError> {
        // One thread: many expanders run side by side, and then nothing of a group is shared.
        let mut world = World::new(WorldConfig { threads: 1, ..WorldConfig::default() })?;
        let gather = Arc::new(Gather::default());
        world.collect_rows(gather.clone(), format, reward);
        Ok(Self { world, gather })
    }

    /// Plays the games from start to end and hands each agent's rows to `take`, by game and seat.
    ///
    /// Where a single agent is wanted, its rows are handed on in parts as they come, so that not
    /// even an endless episode has to fit the memory.
    pub(crate) fn expand(
        &mut self,
        batch: Batch<'_>,
        mut take: impl FnMut(&mut AgentRows) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let result = self.play(batch, &mut take);
        if result.is_err() {
            // What an error left behind must not show up among the next games.
            for id in self.gather.reset() {
                drop(self.world.remove(id));
            }
        }
        result
    }

    fn play(
        &mut self,
        batch: Batch<'_>,
        take: &mut impl FnMut(&mut AgentRows) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let mut playing = HashMap::with_capacity(batch.games.len());
        for (index, &record) in batch.games.iter().enumerate() {
            let wrap = |source| DataError::Game { game: record.game, source };
            let id = record.replay_in(&mut self.world).map_err(wrap)?;
            self.gather.expect(index, id, record, batch.seats);
            playing.insert(id, index);
        }
        let streams = self.gather.lock().list.len() == 1;
        // One more step than the longest record tells which games of a damaged one go on for ever.
        let longest = batch.games.iter().map(|game| game.outcome.ticks).max().unwrap_or(0);
        let mut steps = 0..=longest;
        while !playing.is_empty() && steps.next().is_some() {
            self.world.step();
            for id in self.world.take_ended() {
                if let Some(index) = playing.remove(&id) {
                    self.finish(id, batch.games[index])?;
                }
            }
            if streams {
                self.gather.hand_on_full(take)?;
            }
        }
        if let Some((&id, &index)) = playing.iter().min_by_key(|&(_, &index)| index) {
            self.finish(id, batch.games[index])?;
        }
        self.gather.hand_on_rest(take)
    }

    fn finish(&mut self, id: GameId, record: &GameRecord) -> Result<(), DataError> {
        let wrap = |source| DataError::Game { game: record.game, source };
        let position = self.world.position(id).map_err(wrap)?;
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
        self.world.remove(id).map_err(wrap)
    }
}

/// The sink of the expander's world: moves each row to its agent while it is warm in the cache.
#[derive(Default)]
struct Gather(Mutex<Agents>);

#[derive(Default)]
struct Agents {
    list: Vec<AgentRows>,
    /// Where each episode's agents begin, and which seats they are.
    places: HashMap<u64, (usize, Seats)>,
    games: Vec<GameId>,
    spare_segments: Vec<Segment>,
    spare_batches: Vec<RowBatch>,
}

impl Gather {
    fn lock(&self) -> std::sync::MutexGuard<'_, Agents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::cast_possible_truncation, reason = "seats below 16, sides at most 32")]
    fn expect(&self, index: usize, id: GameId, record: &GameRecord, seats: Seats) {
        let agents = &mut *self.lock();
        let seats = seats.within(record.players());
        agents.games.push(id);
        agents.places.insert(record.episode_id(), (agents.list.len(), seats));
        agents.list.extend(seats.iter().map(|seat| AgentRows {
            constants: Constants {
                episode_id: record.episode_id(),
                agent_id: seat as u8,
                policy: record.policies.get(seat).map_or("", String::as_str).into(),
                height: record.start.height as u8,
                width: record.start.width as u8,
            },
            game: index,
            segments: Vec::new(),
            rows: 0,
            sum_of_rewards: 0.0,
            has_won: false,
            was_truncated: false,
        }));
    }

    /// Hands on the segments that no later row can change.
    fn hand_on_full(
        &self,
        take: &mut impl FnMut(&mut AgentRows) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let agents = &mut *self.lock();
        for agent in agents.list.iter_mut().filter(|agent| agent.segments.len() > 1) {
            let last = agent.segments.pop();
            take(agent)?;
            agents.spare_segments.append(&mut agent.segments);
            agent.segments.extend(last);
        }
        Ok(())
    }

    fn hand_on_rest(
        &self,
        take: &mut impl FnMut(&mut AgentRows) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let agents = &mut *self.lock();
        agents.places.clear();
        agents.games.clear();
        for mut agent in agents.list.drain(..) {
            take(&mut agent)?;
            agents.spare_segments.append(&mut agent.segments);
        }
        Ok(())
    }

    /// Forgets everything, and returns the games that were expected.
    fn reset(&self) -> Vec<GameId> {
        let agents = &mut *self.lock();
        agents.places.clear();
        agents.list.clear();
        std::mem::take(&mut agents.games)
    }
}

impl RowSink for Gather {
    fn take(&self, format: RowFormat, rows: usize) -> RowBatch {
        let free = self.lock().spare_batches.pop();
        free.filter(|batch| batch.format == format && batch.capacity >= rows)
            .unwrap_or_else(|| RowBatch::new(format, rows))
    }

    fn give(&self, _place: u64, mut batch: RowBatch) {
        let agents = &mut *self.lock();
        // Rows of one game follow each other, so it is looked up once for all of them.
        let mut known = None;
        for row in 0..batch.len {
            let episode = batch.episode[row];
            if known.is_none_or(|(of, _)| of != episode) {
                known = Some((episode, agents.places.get(&episode).copied()));
            }
            let Some((_, Some((first, seats)))) = known else { continue };
            if let Some(place) = seats.place(usize::from(batch.agent[row])) {
                agents.list[first + place].add(&batch, row, &mut agents.spare_segments);
            }
        }
        batch.len = 0;
        batch.large_army.clear();
        agents.spare_batches.push(batch);
    }
}

impl AgentRows {
    fn add(&mut self, batch: &RowBatch, row: usize, free: &mut Vec<Segment>) {
        let flags = batch.flags[row];
        if let Some(last) = self.segments.last_mut() {
            last.act(batch, row);
            self.sum_of_rewards += f64::from(batch.reward[row]);
        }
        self.has_won |= flags & flag::WON != 0;
        self.was_truncated |= flags & flag::TRUNCATED != 0;
        if self.segments.last().is_none_or(Segment::is_full) {
            self.segments.push(free.pop().unwrap_or_default());
        }
        if let Some(segment) = self.segments.last_mut() {
            segment.push(batch, row);
        }
        self.rows += 1;
    }
}
