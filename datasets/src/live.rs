//! Rows of games that are still being played, as record batches with the columns of a dataset.
//!
//! ```text
//! step t     ──▶ RowBatch: what each seat saw ──────┐
//! step t + 1 ──▶ RowBatch: what it had done then ───┴──▶ LiveBatch: a dataset's rows of step t
//! ```
//!
//! A dataset's row has the action that was taken on its observation, which the engine tells one
//! step later. So the batches of a step wait here for those of the next one. Their wide columns
//! become Arrow arrays without a copy; [`pool`] gets the memory back when no array shows it.

mod arrays;
pub mod pool;
pub mod scattered;

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, RecordBatch, StringArray,
        UInt64Array,
    },
    compute::{filter, filter_record_batch},
    datatypes::{DataType, Int32Type, SchemaRef},
    error::ArrowError,
};
use systems::rows::{RowBatch, RowFormat, flag};

use self::{arrays::FixedColumns, pool::RowPool};
use crate::{block::one_name, schema};

/// Rows of one step of a run of games.
#[derive(Clone, Debug)]
pub struct LiveBatch {
    /// The rows, with the columns of [`schema::experiences`].
    pub rows: RecordBatch,
    /// The game of each row: its index among those of its seed, or its id where it has one.
    pub games: UInt64Array,
    /// The name of each row's ruleset; null where it is not known.
    pub rulesets: DictionaryArray<Int32Type>,
}

impl LiveBatch {
    /// Some of the rows, from row `first` on. Nothing is copied.
    #[must_use]
    pub fn slice(&self, first: usize, len: usize) -> Self {
        let rulesets = self.rulesets.slice(first, len);
        Self { rows: self.rows.slice(first, len), games: self.games.slice(first, len), rulesets }
    }

    /// Bytes of memory that it keeps: of each wide column all, which may be more than its rows take;
    /// of narrow ones, which share an allocation, what the rows take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let rows = self.rows.num_rows();
        let column = |array: &ArrayRef| match array.data_type() {
            DataType::Boolean => rows.div_ceil(8),
            DataType::Dictionary(..) => rows * size_of::<i32>(),
            other => match other.primitive_width() {
                Some(bytes) => rows * bytes,
                None => array.get_array_memory_size(),
            },
        };
        let beside = rows * (size_of::<u64>() + size_of::<i32>());
        self.rows.columns().iter().map(column).sum::<usize>() + beside
    }

    /// The rows that are marked.
    ///
    /// # Errors
    ///
    /// [`ArrowError`] if there is not one mark for each row.
    pub fn marked(&self, marks: &BooleanArray) -> Result<Self, ArrowError> {
        let (games, rulesets) = (filter(&self.games, marks)?, filter(&self.rulesets, marks)?);
        Ok(Self {
            rows: filter_record_batch(&self.rows, marks)?,
            games: games.as_primitive().clone(),
            rulesets: rulesets.as_dictionary().clone(),
        })
    }
}

/// The same ruleset for so many rows.
#[must_use]
pub fn one_ruleset(name: &str, rows: usize) -> DictionaryArray<Int32Type> {
    one_name(name, rows).as_dictionary().clone()
}

/// Which of a list of policies plays a seat of a game.
pub type PolicyNumber = Box<dyn Fn(u64, usize) -> usize + Send>;

/// Turns the batches of one step after the other into rows of a dataset.
pub struct LiveRows {
    schema: SchemaRef,
    policies: ArrayRef,
    fixed: FixedColumns,
    policy_number: PolicyNumber,
    pool: Arc<RowPool>,
    waiting: Vec<RowBatch>,
}

/// What came of a row.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    action: i32,
    reward: f32,
    /// How the action ended the episode, as [`flag`]s.
    flags: u8,
    /// Whether it is known: of a game that was taken away nobody will ever tell.
    is_known: bool,
}

impl Outcome {
    /// That of the last row of an episode, on which no action is taken.
    const LAST: Self = Self { action: -1, reward: 0.0, flags: 0, is_known: true };
    const UNKNOWN: Self = Self { is_known: false, ..Self::LAST };
}

impl LiveRows {
    /// Rows of this form. `policies` are the names that `policy_number` chooses from, `ruleset` is
    /// the name of the one that all games are played by.
    #[must_use]
    pub fn new(
        format: RowFormat,
        ruleset: &str,
        policies: &[&str],
        policy_number: PolicyNumber,
        pool: Arc<RowPool>,
    ) -> Self {
        Self {
            schema: schema::experiences(&format),
            policies: Arc::new(StringArray::from(policies.to_vec())),
            fixed: FixedColumns::new(ruleset),
            policy_number,
            pool,
            waiting: Vec::new(),
        }
    }

