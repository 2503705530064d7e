//! The moves of a game as bytes: about one byte for a march that goes on where the last one
//! ended, about two for any other.
//!
//! # Layout
//!
//! Numbers marked *varint* are LEB128: seven bits a byte, low ones first.
//!
//! | part | bytes |
//! |---|---|
//! | version of this layout, 1 | 1 |
//! | number of orders of each seat | varint each |
//! | number of sources | varint |
//! | tokens, seat by seat | 1 for each order |
//! | low 8 bits of the sources | 1 each |
//! | high 2 bits of the sources, four to a byte, low ones first; only if there are over 256 tiles | |
//! | gaps | varint each |
//!
//! A token's bits 0 to 2 are `direction * 2 + half`. Bit 3 is set if the march starts where the
//! seat's last march went, and otherwise its tile is the next source. The high four bits are the
//! number of turns since the seat's last order (since turn 0 for the first), up to 13; 14 means
//! that the next gap has it, and 15 that the order is no march: the low bits are 0 for a build,
//! whose tile is a source, and 1 for a pass, and the gap follows. Like things stand together, so
//! that a general compressor does the rest.

use systems::{
    components::{Command, Order},
    replay::{ScriptMoves, ScriptedOrder},
};
use thiserror::Error;

/// Version of the layout.
const VERSION: u8 = 1;
const GAP_FOLLOWS: u8 = 14;
const NO_MARCH: u8 = 15;
const BUILD: u8 = NO_MARCH << 4;
const PASS: u8 = NO_MARCH << 4 | 1;
const CHAINED: u8 = 8;

/// Why bytes are no moves of a game.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MovesError {
    /// The bytes end too early.
    #[error("moves: the bytes end inside the {0}")]
    Truncated(&'static str),
    /// Written by a later version.
    #[error("moves: layout version {0} is not known, only {VERSION} is")]
    Version(u8),
    /// A token means nothing.
    #[error("moves: token {token:#04x} of order {order} means nothing")]
    Token {
        /// The token.
        token: u8,
        /// Its index over all seats.
        order: usize,
    },
    /// A tile is not on the board.
    #[error("moves: order {order} is on tile {tile} of a board of {tiles}")]
    Tile {
        /// Index of the order over all seats.
        order: usize,
        /// The tile.
        tile: i32,
        /// Tiles of the board.
        tiles: u16,
    },
    /// A turn is too large.
    #[error("moves: the turn of order {order} is beyond 2^32")]
    Turn {
        /// Index of the order over all seats.
        order: usize,
    },
    /// The unused bits of the last byte of sources are set.
    #[error("moves: the last byte of the sources is {0:#04x}, and its unused bits are set")]
    Padding(u8),
    /// More bytes than moves.
    #[error("moves: {0} bytes are left over")]
    Rest(usize),
}

/// The board that moves are on.
#[derive(Clone, Copy, Debug)]
pub struct Board {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

impl Board {
    fn tiles(self) -> u16 {
        self.width * self.height
    }

