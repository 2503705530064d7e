//! Rows of games that are stepped each at its own time, as live games are.
//!
//! A row waits for its game's next tick, which tells the action that was taken on it. What waits is
//! one row for each agent, which goes with its game.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray, Float32Array,
        Int32Array, RecordBatch, StringArray, UInt8Array, UInt32Array, UInt64Array, new_null_array,
    },
    buffer::Buffer,
    datatypes::{ArrowNativeType, DataType, SchemaRef, ToByteSlice},
    error::ArrowError,
};
use systems::rows::{PLANES, RowBatch, RowFormat, flag};

use super::LiveBatch;

/// Turns the steps of single games into rows of a dataset. A game's id is its episode's.
#[derive(Debug)]
pub struct ScatteredRows {
    schema: SchemaRef,
    policies: ArrayRef,
    format: RowFormat,
    games: HashMap<u64, Game>,
}

/// A game whose rows are wanted.
#[derive(Debug)]
struct Game {
    ruleset: Arc<str>,
    /// The key of each seat's policy in the dictionary.
    policies: Vec<i32>,
    /// The last row of each seat, until the next tick.
    waiting: HashMap<u8, Row>,
}

/// A row on which no action has been taken yet.
#[derive(Debug)]
struct Row {
    army: Box<[u16]>,
    planes: Box<[u64]>,
    mask: Box<[u64]>,
    owner: Box<[u8]>,
    exact: Option<Vec<u8>>,
    step: u32,
    flags: u8,
    size: [u8; 2],
    scores: [u32; 4],
}

/// A row whose outcome is known.
struct Done {
    game: u64,
    seat: u8,
    policy: i32,
    ruleset: Arc<str>,
    row: Row,
    action: i32,
    reward: f32,
    flags: u8,
}

impl ScatteredRows {
    /// Rows with these columns and policies, of batches of this form.
    #[must_use]
    pub fn new(format: RowFormat, schema: SchemaRef, policies: ArrayRef) -> Self {
        Self { schema, policies, format, games: HashMap::new() }
    }

    /// Begins to take the rows of a game. `policies` are the keys of its seats' policies.
    pub fn begin(&mut self, game: u64, ruleset: &str, policies: Vec<i32>) {
        let game_of = Game { ruleset: ruleset.into(), policies, waiting: HashMap::new() };
        self.games.insert(game, game_of);
    }

    /// Forgets a game, and the rows of it that nobody will tell the outcome of.
    pub fn end(&mut self, game: u64) {
        self.games.remove(&game);
    }

    /// Games whose rows are taken.
    pub fn games(&self) -> usize {
        self.games.len()
    }

    /// Rows that wait for their games' next ticks.
    pub fn waiting(&self) -> usize {
        self.games.values().map(|game| game.waiting.len()).sum()
    }

    /// Takes what some games showed after a tick, and returns the rows whose outcome that tells, in
    /// their order; none if there are none.
    ///
    /// # Errors
    ///
    /// Arrays that do not fit the columns, which would be an error of this module.
    pub fn step(&mut self, batches: &[RowBatch]) -> Result<Option<LiveBatch>, ArrowError> {
        let mut done = Vec::new();
        for batch in batches {
            for row in 0..batch.len {
                self.take(batch, row, &mut done);
            }
        }
        if done.is_empty() { Ok(None) } else { self.batch(&done).map(Some) }
    }

    fn take(&mut self, batch: &RowBatch, row: usize, done: &mut Vec<Done>) {
        let (number, seat) = (batch.game[row], batch.agent[row]);
        let Some(game) = self.games.get_mut(&number) else { return };
        let policy = game.policies.get(usize::from(seat)).copied().unwrap_or(0);
        let complete = |row, action, reward, flags| {
            let ruleset = game.ruleset.clone();
            Done { game: number, seat, policy, ruleset, row, action, reward, flags }
        };
        if let Some(before) = game.waiting.remove(&seat) {
            let (action, reward) = (batch.action[row], batch.reward[row]);
            done.push(complete(before, action, reward, batch.flags[row]));
        }
        let seen = Row::of(batch, row);
        if seen.flags & (flag::TERMINATED | flag::TRUNCATED) != 0 {
            done.push(complete(seen, -1, 0.0, 0));
        } else {
            game.waiting.insert(seat, seen);
        }
    }

