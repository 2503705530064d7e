//! Rows as slices of columns, wherever the columns lie: read from a batch, written to a frame.

use crate::rows::{PLANES, RowBatch, RowFormat};

/// Elements of one row in each wide column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Widths {
    pub(crate) army: usize,
    pub(crate) planes: usize,
    pub(crate) mask: usize,
    pub(crate) owner: usize,
}

impl Widths {
    pub(crate) fn of(format: RowFormat) -> Self {
        Self {
            army: format.tiles(),
            planes: PLANES.len() * format.words(),
            mask: format.mask_planes() * format.words(),
            owner: if format.has_owners { format.tiles() } else { 0 },
        }
    }
}

/// Rows that are read. Columns as in [`RowBatch`].
#[derive(Clone, Copy)]
pub(crate) struct RowsRef<'a> {
    pub(crate) army: &'a [u16],
    pub(crate) planes: &'a [u64],
    pub(crate) mask: &'a [u64],
    pub(crate) owner: &'a [u8],
    pub(crate) episode: &'a [u64],
    pub(crate) step: &'a [u32],
    pub(crate) action: &'a [i32],
    pub(crate) reward: &'a [f32],
    pub(crate) flags: &'a [u8],
    pub(crate) size: &'a [[u8; 2]],
    pub(crate) land: &'a [u32],
    pub(crate) army_total: &'a [u32],
    pub(crate) opponent_land: &'a [u32],
    pub(crate) opponent_army: &'a [u32],
}

impl<'a> RowsRef<'a> {
    /// The rows of a batch.
    pub(crate) fn of(batch: &'a RowBatch) -> Self {
        Self {
            army: &batch.army,
            planes: &batch.planes,
            mask: &batch.mask,
            owner: &batch.owner,
            episode: &batch.episode[..],
            step: &batch.step[..],
            action: &batch.action[..],
            reward: &batch.reward[..],
            flags: &batch.flags[..],
            size: &batch.size[..],
            land: &batch.land[..],
            army_total: &batch.army_total[..],
            opponent_land: &batch.opponent_land[..],
            opponent_army: &batch.opponent_army[..],
        }
    }
}

/// Rows that are written. Every slice has exactly the elements of its rows.
pub(crate) struct RowsMut<'a> {
    pub(crate) widths: Widths,
    pub(crate) army: &'a mut [u16],
    pub(crate) planes: &'a mut [u64],
    pub(crate) mask: &'a mut [u64],
    pub(crate) owner: &'a mut [u8],
    pub(crate) episode: &'a mut [u64],
    pub(crate) step: &'a mut [u32],
    pub(crate) action: &'a mut [i32],
    pub(crate) reward: &'a mut [f32],
    pub(crate) flags: &'a mut [u8],
    pub(crate) size: &'a mut [[u8; 2]],
    pub(crate) land: &'a mut [u32],
    pub(crate) army_total: &'a mut [u32],
    pub(crate) opponent_land: &'a mut [u32],
    pub(crate) opponent_army: &'a mut [u32],
}

impl RowsMut<'_> {
    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.flags.len()
    }

    /// The first `n` rows and the others.
    pub(crate) fn split_at(self, n: usize) -> (Self, Self) {
        let widths = self.widths;
        let (army, army_rest) = self.army.split_at_mut(n * widths.army);
        let (planes, planes_rest) = self.planes.split_at_mut(n * widths.planes);
        let (mask, mask_rest) = self.mask.split_at_mut(n * widths.mask);
        let (owner, owner_rest) = self.owner.split_at_mut(n * widths.owner);
        let (episode, episode_rest) = self.episode.split_at_mut(n);
        let (step, step_rest) = self.step.split_at_mut(n);
        let (action, action_rest) = self.action.split_at_mut(n);
        let (reward, reward_rest) = self.reward.split_at_mut(n);
        let (flags, flags_rest) = self.flags.split_at_mut(n);
        let (size, size_rest) = self.size.split_at_mut(n);
        let (land, land_rest) = self.land.split_at_mut(n);
        let (army_total, army_total_rest) = self.army_total.split_at_mut(n);
        let (opponent_land, opponent_land_rest) = self.opponent_land.split_at_mut(n);
        let (opponent_army, opponent_army_rest) = self.opponent_army.split_at_mut(n);
        let first = Self {
            widths,
            army,
            planes,
            mask,
            owner,
            episode,
            step,
            action,
            reward,
            flags,
            size,
            land,
            army_total,
            opponent_land,
            opponent_army,
        };
        let rest = Self {
            widths,
            army: army_rest,
            planes: planes_rest,
            mask: mask_rest,
            owner: owner_rest,
            episode: episode_rest,
            step: step_rest,
            action: action_rest,
            reward: reward_rest,
            flags: flags_rest,
            size: size_rest,
            land: land_rest,
            army_total: army_total_rest,
            opponent_land: opponent_land_rest,
            opponent_army: opponent_army_rest,
        };
        (first, rest)
    }

    /// Leaves a row no legal action but to pass.
    pub(crate) fn forbid(&mut self, row: usize) {
        self.mask[row * self.widths.mask..][..self.widths.mask].fill(0);
    }

    /// Makes a row one of nobody: zeros.
    pub(crate) fn clear(&mut self, row: usize) {
        let widths = self.widths;
        self.army[row * widths.army..][..widths.army].fill(0);
        self.planes[row * widths.planes..][..widths.planes].fill(0);
        self.mask[row * widths.mask..][..widths.mask].fill(0);
        self.owner[row * widths.owner..][..widths.owner].fill(255);
        self.episode[row] = 0;
        self.step[row] = 0;
        self.action[row] = 0;
        self.reward[row] = 0.0;
        self.flags[row] = 0;
        self.size[row] = [0; 2];
        self.land[row] = 0;
        self.army_total[row] = 0;
        self.opponent_land[row] = 0;
        self.opponent_army[row] = 0;
    }

    /// Puts `n` rows of `from`, beginning with `from_row`, into the rows from `row` on.
    pub(crate) fn copy(&mut self, row: usize, from: RowsRef<'_>, from_row: usize, n: usize) {
        let widths = self.widths;
        copy(self.army, row, from.army, from_row, n, widths.army);
        copy(self.planes, row, from.planes, from_row, n, widths.planes);
        copy(self.mask, row, from.mask, from_row, n, widths.mask);
        copy(self.owner, row, from.owner, from_row, n, widths.owner);
        copy(self.episode, row, from.episode, from_row, n, 1);
        copy(self.step, row, from.step, from_row, n, 1);
        copy(self.action, row, from.action, from_row, n, 1);
        copy(self.reward, row, from.reward, from_row, n, 1);
        copy(self.flags, row, from.flags, from_row, n, 1);
        copy(self.size, row, from.size, from_row, n, 1);
        copy(self.land, row, from.land, from_row, n, 1);
        copy(self.army_total, row, from.army_total, from_row, n, 1);
        copy(self.opponent_land, row, from.opponent_land, from_row, n, 1);
        copy(self.opponent_army, row, from.opponent_army, from_row, n, 1);
    }
}

/// Copies `n` rows of `width` elements from one column to another.
fn copy<T: Copy>(to: &mut [T], row: usize, from: &[T], from_row: usize, n: usize, width: usize) {
    let source = &from[from_row * width..(from_row + n) * width];
    to[row * width..(row + n) * width].copy_from_slice(source);
}
