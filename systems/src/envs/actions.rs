//! Actions from outside: which order each is, and why some are played as a pass.

use crate::{
    components::{Cell, Command, Game, Order},
    rows::RowFormat,
    rules::{
        refusal::{Refusal, judge},
        ruleset::Rules,
        shape::Shape,
        view::View,
    },
};

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
    match judge(&View::of(game, shape, seat), rules, order) {
        Refusal::None => (order, Refusal::None),
        refusal => (Order::PASS, refusal),
    }
}

/// The tile of the board itself at a tile of the padded board.
fn board_tile<const K: usize>(tile: u16, shape: &Shape<K>, format: RowFormat) -> Option<u16> {
    let (row, column) = (tile / format.width, tile % format.width);
    (row < shape.height && column < shape.width).then(|| row * shape.width + column)
}
