//! The inner loops on whole registers: eight words of a plane each.

use std::arch::x86_64::{
    __m512i, _mm_unpacklo_epi64, _mm256_set_m128i, _mm512_add_epi16, _mm512_add_epi32,
    _mm512_alignr_epi32, _mm512_alignr_epi64, _mm512_and_si512, _mm512_andnot_si512,
    _mm512_cmple_epu16_mask, _mm512_cvtepi64_epi8, _mm512_cvtepu8_epi16, _mm512_loadu_si512,
    _mm512_maskz_loadu_epi16, _mm512_or_si512, _mm512_popcnt_epi64, _mm512_set1_epi16,
    _mm512_set1_epi64, _mm512_setzero_si512, _mm512_shldv_epi64, _mm512_shrdv_epi64,
    _mm512_slli_epi32, _mm512_srli_epi32, _mm512_storeu_si512, _pdep_u64,
};

use super::{Layers, Pick};
use crate::rules::{plane::Plane, shape::Shape};

/// A plane in registers; the second is unused for planes of 8 words.
#[derive(Clone, Copy)]
struct Registers([__m512i; 2]);

#[target_feature(enable = "avx512f")]
#[inline]
fn load<const K: usize>(plane: &Plane<K>) -> Registers {
    let mut out = [_mm512_setzero_si512(); 2];
    for (i, eight) in plane.0.as_chunks::<8>().0.iter().enumerate() {
        // SAFETY: `eight` is 64 bytes, which one unaligned load covers.
        out[i] = unsafe { _mm512_loadu_si512(eight.as_ptr().cast()) };
    }
    Registers(out)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn store<const K: usize>(registers: Registers) -> Plane<K> {
    let mut plane = Plane::EMPTY;
    for (i, eight) in plane.0.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        // SAFETY: `eight` is 64 bytes, which one unaligned store covers.
        unsafe { _mm512_storeu_si512(eight.as_mut_ptr().cast(), registers.0[i]) };
    }
    plane
}

#[target_feature(enable = "avx512f")]
#[inline]
fn and(a: Registers, b: Registers) -> Registers {
    Registers([_mm512_and_si512(a.0[0], b.0[0]), _mm512_and_si512(a.0[1], b.0[1])])
}

#[target_feature(enable = "avx512f")]
#[inline]
fn or(a: Registers, b: Registers) -> Registers {
    Registers([_mm512_or_si512(a.0[0], b.0[0]), _mm512_or_si512(a.0[1], b.0[1])])
}

/// See [`Plane::shifted_up`]: each word takes in the top bits of the word before.
#[target_feature(enable = "avx512f,avx512vbmi2")]
#[inline]
fn up<const K: usize>(a: Registers, n: __m512i) -> Registers {
    let zero = _mm512_setzero_si512();
    let first = _mm512_shldv_epi64(a.0[0], _mm512_alignr_epi64::<7>(a.0[0], zero), n);
    if K == 8 {
        return Registers([first, zero]);
    }
    Registers([first, _mm512_shldv_epi64(a.0[1], _mm512_alignr_epi64::<7>(a.0[1], a.0[0]), n)])
}

/// See [`Plane::shifted_down`]: each word takes in the low bits of the word after.
#[target_feature(enable = "avx512f,avx512vbmi2")]
#[inline]
fn down<const K: usize>(a: Registers, n: __m512i) -> Registers {
    let zero = _mm512_setzero_si512();
    if K == 8 {
        return Registers([
            _mm512_shrdv_epi64(a.0[0], _mm512_alignr_epi64::<1>(zero, a.0[0]), n),
            zero,
        ]);
    }
    let first = _mm512_shrdv_epi64(a.0[0], _mm512_alignr_epi64::<1>(a.0[1], a.0[0]), n);
    Registers([first, _mm512_shrdv_epi64(a.0[1], _mm512_alignr_epi64::<1>(zero, a.0[1]), n)])
}

#[target_feature(enable = "avx512f,avx512vbmi2")]
#[inline]
pub(super) fn dilated<const K: usize>(shape: &Shape<K>, set: &Plane<K>) -> Plane<K> {
    let (one, width) = (_mm512_set1_epi64(1), _mm512_set1_epi64(i64::from(shape.width)));
    let set = load(set);
    let right = and(up::<K>(set, one), load(&shape.inner[2]));
    let left = and(down::<K>(set, one), load(&shape.inner[3]));
    let row = or(set, or(right, left));
    let all = or(row, or(up::<K>(row, width), down::<K>(row, width)));
    store(and(all, load(&shape.board)))
}

#[target_feature(enable = "avx512f,avx512vbmi2")]
#[inline]
pub(super) fn steps<const K: usize>(
    shape: &Shape<K>,
    sources: &Plane<K>,
    open: &Plane<K>,
) -> [Plane<K>; 4] {
    let sources = load(sources);
    let legal = around::<K>(shape, load(open));
    let mut steps = [Plane::EMPTY; 4];
    for d in 0..4 {
        steps[d] = store(and(and(legal[d], load(&shape.inner[d])), sources));
    }
    steps
}

