//! Rows of environments that are stepped together, as record batches.
//!
//! Columns that experiences have too are the same here, but for one thing: `action`, `reward`,
//! `terminated` and `truncated` are of the step that led to the row, as an environment returns
//! them, and not of the action that is yet to come.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, FixedSizeBinaryArray, Float32Array, Int32Array,
        RecordBatch, UInt8Array, UInt32Array, UInt64Array, new_null_array,
    },
    buffer::Buffer,
    datatypes::{DataType, Field, Schema, SchemaRef, ToByteSlice},
    error::ArrowError,
};
use bytes::Bytes;
use systems::{
    envs::Frame,
    rows::{PLANES, RowFormat, flag},
};

use crate::schema::{self, column};

/// Why an action was played as a pass: a number of [`systems::envs::Refusal`].
pub const REFUSED: &str = "refused";

/// Whether the agent has a row in this step: it is in its game and the game goes on or just ended.
pub const ACTIVE: &str = "active";

/// The columns of the rows of environments, in their order: a row for each agent of each
/// environment, agent after agent.
#[must_use]
pub fn schema(format: &RowFormat) -> SchemaRef {
    let unknown = [
        column::IS_LAST,
        column::POLICY,
        column::ACTION_LOGP,
        column::VALUE,
        column::POLICY_VERSION,
    ];
    let experiences = schema::experiences(format);
    let mut fields: Vec<_> = experiences
        .fields()
        .iter()
        .filter(|field| !unknown.contains(&field.name().as_str()))
        .cloned()
        .collect();
    fields.push(Arc::new(Field::new(REFUSED, DataType::UInt8, false)));
    fields.push(Arc::new(Field::new(ACTIVE, DataType::Boolean, false)));
    let mut metadata = experiences.metadata().clone();
    metadata.insert(schema::KIND.to_owned(), "env".to_owned());
    Arc::new(Schema::new_with_metadata(fields, metadata))
}

/// All rows of a frame of agents with these seats. Its wide columns are shown, not copied.
///
/// # Errors
///
/// Arrays that do not fit the columns, which would be an error of this module.
pub fn batch(
    schema: &SchemaRef,
    frame: &Arc<Frame>,
    seats: &[u8],
) -> Result<RecordBatch, ArrowError> {
    let format = frame.format();
    let wide = |column: fn(&Frame) -> &[u8], row_bytes: usize| -> ArrayRef {
        let buffer = Buffer::from(Bytes::from_owner(Shown { frame: frame.clone(), column }));
        let row_bytes = i32::try_from(row_bytes).expect("a row has less than 32 KiB");
        Arc::new(FixedSizeBinaryArray::new(row_bytes, buffer, None))
    };
    let u32s = |values: &[u32]| -> ArrayRef { Arc::new(UInt32Array::from(values.to_vec())) };
    let flags = |wanted: u8| -> ArrayRef {
        let is_set = frame.flags().iter().map(|flags| Some(flags & wanted != 0));
        Arc::new(is_set.collect::<BooleanArray>())
    };
    let side = |side: usize| -> ArrayRef {
        Arc::new(frame.size().iter().map(|size| size[side]).collect::<UInt8Array>())
    };
    let array = |name: &str| -> ArrayRef {
        match name {
            column::EPISODE_ID => Arc::new(UInt64Array::from(frame.episode().to_vec())),
            column::AGENT_ID => Arc::new(frame_seats(frame, seats)),
            column::STEP => u32s(frame.step()),
            column::ARMY => wide(|f| f.army().to_byte_slice(), format.tiles() * 2),
            column::PLANES => {
                wide(|f| f.planes().to_byte_slice(), PLANES.len() * format.words() * 8)
            }
            column::ACTION_MASK => {
                wide(|f| f.mask().to_byte_slice(), format.mask_planes() * format.words() * 8)
            }
            column::OWNER => wide(Frame::owner, format.tiles()),
            column::ARMY_EXACT => exact_armies(frame),
            column::ACTION => Arc::new(Int32Array::from(frame.action().to_vec())),
            column::REWARD => Arc::new(Float32Array::from(frame.reward().to_vec())),
            column::TERMINATED => flags(flag::TERMINATED),
            column::TRUNCATED => flags(flag::TRUNCATED),
            column::IS_FIRST => flags(flag::FIRST),
            column::LAND => u32s(frame.land()),
            column::ARMY_TOTAL => u32s(frame.army_total()),
            column::OPP_LAND => u32s(frame.opponent_land()),
            column::OPP_ARMY => u32s(frame.opponent_army()),
            column::HEIGHT => side(0),
            column::WIDTH => side(1),
            REFUSED => Arc::new(UInt8Array::from(frame.refused().to_vec())),
            _ => flags(flag::ACTIVE),
        }
    };
    let arrays = schema.fields().iter().map(|field| array(field.name())).collect();
    RecordBatch::try_new(schema.clone(), arrays)
}

/// The memory of a column, which the frame keeps as long as an array shows it.
struct Shown {
    frame: Arc<Frame>,
    column: fn(&Frame) -> &[u8],
}

impl AsRef<[u8]> for Shown {
    fn as_ref(&self) -> &[u8] {
        (self.column)(&self.frame)
    }
}

/// The seat of each row.
fn frame_seats(frame: &Frame, seats: &[u8]) -> UInt8Array {
    seats.iter().copied().cycle().take(frame.rows()).collect()
}

/// Armies of the rows where one is too large for the army plane.
fn exact_armies(frame: &Frame) -> ArrayRef {
    if frame.large_army().is_empty() {
        return new_null_array(&DataType::Binary, frame.rows());
    }
    let mut rows: Vec<Option<&[u8]>> = vec![None; frame.rows()];
    for (row, units) in frame.large_army() {
        if let Some(place) = rows.get_mut(*row as usize) {
            *place = Some(units.to_byte_slice());
        }
    }
    Arc::new(BinaryArray::from(rows))
}
