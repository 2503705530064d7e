//! Fixed places of games: where their actions come from and where their rows go.
//!
//! Other worlds hand rows on in batches, in the order in which games are stored. A vector
//! environment promises its rows in the order of its environments, so each of its games has a
//! slot: the game's place in its table. A chunk of games then has its piece of the actions and of
//! the frame, which no other thread touches.

use std::sync::{Arc, Mutex, PoisonError};

use bevy_ecs::resource::Resource;

use crate::{
    components::Cell,
    envs::Frame,
    row_slices::{RowsMut, RowsRef},
    rows::{RowBatch, flag},
    world::Class,
};

/// The slots of a vector environment; none in other worlds.
#[derive(Resource, Default)]
pub(crate) struct Slots(pub(crate) Option<SlotTable>);

/// One slot for each game of a class, in the order of its table.
pub(crate) struct SlotTable {
    /// The class that the games are stored in.
    pub(crate) class: Class,
    /// Seats that get rows and give actions, as a set.
    pub(crate) seats: u16,
    /// Actions for the coming step, one for each row.
    pub(crate) actions: Vec<i32>,
    /// The rows that are written.
    pub(crate) frame: Frame,
    /// The rows of the last step.
    pub(crate) last: Arc<Frame>,
    /// Exact armies of rows that saturate, as they come.
    pub(crate) large_army: Mutex<Vec<(u32, Vec<i32>)>>,
}

impl SlotTable {
    /// Rows of each game.
    fn agents(&self) -> usize {
        self.seats.count_ones() as usize
    }

    /// Whether it is for the games of a class, of which there are so many.
    fn is_for<const K: usize, const P: usize, A: Cell>(&self, games: usize) -> bool {
        let Class { words, seats, is_wide } = self.class;
        (usize::from(words), usize::from(seats), is_wide) == (K, P, size_of::<A>() > 2)
            && games * self.agents() == self.actions.len()
    }

    /// All slots, if they are those of a table of `games` games of this class.
    pub(crate) fn slots<const K: usize, const P: usize, A: Cell>(
        &mut self,
        games: usize,
    ) -> Option<SlotRange<'_>> {
        if !self.is_for::<K, P, A>(games) {
            return None;
        }
        let (seats, agents) = (self.seats, self.agents());
        let (rows, refused) = self.frame.write();
        Some(SlotRange {
            seats,
            agents,
            first_row: 0,
            actions: &self.actions,
            refused,
            rows,
            last: &self.last,
            large_army: &self.large_army,
        })
    }
}

/// The slots of a run of games.
pub(crate) struct SlotRange<'a> {
    seats: u16,
    agents: usize,
    first_row: usize,
    actions: &'a [i32],
    refused: &'a mut [u8],
    rows: RowsMut<'a>,
    last: &'a Frame,
    large_army: &'a Mutex<Vec<(u32, Vec<i32>)>>,
}

/// Mark of a row that nobody has written yet; no row has this flag.
pub(crate) const UNWRITTEN: u8 = 0x80;

impl<'a> SlotRange<'a> {
    /// The slots of the first `games` games, and those of the others.
    pub(crate) fn split_at(self, games: usize) -> (Self, Self) {
        let n = games * self.agents;
        let Self { seats, agents, first_row, last, large_army, .. } = self;
        let (actions, actions_rest) = self.actions.split_at(n);
        let (refused, refused_rest) = self.refused.split_at_mut(n);
        let (rows, rows_rest) = self.rows.split_at(n);
        (
            Self { seats, agents, first_row, actions, refused, rows, last, large_army },
            Self {
                seats,
                agents,
                first_row: first_row + n,
                actions: actions_rest,
                refused: refused_rest,
                rows: rows_rest,
                last,
                large_army,
            },
        )
    }

    /// Seats that have rows.
    pub(crate) fn seats(&self) -> u16 {
        self.seats
    }

    /// Rows of each game.
    pub(crate) fn agents(&self) -> usize {
        self.agents
    }

    /// Forgets the refusals of the last step.
    pub(crate) fn forget_refusals(&mut self) {
        self.refused.fill(0);
    }

    /// Makes a batch ready to take these rows at their places.
    pub(crate) fn prepare(&mut self, batch: &mut RowBatch) {
        batch.flags[..self.rows.len()].fill(UNWRITTEN);
        batch.large_army.clear();
    }

    /// What a game of the run is told, and where it says what it refused.
    pub(crate) fn inbox(&mut self, game: usize) -> Inbox<'_> {
        let rows = game * self.agents..(game + 1) * self.agents;
        Inbox {
            seats: self.seats,
            actions: &self.actions[rows.clone()],
            refused: &mut self.refused[rows],
        }
    }

    /// Puts the rows of a batch, which lie at their places already, into the frame.
    pub(crate) fn store(&mut self, batch: &mut RowBatch) {
        let n = self.rows.len();
        let is_whole = batch.flags[..n].iter().all(|flags| flags & UNWRITTEN == 0);
        batch.flags[..n].iter_mut().for_each(|flags| *flags |= flag::ACTIVE);
        if is_whole {
            self.rows.copy(0, RowsRef::of(batch), 0, n);
        } else {
            for game in 0..n / self.agents {
                self.store_game(game * self.agents, batch);
            }
        }
        if !batch.large_army.is_empty() {
            self.store_large_armies(batch);
        }
    }

    /// Stores the rows of one game, of which some were not written.
    fn store_game(&mut self, first: usize, batch: &RowBatch) {
        let rows = first..first + self.agents;
        let is_written = |row: usize| batch.flags[row] & UNWRITTEN == 0;
        let begins = rows.clone().any(|row| is_written(row) && batch.flags[row] & flag::FIRST != 0);
        for row in rows {
            if is_written(row) {
                self.rows.copy(row, RowsRef::of(batch), row, 1);
            } else if begins {
                self.rows.clear(row);
            } else {
                self.keep(row);
            }
        }
    }

    /// Leaves a row as it was in the last frame: nothing happened to its agent.
    fn keep(&mut self, row: usize) {
        let before = self.first_row + row;
        self.rows.copy(row, self.last.read(), before, 1);
        self.rows.flags[row] &= !flag::ACTIVE;
        self.rows.reward[row] = 0.0;
        self.rows.action[row] = -1;
        self.rows.forbid(row);
        if self.rows.flags[row] & flag::LARGE_ARMY != 0 {
            let is_it = |large: &&(u32, Vec<i32>)| large.0 as usize == before;
            let exact = self.last.large_army().iter().find(is_it).cloned();
            self.large_armies().extend(exact);
        }
    }

    #[cold]
    fn store_large_armies(&mut self, batch: &mut RowBatch) {
        #[expect(clippy::cast_possible_truncation, reason = "rows are counted in 32 bits")]
        let first = self.first_row as u32;
        let exact = batch.large_army.drain(..).map(|(row, units)| (first + row, units));
        self.large_armies().extend(exact);
    }

    fn large_armies(&self) -> std::sync::MutexGuard<'a, Vec<(u32, Vec<i32>)>> {
        self.large_army.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The actions of one game's agents, and why some are refused.
pub(crate) struct Inbox<'a> {
    /// Seats that give actions, as a set.
    pub(crate) seats: u16,
    /// One action for each of them.
    pub(crate) actions: &'a [i32],
    /// One [`Refusal`](crate::envs::Refusal) for each of them.
    pub(crate) refused: &'a mut [u8],
}
