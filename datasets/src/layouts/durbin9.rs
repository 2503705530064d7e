//! The nine channels of `GeneralsReinforcementLearning`.
//!
//! Channels of allies' tiles are left 0.

use super::observations::{Plane, Row};

/// Channels, in their order. Armies are divided by 1000 and at most 1; all others are 0 or 1.
pub const CHANNELS: [&str; 9] = [
    "own_armies",
    "enemy_armies",
    "own_land",
    "enemy_land",
    "neutral_land",
    "cities_and_generals",
    "mountains",
    "visible",
    "fog",
];

/// Writes a row. `out` has room for nine channels.
pub(super) fn write(row: &Row<'_>, out: &mut [f32]) {
    let tiles = row.format.tiles();
    let mut channels = out.chunks_exact_mut(tiles.max(1));
    let mut next = || channels.next().unwrap_or_default();
    let (own_armies, enemy_armies, own, enemy) = (next(), next(), next(), next());
    row.write_plane(Plane::Own, own);
    row.write_plane(Plane::Enemy, enemy);
    row.write_army(own_armies);
    let armies = own_armies.iter_mut().zip(enemy_armies);
    for ((army, enemy_army), (own, enemy)) in armies.zip(own.iter().zip(&*enemy)) {
        let scaled = (*army / 1_000.0).min(1.0);
        *army = scaled * own;
        *enemy_army = scaled * enemy;
    }
    row.write_plane(Plane::Neutral, next());
    let structures = row.plane(Plane::City).iter().zip(row.plane(Plane::General));
    super::bits::write_bytes(structures.map(|(city, general)| city | general), next());
    row.write_plane(Plane::Mountain, next());
    row.write_plane(Plane::Visible, next());
    let fog = next();
    super::bits::write_bytes(row.plane(Plane::Visible).iter().map(|visible| !visible), fog);
    row.clear_padding(fog);
}