    fn batch(&self, done: &[Done]) -> Result<LiveBatch, ArrowError> {
        let rows = done.len();
        let format = self.format;
        let u32s = |of: &dyn Fn(&Done) -> u32| -> ArrayRef {
            Arc::new(done.iter().map(of).collect::<UInt32Array>())
        };
        let u8s = |of: &dyn Fn(&Done) -> u8| -> ArrayRef {
            Arc::new(done.iter().map(of).collect::<UInt8Array>())
        };
        let flags = |of: &dyn Fn(&Done) -> bool| -> ArrayRef {
            Arc::new(done.iter().map(|done| Some(of(done))).collect::<BooleanArray>())
        };
        let nulls = |data_type: DataType| new_null_array(&data_type, rows);
        let games = UInt64Array::from_iter_values(done.iter().map(|done| done.game));
        let keys: Int32Array = done.iter().map(|done| Some(done.policy)).collect();
        let exact: BinaryArray = done.iter().map(|done| done.row.exact.as_deref()).collect();
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(games.clone()),
            u8s(&|done| done.seat),
            u32s(&|done| done.row.step),
            wide(done, |row| &row.army, format.tiles() * 2),
            wide(done, |row| &row.planes, PLANES.len() * format.words() * 8),
            wide(done, |row| &row.mask, format.mask_planes() * format.words() * 8),
        ];
        if format.has_owners {
            columns.push(wide(done, |row| &row.owner, format.tiles()));
        }
        columns.extend([
            Arc::new(exact) as ArrayRef,
            Arc::new(done.iter().map(|done| Some(done.action)).collect::<Int32Array>()),
            Arc::new(done.iter().map(|done| Some(done.reward)).collect::<Float32Array>()),
            flags(&|done| done.flags & flag::TERMINATED != 0),
            flags(&|done| done.flags & flag::TRUNCATED != 0),
            flags(&|done| done.row.flags & flag::FIRST != 0),
            flags(&|done| done.row.flags & (flag::TERMINATED | flag::TRUNCATED) != 0),
            Arc::new(DictionaryArray::try_new(keys, self.policies.clone())?),
            nulls(DataType::Float32),
            nulls(DataType::Float32),
            nulls(DataType::UInt64),
            u32s(&|done| done.row.scores[0]),
            u32s(&|done| done.row.scores[1]),
            u32s(&|done| done.row.scores[2]),
            u32s(&|done| done.row.scores[3]),
            u8s(&|done| done.row.size[0]),
            u8s(&|done| done.row.size[1]),
        ]);
        let names: DictionaryArray<_> = done.iter().map(|done| Some(&*done.ruleset)).collect();
        let rows = RecordBatch::try_new(self.schema.clone(), columns)?;
        Ok(LiveBatch { rows, games, rulesets: names })
    }
}

impl Row {
    fn of(batch: &RowBatch, row: usize) -> Self {
        let format = &batch.format;
        let (tiles, words) = (format.tiles(), format.words());
        let (planes, masks) = (PLANES.len() * words, format.mask_planes() * words);
        let owners = if format.has_owners { tiles } else { 0 };
        let exact = batch.large_army.iter().find(|(at, _)| *at as usize == row);
        Self {
            army: batch.army[row * tiles..][..tiles].into(),
            planes: batch.planes[row * planes..][..planes].into(),
            mask: batch.mask[row * masks..][..masks].into(),
            owner: batch.owner.get(row * owners..).unwrap_or_default()[..owners].into(),
            exact: exact.map(|(_, units)| units.iter().flat_map(|n| n.to_le_bytes()).collect()),
            step: batch.step[row],
            flags: batch.flags[row],
            size: batch.size[row],
            scores: [
                batch.land[row],
                batch.army_total[row],
                batch.opponent_land[row],
                batch.opponent_army[row],
            ],
        }
    }
}

/// A column of flat bytes.
fn wide<T: ArrowNativeType>(
    done: &[Done],
    of: impl Fn(&Row) -> &[T],
    row_bytes: usize,
) -> ArrayRef {
    let mut bytes = Vec::with_capacity(done.len() * row_bytes);
    for done in done {
        bytes.extend_from_slice(of(&done.row).to_byte_slice());
    }
    let row_bytes = i32::try_from(row_bytes).expect("a row has less than 32 KiB");
    Arc::new(FixedSizeBinaryArray::new(row_bytes, Buffer::from_vec(bytes), None))
}

/// The keys of names in a dictionary of policies; those that are not in it have the first.
#[must_use]
pub fn policy_keys<'a>(policies: &ArrayRef, names: impl Iterator<Item = &'a str>) -> Vec<i32> {
    let known = policies.as_any().downcast_ref::<StringArray>();
    let key = |name: &str| {
        let place = known?.iter().position(|known| known == Some(name))?;
        i32::try_from(place).ok()
    };
    names.map(|name| key(name).unwrap_or(0)).collect()
}
