//! Record batches of compact rows turned into dense ones.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, FixedSizeBinaryArray, FixedSizeListArray, Float32Array, RecordBatch},
    buffer::Buffer,
    datatypes::{DataType, SchemaRef},
};
use systems::rows::RowFormat;

use super::{Layout, LayoutError, Memories, Observations};
use crate::{
    error::DataError,
    schema::{self, column},
};

/// Turns rows with compact planes into rows with one dense observation, batch after batch.
///
/// Rows may come in any mixture of agents; those of one agent come in the order of their steps.
#[derive(Clone, Debug)]
pub struct DenseRows {
    layout: Layout,
    format: RowFormat,
    schema: SchemaRef,
    memories: Memories,
}

impl DenseRows {
    /// Rows of this form, to be laid out like this.
    #[must_use]
    pub fn new(layout: Layout, format: RowFormat) -> Self {
        let schema = schema::dense_experiences(&format, layout);
        Self { layout, format, schema, memories: Memories::default() }
    }

    /// The same rows, whose observations are tensors: [`schema::tensor_experiences`].
    #[must_use]
    pub fn tensors(layout: Layout, format: RowFormat) -> Self {
        let schema = schema::tensor_experiences(&format, layout);
        Self { layout, format, schema, memories: Memories::default() }
    }

    /// The columns of dense rows: [`schema::dense_experiences`] or [`schema::tensor_experiences`].
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Whether observations show what the agent saw before.
    pub fn has_memory(&self) -> bool {
        self.layout.has_memory()
    }

    /// Bytes of the wide columns of one dense row.
    pub fn row_bytes(&self) -> usize {
        row_bytes(self.layout, &self.format)
    }

    /// The observations of a batch of compact rows: float32 `[rows, channels, height, width]` as flat
    /// bytes.
    ///
    /// # Errors
    ///
    /// [`LayoutError`] if the batch lacks a column of compact rows of this form.
    pub fn observations(
        &mut self,
        rows: &RecordBatch,
    ) -> Result<FixedSizeBinaryArray, LayoutError> {
        let out = self.numbers(rows)?;
        let bytes = self.layout.row_len(&self.format) * size_of::<f32>();
        let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
        Ok(FixedSizeBinaryArray::new(bytes, Buffer::from_vec(out), None))
    }

    fn numbers(&mut self, rows: &RecordBatch) -> Result<Vec<f32>, LayoutError> {
        let rows = Observations::of_record_batch(rows, self.format)?;
        let mut out = vec![0.0; rows.len() * self.layout.row_len(&self.format)];
        self.memories.write(self.layout, &rows, &mut out)?;
        Ok(out)
    }

    /// The column of observations, in the form that the schema has it.
    fn column(&mut self, rows: &RecordBatch) -> Result<ArrayRef, DataError> {
        let field = self.schema.field_with_name(column::OBSERVATION)?.clone();
        match field.data_type() {
            DataType::FixedSizeList(item, len) => {
                let numbers = Arc::new(Float32Array::from(self.numbers(rows)?));
                let tensors = FixedSizeListArray::try_new(item.clone(), *len, numbers, None)?;
                Ok(Arc::new(tensors))
            }
            _ => Ok(Arc::new(self.observations(rows)?)),
        }
    }

    /// The same rows with the columns of [`DenseRows::schema`].
    ///
    /// # Errors
    ///
    /// A batch that lacks a column of compact rows of this form.
    pub fn record_batch(&mut self, rows: &RecordBatch) -> Result<RecordBatch, DataError> {
        let mut observations = Some(self.column(rows)?);
        let mut column = |name: &String| match name.as_str() {
            column::OBSERVATION => observations.take(),
            name => rows.column_by_name(name).cloned(),
        };
        let columns = self.schema.fields().iter().filter_map(|field| column(field.name()));
        Ok(RecordBatch::try_new(self.schema.clone(), columns.collect())?)
    }
}

/// Bytes of the wide columns of one dense row: the observation and the mask.
pub(crate) fn row_bytes(layout: Layout, format: &RowFormat) -> usize {
    layout.row_len(format) * size_of::<f32>() + format.mask_planes() * format.words() * 8
}
