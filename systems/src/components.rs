//! What a game is made of: every component of a game, with its shape.
//!
//! A game is one entity. Its class is `K`, the words of a [`Plane`] (8: boards of at most 512
//! tiles, 16: at most 1024), `P`, the most players (2, 8 or 16), and `A`, the [`Cell`] an army
//! is stored in. All games of a class are rows of one table, one contiguous column per component.
//!
//! | component | bytes at K = 8, P = 2 | read or written by |
//! |---|---|---|
//! | [`Setup`] | 56 | all |
//! | [`Standing`] | 36 | all |
//! | [`Ledger`] | 40 | captures, surrenders, rewards |
//! | [`Terrain`] | 192 | all |
//! | [`Territory`] | 128 | all |
//! | [`Armies`] | 1088 | turn, experience |
//! | [`Vision`] | 128 | fog, act, delta, experience |
//! | [`Orders`] | 4 | act, turn |

use bevy_ecs::component::Component;

use crate::rules::plane::Plane;

/// No tile, where a tile is optional.
pub const NO_TILE: u16 = u16::MAX;

/// How the army of one tile is stored.
///
/// `u16` is enough for ordinary games and halves the memory traffic. A game whose armies could
/// pass [`Cell::TOTAL`] in sum moves to a class that stores `i32` before it can overflow, so
/// armies are exact in every game (see [`crate::world::World::step`]).
pub trait Cell: Copy + Default + Send + Sync + std::fmt::Debug + 'static {
    /// The most units all tiles of a game may hold together at the start of a tick.
    ///
    /// One tick adds at most two units to each of 1024 tiles, so a tile stays in range.
    const TOTAL: u32;
    /// The army as a number of units.
    fn get(self) -> i32;
    /// A number of units as stored; it must be in range.
    fn of(units: i32) -> Self;
}

impl Cell for u16 {
    const TOTAL: u32 = 60_000;
    #[inline(always)]
    fn get(self) -> i32 {
        i32::from(self)
    }
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "TOTAL keeps armies in range"
    )]
    fn of(units: i32) -> Self {
        debug_assert!((0..=i32::from(Self::MAX)).contains(&units), "army {units} in 16 bits");
        units as Self
    }
}

impl Cell for i32 {
    const TOTAL: u32 = u32::MAX;
    #[inline(always)]
    fn get(self) -> i32 {
        self
    }
    #[inline(always)]
    fn of(units: i32) -> Self {
        units
    }
}

/// What stays the same through an episode.
#[derive(Component, Clone, Copy, Debug)]
pub struct Setup<const P: usize> {
    /// The game's stable id, never reused.
    pub id: u64,
    /// Key of the episode's randomness, from (seed, game, episode).
    pub key: u64,
    /// Index of the game among those of its seed.
    pub game: u64,
    /// Number of the episode within the game, from 0.
    pub episode: u32,
    /// Tick at which the game is cut off; `u32::MAX`: never.
    pub max_ticks: u32,
    /// Index of the [`Shape`](crate::rules::shape::Shape) in the world's table.
    pub shape: u16,
    /// Index of the [`Rules`](crate::rules::ruleset::Rules) in the world's table.
    pub rules: u8,
    /// Number of seats, 1 to P.
    pub players: u8,
    /// Whether two seats share a team.
    pub has_teams: bool,
    /// Whether players see only what is near their land.
    pub has_fog: bool,
    /// Who chooses for each seat: an index into [`crate::policies::Policy`].
    pub policies: [u8; P],
    /// Team mates of each seat as a set of seats, itself included.
    pub allies: [u16; P],
}

/// How an episode goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// It is being played.
    Running,
    /// The rules ended it.
    Over,
    /// The tick limit ended it.
    Truncated,
}