    /// Where a march goes; may be off the board.
    fn target(self, from: u16, direction: u8) -> i32 {
        let width = i32::from(self.width);
        i32::from(from) + [-width, width, -1, 1][usize::from(direction & 3)]
    }
}

/// The bytes of the orders of all seats. Departures are not among them.
#[must_use]
pub fn encode(moves: &ScriptMoves, board: Board) -> Vec<u8> {
    let mut out = vec![VERSION];
    for seat in &moves.orders {
        put_varint(&mut out, seat.len() as u64);
    }
    let (mut tokens, mut sources, mut gaps) = (Vec::new(), Vec::new(), Vec::new());
    for seat in &moves.orders {
        let (mut turn, mut target) = (0, -1);
        for scripted in seat {
            let gap = scripted.turn.saturating_sub(turn);
            turn = scripted.turn;
            let (low, source) = match scripted.order.command() {
                Command::Step { from, direction, half } => {
                    let chained = i32::from(from) == target;
                    target = board.target(from, direction);
                    let low = direction * 2 + u8::from(half);
                    if chained { (low | CHAINED, None) } else { (low, Some(from)) }
                }
                Command::Build { tile } => (BUILD, Some(tile)),
                Command::Pass => (PASS, None),
            };
            sources.extend(source);
            let short = u8::try_from(gap).ok().filter(|&gap| gap < GAP_FOLLOWS && low < BUILD);
            tokens.push(match short {
                Some(gap) => low | gap << 4,
                None if low >= BUILD => low,
                None => low | GAP_FOLLOWS << 4,
            });
            if short.is_none() {
                put_varint(&mut gaps, u64::from(gap));
            }
        }
    }
    put_varint(&mut out, sources.len() as u64);
    out.extend(tokens);
    out.extend(sources.iter().map(|source| source.to_le_bytes()[0]));
    if board.tiles() > 256 {
        let high = |four: &[u16]| {
            four.iter().rev().fold(0, |byte, source| byte << 2 | source.to_le_bytes()[1] & 3)
        };
        out.extend(sources.chunks(4).map(high));
    }
    out.extend(gaps);
    out
}

/// The orders of `players` seats from their bytes.
///
/// # Errors
///
/// Bytes that [`encode`] does not write for this board. Memory used is at most 16 times theirs.
pub fn decode(
    bytes: &[u8],
    players: usize,
    board: Board,
) -> Result<Vec<Vec<ScriptedOrder>>, MovesError> {
    let mut rest = bytes;
    let version = take(&mut rest, 1, "version")?[0];
    if version != VERSION {
        return Err(MovesError::Version(version));
    }
    let lengths: Vec<usize> =
        (0..players).map(|_| take_length(&mut rest, "lengths")).collect::<Result<_, _>>()?;
    let n_sources = take_length(&mut rest, "lengths")?;
    let n_orders = lengths.iter().try_fold(0_usize, |sum, &n| sum.checked_add(n));
    let tokens = take(&mut rest, n_orders.unwrap_or(usize::MAX), "tokens")?;
    let lows = take(&mut rest, n_sources, "sources")?;
    let n_highs = if board.tiles() > 256 { n_sources.div_ceil(4) } else { 0 };
    let highs = take(&mut rest, n_highs, "sources")?;
    if let Some(last) = highs.last()
        && n_sources % 4 > 0
        && last >> (n_sources % 4 * 2) > 0
    {
        return Err(MovesError::Padding(*last));
    }
    let mut reader = Reader { board, tokens, lows, highs, gaps: rest, order: 0, source: 0 };
    let seats = lengths.iter().map(|&n| reader.seat(n)).collect::<Result<_, _>>()?;
    let left = reader.gaps.len() + reader.lows.len() - reader.source;
    if left > 0 {
        return Err(MovesError::Rest(left));
    }
    Ok(seats)
}

/// The parts of an encoded game and how far they have been read.
struct Reader<'a> {
    board: Board,
    tokens: &'a [u8],
    lows: &'a [u8],
    highs: &'a [u8],
    gaps: &'a [u8],
    order: usize,
    source: usize,
}

impl Reader<'_> {
    fn seat(&mut self, n: usize) -> Result<Vec<ScriptedOrder>, MovesError> {
        let (mut turn, mut target) = (0_u32, -1);
        let mut orders = Vec::with_capacity(n);
        for _ in 0..n {
            let token = self.tokens[self.order];
            let (low, high) = (token & 15, token >> 4);
            let gap = match high {
                0..GAP_FOLLOWS => u64::from(high),
                _ => take_varint(&mut self.gaps, "gaps")?,
            };
            let order = match token {
                PASS => Order::PASS,
                BUILD => Order::build(self.next_source()?),
                _ if high == NO_MARCH => {
                    return Err(MovesError::Token { token, order: self.order });
                }
                _ => {
                    let (direction, half) = (low >> 1 & 3, low & 1 != 0);
                    let from = match low & CHAINED {
                        0 => self.next_source()?,
                        _ => self.tile(target)?,
                    };
                    target = self.board.target(from, direction);
                    Order::step(from, direction, half)
                }
            };
            turn = u32::try_from(gap)
                .ok()
                .and_then(|gap| turn.checked_add(gap))
                .ok_or(MovesError::Turn { order: self.order })?;
            orders.push(ScriptedOrder { turn, order });
            self.order += 1;
        }
        Ok(orders)
    }

    fn next_source(&mut self) -> Result<u16, MovesError> {
        let i = self.source;
        let low = *self.lows.get(i).ok_or(MovesError::Truncated("sources"))?;
        self.source += 1;
        let high = self.highs.get(i / 4).map_or(0, |byte| byte >> (i % 4 * 2) & 3);
        self.tile(i32::from(high) << 8 | i32::from(low))
    }

    fn tile(&self, tile: i32) -> Result<u16, MovesError> {
        let tiles = self.board.tiles();
        let on_board = u16::try_from(tile).ok().filter(|&tile| tile < tiles);
        on_board.ok_or(MovesError::Tile { order: self.order, tile, tiles })
    }
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 128 {
        out.push(number.to_le_bytes()[0] | 128);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

fn take<'a>(rest: &mut &'a [u8], n: usize, what: &'static str) -> Result<&'a [u8], MovesError> {
    let (taken, left) = rest.split_at_checked(n).ok_or(MovesError::Truncated(what))?;
    *rest = left;
    Ok(taken)
}

fn take_varint(rest: &mut &[u8], what: &'static str) -> Result<u64, MovesError> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1, what)?[0];
        number |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Ok(number);
        }
    }
    Err(MovesError::Truncated(what))
}

