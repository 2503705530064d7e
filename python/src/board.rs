//! Boards to be drawn: whole, or as a seat sees them.

use systems::{
    delta::{Face, SeenBoard},
    world::Position,
};

/// Height, width, tick, and face, owner and army of each tile.
///
/// Faces: 0 fog, 1 plain, 2 mountain, 3 city, 4 general, 5 structure in fog; owner -1 is nobody.
pub(crate) type Board = (u16, u16, u32, Vec<u16>, Vec<i16>, Vec<i32>);

/// What a seat sees of a position.
pub(crate) fn seen(position: &Position, board: &SeenBoard) -> Board {
    let tiles = &board.tiles;
    let owner = |owner: u8| if owner == 255 { -1 } else { i16::from(owner) };
    (
        position.height,
        position.width,
        board.turn,
        tiles.iter().map(|tile| tile.face as u16).collect(),
        tiles.iter().map(|tile| owner(tile.owner)).collect(),
        tiles.iter().map(|tile| tile.army).collect(),
    )
}

/// All of a position.
pub(crate) fn whole(position: &Position) -> Board {
    let face = |tile: u16| match position.owners[usize::from(tile)] {
        -2 => Face::Mountain,
        _ if position.generals.contains(&Some(tile)) => Face::General,
        _ if position.cities.binary_search(&tile).is_ok() => Face::City,
        _ => Face::Plain,
    };
    (
        position.height,
        position.width,
        position.turn,
        (0..position.height * position.width).map(|tile| face(tile) as u16).collect(),
        position.owners.iter().map(|&owner| i16::from(owner.max(-1))).collect(),
        position.armies.clone(),
    )
}