/// The score, and what a tick always reads.
#[derive(Component, Clone, Copy, Debug)]
pub struct Standing<const P: usize> {
    /// Ticks completed.
    pub turn: u32,
    /// Ticks since the last executed move.
    pub idle: u32,
    /// Units on neutral tiles, never too low.
    pub neutral: u32,
    /// Living seats, as a set.
    pub alive: u16,
    /// Seats whose episode has not had its last row.
    pub active: u16,
    /// How the episode goes on.
    pub state: State,
    /// Whether a surrender or a countdown is waiting in the [`Ledger`].
    pub departing: bool,
    /// Former generals listed in the [`Ledger`].
    pub fallen: u8,
    /// Whether the start position has not been observed yet.
    pub is_first: bool,
    /// Tile of each seat's general, or [`NO_TILE`].
    pub generals: [u16; P],
    /// Tiles of each seat.
    pub land: [u16; P],
    /// Units of each seat.
    pub army: [u32; P],
}

/// A tile that stopped being a general and who has seen it since (rules, section 14).
#[derive(Clone, Copy, Debug, Default)]
pub struct Fallen {
    /// The tile.
    pub tile: u16,
    /// Seats that have seen it since, as a set.
    pub seen: u16,
}

/// What few ticks need: deaths, surrenders, former generals, reward memory.
#[derive(Component, Clone, Copy, Debug)]
pub struct Ledger<const P: usize> {
    /// Dead seats in the order of their deaths.
    pub deaths: [u8; P],
    /// Number of deaths.
    pub n_deaths: u8,
    /// Seats that surrender at the start of the next tick, in order.
    pub surrenders: [u8; P],
    /// Number of such seats.
    pub n_surrenders: u8,
    /// Generals taken by each seat.
    pub captures: [u8; P],
    /// Turn at which a seat that surrendered is neutralised; `u32::MAX`: never.
    pub neutralise_at: [u32; P],
    /// Former generals.
    pub fallen: [Fallen; P],
    /// Worth of each seat's view at the last tick, for rewards.
    pub worth: [f32; P],
    /// What each seat's built-in policy remembers of the views it saw.
    pub notes: [crate::policies::Notes; P],
}

/// What stands on the board.
#[derive(Component, Clone, Copy, Debug, Default)]
pub struct Terrain<const K: usize> {
    /// Tiles that are not mountains.
    pub passable: Plane<K>,
    /// Cities, neutral and owned.
    pub cities: Plane<K>,
    /// Generals that are not lost; the plane of [`Standing::generals`].
    pub generals: Plane<K>,
}

/// The land of each seat.
#[derive(Component, Clone, Copy, Debug)]
pub struct Territory<const K: usize, const P: usize>(pub [Plane<K>; P]);

/// The army on each tile, and where it can move.
#[derive(Component, Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Armies<const K: usize, A: Cell> {
    units: [[A; 64]; K],
    movable: Plane<K>,
}

/// The tiles each seat sees.
#[derive(Component, Clone, Copy, Debug)]
pub struct Vision<const K: usize, const P: usize>(pub [Plane<K>; P]);

/// What each seat was told to do, and after the turn what it did (illegal orders become a pass).
#[derive(Component, Clone, Copy, Debug)]
pub struct Orders<const P: usize>(pub [Order; P]);

/// The orders that a game's seats have carried out so far, for its record.
#[derive(Component, Clone, Debug, Default)]
pub struct Recording(pub Vec<Vec<crate::replay::ScriptedOrder>>);

/// One order of one seat: a step, a build or a pass, in 16 bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Order(u16);

/// What an [`Order`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Do nothing.
    Pass,
    /// March from a tile in a direction (see [`crate::rules::shape::Direction`]).
    Step {
        /// Tile of the army.
        from: u16,
        /// Direction, 0 to 3.
        direction: u8,
        /// Whether to send half only.
        half: bool,
    },
    /// Build a city on an own tile.
    Build {
        /// The tile.
        tile: u16,
    },
}

impl Order {
    /// Do nothing.
    pub const PASS: Self = Self(u16::MAX);

    /// March from tile `from` (below 1024) in `direction` (0 to 3).
    #[inline(always)]
    #[must_use]
    pub fn step(from: u16, direction: u8, half: bool) -> Self {
        Self(from | u16::from(direction) << 10 | u16::from(half) << 12)
    }

