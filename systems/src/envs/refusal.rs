//! Actions from outside: which order each is, and why some are played as a pass.

use crate::{
    components::{Cell, Command, Game, Order},
    rows::RowFormat,
    rules::{ruleset::Rules, shape::Shape},
};

/// Why an action was played as a pass.
///
/// Each reason is something that the player knows, so telling it gives nothing away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Refusal {
    /// It was not: the rules accept the action.
    None = 0,
    /// The number is no action of this board.
    OutOfRange = 1,
    /// The player is out of the game.
    NotAlive = 2,
    /// The army belongs to somebody else, or to nobody.
    NotOwned = 3,
    /// The step leaves the board.
    OffBoard = 4,
    /// A mountain is in the way.
    Mountain = 5,
    /// There are fewer than two units to march with.
    ArmyTooSmall = 6,
    /// No city can be built there, or not yet.
    NoBuild = 7,
}

impl Refusal {
    /// All of them by number, with the name that reports use.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::None, "accepted"),
        (Self::OutOfRange, "out_of_range"),
        (Self::NotAlive, "not_alive"),
        (Self::NotOwned, "not_owned"),
        (Self::OffBoard, "off_board"),
        (Self::Mountain, "mountain"),
        (Self::ArmyTooSmall, "army_too_small"),
        (Self::NoBuild, "no_build"),
    ];
}

/// The order that an action of the padded board stands for, and why it is refused if it is; a
/// refused order is a pass. -1 is a pass, as in the rows of datasets.
pub(crate) fn read<const K: usize, const P: usize, A: Cell>(
    game: &Game<'_, K, P, A>,
    shape: &Shape<K>,
    rules: &Rules,
    seat: usize,
    action: i32,
    format: RowFormat,
) -> (Order, Refusal) {
    #[expect(clippy::cast_possible_truncation, reason = "a board has at most 1024 tiles")]
    let tiles = format.tiles() as u16;
    let pass = 8 * i32::from(tiles);
    if action == pass || action == -1 {
        return (Order::PASS, Refusal::None);
    }
    let order = match Order::from_action(action, tiles).command() {
        Command::Pass => None,
        Command::Step { from, direction, half } => {
            board_tile(from, shape, format).map(|from| Order::step(from, direction, half))
        }
        Command::Build { tile } => {
            board_tile(tile, shape, format).filter(|_| format.has_builds).map(Order::build)
        }
    };
    let Some(order) = order else { return (Order::PASS, Refusal::OutOfRange) };
    match judge(game, shape, rules, seat, order) {
        Refusal::None => (order, Refusal::None),
        refusal => (Order::PASS, refusal),
    }
}

/// The tile of the board itself at a tile of the padded board.
fn board_tile<const K: usize>(tile: u16, shape: &Shape<K>, format: RowFormat) -> Option<u16> {
    let (row, column) = (tile / format.width, tile % format.width);
    (row < shape.height && column < shape.width).then(|| row * shape.width + column)
}

fn judge<const K: usize, const P: usize, A: Cell>(
    game: &Game<'_, K, P, A>,
    shape: &Shape<K>,
    rules: &Rules,
    seat: usize,
    order: Order,
) -> Refusal {
    if !game.standing.is_alive(seat) {
        return Refusal::NotAlive;
    }
    match order.command() {
        Command::Build { tile } if !game.territory.0[seat].has(tile) => Refusal::NotOwned,
        Command::Build { tile } if !game.can_build(rules, shape, seat, tile) => Refusal::NoBuild,
        Command::Pass | Command::Build { .. } => Refusal::None,
        Command::Step { from, .. } if !game.territory.0[seat].has(from) => Refusal::NotOwned,
        Command::Step { from, direction, .. } => {
            if !shape.inner[usize::from(direction)].has(from) {
                Refusal::OffBoard
            } else if !game.terrain.passable.has(shape.step(from, direction)) {
                Refusal::Mountain
            } else if game.legal_move(shape, seat, order).is_none() {
                Refusal::ArmyTooSmall
            } else {
                Refusal::None
            }
        }
    }
}
