//! Answers as messages of Flight.

use std::sync::Arc;

use arrow::{datatypes::SchemaRef, error::ArrowError};
use datasets::env_rows;
use serde_json::{Value, json};
use systems::{
    envs::{Frame, VectorEnv},
    rows::RowFormat,
};

use super::command::VERSION;
use crate::serve::{
    ServeError,
    fields::malformed,
    scatter::{self, Scattered},
    status,
};

/// The messages that answer one request.
pub(super) type Answer = Vec<Scattered>;

/// Encodes frames of one form.
pub(super) struct Encoder {
    schema: SchemaRef,
    /// The columns that the client wants, by their place in the schema.
    columns: Option<Vec<usize>>,
    seats: Vec<u8>,
    /// Rows of a message at most.
    message_rows: usize,
    batches: scatter::Encoder,
}

impl Encoder {
    /// An encoder of rows with some columns, in messages of so many bytes at most.
    ///
    /// # Errors
    ///
    /// [`ServeError::Malformed`] for columns that do not exist.
    pub(super) fn new(
        format: &RowFormat,
        seats: Vec<u8>,
        columns: Option<&[String]>,
        message_bytes: usize,
    ) -> Result<Self, ServeError> {
        let schema = env_rows::schema(format);
        let find = |name: &String| {
            schema.column_with_name(name).map(|(index, _)| index).ok_or_else(|| {
                let known: Vec<_> = schema.fields().iter().map(|f| f.name().as_str()).collect();
                let known = known.join(", ");
                malformed("columns", format!("{name:?} does not exist: there is {known}"))
            })
        };
        let columns: Option<Vec<usize>> =
            columns.map(|names| names.iter().map(find).collect()).transpose()?;
        // Narrow columns have some sixty bytes more.
        let row_bytes = format.row_bytes() + 64;
        let message_rows = (message_bytes / row_bytes).max(1);
        let shown = match &columns {
            None => schema.clone(),
            Some(columns) => Arc::new(schema.project(columns)?),
        };
        let batches = scatter::Encoder::of(shown)?;
        Ok(Self { schema, columns, seats, message_rows, batches })
    }

    /// What a connection begins with: what there is to know of the session, and the columns.
    pub(super) fn opening(&self, about: &Value) -> Answer {
        let mut answer = vec![metadata(about)];
        answer.extend_from_slice(self.batches.preamble());
        answer
    }

    /// The rows of a group, and the last ones of episodes that ended if the next have begun. All
    /// say the version of the policy whose actions led to them, if it is known.
    pub(super) fn rows(
        &mut self,
        group: usize,
        envs: &VectorEnv,
        version: Option<u64>,
    ) -> Result<Answer, ArrowError> {
        let mut answer = Vec::new();
        let mut about = json!({ "group": group });
        if let Some(version) = version {
            about[VERSION] = version.into();
        }
        if let Some(finals) = envs.finals() {
            let mut about = about.clone();
            (about["final_envs"], about["more"]) = (json!(finals.envs), true.into());
            self.frame(&finals.frame, &about, &mut answer)?;
        }
        self.frame(envs.frame(), &about, &mut answer)?;
        Ok(answer)
    }

    /// The rows of a frame, in as many messages as it takes. All but the last say that there is
    /// more.
    fn frame(
        &mut self,
        frame: &Arc<Frame>,
        about: &Value,
        answer: &mut Answer,
    ) -> Result<(), ArrowError> {
        let mut batch = env_rows::batch(&self.schema, frame, &self.seats)?;
        if let Some(columns) = &self.columns {
            batch = batch.project(columns)?;
        }
        let mut from = 0;
        while from < batch.num_rows() {
            let rows = self.message_rows.min(batch.num_rows() - from);
            // To cut makes every column's array anew.
            let is_whole = rows == batch.num_rows();
            let part = if is_whole { batch.clone() } else { batch.slice(from, rows) };
            let data = self.batches.encode(&part)?;
            from += rows;
            let mut about = about.clone();
            if from < batch.num_rows() {
                about["more"] = true.into();
            }
            answer.push(data.saying(about.to_string()));
        }
        Ok(())
    }
}

fn metadata(about: &Value) -> Scattered {
    Scattered::told(about.to_string())
}

/// An answer without rows.
pub(super) fn told(group: usize, mut about: Value) -> Answer {
    about["group"] = group.into();
    vec![metadata(&about)]
}

/// The answer to a request that was refused. The session goes on.
pub(super) fn refused(error: &ServeError) -> Answer {
    let code = format!("{:?}", status::code(error));
    vec![metadata(&json!({ "error": { "code": code, "message": status::text(error) } }))]
}
