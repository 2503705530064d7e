//! The inner loops in plain Rust: what the others must equal.

use super::{Layers, Pick};
use crate::{dice, rules::plane::Plane};

#[inline(always)]
pub(super) fn write_army<const K: usize>(keep: &Plane<K>, units: &[[u16; 64]; K], out: &mut [u16]) {
    let units = units.as_flattened();
    for (group, (out, units)) in out.chunks_mut(16).zip(units.chunks(16)).enumerate() {
        // Sixteen tiles at a time, each against a bit of its own: a compiler makes vectors of that.
        #[expect(clippy::cast_possible_truncation, reason = "the 16 bits of the group")]
        let keep = (keep.0[group / 4] >> (group % 4 * 16)) as u16;
        for (i, (out, &units)) in out.iter_mut().zip(units).enumerate() {
            *out = if keep & (1 << i) == 0 { 0 } else { units };
        }
    }
}

#[inline(always)]
pub(super) fn write_owners<const K: usize>(
    visible: &Plane<K>,
    lands: &[Plane<K>],
    viewer: usize,
    out: &mut [u8],
) {
    out.fill(255);
    for (seat, land) in lands.iter().enumerate() {
        let owner = distance(seat, viewer, lands.len());
        for tile in (*land & *visible).tiles() {
            if let Some(out) = out.get_mut(usize::from(tile)) {
                *out = owner;
            }
        }
    }
}

/// Seats from `viewer` on to `seat`, around the table.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a seat is below 16")]
pub(super) fn distance(seat: usize, viewer: usize, seats: usize) -> u8 {
    (if seat < viewer { seat + seats - viewer } else { seat - viewer }) as u8
}

/// Six halvings: each looks whether the bit lies in the low half of the window. No branch depends
/// on random data, which is what a loop clearing one bit at a time would suffer from.
#[inline(always)]
pub(super) fn nth_bit(word: u64, mut n: u32) -> u32 {
    let mut at = 0;
    for width in [32, 16, 8, 4, 2, 1] {
        let low = (word >> at & ((1 << width) - 1)).count_ones();
        let skip = n >= low;
        n -= if skip { low } else { 0 };
        at += if skip { width } else { 0 };
    }
    at
}

#[inline(always)]
pub(super) fn pick<const K: usize>(steps: &[Plane<K>; 4], bits: u64) -> Option<Pick> {
    let counts = [steps[0].count(), steps[1].count(), steps[2].count(), steps[3].count()];
    let total = counts[0] + counts[1] + counts[2] + counts[3];
    if total == 0 {
        return None;
    }
    let choice = dice::below(bits, 2 * total);
    let (half, mut n) = (choice & 1 != 0, choice >> 1);
    // Which of the four directions: by arithmetic, because branches on random data mispredict.
    let mut direction = 0;
    for d in 0..3_u32 {
        let beyond = u32::from(direction == d && n >= counts[d as usize]);
        n -= counts[d as usize] * beyond;
        direction += beyond;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a direction is below 4")]
    Some(Pick { from: steps[direction as usize].nth(n), direction: direction as u8, half })
}

#[inline(always)]
pub(super) fn write_view<const K: usize, const P: usize>(
    layers: &Layers<'_, K, P>,
    words: usize,
    planes: &mut [u64],
    mask: &mut [u64],
) {
    let Layers { shape, visible, own, lands, passable, cities, generals, .. } = *layers;
    let empty = Plane::EMPTY;
    let (own, allies) = (*own & *visible, *layers.allies.unwrap_or(&empty) & *visible);
    let fog_cities = *layers.fog_cities.unwrap_or(cities);
    let movable = *layers.movable.unwrap_or(&empty);
    let owned = lands.iter().fold(empty, |all, land| all | *land);
    let open = *visible & *passable;
    let nine = [
        *visible,
        own,
        allies,
        (owned & *visible).without(own | allies),
        open.without(owned),
        *cities & *visible,
        visible.without(*passable),
        *generals & *visible,
        (fog_cities | shape.board.without(*passable)).without(*visible),
    ];
    store(&nine, words, planes);
    store(&shape.steps(&(own & movable), &open), words, mask);
}

fn store<const K: usize>(planes: &[Plane<K>], words: usize, out: &mut [u64]) {
    for (i, plane) in planes.iter().enumerate() {
        out[i * words..][..K].copy_from_slice(&plane.0);
    }
}
