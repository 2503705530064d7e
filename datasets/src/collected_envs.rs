//! Rows of environments that are stepped from outside, as rows of a dataset.
//!
//! A frame tells what each agent sees, and what it did to get there. So the rows of a frame wait for
//! the next one, whose actions are theirs. Their wide columns are shown where they lie.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanArray, DictionaryArray, Float32Array, Int32Array, RecordBatch,
        UInt64Array, new_null_array,
    },
    datatypes::SchemaRef,
    error::ArrowError,
};
use systems::{
    dice,
    envs::{Finals, Frame},
    rows::{RowFormat, flag},
};

use crate::{
    env_rows,
    live::{LiveBatch, one_ruleset},
    schema::{self, column},
};

/// How a row's episode ends.
const ENDS: u8 = flag::TERMINATED | flag::TRUNCATED;

/// Turns frame after frame into rows of a dataset.
#[derive(Debug)]
pub struct CollectedEnvs {
    schema: SchemaRef,
    env_schema: SchemaRef,
    seats: Vec<u8>,
    policies: ArrayRef,
    policy: i32,
    ruleset: String,
    /// What makes these environments' episodes different from those of all others.
    salt: u64,
    last: Option<Arc<Frame>>,
    /// Whether the episode of each row has been followed from its first row on.
    is_followed: Vec<bool>,
    /// The last rows that were taken before, which the environments may show again.
    last_finals: Option<Arc<Frame>>,
}

/// What came of a row.
#[derive(Clone, Copy)]
struct Told {
    action: i32,
    reward: f32,
    flags: u8,
}

impl Told {
    /// No action was taken on it.
    const LAST: Self = Self { action: -1, reward: 0.0, flags: 0 };
}

impl CollectedEnvs {
    /// Rows of agents in these seats, who all play the policy of this number of a dictionary, by
    /// this ruleset. `salt` goes into the ids of episodes.
    #[must_use]
    pub fn new(
        format: &RowFormat,
        seats: Vec<u8>,
        (policies, policy): (ArrayRef, i32),
        ruleset: &str,
        salt: u64,
    ) -> Self {
        Self {
            schema: schema::experiences(format),
            env_schema: env_rows::schema(format),
            seats,
            policies,
            policy,
            ruleset: ruleset.to_owned(),
            salt,
            last: None,
            is_followed: Vec::new(),
            last_finals: None,
        }
    }

    /// Leaves the present episodes of some environments alone: they were changed from outside, so
    /// what comes does not follow from what was.
    pub fn cut(&mut self, envs: &[usize]) {
        let agents = self.seats.len();
        for env in envs {
            let rows = self.is_followed.iter_mut().skip(env * agents).take(agents);
            rows.for_each(|is_followed| *is_followed = false);
        }
    }

    /// Takes a frame, and the last rows of episodes whose successors are in it already, and returns
    /// the rows whose outcome they tell.
    ///
    /// # Errors
    ///
    /// Arrays that do not fit the columns, which would be an error of this module.
    pub fn advance(
        &mut self,
        frame: &Arc<Frame>,
        finals: Option<&Finals>,
    ) -> Result<Vec<LiveBatch>, ArrowError> {
        let mut batches = Vec::new();
        self.is_followed.resize(frame.rows(), false);
        let before = self.last_finals.take();
        self.last_finals = finals.map(|finals| finals.frame.clone());
        let is_new = |finals: &&Finals| {
            before.as_ref().is_none_or(|before| !Arc::ptr_eq(before, &finals.frame))
        };
        let finals = finals.filter(is_new);
        if let Some(last) = self.last.take() {
            let told: Vec<_> = (0..frame.rows())
                .map(|row| self.is_followed[row].then(|| self.told(&last, row, frame, finals))?)
                .collect();
            batches.extend(self.batch(&last, &told)?);
        }
        if let Some(finals) = finals {
            let row_of = |row: usize| self.row_of_final(finals, row);
            let ended = |row: usize| self.is_followed[row_of(row)] && is_end(&finals.frame, row);
            let told: Vec<_> =
                (0..finals.frame.rows()).map(|row| ended(row).then_some(Told::LAST)).collect();
            batches.extend(self.batch(&finals.frame, &told)?);
        }
        for (row, is_followed) in self.is_followed.iter_mut().enumerate() {
            let flags = frame.flags()[row];
            *is_followed |= flags & flag::ACTIVE != 0 && flags & flag::FIRST != 0;
        }
        let told: Vec<_> = (0..frame.rows())
            .map(|row| (self.is_followed[row] && is_end(frame, row)).then_some(Told::LAST))
            .collect();
        for (is_followed, told) in self.is_followed.iter_mut().zip(&told) {
            *is_followed &= told.is_none();
        }
        batches.extend(self.batch(frame, &told)?);
        self.last = Some(frame.clone());
        Ok(batches)
    }

