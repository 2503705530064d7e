//! The colours of the players, for everything that draws boards in a terminal.

/// Background of each player's tiles, of the 256 colours that terminals have in common, and whether
/// dark text reads well on it.
pub const PLAYERS: [(u8, bool); 16] = [
    (160, false),
    (27, false),
    (28, false),
    (91, false),
    (208, true),
    (37, true),
    (220, true),
    (200, false),
    (94, false),
    (117, true),
    (154, true),
    (88, false),
    (18, false),
    (217, true),
    (58, false),
    (147, true),
];

/// Background and text of mountains.
pub const MOUNTAIN: (u8, u8) = (236, 245);

/// Background and text of fog.
pub const FOG: (u8, u8) = (233, 242);

/// Background and text of a city that nobody owns.
pub const CITY: (u8, u8) = (246, 16);

/// Background and text of land that nobody owns.
pub const LAND: (u8, u8) = (250, 16);

/// Background and text of a player's tiles.
#[must_use]
pub fn player(seat: u8) -> (u8, u8) {
    let (background, is_dark) = PLAYERS[usize::from(seat) % PLAYERS.len()];
    (background, if is_dark { 16 } else { 231 })
}
