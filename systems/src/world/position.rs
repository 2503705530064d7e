//! A game as it stands, tile by tile.

use crate::{
    components::{Cell, Game, NO_TILE, Order, State},
    rules::{digest, ranking, shape::Shape},
};

/// A game as it stands: the truth, for replays, tools and tests. Never for players.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// Ticks completed.
    pub turn: u32,
    /// How the episode goes on.
    pub state: State,
    /// Owner of each tile: a seat, -1 neutral, -2 mountain.
    pub owners: Vec<i8>,
    /// Units on each tile.
    pub armies: Vec<i32>,
    /// General of each seat.
    pub generals: Vec<Option<u16>>,
    /// City tiles, ascending.
    pub cities: Vec<u16>,
    /// Whether each seat lives.
    pub alive: Vec<bool>,
    /// Tiles of each seat.
    pub land: Vec<u32>,
    /// Units of each seat.
    pub army: Vec<u32>,
    /// The dead in the order of their deaths.
    pub deaths: Vec<usize>,
    /// Generals taken by each seat.
    pub captures: Vec<u8>,
    /// Seats from first to last.
    pub ranking: Vec<usize>,
    /// The same with captors first.
    pub ranking_kills_first: Vec<usize>,
    /// What each seat did in the last tick.
    pub orders: Vec<Order>,
    /// Tiles each seat sees.
    pub visible: Vec<Vec<bool>>,
    /// Fingerprint of the position.
    pub digest: u64,
}

impl Position {
    /// The winners: the living of a decided game, with the dead of their side.
    pub fn winners(&self, teams: &[u8]) -> Vec<usize> {
        if self.state != State::Over {
            return Vec::new();
        }
        let side: Vec<u8> =
            (0..teams.len()).filter(|&seat| self.alive[seat]).map(|seat| teams[seat]).collect();
        (0..teams.len()).filter(|&seat| side.contains(&teams[seat])).collect()
    }
}

/// The position of a game.
#[expect(clippy::cast_possible_truncation, reason = "a seat is below 16")]
pub(super) fn position_of<const K: usize, const P: usize, A: Cell>(
    game: &Game<'_, K, P, A>,
    shape: &Shape<K>,
) -> Position {
    let players = usize::from(game.setup.players);
    let owner = |tile| match game.owner(tile) {
        Some(seat) => seat as i8,
        None if game.terrain.passable.has(tile) => -1,
        None => -2,
    };
    let (standing, ledger) = (&*game.standing, &*game.ledger);
    Position {
        width: shape.width,
        height: shape.height,
        turn: standing.turn,
        state: standing.state,
        owners: (0..shape.tiles()).map(owner).collect(),
        armies: (0..shape.tiles()).map(|tile| game.armies.get(tile)).collect(),
        generals: standing.generals[..players]
            .iter()
            .map(|&tile| (tile != NO_TILE).then_some(tile))
            .collect(),
        cities: game.terrain.cities.tiles().collect(),
        alive: (0..players).map(|seat| standing.is_alive(seat)).collect(),
        land: standing.land[..players].iter().map(|&land| u32::from(land)).collect(),
        army: standing.army[..players].to_vec(),
        deaths: ranking::deaths(ledger).collect(),
        captures: ledger.captures[..players].to_vec(),
        ranking: ranking::ranking(players, standing, ledger),
        ranking_kills_first: ranking::ranking_kills_first(players, standing, ledger),
        orders: game.orders.0[..players].to_vec(),
        visible: (0..players)
            .map(|seat| (0..shape.tiles()).map(|tile| game.vision.0[seat].has(tile)).collect())
            .collect(),
        digest: digest::position(game, shape),
    }
}
