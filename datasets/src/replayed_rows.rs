//! Games played again one by one, for the rows of their agents in the form of games in progress.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, UInt32Array, UInt64Array},
    compute::take_record_batch,
    datatypes::SchemaRef,
};
use systems::{record::GameRecord, reward::Reward, rows::RowFormat};

use crate::{
    error::DataError,
    expand::{Batch, Expander},
    live::{LiveBatch, one_ruleset, scattered::policy_keys},
    schema::column,
    seats::Seats,
    table::check_canvas,
};

/// Plays recorded games again.
pub struct ReplayedRows {
    expander: Expander,
    format: RowFormat,
    schema: SchemaRef,
    policies: ArrayRef,
}

impl ReplayedRows {
    /// Rows of this form, with these columns and this dictionary of policies.
    ///
    /// # Errors
    ///
    /// A world that cannot be made.
    pub fn new(
        format: RowFormat,
        reward: Reward,
        schema: SchemaRef,
        policies: ArrayRef,
    ) -> Result<Self, DataError> {
        Ok(Self { expander: Expander::new(format, reward)?, format, schema, policies })
    }

    /// The rows of a game, agent by agent, if playing it again ends as the record says.
    ///
    /// # Errors
    ///
    /// [`DataError::Canvas`] for boards that do not fit the rows, [`DataError::Diverged`] for games
    /// that end differently, and games that the engine refuses.
    pub fn rows(&mut self, game: &GameRecord) -> Result<Vec<LiveBatch>, DataError> {
        check_canvas(game, &self.format)?;
        let mut batches = Vec::new();
        let (schema, policies) = (&self.schema, &self.policies);
        self.expander.expand(Batch { games: &[game], seats: Seats::ALL }, |agent, rows| {
            let name = agent.constants.policy.clone();
            let key = policy_keys(policies, [&*name].into_iter());
            for part in rows.parts() {
                let (mut arrays, rows) = (part.arrays(&agent.constants), part.len());
                if let Ok(at) = schema.index_of(column::POLICY) {
                    let keys = Int32Array::from_value(key.first().copied().unwrap_or(0), rows);
                    arrays[at] = Arc::new(DictionaryArray::try_new(keys, policies.clone())?);
                }
                let shown = RecordBatch::try_new(schema.clone(), arrays)?;
                // Copied, so that the rows hold no more memory than they need.
                let all = UInt32Array::from_iter_values((0..).take(rows));
                batches.push(LiveBatch {
                    rows: take_record_batch(&shown, &all)?,
                    games: UInt64Array::from_value(agent.constants.episode_id, rows),
                    rulesets: one_ruleset(&game.ruleset.name, rows),
                });
            }
            Ok(())
        })?;
        Ok(batches)
    }
}
