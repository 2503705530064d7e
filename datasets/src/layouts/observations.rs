//! Rows of compact observations, from the engine's columns or from a record batch.

use std::borrow::Cow;

use arrow::{
    array::{Array, ArrayRef, AsArray, BinaryArray, RecordBatch},
    datatypes::{ArrowPrimitiveType, DataType, ToByteSlice, UInt8Type, UInt32Type, UInt64Type},
};
use systems::{
    envs::Frame,
    rows::{PLANES, RowBatch, RowFormat, flag},
};

use super::{LayoutError, bits};
use crate::schema::column;

/// Number of a plane in [`PLANES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plane {
    Visible,
    Own,
    Ally,
    Enemy,
    Neutral,
    City,
    Mountain,
    General,
    FogStructure,
}

/// The columns of a batch from which observations are laid out. Nothing wide is copied.
#[derive(Clone, Debug)]
pub struct Observations<'a> {
    format: RowFormat,
    rows: usize,
    /// Little-endian u16, `[rows, height, width]`.
    army: &'a [u8],
    /// Bits, `[rows, 9, words * 8]`.
    planes: &'a [u8],
    exact: Exact<'a>,
    episode: &'a [u64],
    agent: Cow<'a, [u8]>,
    step: &'a [u32],
    /// See [`flag`]; of them first, terminated and truncated.
    flags: Cow<'a, [u8]>,
    size: Cow<'a, [[u8; 2]]>,
    /// Own and opponents' land, own and opponents' army.
    scores: [&'a [u32]; 4],
}

/// Armies of the rows in which some do not fit 16 bits.
#[derive(Clone, Copy, Debug)]
enum Exact<'a> {
    None,
    Lists(&'a [(u32, Vec<i32>)]),
    Array(&'a BinaryArray),
}

/// One row.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// What all rows of the batch have in common.
    pub format: RowFormat,
    /// Key of the episode.
    pub episode_id: u64,
    /// Seat.
    pub agent_id: u8,
    /// Tick of the observation.
    pub step: u32,
    /// Whether it is the first row of the agent's episode.
    pub is_first: bool,
    /// Whether it is the last one.
    pub is_last: bool,
    /// Rows and columns of the board itself.
    pub size: [u8; 2],
    /// Own tiles, opponents' tiles, own units, opponents' units: the public scoreboard.
    pub scores: [u32; 4],
    pub(super) army: &'a [u8],
    pub(super) planes: &'a [u8],
    exact: Option<Vec<i32>>,
}

impl<'a> Observations<'a> {
    /// The rows of a batch as the engine wrote them.
    #[must_use]
    pub fn of_rows(batch: &'a RowBatch) -> Self {
        let (format, rows) = (batch.format, batch.len);
        let exact = match batch.large_army.as_slice() {
            [] => Exact::None,
            lists => Exact::Lists(lists),
        };
        Self {
            format,
            rows,
            army: batch.army[..rows * format.tiles()].to_byte_slice(),
            planes: batch.planes[..rows * PLANES.len() * format.words()].to_byte_slice(),
            exact,
            episode: &batch.episode[..rows],
            agent: Cow::Borrowed(&batch.agent[..rows]),
            step: &batch.step[..rows],
            flags: Cow::Borrowed(&batch.flags[..rows]),
            size: Cow::Borrowed(&batch.size[..rows]),
            scores: [&batch.land, &batch.opponent_land, &batch.army_total, &batch.opponent_army]
                .map(|column| &column[..rows]),
        }
    }

    /// The rows of a vector environment's frame, of which these seats are the agents.
    #[must_use]
    pub fn of_frame(frame: &'a Frame, seats: &[u8]) -> Self {
        let exact = match frame.large_army() {
            [] => Exact::None,
            lists => Exact::Lists(lists),
        };
        Self {
            format: frame.format(),
            rows: frame.rows(),
            army: frame.army().to_byte_slice(),
            planes: frame.planes().to_byte_slice(),
            exact,
            episode: frame.episode(),
            agent: Cow::Owned(seats.iter().copied().cycle().take(frame.rows()).collect()),
            step: frame.step(),
            flags: Cow::Borrowed(frame.flags()),
            size: Cow::Borrowed(frame.size()),
            scores: [
                frame.land(),
                frame.opponent_land(),
                frame.army_total(),
                frame.opponent_army(),
            ],
        }
    }

