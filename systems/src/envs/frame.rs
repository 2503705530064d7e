//! What all agents of a vector environment see after a step, in the order of the environments.

use crate::{
    row_slices::{RowsMut, RowsRef, Widths},
    rows::{Aligned, PLANES, RowFormat, flag},
};

/// One row for each agent of each environment: row `env * agents + agent`.
///
/// Columns are those of a [`RowBatch`](crate::rows::RowBatch), each of them one piece of memory
/// that a tensor library can look at without a copy. A frame never changes once a step has
/// returned it.
///
/// A row that this step did not write (the agent is out of its game, or the game is over and
/// waits for a reset) is that of the last step with action -1, reward 0, no legal action but to
/// pass, and without [`flag::ACTIVE`]: its other flags tell how the agent ended, which happened in
/// an earlier step. The row of a seat that its game does not have is all zeros.
#[derive(Debug)]
pub struct Frame {
    format: RowFormat,
    envs: usize,
    agents: usize,
    army: Aligned<u16>,
    planes: Aligned<u64>,
    mask: Aligned<u64>,
    owner: Vec<u8>,
    episode: Vec<u64>,
    step: Vec<u32>,
    action: Vec<i32>,
    reward: Vec<f32>,
    flags: Vec<u8>,
    size: Vec<[u8; 2]>,
    land: Vec<u32>,
    army_total: Vec<u32>,
    opponent_land: Vec<u32>,
    opponent_army: Vec<u32>,
    pub(crate) refused: Vec<u8>,
    pub(crate) large_army: Vec<(u32, Vec<i32>)>,
}

impl Frame {
    /// Rows of zeros.
    #[must_use]
    pub fn zeroed(format: RowFormat, envs: usize, agents: usize) -> Self {
        let (rows, widths) = (envs * agents, Widths::of(format));
        Self {
            format,
            envs,
            agents,
            army: Aligned::zeroed(rows * widths.army),
            planes: Aligned::zeroed(rows * widths.planes),
            mask: Aligned::zeroed(rows * widths.mask),
            owner: vec![255; rows * widths.owner],
            episode: vec![0; rows],
            step: vec![0; rows],
            action: vec![0; rows],
            reward: vec![0.0; rows],
            flags: vec![0; rows],
            size: vec![[0; 2]; rows],
            land: vec![0; rows],
            army_total: vec![0; rows],
            opponent_land: vec![0; rows],
            opponent_army: vec![0; rows],
            refused: vec![0; rows],
            large_army: Vec::new(),
        }
    }

    /// The form of its rows.
    pub fn format(&self) -> RowFormat {
        self.format
    }

    /// Number of environments.
    pub fn envs(&self) -> usize {
        self.envs
    }

    /// Rows of each environment.
    pub fn agents(&self) -> usize {
        self.agents
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.flags.len()
    }

    /// Units on each seen tile, `[envs, agents, height, width]`, saturating at 65535.
    pub fn army(&self) -> &[u16] {
        &self.army[..self.rows() * self.format.tiles()]
    }

    /// Bit planes, `[envs, agents, 9, words]`, see [`PLANES`].
    pub fn planes(&self) -> &[u64] {
        &self.planes[..self.rows() * PLANES.len() * self.format.words()]
    }

    /// Legal actions, `[envs, agents, 4 or 5, words]`: sources by direction, and builds.
    pub fn mask(&self) -> &[u64] {
        &self.mask[..self.rows() * self.format.mask_planes() * self.format.words()]
    }

    /// Owner of each seen tile, `[envs, agents, height, width]`: seats after the viewer, 255 for
    /// nobody; empty where rows have no owners.
    pub fn owner(&self) -> &[u8] {
        &self.owner
    }

    /// Key of each row's episode, `[envs, agents]`: its `episode_id`.
    pub fn episode(&self) -> &[u64] {
        &self.episode
    }

    /// Tick of each view, `[envs, agents]`.
    pub fn step(&self) -> &[u32] {
        &self.step
    }

    /// What each agent did in the tick that led here, `[envs, agents]`: what was refused is a
    /// pass; -1 in the first row of an episode and in rows that the step did not write.
    pub fn action(&self) -> &[i32] {
        &self.action
    }

    /// Reward for that, `[envs, agents]`.
    pub fn reward(&self) -> &[f32] {
        &self.reward
    }

    /// See [`flag`], `[envs, agents]`.
    pub fn flags(&self) -> &[u8] {
        &self.flags
    }