    /// Build a city on `tile` (below 1024).
    #[must_use]
    pub fn build(tile: u16) -> Self {
        Self(tile | 1 << 13)
    }

    /// What it says.
    #[inline(always)]
    pub fn command(self) -> Command {
        match self.0 >> 13 {
            0 => Command::Step {
                from: self.0 & 1023,
                direction: (self.0 >> 10 & 3) as u8,
                half: self.0 >> 12 & 1 != 0,
            },
            1 => Command::Build { tile: self.0 & 1023 },
            _ => Command::Pass,
        }
    }

    /// The order with an index of the flat action space (`crate::rules::view` documents it), or a
    /// pass for any other number.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked against the range first"
    )]
    pub fn from_action(action: i32, tiles: u16) -> Self {
        let pass = 8 * i32::from(tiles);
        if (0..pass).contains(&action) {
            Self::step((action >> 3) as u16, (action >> 1 & 3) as u8, action & 1 != 0)
        } else if (pass + 1..=pass + i32::from(tiles)).contains(&action) {
            Self::build((action - pass - 1) as u16)
        } else {
            Self::PASS
        }
    }

    /// Its index in the flat action space of a board with this many tiles.
    #[inline(always)]
    pub fn action(self, tiles: u16) -> i32 {
        match self.command() {
            Command::Pass => 8 * i32::from(tiles),
            Command::Step { from, direction, half } => {
                (i32::from(from) * 4 + i32::from(direction)) * 2 + i32::from(half)
            }
            Command::Build { tile } => 8 * i32::from(tiles) + 1 + i32::from(tile),
        }
    }

    /// The 16 bits, for logs of moves.
    pub fn bits(self) -> u16 {
        self.0
    }

    /// The order with these bits.
    #[must_use]
    pub fn from_bits(bits: u16) -> Self {
        Self(bits)
    }
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.command().fmt(f)
    }
}

impl<const K: usize, A: Cell> Default for Armies<K, A> {
    fn default() -> Self {
        Self { units: [[A::default(); 64]; K], movable: Plane::EMPTY }
    }
}

impl<const K: usize, A: Cell> Armies<K, A> {
    /// Units on the tile.
    #[inline(always)]
    pub fn get(&self, tile: u16) -> i32 {
        self.units[usize::from(tile / 64) % K][usize::from(tile % 64)].get()
    }

    /// The units of 64 tiles as 16-bit numbers, if that is how they are stored.
    #[inline(always)]
    pub fn narrow_words(&self) -> Option<&[[u16; 64]; K]> {
        (&self.units as &dyn std::any::Any).downcast_ref()
    }

    /// Puts this many units on the tile.
    #[inline(always)]
    pub fn set(&mut self, tile: u16, units: i32) {
        self.units[usize::from(tile / 64) % K][usize::from(tile % 64)] = A::of(units);
        self.movable.assign(tile, units >= 2);
    }

    /// Tiles with two units or more, whoever owns them.
    #[inline(always)]
    pub fn movable(&self) -> &Plane<K> {
        &self.movable
    }

    /// The units, tile by tile, 64 to a word of a plane.
    #[inline(always)]
    pub fn words(&self) -> &[[A; 64]; K] {
        &self.units
    }

    /// Adds one unit on each of the tiles.
    #[inline(always)]
    pub fn grow(&mut self, tiles: &Plane<K>) {
        for word in 0..K {
            let (bits, mut movable) = (tiles.0[word], 0);
            for (i, cell) in self.units[word].iter_mut().enumerate() {
                let units = cell.get() + i32::from(bits >> i & 1 != 0);
                *cell = A::of(units);
                movable |= u64::from(units >= 2) << i;
            }
            self.movable.0[word] = movable;
        }
    }

