//! Dense layouts: an observation as float32 channels of a board, made from the compact planes.
//!
//! ```text
//! RowBatch (engine) ───┐
//!                      ├──▶ Observations ──▶ Row ──▶ Layout::write ──▶ float32 [channels, height, width]
//! RecordBatch (Arrow) ─┘                     Memory ──┘ (of the layout `memory`)
//! ```
//!
//! | layout | channels | armies |
//! |---|---|---|
//! | `durbin9` | [9](durbin9::CHANNELS) | divided by 1000, at most 1 |
//! | `generals-bots` | [9](generals_bots::CHANNELS) | as they are |
//! | `memory` | [26](memory::CHANNELS), with what the agent saw before | `army / (army + 32)` |
//!
//! All are float32, `[channels, height, width]` in row-major order, and 0 beyond the board where it
//! is smaller than the canvas. The first two depend on their row alone. `memory` depends on the
//! agent's earlier rows too, which a [`Memory`] keeps; it is made from rows only, never from the
//! truth, so it knows nothing that the player did not see.
//!
//! [`Layout::write`] works on one row and touches nothing else, so callers share the rows of a batch
//! among threads as they like. [`Layout::write_all`] and [`Memories`] take a batch in order.

pub mod durbin9;
pub mod generals_bots;
pub mod memory;

mod bits;
mod dense_rows;
mod memories;
mod observations;
#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use systems::rows::RowFormat;
use thiserror::Error;

pub(crate) use dense_rows::row_bytes;

pub use dense_rows::DenseRows;
pub use memories::Memories;
pub use memory::Memory;
pub use observations::{Observations, Row};

/// A named way to lay an observation out as float32 channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// See [`durbin9`].
    Durbin9,
    /// See [`generals_bots`].
    GeneralsBots,
    /// See [`memory`].
    Memory,
}

/// Why rows cannot be laid out.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum LayoutError {
    /// No layout has this name.
    #[error("layout {0:?} is not known: use durbin9, generals-bots or memory")]
    Unknown(String),
    /// A record batch lacks a column, or has it with another type.
    #[error("column {column:?} is missing or not {expected}: dense layouts need the compact rows")]
    Column {
        /// Its name.
        column: &'static str,
        /// The type it should have.
        expected: String,
    },
    /// A column does not hold as much as the rows need.
    #[error("column {column:?} has {found} values, {expected} are needed")]
    Length {
        /// Its name.
        column: &'static str,
        /// Values, or bytes of a wide column.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// The memory to be filled has another size than the rows need.
    #[error("the output has room for {found} numbers, {expected} are needed")]
    Output {
        /// Numbers in the output.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
}

impl Layout {
    /// Every layout.
    pub const ALL: [Self; 3] = [Self::Durbin9, Self::GeneralsBots, Self::Memory];

    /// Its name, as in tickets, on the command line and in Python.
    pub fn name(self) -> &'static str {
        match self {
            Self::Durbin9 => "durbin9",
            Self::GeneralsBots => "generals-bots",
            Self::Memory => "memory",
        }
    }

    /// Names of the channels, in their order.
    pub fn channels(self) -> &'static [&'static str] {
        match self {
            Self::Durbin9 => &durbin9::CHANNELS,
            Self::GeneralsBots => &generals_bots::CHANNELS,
            Self::Memory => &memory::CHANNELS,
        }
    }

    /// How armies are scaled; all other channels say their own ranges.
    pub fn scale(self) -> &'static str {
        match self {
            Self::Durbin9 => "armies / 1000, at most 1",
            Self::GeneralsBots => "armies as they are",
            Self::Memory => "armies / (armies + 32)",
        }
    }

    /// Channels, height and width of an observation.
    #[must_use]
    pub fn shape(self, format: &RowFormat) -> [usize; 3] {
        [self.channels().len(), usize::from(format.height), usize::from(format.width)]
    }

    /// Numbers of one observation: the product of its [shape](Self::shape).
    #[must_use]
    pub fn row_len(self, format: &RowFormat) -> usize {
        self.channels().len() * format.tiles()
    }

    /// Whether it shows what the agent saw before, so that rows have to be written in the order of
    /// their steps with the agent's [`Memory`].
    pub fn has_memory(self) -> bool {
        self == Self::Memory
    }

    /// Writes one row.
    ///
    /// `memory` is that of the row's agent, from its earlier rows; it is brought up to this row.
    /// Without one the row is laid out as if it were the agent's first. The layouts without memory
    /// ignore it.
    ///
    /// # Errors
    ///
    /// [`LayoutError::Output`] if `out` is not [`Layout::row_len`] long.
    pub fn write(
        self,
        row: &Row<'_>,
        memory: Option<&mut Memory>,
        out: &mut [f32],
    ) -> Result<(), LayoutError> {
        let (found, expected) = (out.len(), self.row_len(&row.format));
        if found != expected {
            return Err(LayoutError::Output { found, expected });
        }
        match (self, memory) {
            (Self::Durbin9, _) => durbin9::write(row, out),
            (Self::GeneralsBots, _) => generals_bots::write(row, out),
            (Self::Memory, Some(memory)) => memory.write(row, out),
            (Self::Memory, None) => Memory::default().write(row, out),
        }
        Ok(())
    }

    /// Writes all rows, one after the other, as if each were its agent's first. [`Memories`] does
    /// the same for rows that follow each other.
    ///
    /// # Errors
    ///
    /// [`LayoutError::Output`] if `out` is not [`Layout::row_len`] times the rows long.
    pub fn write_all(self, rows: &Observations<'_>, out: &mut [f32]) -> Result<(), LayoutError> {
        self.check_output(rows, out)?;
        let places = out.chunks_exact_mut(self.row_len(&rows.format()));
        (0..rows.len()).zip(places).try_for_each(|(row, out)| self.write(&rows.row(row), None, out))
    }

    fn check_output(self, rows: &Observations<'_>, out: &[f32]) -> Result<(), LayoutError> {
        let (found, expected) = (out.len(), rows.len() * self.row_len(&rows.format()));
        if found == expected { Ok(()) } else { Err(LayoutError::Output { found, expected }) }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Layout {
    type Err = LayoutError;

    fn from_str(name: &str) -> Result<Self, LayoutError> {
        let of_name = |layout: &Self| layout.name() == name;
        Self::ALL.into_iter().find(of_name).ok_or_else(|| LayoutError::Unknown(name.to_owned()))
    }
}