    /// The row of all environments that a row of the finals is of.
    fn row_of_final(&self, finals: &Finals, row: usize) -> usize {
        let agents = self.seats.len().max(1);
        finals.envs[row / agents] * agents + row % agents
    }

    /// What came of a row of the last frame; nothing if nobody will ever tell.
    fn told(
        &self,
        last: &Frame,
        row: usize,
        frame: &Frame,
        finals: Option<&Finals>,
    ) -> Option<Told> {
        let follows = |frame: &Frame, next: usize| {
            let is_next = frame.flags()[next] & flag::ACTIVE != 0
                && frame.episode()[next] == last.episode()[row]
                && frame.step()[next] == last.step()[row] + 1;
            is_next.then(|| Told {
                action: frame.action()[next],
                reward: frame.reward()[next],
                flags: frame.flags()[next],
            })
        };
        if is_end(last, row) {
            return None;
        }
        follows(frame, row).or_else(|| {
            let (finals, agents) = (finals?, self.seats.len().max(1));
            let place = finals.envs.binary_search(&(row / agents)).ok()?;
            follows(&finals.frame, place * agents + row % agents)
        })
    }

    /// The rows of a frame whose outcome is told.
    fn batch(
        &self,
        frame: &Arc<Frame>,
        told: &[Option<Told>],
    ) -> Result<Option<LiveBatch>, ArrowError> {
        if told.iter().all(Option::is_none) {
            return Ok(None);
        }
        let rows = told.len();
        let shown = env_rows::batch(&self.env_schema, frame, &self.seats)?;
        let id = |&episode: &u64| dice::episode_key(self.salt, episode, 0);
        let games = UInt64Array::from_iter_values(frame.episode().iter().map(id));
        let all = |told: &Option<Told>| told.unwrap_or(Told::LAST);
        let flags = |wanted: u8| -> ArrayRef {
            let is_set = told.iter().map(|told| Some(all(told).flags & wanted != 0));
            Arc::new(is_set.collect::<BooleanArray>())
        };
        let column = |field: &arrow::datatypes::FieldRef| -> Result<ArrayRef, ArrowError> {
            Ok(match field.name().as_str() {
                column::EPISODE_ID => Arc::new(games.clone()),
                column::ACTION => {
                    Arc::new(told.iter().map(|told| all(told).action).collect::<Int32Array>())
                }
                column::REWARD => {
                    Arc::new(told.iter().map(|told| all(told).reward).collect::<Float32Array>())
                }
                column::TERMINATED => flags(flag::TERMINATED),
                column::TRUNCATED => flags(flag::TRUNCATED),
                column::IS_LAST => {
                    let ends = (0..rows).map(|row| Some(is_end(frame, row)));
                    Arc::new(ends.collect::<BooleanArray>())
                }
                column::POLICY => {
                    let keys = Int32Array::from_value(self.policy, rows);
                    Arc::new(DictionaryArray::try_new(keys, self.policies.clone())?)
                }
                name => match shown.column_by_name(name) {
                    Some(array) => array.clone(),
                    None => new_null_array(field.data_type(), rows),
                },
            })
        };
        let columns = self.schema.fields().iter().map(column).collect::<Result<_, _>>()?;
        let batch = LiveBatch {
            rows: RecordBatch::try_new(self.schema.clone(), columns)?,
            games,
            rulesets: one_ruleset(&self.ruleset, rows),
        };
        if told.iter().all(Option::is_some) {
            return Ok(Some(batch));
        }
        let marks: BooleanArray = told.iter().map(|told| Some(told.is_some())).collect();
        batch.marked(&marks).map(Some)
    }
}

/// Whether a row was written by its step and is the last of its episode.
fn is_end(frame: &Frame, row: usize) -> bool {
    let flags = frame.flags()[row];
    flags & flag::ACTIVE != 0 && flags & ENDS != 0
}
