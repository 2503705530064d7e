//! Dense observations as tensors, for those who read streams.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use systems::rows::RowFormat;

use super::{column, dense_experiences};
use crate::layouts::Layout;

/// The columns of [`dense_experiences`] as they are sent: the observation is a tensor of the extension
/// type `arrow.fixed_shape_tensor`, float32 `[channels, height, width]`, which libraries show as an
/// array without being told its shape.
#[must_use]
pub fn tensor_experiences(format: &RowFormat, layout: Layout) -> SchemaRef {
    let dense = dense_experiences(format, layout);
    let shape = layout.shape(format).map(|side| side.to_string()).join(",");
    let tensor = |field: &FieldRef| {
        if field.name() != column::OBSERVATION {
            return field.clone();
        }
        let item = Arc::new(Field::new_list_field(DataType::Float32, true));
        let numbers = i32::try_from(layout.row_len(format)).unwrap_or(i32::MAX);
        let mut metadata = field.metadata().clone();
        metadata.extend([
            ("ARROW:extension:name".to_owned(), "arrow.fixed_shape_tensor".to_owned()),
            (
                "ARROW:extension:metadata".to_owned(),
                format!("{{\"shape\":[{shape}],\"dim_names\":[\"channel\",\"row\",\"column\"]}}"),
            ),
        ]);
        let data_type = DataType::FixedSizeList(item, numbers);
        Arc::new(Field::new(field.name(), data_type, false).with_metadata(metadata))
    };
    let fields: Fields = dense.fields().iter().map(tensor).collect();
    Arc::new(Schema::new_with_metadata(fields, dense.metadata().clone()))
}
