//! Which rows and columns of a batch a stream carries, and how observations are laid out.

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray},
    compute::filter_record_batch,
    datatypes::{Int32Type, SchemaRef, UInt8Type, UInt32Type, UInt64Type},
    error::ArrowError,
};
use datasets::{layouts::DenseRows, live::LiveBatch, schema::column};
use systems::rows::RowFormat;

use super::{ServeError, fields::malformed, ticket::Form};

/// The lowest and the highest version of a policy in some rows, where policies have versions.
pub type Versions = Option<(u64, u64)>;

/// Rows that passed a filter.
#[derive(Clone, Debug)]
pub struct Passed {
    /// The rows with the columns that are wanted.
    pub rows: RecordBatch,
    /// The versions of their policies, whether or not that column is wanted.
    pub versions: Versions,
}

/// The versions of both.
pub fn both(one: Versions, other: Versions) -> Versions {
    match (one, other) {
        (Some((low, high)), Some((lower, higher))) => Some((low.min(lower), high.max(higher))),
        (one, other) => one.or(other),
    }
}

/// The versions of the policies of all rows.
pub fn versions(rows: &RecordBatch) -> Versions {
    versions_where(rows, |_| true)
}

fn versions_where(rows: &RecordBatch, passes: impl Fn(usize) -> bool) -> Versions {
    let column = rows.column_by_name(column::POLICY_VERSION)?.as_primitive::<UInt64Type>();
    if column.null_count() == column.len() {
        return None;
    }
    let found = column.iter().enumerate().filter(|&(row, _)| passes(row));
    found.filter_map(|(_, version)| version).fold(None, |all, one| both(all, Some((one, one))))
}

/// A form's wishes, held against the columns there are.
#[derive(Clone, Debug)]
pub struct Filter {
    games: Option<Vec<u64>>,
    players: Option<Vec<u8>>,
    min_step: u32,
    /// Whether each of the policies is wanted, by its number.
    policies: Option<Vec<bool>>,
    rulesets: Option<Vec<String>>,
    columns: Vec<usize>,
    /// The columns of the rows as they are taken from the ring.
    taken: SchemaRef,
    /// The columns of the rows as they are sent.
    schema: SchemaRef,
    /// What lays observations out, where they are not compact.
    dense: Option<DenseRows>,
}

impl Filter {
    /// A filter of batches with these columns and policies.
    ///
    /// # Errors
    ///
    /// [`ServeError::Malformed`] for columns and policies that do not exist.
    pub fn new(
        form: &Form,
        schema: &SchemaRef,
        policies: &ArrayRef,
        format: RowFormat,
    ) -> Result<Self, ServeError> {
        let dense = form.layout.map(|layout| DenseRows::tensors(layout, format));
        let whole = dense.as_ref().map_or(schema, DenseRows::schema);
        let columns = match &form.columns {
            None => (0..whole.fields().len()).collect(),
            Some(names) => columns(names, whole)?,
        };
        let shown: SchemaRef = whole.project(&columns)?.into();
        let lays_out_later = dense.is_some() && !has_memory(form);
        let taken = if lays_out_later { schema.clone() } else { shown.clone() };
        let known = policies.as_string::<i32>();
        Ok(Self {
            games: form.games.clone(),
            players: form.players.clone(),
            min_step: form.min_step,
            policies: form.policies.as_ref().map(|names| wanted(names, known)).transpose()?,
            rulesets: form.rulesets.clone(),
            schema: shown,
            taken,
            columns,
            dense,
        })
    }

    /// What remembers what each agent saw before, for a stream whose layout shows it. Rows have to
    /// come to it in their order, so streams do not share it.
    pub fn memory(&self) -> Option<DenseRows> {
        self.dense.clone().filter(DenseRows::has_memory)
    }

    /// The columns of rows between [`Filter::apply`] and [`Filter::lay_out`].
    pub fn taken(&self) -> &SchemaRef {
        &self.taken
    }

    /// The rows that passed as they are sent.
    ///
    /// # Errors
    ///
    /// Columns that are not those that the filter was made for.
    pub fn lay_out(&self, taken: &RecordBatch) -> Result<RecordBatch, ServeError> {
        match &self.dense {
            Some(dense) if !dense.has_memory() => {
                Ok(dense.clone().record_batch(taken)?.project(&self.columns)?)
            }
            _ => Ok(taken.clone()),
        }
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
    pub fn apply(
        &self,
        batch: &LiveBatch,
        memory: Option<&mut DenseRows>,
    ) -> Result<Passed, ServeError> {
        let mut passes = self.passes(batch);
        let Some(memory) = memory else {
            self.pass_steps(&batch.rows, &mut passes);
            let versions = versions_where(&batch.rows, |row| passes[row]);
            let shown = if self.dense.is_some() {
                batch.rows.clone()
            } else {
                batch.rows.project(&self.columns)?
            };
            return Ok(Passed { rows: marked(shown, passes)?, versions });
        };
        // Rows before the first tick wanted are seen, and remembered.
        let rows = marked(batch.rows.clone(), passes)?;
        let mut passes = vec![true; rows.num_rows()];
        self.pass_steps(&rows, &mut passes);
        let versions = versions_where(&rows, |row| passes[row]);
        let shown = memory.record_batch(&rows)?.project(&self.columns)?;
        Ok(Passed { rows: marked(shown, passes)?, versions })
    }

    /// Marks off the rows before the first tick that is wanted.
    fn pass_steps(&self, rows: &RecordBatch, passes: &mut [bool]) {
        if self.min_step == 0 {
            return;
        }
        let steps = rows[column::STEP].as_primitive::<UInt32Type>().values();
        for (passes, &step) in passes.iter_mut().zip(steps) {
            *passes &= step >= self.min_step;
        }
    }

    /// Which rows pass, whatever their tick.
    fn passes(&self, batch: &LiveBatch) -> Vec<bool> {
        let (rows, games) = (&batch.rows, batch.games.values());
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
        if let Some(wanted) = &self.rulesets {
            let names = batch.rulesets.values().as_string::<i32>();
            let is_wanted: Vec<bool> = names
                .iter()
                .map(|name| wanted.iter().any(|wanted| Some(wanted.as_str()) == name))
                .collect();
            keep(&|row| batch.rulesets.key(row).is_some_and(|key| is_wanted[key]));
        }
        if let Some(wanted) = &self.policies {
            let keys = rows[column::POLICY].as_dictionary::<Int32Type>().keys().values();
            let is_wanted = |key: i32| usize::try_from(key).is_ok_and(|key| wanted[key]);
            keep(&|row| is_wanted(keys[row]));
        }
        passes
    }
}

fn has_memory(form: &Form) -> bool {
    form.layout.is_some_and(datasets::layouts::Layout::has_memory)
}

/// The rows that are marked; all of them are shown, not copied.
fn marked(rows: RecordBatch, marks: Vec<bool>) -> Result<RecordBatch, ArrowError> {
    if marks.iter().all(|&is_marked| is_marked) {
        return Ok(rows);
    }
    filter_record_batch(&rows, &BooleanArray::from(marks))
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
