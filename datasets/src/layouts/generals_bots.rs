//! The nine channels of the simulator `generals-bots`.
//!
//! Channels of allies' tiles are left 0, but for their armies.

use super::{
    bits::write_bytes,
    observations::{Plane, Row},
};

/// Channels, in their order. Armies are as they are; all others are 0 or 1.
pub const CHANNELS: [&str; 9] = [
    "armies",
    "generals",
    "castles",
    "mountains",
    "neutral",
    "owned",
    "opponent",
    "fog",
    "structures_in_fog",
];

/// Writes a row. `out` has room for nine channels.
pub(super) fn write(row: &Row<'_>, out: &mut [f32]) {
    let mut channels = out.chunks_exact_mut(row.format.tiles().max(1));
    let mut next = || channels.next().unwrap_or_default();
    row.write_army(next());
    for plane in
        [Plane::General, Plane::City, Plane::Mountain, Plane::Neutral, Plane::Own, Plane::Enemy]
    {
        row.write_plane(plane, next());
    }
    let fog = next();
    let seen = row.plane(Plane::Visible).iter().zip(row.plane(Plane::FogStructure));
    write_bytes(seen.map(|(visible, structure)| !(visible | structure)), fog);
    row.clear_padding(fog);
    row.write_plane(Plane::FogStructure, next());
}
