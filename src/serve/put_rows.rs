//! What rows of actors have to be like: what no game can show is refused.

use std::fmt::Display;

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{ArrowPrimitiveType, Float32Type, Int32Type, UInt8Type, UInt32Type},
};
use datasets::schema::column;
use systems::rows::RowFormat;

/// Actions of a tile: four directions, all or half of the army.
const MARCHES: usize = 8;

/// Checks rows of one form. What they say is not played again, so that rows can still be of games
/// that never were; but no client fails on them.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowCheck {
    format: RowFormat,
}

fn value<T: ArrowPrimitiveType>(rows: &RecordBatch, name: &str, row: usize) -> T::Native {
    rows[name].as_primitive::<T>().value(row)
}

fn wide<'a>(rows: &'a RecordBatch, name: &str, row: usize) -> &'a [u8] {
    rows[name].as_fixed_size_binary().value(row)
}

fn wrong(column: &str, reason: impl Display) -> Result<(), String> {
    Err(format!("{column}: {reason}"))
}

impl RowCheck {
    pub(super) fn new(format: RowFormat) -> Self {
        Self { format }
    }

    /// Whether the values of a row can be.
    ///
    /// # Errors
    ///
    /// The column, and what is wrong with it.
    pub(super) fn check(&self, rows: &RecordBatch, row: usize) -> Result<(), String> {
        let seat = value::<UInt8Type>(rows, column::AGENT_ID, row);
        if seat >= 16 {
            return wrong(column::AGENT_ID, format_args!("{seat} is no seat: use 0 to 15"));
        }
        let reward = value::<Float32Type>(rows, column::REWARD, row);
        if !reward.is_finite() {
            return wrong(column::REWARD, format_args!("{reward} is not finite"));
        }
        check_flags(rows, row)?;
        self.check_board(rows, row)?;
        self.check_action(rows, row)
    }

    /// Whether the board fits, and nothing lies outside it.
    fn check_board(&self, rows: &RecordBatch, row: usize) -> Result<(), String> {
        let RowFormat { height: most_height, width: most_width, .. } = self.format;
        let [height, width] =
            [column::HEIGHT, column::WIDTH].map(|side| value::<UInt8Type>(rows, side, row));
        let is_inside = |side: u8, most: u16| (1..=most).contains(&u16::from(side));
        if !is_inside(height, most_height) || !is_inside(width, most_width) {
            let reason =
                format_args!("a board of {height}x{width} does not fit {most_height}x{most_width}");
            return wrong(column::HEIGHT, reason);
        }
        let board = self.board(usize::from(height), usize::from(width));
        for name in [column::PLANES, column::ACTION_MASK] {
            for (plane, bits) in wide(rows, name, row).chunks(board.len()).enumerate() {
                if bits.iter().zip(&board).any(|(bits, board)| bits & !board != 0) {
                    return wrong(name, format_args!("plane {plane} has a bit outside the board"));
                }
            }
        }
        let tiles = self.format.tiles();
        let exact = rows[column::ARMY_EXACT].as_binary::<i32>();
        let bytes = if exact.is_null(row) { 0 } else { exact.value(row).len() };
        if bytes != 0 && bytes != tiles * 4 {
            let wanted = tiles * 4;
            let reason = format_args!("it has {bytes} bytes: leave it null, or give {wanted}");
            return wrong(column::ARMY_EXACT, reason);
        }
        Ok(())
    }

    /// A plane that is set on every tile of a board.
    fn board(&self, height: usize, width: usize) -> Vec<u8> {
        let mut plane = vec![0; self.format.words() * 8];
        for row in 0..height {
            let first = row * usize::from(self.format.width);
            (first..first + width).for_each(|tile| plane[tile / 8] |= 1 << (tile % 8));
        }
        plane
    }

    /// Whether the action is one that the row's own mask allows.
    fn check_action(&self, rows: &RecordBatch, row: usize) -> Result<(), String> {
        let action = value::<Int32Type>(rows, column::ACTION, row);
        let reward = value::<Float32Type>(rows, column::REWARD, row);
        if rows[column::IS_LAST].as_boolean().value(row) {
            if action == -1 && reward == 0.0 {
                return Ok(());
            }
            let reason = format_args!(
                "the last row has action -1 and reward 0, this one {action} and {reward}"
            );
            return wrong(column::ACTION, reason);
        }
        let tiles = self.format.tiles();
        let pass = MARCHES * tiles;
        let most = pass + if self.format.has_builds { tiles } else { 0 };
        let Some(index) = usize::try_from(action).ok().filter(|&index| index <= most) else {
            return wrong(column::ACTION, format_args!("{action} is none: use 0 to {most}"));
        };
        let (plane, tile) = match index {
            _ if index == pass => return Ok(()),
            _ if index < pass => (index % MARCHES / 2, index / MARCHES),
            _ => (4, index - pass - 1),
        };
        let bits = &wide(rows, column::ACTION_MASK, row)[plane * self.format.words() * 8..];
        if (bits[tile / 8] >> (tile % 8)) & 1 == 1 {
            return Ok(());
        }
        wrong(column::ACTION, format_args!("{action} is not legal by {}", column::ACTION_MASK))
    }
}

/// Whether the flags of a row go together.
fn check_flags(rows: &RecordBatch, row: usize) -> Result<(), String> {
    let flag = |name: &str| rows[name].as_boolean().value(row);
    let step = value::<UInt32Type>(rows, column::STEP, row);
    let (terminated, truncated) = (flag(column::TERMINATED), flag(column::TRUNCATED));
    if flag(column::IS_FIRST) && step != 0 {
        return wrong(column::IS_FIRST, format_args!("step {step} is not the first, which is 0"));
    }
    if !flag(column::IS_FIRST) && step == 0 {
        return wrong(column::IS_FIRST, "step 0 is the first, and has it set");
    }
    if terminated && truncated {
        return wrong(column::TRUNCATED, format_args!("{} is set too", column::TERMINATED));
    }
    if flag(column::IS_LAST) && (terminated || truncated) {
        let reason = "the last row has no action that could end its episode: the row before has it";
        return wrong(column::IS_LAST, reason);
    }
    Ok(())
}