    /// The rows of a record batch with the columns of [`crate::schema::experiences`]. Those that no
    /// layout needs may be missing.
    ///
    /// # Errors
    ///
    /// [`LayoutError::Column`] and [`LayoutError::Length`] for columns that are not those of rows of
    /// this form.
    pub fn of_record_batch(batch: &'a RecordBatch, format: RowFormat) -> Result<Self, LayoutError> {
        let rows = batch.num_rows();
        let exact = match batch.column_by_name(column::ARMY_EXACT) {
            Some(array) if array.null_count() < rows => Exact::Array(
                array
                    .as_binary_opt()
                    .ok_or_else(|| wrong(column::ARMY_EXACT, &DataType::Binary))?,
            ),
            _ => Exact::None,
        };
        let flags = [(column::IS_FIRST, flag::FIRST), (column::IS_LAST, flag::TERMINATED)];
        let mut of_rows = vec![0; rows];
        for (name, flag) in flags {
            let set = column_of(batch, name, &DataType::Boolean)?;
            let set = set.as_boolean_opt().ok_or_else(|| wrong(name, &DataType::Boolean))?;
            for (row, flags) in of_rows.iter_mut().enumerate() {
                *flags |= if set.value(row) { flag } else { 0 };
            }
        }
        let heights = numbers::<UInt8Type>(batch, column::HEIGHT)?;
        let widths = numbers::<UInt8Type>(batch, column::WIDTH)?;
        // No board is larger than its canvas, whatever a file says.
        let within = |(&height, &width): (&u8, &u8)| {
            [u16::from(height).min(format.height), u16::from(width).min(format.width)]
                .map(|side| u8::try_from(side).unwrap_or(u8::MAX))
        };
        Ok(Self {
            format,
            rows,
            army: wide(batch, column::ARMY, format.tiles() * 2)?,
            planes: wide(batch, column::PLANES, PLANES.len() * format.words() * 8)?,
            exact,
            episode: numbers::<UInt64Type>(batch, column::EPISODE_ID)?,
            agent: Cow::Borrowed(numbers::<UInt8Type>(batch, column::AGENT_ID)?),
            step: numbers::<UInt32Type>(batch, column::STEP)?,
            flags: Cow::Owned(of_rows),
            size: Cow::Owned(heights.iter().zip(widths).map(within).collect()),
            scores: [
                numbers::<UInt32Type>(batch, column::LAND)?,
                numbers::<UInt32Type>(batch, column::OPP_LAND)?,
                numbers::<UInt32Type>(batch, column::ARMY_TOTAL)?,
                numbers::<UInt32Type>(batch, column::OPP_ARMY)?,
            ],
        })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// What all rows have in common.
    pub fn format(&self) -> RowFormat {
        self.format
    }

    /// One row, from 0 to [`Observations::len`]; an empty board beyond.
    #[must_use]
    pub fn row(&self, row: usize) -> Row<'a> {
        let (tiles, planes) = (self.format.tiles() * 2, PLANES.len() * self.format.words() * 8);
        let flags = self.flags.get(row).copied().unwrap_or_default();
        let bytes = |column: &'a [u8], len: usize| {
            column.get(row * len..).and_then(|rest| rest.get(..len)).unwrap_or_default()
        };
        Row {
            format: self.format,
            episode_id: self.episode.get(row).copied().unwrap_or_default(),
            agent_id: self.agent.get(row).copied().unwrap_or_default(),
            step: self.step.get(row).copied().unwrap_or_default(),
            is_first: flags & flag::FIRST != 0,
            is_last: flags & (flag::TERMINATED | flag::TRUNCATED) != 0,
            size: self.size.get(row).copied().unwrap_or_default(),
            scores: self.scores.map(|column| column.get(row).copied().unwrap_or_default()),
            army: bytes(self.army, tiles),
            planes: bytes(self.planes, planes),
            exact: self.exact.of(row),
        }
    }
}