    /// The columns of the rows.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The names of the policies, as the values of the dictionary of every batch.
    pub fn policies(&self) -> &ArrayRef {
        &self.policies
    }

    /// Takes the batches of a step, in the order of their places, and returns the rows of the step
    /// before.
    ///
    /// # Errors
    ///
    /// Arrays that do not fit the columns, which would be an error of this module.
    pub fn step(&mut self, next: Vec<RowBatch>) -> Result<Vec<LiveBatch>, ArrowError> {
        let waiting = std::mem::take(&mut self.waiting);
        let (mut search, mut outcomes) = (Search::new(&next), Vec::new());
        let mut done = Vec::with_capacity(waiting.len());
        for batch in waiting {
            outcomes.clear();
            outcomes.extend((0..batch.len).map(|row| search.outcome(&batch, row)));
            done.extend(self.complete(batch, &outcomes)?);
        }
        self.waiting = next;
        Ok(done)
    }

    /// The rows of the last step, of those episodes that ended with it.
    ///
    /// # Errors
    ///
    /// As [`LiveRows::step`].
    pub fn finish(&mut self) -> Result<Vec<LiveBatch>, ArrowError> {
        self.step(Vec::new())
    }

    /// The rows of a batch whose outcomes are known; none if there are none.
    fn complete(
        &mut self,
        batch: RowBatch,
        outcomes: &[Outcome],
    ) -> Result<Option<LiveBatch>, ArrowError> {
        let rows = batch.len;
        let games = UInt64Array::from(batch.game[..rows].to_vec());
        self.fixed.reach(rows);
        let rulesets = self.fixed.rulesets(rows);
        let policies = (&self.policy_number, &self.policies);
        let columns = arrays::columns(batch, outcomes, policies, &self.fixed, &self.pool);
        let rows = RecordBatch::try_new(self.schema.clone(), columns)?;
        let mut done = LiveBatch { rows, games, rulesets };
        if outcomes.iter().any(|outcome| !outcome.is_known) {
            let known = outcomes.iter().map(|outcome| Some(outcome.is_known));
            done = done.marked(&known.collect())?;
        }
        Ok((done.rows.num_rows() > 0).then_some(done))
    }
}

/// Finds the next row of each agent.
///
/// Games keep their order from step to step, but for those that end or move to another table, so
/// the next row is nearly always the one after the last that was found.
struct Search<'a> {
    next: &'a [RowBatch],
    batch: usize,
    row: usize,
    index: Option<HashMap<(u64, u8), (usize, usize)>>,
}

impl<'a> Search<'a> {
    fn new(next: &'a [RowBatch]) -> Self {
        Self { next, batch: 0, row: 0, index: None }
    }

    fn outcome(&mut self, batch: &RowBatch, row: usize) -> Outcome {
        if batch.flags[row] & (flag::TERMINATED | flag::TRUNCATED) != 0 {
            return Outcome::LAST;
        }
        let agent = (batch.episode[row], batch.agent[row]);
        let found = match self.at_hand() {
            Some((b, r)) if (self.next[b].episode[r], self.next[b].agent[r]) == agent => {
                Some((b, r))
            }
            _ => self.index().get(&agent).copied(),
        };
        found.map_or(Outcome::UNKNOWN, |(b, r)| {
            (self.batch, self.row) = (b, r + 1);
            let RowBatch { action, reward, flags, .. } = &self.next[b];
            Outcome { action: action[r], reward: reward[r], flags: flags[r], is_known: true }
        })
    }

    /// The row after the last that was found. First rows of new episodes continue nothing.
    fn at_hand(&mut self) -> Option<(usize, usize)> {
        while let Some(batch) = self.next.get(self.batch) {
            if self.row >= batch.len {
                (self.batch, self.row) = (self.batch + 1, 0);
            } else if batch.flags[self.row] & flag::FIRST != 0 {
                self.row += 1;
            } else {
                return Some((self.batch, self.row));
            }
        }
        None
    }

    fn index(&mut self) -> &HashMap<(u64, u8), (usize, usize)> {
        let next = self.next;
        self.index.get_or_insert_with(|| {
            let rows = |(b, batch): (usize, &'a RowBatch)| (0..batch.len).map(move |r| (b, r));
            next.iter()
                .enumerate()
                .flat_map(rows)
                .filter(|&(b, r)| next[b].flags[r] & flag::FIRST == 0)
                .map(|(b, r)| ((next[b].episode[r], next[b].agent[r]), (b, r)))
                .collect()
        })
    }
}

#[cfg(test)]
mod tests;