/// The four planes as one list of 32 words: a prefix sum of their population counts tells which
/// word the choice falls into, without a branch.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vpopcntdq,bmi1,bmi2,popcnt")]
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "counts are at most 2048")]
pub(super) fn pick<const K: usize>(steps: &[Plane<K>; 4], bits: u64) -> Option<Pick> {
    let bytes = |plane: &Plane<K>| _mm512_cvtepi64_epi8(_mm512_popcnt_epi64(load(plane).0[0]));
    let low = _mm_unpacklo_epi64(bytes(&steps[0]), bytes(&steps[1]));
    let high = _mm_unpacklo_epi64(bytes(&steps[2]), bytes(&steps[3]));
    let mut sums = _mm512_cvtepu8_epi16(_mm256_set_m128i(high, low));
    let zero = _mm512_setzero_si512();
    // Inclusive prefix sum over 32 lanes of 16 bits: by 1 lane inside pairs, then by 2, 4, 8, 16.
    sums = _mm512_add_epi16(sums, _mm512_slli_epi32::<16>(sums));
    // Every lane pair now holds (a, a + b); the totals of pairs sit in the upper halves.
    let mut pairs = _mm512_srli_epi32::<16>(sums);
    pairs = _mm512_add_epi32(pairs, _mm512_alignr_epi32::<15>(pairs, zero));
    pairs = _mm512_add_epi32(pairs, _mm512_alignr_epi32::<14>(pairs, zero));
    pairs = _mm512_add_epi32(pairs, _mm512_alignr_epi32::<12>(pairs, zero));
    pairs = _mm512_add_epi32(pairs, _mm512_alignr_epi32::<8>(pairs, zero));
    let before_pair = _mm512_alignr_epi32::<15>(pairs, zero);
    let spread = _mm512_or_si512(before_pair, _mm512_slli_epi32::<16>(before_pair));
    let inclusive = _mm512_add_epi16(sums, spread);
    let mut prefix = [0_u16; 33];
    // SAFETY: the 64 bytes lie inside the 66 of the array.
    unsafe { _mm512_storeu_si512(prefix.as_mut_ptr().add(1).cast(), inclusive) };
    let total = u32::from(prefix[32]);
    if total == 0 {
        return None;
    }
    let choice = crate::dice::below(bits, 2 * total);
    let (half, n) = (choice & 1 != 0, choice >> 1);
    let later = _mm512_cmple_epu16_mask(inclusive, _mm512_set1_epi16(n as i16));
    let word = later.count_ones() as usize % 32;
    let bit = nth_bit(steps[word / 8].0[word % 8 % K], n - u32::from(prefix[word]));
    Some(Pick { from: (word % 8 * 64) as u16 + bit as u16, direction: (word / 8) as u8, half })
}

/// See [`portable::write_view`](super::portable::write_view): everything stays in registers.
#[target_feature(enable = "avx512f,avx512vbmi2")]
#[inline]
pub(super) fn write_view<const K: usize>(
    layers: &Layers<'_, K>,
    words: usize,
    planes: &mut [u64],
    mask: &mut [u64],
) {
    assert!(
        planes.len() >= 8 * words + K && mask.len() >= 3 * words + K,
        "room for the last plane"
    );
    let put = |out: &mut [u64], i: usize, plane: Registers| {
        for half in 0..K / 8 {
            // SAFETY: `i` is at most 8 in `planes` and 3 in `mask`, so that `i * words + K` words
            // fit, as asserted above.
            unsafe {
                _mm512_storeu_si512(
                    out.as_mut_ptr().add(i * words + 8 * half).cast(),
                    plane.0[half],
                );
            };
        }
    };
    let shape = layers.shape;
    let (visible, passable) = (load(layers.visible), load(layers.passable));
    let (own, allies) = (and(load(layers.own), visible), and(load(layers.allies), visible));
    let (owned, open) = (load(layers.owned), and(visible, passable));
    put(planes, 0, visible);
    put(planes, 1, own);
    put(planes, 2, allies);
    put(planes, 3, without(and(owned, visible), or(own, allies)));
    put(planes, 4, without(open, owned));
    put(planes, 5, and(load(layers.cities), visible));
    put(planes, 6, without(visible, passable));
    put(planes, 7, and(load(layers.generals), visible));
    put(
        planes,
        8,
        without(or(load(layers.fog_cities), without(load(&shape.board), passable)), visible),
    );
    let sources = and(load(layers.sources), visible);
    for (d, legal) in around::<K>(shape, open).into_iter().enumerate() {
        put(mask, d, and(and(legal, load(&shape.inner[d])), sources));
    }
}

/// The plane shifted so that a step in each direction arrives in it.
#[target_feature(enable = "avx512f,avx512vbmi2")]
#[inline]
fn around<const K: usize>(shape: &Shape<K>, open: Registers) -> [Registers; 4] {
    let (one, width) = (_mm512_set1_epi64(1), _mm512_set1_epi64(i64::from(shape.width)));
    [up::<K>(open, width), down::<K>(open, width), up::<K>(open, one), down::<K>(open, one)]
}

#[target_feature(enable = "avx512f")]
#[inline]
fn without(a: Registers, b: Registers) -> Registers {
    Registers([_mm512_andnot_si512(b.0[0], a.0[0]), _mm512_andnot_si512(b.0[1], a.0[1])])
}

/// A masked load and a store for each half, instead of the shifts and tests of the loop.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the two halves of the word")]
pub(super) fn copy_masked(keep: u64, units: &[u16; 64], out: &mut [u16; 64]) {
    let (from, to) = (units.as_ptr().cast::<i16>(), out.as_mut_ptr());
    // SAFETY: both arrays hold 64 values of 16 bits, which two unaligned registers of 32 cover.
    unsafe {
        _mm512_storeu_si512(to.cast(), _mm512_maskz_loadu_epi16(keep as u32, from));
        _mm512_storeu_si512(
            to.add(32).cast(),
            _mm512_maskz_loadu_epi16((keep >> 32) as u32, from.add(32)),
        );
    }
}

/// Deposits one bit at the `n`-th set position and finds it.
#[target_feature(enable = "bmi1,bmi2")]
#[inline]
pub(super) fn nth_bit(word: u64, n: u32) -> u32 {
    _pdep_u64(1 << n, word).trailing_zeros()
}
