//! The inner loops in plain Rust: what the others must equal.

use super::{Layers, Pick};
use crate::{dice, rules::plane::Plane};

#[inline(always)]
pub(super) fn copy_masked(keep: u64, units: &[u16; 64], out: &mut [u16; 64]) {
    for i in 0..64 {
        out[i] = if keep >> i & 1 != 0 { units[i] } else { 0 };
    }
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
pub(super) fn write_view<const K: usize>(
    layers: &Layers<'_, K>,
    words: usize,
    planes: &mut [u64],
    mask: &mut [u64],
) {
    let Layers {
        shape,
        visible,
        own,
        allies,
        owned,
        passable,
        cities,
        generals,
        fog_cities,
        sources,
    } = *layers;
    let (own, allies) = (*own & *visible, *allies & *visible);
    let open = *visible & *passable;
    let nine = [
        *visible,
        own,
        allies,
        (*owned & *visible).without(own | allies),
        open.without(*owned),
        *cities & *visible,
        visible.without(*passable),
        *generals & *visible,
        (*fog_cities | shape.board.without(*passable)).without(*visible),
    ];
    store(&nine, words, planes);
    store(&shape.steps(&(*sources & *visible), &open), words, mask);
}

fn store<const K: usize>(planes: &[Plane<K>], words: usize, out: &mut [u64]) {
    for (i, plane) in planes.iter().enumerate() {
        out[i * words..][..K].copy_from_slice(&plane.0);
    }
}
