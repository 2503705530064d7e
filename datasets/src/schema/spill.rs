//! The columns that rows have besides while they wait on disk for a slow stream.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};

use super::{KIND, episode, game, policy_type, scalar};

/// Index of the game among those of its seed.
pub const GAME: &str = episode::GAME;
/// Name of the ruleset, where it is known.
pub const RULESET: &str = game::RULESET;
/// The row's number in its run of the server.
pub const NUMBER: &str = "number";

/// The columns of a segment of spilled rows: those of the rows, and [`GAME`], [`RULESET`] and [`NUMBER`].
#[must_use]
pub fn columns(rows: &SchemaRef) -> SchemaRef {
    let besides = [
        scalar(GAME, DataType::UInt64),
        Field::new(RULESET, policy_type(), true),
        scalar(NUMBER, DataType::UInt64),
    ];
    let fields: Fields = rows.fields().iter().cloned().chain(besides.map(Arc::new)).collect();
    let mut metadata = rows.metadata().clone();
    metadata.insert(KIND.to_owned(), "spill".to_owned());
    Arc::new(Schema::new_with_metadata(fields, metadata))
}