impl Exact<'_> {
    fn of(self, row: usize) -> Option<Vec<i32>> {
        match self {
            Self::None => None,
            Self::Lists(lists) => {
                lists.iter().find(|(at, _)| *at as usize == row).map(|(_, units)| units.clone())
            }
            Self::Array(array) => (row < array.len() && array.is_valid(row)).then(|| {
                let (units, _) = array.value(row).as_chunks::<4>();
                units.iter().map(|units| i32::from_le_bytes(*units)).collect()
            }),
        }
    }
}

impl Row<'_> {
    /// The bits of a plane.
    #[inline]
    pub(super) fn plane(&self, plane: Plane) -> &[u8] {
        let bytes = self.format.words() * 8;
        self.planes.get(plane as usize * bytes..).and_then(|rest| rest.get(..bytes)).unwrap_or(&[])
    }

    /// Writes a plane as 0 and 1.
    #[inline]
    pub(super) fn write_plane(&self, plane: Plane, out: &mut [f32]) {
        bits::write_plane(self.plane(plane), out);
    }

    /// Writes the units of seen tiles.
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "armies above 2^24 are rounded in float32")]
    pub(super) fn write_army(&self, out: &mut [f32]) {
        if let Some(exact) = &self.exact {
            for (out, &units) in out.iter_mut().zip(exact) {
                *out = units as f32;
            }
            return;
        }
        let (units, _) = self.army.as_chunks::<2>();
        for (out, units) in out.iter_mut().zip(units) {
            *out = f32::from(u16::from_le_bytes(*units));
        }
    }

    /// Whether the board is as large as its canvas.
    #[inline]
    pub(super) fn fills_canvas(&self) -> bool {
        self.size.map(u16::from) == [self.format.height, self.format.width]
    }

    /// Writes a number on every tile of the board and 0 beyond it.
    #[inline]
    pub(super) fn write_constant(&self, value: f32, out: &mut [f32]) {
        out.fill(value);
        self.clear_padding(out);
    }

    /// Writes 0 on the tiles beyond the board.
    #[inline]
    pub(super) fn clear_padding(&self, out: &mut [f32]) {
        if self.fills_canvas() {
            return;
        }
        let [height, width] = self.size.map(usize::from);
        for (row, tiles) in out.chunks_mut(usize::from(self.format.width).max(1)).enumerate() {
            let on_board = if row < height { width.min(tiles.len()) } else { 0 };
            tiles[on_board..].fill(0.0);
        }
    }
}

fn wrong(column: &'static str, expected: &DataType) -> LayoutError {
    LayoutError::Column { column, expected: expected.to_string() }
}

fn column_of<'a>(
    batch: &'a RecordBatch,
    name: &'static str,
    expected: &DataType,
) -> Result<&'a ArrayRef, LayoutError> {
    batch.column_by_name(name).ok_or_else(|| wrong(name, expected))
}

fn numbers<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &'static str,
) -> Result<&'a [T::Native], LayoutError> {
    let array = column_of(batch, name, &T::DATA_TYPE)?.as_primitive_opt::<T>();
    array.map(|array| &array.values()[..]).ok_or_else(|| wrong(name, &T::DATA_TYPE))
}

/// The bytes of a wide column.
fn wide<'a>(
    batch: &'a RecordBatch,
    name: &'static str,
    row_bytes: usize,
) -> Result<&'a [u8], LayoutError> {
    let expected = DataType::FixedSizeBinary(i32::try_from(row_bytes).unwrap_or(i32::MAX));
    let array = column_of(batch, name, &expected)?.as_fixed_size_binary_opt();
    let array = array.filter(|array| *array.data_type() == expected);
    let bytes = array.ok_or_else(|| wrong(name, &expected))?.value_data();
    let expected = batch.num_rows() * row_bytes;
    bytes.get(..expected).ok_or(LayoutError::Length { column: name, found: bytes.len(), expected })
}