    /// Tiles with at least this many units, whoever owns them.
    pub fn at_least(&self, least: i32) -> Plane<K> {
        let mut plane = Plane::EMPTY;
        for (bits, units) in plane.0.iter_mut().zip(&self.units) {
            *bits =
                units.iter().rev().fold(0, |bits, cell| bits << 1 | u64::from(cell.get() >= least));
        }
        plane
    }
}

impl<const K: usize> Terrain<K> {
    /// Cities and generals: what grows every second tick.
    #[inline(always)]
    pub fn structures(&self) -> Plane<K> {
        self.cities | self.generals
    }
}

impl<const P: usize> Standing<P> {
    /// Whether the seat lives.
    #[inline(always)]
    pub fn is_alive(&self, seat: usize) -> bool {
        self.alive >> seat & 1 != 0
    }

    /// Whether the rules have decided the game or the tick limit has cut it off.
    #[inline(always)]
    pub fn has_ended(&self) -> bool {
        self.state != State::Running
    }

    /// The seat whose general stands on the tile.
    #[inline(always)]
    pub fn general_at(&self, tile: u16) -> Option<usize> {
        (0..P).find(|&seat| self.generals[seat] == tile)
    }
}

impl<const P: usize> Ledger<P> {
    /// Nothing has happened.
    pub const BLANK: Self = Self {
        deaths: [0; P],
        n_deaths: 0,
        surrenders: [0; P],
        n_surrenders: 0,
        captures: [0; P],
        neutralise_at: [u32::MAX; P],
        fallen: [Fallen { tile: NO_TILE, seen: 0 }; P],
        worth: [0.0; P],
        notes: [[0; 2]; P],
    };
}

/// One game's components, borrowed: what the rules work on.
pub struct Game<'a, const K: usize, const P: usize, A: Cell> {
    /// See [`Setup`].
    pub setup: &'a mut Setup<P>,
    /// See [`Standing`].
    pub standing: &'a mut Standing<P>,
    /// See [`Ledger`].
    pub ledger: &'a mut Ledger<P>,
    /// See [`Terrain`].
    pub terrain: &'a mut Terrain<K>,
    /// See [`Territory`].
    pub territory: &'a mut Territory<K, P>,
    /// See [`Armies`].
    pub armies: &'a mut Armies<K, A>,
    /// See [`Vision`].
    pub vision: &'a mut Vision<K, P>,
    /// See [`Orders`].
    pub orders: &'a mut Orders<P>,
}

impl<const K: usize, const P: usize, A: Cell> Game<'_, K, P, A> {
    /// The seat that owns the tile.
    #[inline(always)]
    pub fn owner(&self, tile: u16) -> Option<usize> {
        (0..P).find(|&seat| self.territory.0[seat].has(tile))
    }

    /// Whether two seats are on one side.
    #[inline(always)]
    pub fn are_allies(&self, a: usize, b: usize) -> bool {
        self.setup.allies[a] >> b & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_and_actions_are_one_to_one() {
        for tiles in [1, 42, 400, 1024] {
            for action in 0..=9 * i32::from(tiles) {
                assert_eq!(Order::from_action(action, tiles).action(tiles), action);
            }
            for action in [-1, i32::MIN, 9 * i32::from(tiles) + 1, i32::MAX] {
                assert_eq!(Order::from_action(action, tiles), Order::PASS);
            }
        }
        assert_eq!(
            Order::step(1023, 3, true).command(),
            Command::Step { from: 1023, direction: 3, half: true }
        );
        assert_eq!(Order::PASS.command(), Command::Pass);
    }

    #[test]
    fn armies_know_where_they_can_move() {
        let mut armies = Armies::<8, u16>::default();
        armies.set(3, 1);
        armies.set(70, 2);
        armies.grow(&Plane::of([3, 4]));
        assert_eq!((armies.get(3), armies.get(4), armies.get(70)), (2, 1, 2));
        assert_eq!(*armies.movable(), Plane::of([3, 70]));
        assert_eq!(armies.at_least(1), Plane::of([3, 4, 70]));
        armies.set(70, 0);
        assert_eq!(*armies.movable(), Plane::of([3]));
    }
}
