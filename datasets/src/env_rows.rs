//! Rows of environments that are stepped together, as record batches.
//!
//! Columns that experiences have too are the same here, but for one thing: `action`, `reward`,
//! `terminated` and `truncated` are of the step that led to the row, as an environment returns
//! them, and not of the action that is yet to come.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BinaryArray, FixedSizeBinaryArray, RecordBatch, new_null_array},
    buffer::Buffer,
    datatypes::{
        DataType, Field, Float32Type, Int32Type, Schema, SchemaRef, ToByteSlice, UInt8Type,
        UInt32Type, UInt64Type,
    },
    error::ArrowError,
};
use bytes::Bytes;
use systems::{
    envs::Frame,
    rows::{PLANES, RowFormat, flag},
};

use crate::{
    batch_columns::BatchColumns,
    schema::{self, column},
};

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
    let (rows, flags) = (frame.rows(), frame.flags());
    let mut columns = BatchColumns::with_room(rows, schema.fields().len());
    let flagged = |columns: &mut BatchColumns, wanted: u8| {
        columns.put_bits(|row| flags[row] & wanted != 0);
    };
    let side = |side: usize| frame.size().iter().map(move |size| size[side]);
    for field in schema.fields() {
        let columns = &mut columns;
        match field.name().as_str() {
            column::EPISODE_ID => columns.put::<UInt64Type>(frame.episode()),
            column::AGENT_ID => {
                columns.put_each::<UInt8Type>(seats.iter().copied().cycle().take(rows));
            }
            column::STEP => columns.put::<UInt32Type>(frame.step()),
            column::ARMY => {
                columns.put_made(wide(|f| f.army().to_byte_slice(), format.tiles() * 2));
            }
            column::PLANES => {
                let row_bytes = PLANES.len() * format.words() * 8;
                columns.put_made(wide(|f| f.planes().to_byte_slice(), row_bytes));
            }
            column::ACTION_MASK => {
                let row_bytes = format.mask_planes() * format.words() * 8;
                columns.put_made(wide(|f| f.mask().to_byte_slice(), row_bytes));
            }
            column::OWNER => columns.put_made(wide(Frame::owner, format.tiles())),
            column::ARMY_EXACT => columns.put_made(exact_armies(frame)),
            column::ACTION => columns.put::<Int32Type>(frame.action()),
            column::REWARD => columns.put::<Float32Type>(frame.reward()),
            column::TERMINATED => flagged(columns, flag::TERMINATED),
            column::TRUNCATED => flagged(columns, flag::TRUNCATED),
            column::IS_FIRST => flagged(columns, flag::FIRST),
            column::LAND => columns.put::<UInt32Type>(frame.land()),
            column::ARMY_TOTAL => columns.put::<UInt32Type>(frame.army_total()),
            column::OPP_LAND => columns.put::<UInt32Type>(frame.opponent_land()),
            column::OPP_ARMY => columns.put::<UInt32Type>(frame.opponent_army()),
            column::HEIGHT => columns.put_each::<UInt8Type>(side(0)),
            column::WIDTH => columns.put_each::<UInt8Type>(side(1)),
            REFUSED => columns.put::<UInt8Type>(frame.refused()),
            _ => flagged(columns, flag::ACTIVE),
        }
    }
    RecordBatch::try_new(schema.clone(), columns.into_arrays())
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