    /// Height and width of each board, `[envs, agents]`.
    pub fn size(&self) -> &[[u8; 2]] {
        &self.size
    }

    /// Own tiles, `[envs, agents]`.
    pub fn land(&self) -> &[u32] {
        &self.land
    }

    /// Own units, `[envs, agents]`.
    pub fn army_total(&self) -> &[u32] {
        &self.army_total
    }

    /// Tiles of all opponents, `[envs, agents]`.
    pub fn opponent_land(&self) -> &[u32] {
        &self.opponent_land
    }

    /// Units of all opponents, `[envs, agents]`.
    pub fn opponent_army(&self) -> &[u32] {
        &self.opponent_army
    }

    /// Why each agent's action was played as a pass, `[envs, agents]`: a
    /// [`Refusal`](super::Refusal), 0 where it was accepted.
    pub fn refused(&self) -> &[u8] {
        &self.refused
    }

    /// Exact armies of the rows flagged [`flag::LARGE_ARMY`]: row and `[height, width]` units.
    pub fn large_army(&self) -> &[(u32, Vec<i32>)] {
        &self.large_army
    }

    /// Whether the episodes of all agents of an environment are over.
    pub fn is_over(&self, env: usize) -> bool {
        let ends = flag::TERMINATED | flag::TRUNCATED;
        let rows = &self.flags[env * self.agents..][..self.agents];
        rows.iter().all(|flags| flags & ends != 0 || *flags == 0)
            && rows.iter().any(|flags| flags & ends != 0)
    }

    /// Whether the episode of an agent of an environment is over.
    pub fn has_ended(&self, env: usize, agent: usize) -> bool {
        self.flags[env * self.agents + agent] & (flag::TERMINATED | flag::TRUNCATED) != 0
    }

    /// Its rows to be read.
    pub(crate) fn read(&self) -> RowsRef<'_> {
        RowsRef {
            army: &self.army,
            planes: &self.planes,
            mask: &self.mask,
            owner: &self.owner,
            episode: &self.episode,
            step: &self.step,
            action: &self.action,
            reward: &self.reward,
            flags: &self.flags,
            size: &self.size,
            land: &self.land,
            army_total: &self.army_total,
            opponent_land: &self.opponent_land,
            opponent_army: &self.opponent_army,
        }
    }

    /// Its rows to be written, and beside them the refusals.
    pub(crate) fn write(&mut self) -> (RowsMut<'_>, &mut [u8]) {
        let (rows, widths) = (self.flags.len(), Widths::of(self.format));
        let slices = RowsMut {
            widths,
            army: &mut self.army[..rows * widths.army],
            planes: &mut self.planes[..rows * widths.planes],
            mask: &mut self.mask[..rows * widths.mask],
            owner: &mut self.owner,
            episode: &mut self.episode,
            step: &mut self.step,
            action: &mut self.action,
            reward: &mut self.reward,
            flags: &mut self.flags,
            size: &mut self.size,
            land: &mut self.land,
            army_total: &mut self.army_total,
            opponent_land: &mut self.opponent_land,
            opponent_army: &mut self.opponent_army,
        };
        (slices, &mut self.refused)
    }

    /// Makes the rows of some environments, from `env` on, those of `n` environments of another
    /// frame of the same form.
    pub(crate) fn copy_envs(&mut self, env: usize, from: &Self, from_env: usize, n: usize) {
        let agents = self.agents;
        let (row, from_row, rows) = (env * agents, from_env * agents, n * agents);
        let (mut slices, refused) = self.write();
        slices.copy(row, from.read(), from_row, rows);
        refused[row..row + rows].copy_from_slice(&from.refused[from_row..from_row + rows]);
        let inside = |row: u32, first: usize| (first..first + rows).contains(&(row as usize));
        self.large_army.retain(|(large, _)| !inside(*large, row));
        #[expect(clippy::cast_possible_truncation, reason = "rows are counted in 32 bits")]
        let moved = from
            .large_army
            .iter()
            .filter(|(large, _)| inside(*large, from_row))
            .map(|(large, units)| (large - from_row as u32 + row as u32, units.clone()));
        self.large_army.extend(moved);
    }

    /// The rows of some environments, in the order given.
    pub(crate) fn gathered(&self, envs: &[usize]) -> Self {
        let mut some = Self::zeroed(self.format, envs.len(), self.agents);
        for (place, &env) in envs.iter().enumerate() {
            some.copy_envs(place, self, env, 1);
        }
        some
    }
}