fn take_length(rest: &mut &[u8], what: &'static str) -> Result<usize, MovesError> {
    usize::try_from(take_varint(rest, what)?).map_err(|_large| MovesError::Truncated(what))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn arbitrary_order(tiles: u16) -> impl Strategy<Value = Order> {
        prop_oneof![
            8 => (0..tiles, 0..4_u8, any::<bool>()).prop_map(|(t, d, h)| Order::step(t, d, h)),
            1 => (0..tiles).prop_map(Order::build),
            1 => Just(Order::PASS),
        ]
    }

    fn arbitrary_game() -> impl Strategy<Value = (Board, Vec<Vec<ScriptedOrder>>)> {
        (1..=32_u16, 1..=32_u16).prop_flat_map(|(width, height)| {
            let order = arbitrary_order(width * height);
            let gap = prop_oneof![4 => 0..4_u32, 1 => 0..100_000_u32];
            let seat = prop::collection::vec((gap, order), 0..60).prop_map(|list| {
                let mut turn = 0;
                let scripted = |(gap, order)| {
                    turn += gap;
                    ScriptedOrder { turn, order }
                };
                list.into_iter().map(scripted).collect::<Vec<_>>()
            });
            let board = Board { width, height };
            prop::collection::vec(seat, 1..=16).prop_map(move |orders| (board, orders))
        })
    }

    proptest! {
        #[test]
        fn decoding_gives_back_what_was_encoded((board, orders) in arbitrary_game()) {
            let moves = ScriptMoves { orders, departures: Vec::new() };
            let bytes = encode(&moves, board);
            prop_assert_eq!(decode(&bytes, moves.orders.len(), board).unwrap(), moves.orders);
        }

        #[test]
        fn damaged_bytes_are_an_error_or_other_moves(
            (board, orders) in arbitrary_game(), at in any::<prop::sample::Index>(), bit in 0..8,
            cut in any::<prop::sample::Index>(),
        ) {
            let moves = ScriptMoves { orders, departures: Vec::new() };
            let mut bytes = encode(&moves, board);
            let players = moves.orders.len();
            prop_assert!(decode(&bytes[..cut.index(bytes.len())], players, board).is_err());
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert_ne!(decode(&bytes, players, board).ok(), Some(moves.orders));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _result = decode(&bytes, 2, Board { width: 20, height: 20 });
        }
    }

    #[test]
    fn unused_bits_among_the_sources_are_not_ignored() {
        let orders = vec![vec![ScriptedOrder { turn: 3, order: Order::step(300, 1, false) }]];
        let moves = ScriptMoves { orders, departures: Vec::new() };
        let board = Board { width: 30, height: 30 };
        let mut bytes = encode(&moves, board);
        let last = bytes.last_mut().unwrap();
        *last |= 0x40;
        let expected = MovesError::Padding(*last);
        assert_eq!(decode(&bytes, 1, board), Err(expected));
    }

    #[test]
    fn a_march_that_goes_on_costs_one_byte() {
        let step = |turn, from| ScriptedOrder { turn, order: Order::step(from, 3, false) };
        let orders = vec![(0..10).map(|i| step(u32::from(i), 40 + i)).collect(), vec![]];
        let moves = ScriptMoves { orders, departures: Vec::new() };
        let bytes = encode(&moves, Board { width: 20, height: 20 });
        // Version, two lengths, number of sources, ten tokens, and one source in two parts.
        assert_eq!(bytes.len(), 1 + 2 + 1 + 10 + 2);
    }
}
