//! Which rows and columns of a batch a stream carries.

use arrow::{
    array::{ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray},
    compute::filter_record_batch,
    datatypes::{Int32Type, SchemaRef, UInt8Type, UInt32Type},
    error::ArrowError,
};
use datasets::{live::LiveBatch, schema::column};

use super::{ServeError, fields::malformed, ticket::Form};

/// A form's wishes, held against the columns there are.
#[derive(Clone, Debug)]
pub struct Filter {
    games: Option<Vec<u64>>,
    players: Option<Vec<u8>>,
    min_step: u32,
    /// Whether each of the policies is wanted, by its number.
    policies: Option<Vec<bool>>,
    columns: Vec<usize>,
    schema: SchemaRef,
}

impl Filter {
    /// A filter of batches with these columns and policies.
    ///
    /// # Errors
    ///
    /// [`ServeError::Malformed`] for columns and policies that do not exist.
    pub fn new(form: &Form, schema: &SchemaRef, policies: &ArrayRef) -> Result<Self, ServeError> {
        let columns = match &form.columns {
            None => (0..schema.fields().len()).collect(),
            Some(names) => columns(names, schema)?,
        };
        let known = policies.as_string::<i32>();
        Ok(Self {
            games: form.games.clone(),
            players: form.players.clone(),
            min_step: form.min_step,
            policies: form.policies.as_ref().map(|names| wanted(names, known)).transpose()?,
            schema: schema.project(&columns)?.into(),
            columns,
        })
    }

    /// The columns of the rows that pass.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows that pass. Where all do they are shown, not copied.
    ///
    /// # Errors
    ///
    /// Columns that are not those that the filter was made for.
    pub fn apply(&self, batch: &LiveBatch) -> Result<RecordBatch, ArrowError> {
        let shown = batch.rows.project(&self.columns)?;
        let passes: Vec<bool> = self.passes(&batch.rows, batch.games.values());
        if passes.iter().all(|&passes| passes) {
            return Ok(shown);
        }
        filter_record_batch(&shown, &BooleanArray::from(passes))
    }

    fn passes(&self, rows: &RecordBatch, games: &[u64]) -> Vec<bool> {
        let mut passes = vec![true; games.len()];
        let mut keep = |is_wanted: &dyn Fn(usize) -> bool| {
            for (row, passes) in passes.iter_mut().enumerate() {
                *passes &= is_wanted(row);
            }
        };
        if let Some(wanted) = &self.games {
            keep(&|row| wanted.binary_search(&games[row]).is_ok());
        }
        if let Some(wanted) = &self.players {
            let seats = rows[column::AGENT_ID].as_primitive::<UInt8Type>().values();
            keep(&|row| wanted.binary_search(&seats[row]).is_ok());
        }
        if self.min_step > 0 {
            let steps = rows[column::STEP].as_primitive::<UInt32Type>().values();
            keep(&|row| steps[row] >= self.min_step);
        }
        if let Some(wanted) = &self.policies {
            let keys = rows[column::POLICY].as_dictionary::<Int32Type>().keys().values();
            let is_wanted = |key: i32| usize::try_from(key).is_ok_and(|key| wanted[key]);
            keep(&|row| is_wanted(keys[row]));
        }
        passes
    }
}

fn columns(names: &[String], schema: &SchemaRef) -> Result<Vec<usize>, ServeError> {
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let Some((index, _)) = schema.column_with_name(name) else {
            let known: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            let reason = format!("{name:?} does not exist: there is {}", known.join(", "));
            return Err(malformed("columns", reason));
        };
        if columns.contains(&index) {
            return Err(malformed("columns", format!("{name:?} is named twice")));
        }
        columns.push(index);
    }
    Ok(columns)
}

fn wanted(names: &[String], known: &StringArray) -> Result<Vec<bool>, ServeError> {
    let known: Vec<&str> = known.iter().flatten().collect();
    if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
        let reason = format!("{name:?} does not play here: there is {}", known.join(", "));
        return Err(malformed("policies", reason));
    }
    Ok(known.iter().map(|known| names.iter().any(|name| name == known)).collect())
}
