//! The inner loops on whole registers: eight words of a plane each.

use std::arch::x86_64::{
    __m256i, __m512i, _mm_unpacklo_epi64, _mm256_set_m128i, _mm256_setzero_si256, _mm512_add_epi16,
    _mm512_add_epi32, _mm512_alignr_epi32, _mm512_alignr_epi64, _mm512_and_si512,
    _mm512_andnot_si512, _mm512_cmple_epu16_mask, _mm512_cvtepi64_epi8, _mm512_cvtepu8_epi16,
    _mm512_loadu_si512, _mm512_mask_set1_epi8, _mm512_mask_storeu_epi8, _mm512_mask_storeu_epi16,
    _mm512_maskz_loadu_epi16, _mm512_or_si512, _mm512_popcnt_epi64, _mm512_set1_epi8,
    _mm512_set1_epi16, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_shldv_epi64,
    _mm512_shrdv_epi64, _mm512_slli_epi32, _mm512_srli_epi32, _mm512_store_si512,
    _mm512_storeu_si512, _pdep_u64,
};

use super::{Layers, Pick, portable::distance};
use crate::rules::{plane::Plane, shape::Shape};

/// A plane in registers; the second is unused for planes of 8 words.
#[derive(Clone, Copy)]
struct Registers([__m512i; 2]);

/// The plane, or an empty one.
#[target_feature(enable = "avx512f")]
#[inline]
fn load_any<const K: usize>(plane: Option<&Plane<K>>) -> Registers {
    match plane {
        Some(plane) => load(plane),
        None => Registers([_mm512_setzero_si512(); 2]),
    }
}

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

/// The four planes as one list of words: a prefix sum of their population counts tells which word
/// the choice falls into, without a branch.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vpopcntdq,bmi1,bmi2,popcnt")]
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "counts are at most 4096")]
pub(super) fn pick<const K: usize>(steps: &[Plane<K>; 4], bits: u64) -> Option<Pick> {
    // Sums up to and with each word, 32 to a line; the lane before the first stays 0.
    let mut sums = Lines([[0; 32]; 3]);
    let counts = counts(steps);
    let first = prefix_sums(counts[0]);
    // SAFETY: here and below, a line is 64 bytes and begins a cache line.
    unsafe { _mm512_store_si512(sums.0[1].as_mut_ptr().cast(), first) };
    let mut last = first;
    if K == 16 {
        let all = _mm512_set1_epi16(sums.0[1][31].cast_signed());
        last = _mm512_add_epi16(prefix_sums(counts[1]), all);
        // SAFETY: as above.
        unsafe { _mm512_store_si512(sums.0[2].as_mut_ptr().cast(), last) };
    }
    let sums = sums.0.as_flattened();
    let total = u32::from(sums[31 + 4 * K]);
    if total == 0 {
        return None;
    }
    let choice = crate::dice::below(bits, 2 * total);
    let (half, n) = (choice & 1 != 0, choice >> 1);
    let choice = _mm512_set1_epi16(n as i16);
    let mut word = _mm512_cmple_epu16_mask(first, choice).count_ones() as usize;
    if K == 16 {
        word += _mm512_cmple_epu16_mask(last, choice).count_ones() as usize;
    }
    let word = word % (4 * K);
    let bit = nth_bit(steps[word / K].0[word % K], n - u32::from(sums[31 + word]));
    Some(Pick { from: (word % K * 64) as u16 + bit as u16, direction: (word / K) as u8, half })
}

/// Whole cache lines: what is stored as a register and read back in parts must not straddle two.
#[repr(align(64))]
struct Lines([[u16; 32]; 3]);

/// The population counts of the words of four planes, a byte each; the second is unused for planes
/// of 8 words.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vpopcntdq")]
#[inline]
fn counts<const K: usize>(planes: &[Plane<K>; 4]) -> [__m256i; 2] {
    let bytes = |register| _mm512_cvtepi64_epi8(_mm512_popcnt_epi64(register));
    let [a, b, c, d] = planes;
    let (a, b, c, d) = (load(a).0, load(b).0, load(c).0, load(d).0);
    if K == 8 {
        let low = _mm_unpacklo_epi64(bytes(a[0]), bytes(b[0]));
        let high = _mm_unpacklo_epi64(bytes(c[0]), bytes(d[0]));
        return [_mm256_set_m128i(high, low), _mm256_setzero_si256()];
    }
    let both = |plane: [__m512i; 2]| _mm_unpacklo_epi64(bytes(plane[0]), bytes(plane[1]));
    [_mm256_set_m128i(both(b), both(a)), _mm256_set_m128i(both(d), both(c))]
}

/// Inclusive prefix sums of 32 bytes, 16 bits each: by 1 lane inside pairs, then by 2, 4, 8, 16.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn prefix_sums(counts: __m256i) -> __m512i {
    let zero = _mm512_setzero_si512();
    let counts = _mm512_cvtepu8_epi16(counts);
    let sums = _mm512_add_epi16(counts, _mm512_slli_epi32::<16>(counts));
    // Every lane pair now holds (a, a + b); the totals of pairs sit in the upper halves.
    let mut pairs = _mm512_srli_epi32::<16>(sums);
    pairs = _mm512_add_epi32(pairs, _mm512_alignr_epi32::<15>(pairs, zero));
    pairs = _mm512_add_epi32(pairs, _mm512_alignr_epi32::<14>(pairs, zero));
    pairs = _mm512_add_epi32(pairs, _mm512_alignr_epi32::<12>(pairs, zero));
    pairs = _mm512_add_epi32(pairs, _mm512_alignr_epi32::<8>(pairs, zero));
    let before_pair = _mm512_alignr_epi32::<15>(pairs, zero);
    let spread = _mm512_or_si512(before_pair, _mm512_slli_epi32::<16>(before_pair));
    _mm512_add_epi16(sums, spread)
}

/// See [`portable::write_view`](super::portable::write_view): everything stays in registers.
#[target_feature(enable = "avx512f,avx512vbmi2")]
#[inline]
pub(super) fn write_view<const K: usize, const P: usize>(
    layers: &Layers<'_, K, P>,
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
    let own = and(load(layers.own), visible);
    let allies = and(load_any(layers.allies), visible);
    let mut owned = load(&layers.lands[0]);
    for land in &layers.lands[1..] {
        owned = or(owned, load(land));
    }
    let open = and(visible, passable);
    let cities = load(layers.cities);
    let fog_cities = load(layers.fog_cities.unwrap_or(layers.cities));
    let sources = and(own, load_any(layers.movable));
    put(planes, 0, visible);
    put(planes, 1, own);
    put(planes, 2, allies);
    put(planes, 3, without(and(owned, visible), or(own, allies)));
    put(planes, 4, without(open, owned));
    put(planes, 5, and(cities, visible));
    put(planes, 6, without(visible, passable));
    put(planes, 7, and(load(layers.generals), visible));
    put(planes, 8, without(or(fog_cities, without(load(&shape.board), passable)), visible));
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

/// Masked loads and stores of 32 units each.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the two halves of the word")]
pub(super) fn write_army<const K: usize>(keep: &Plane<K>, units: &[[u16; 64]; K], out: &mut [u16]) {
    let (whole, rest) = out.as_chunks_mut::<64>();
    assert!(whole.len() < K || rest.is_empty(), "no more tiles than the planes have");
    let last = whole.len();
    for ((keep, units), out) in keep.0.iter().zip(units).zip(whole) {
        let (from, to) = (units.as_ptr().cast::<i16>(), out.as_mut_ptr());
        // SAFETY: both arrays hold 64 units, which two registers of 32 cover.
        unsafe {
            let low = _mm512_maskz_loadu_epi16(*keep as u32, from);
            let high = _mm512_maskz_loadu_epi16((keep >> 32) as u32, from.add(32));
            _mm512_storeu_si512(to.cast(), low);
            _mm512_storeu_si512(to.add(32).cast(), high);
        }
    }
    if !rest.is_empty() {
        let (keep, inside) = (keep.0[last], u64::MAX >> (64 - rest.len()));
        let (from, to) = (units[last].as_ptr().cast::<i16>(), rest.as_mut_ptr().cast::<i16>());
        // SAFETY: the masks keep to the units of `rest`, of which there are fewer than 64.
        unsafe {
            let low = _mm512_maskz_loadu_epi16(keep as u32, from);
            let high = _mm512_maskz_loadu_epi16((keep >> 32) as u32, from.add(32));
            _mm512_mask_storeu_epi16(to, inside as u32, low);
            _mm512_mask_storeu_epi16(to.wrapping_add(32), (inside >> 32) as u32, high);
        }
    }
}

/// 64 tiles at a time: the lands are disjoint, so each overwrites the lanes of its tiles.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
#[expect(clippy::cast_possible_wrap, reason = "bytes are bytes")]
pub(super) fn write_owners<const K: usize>(
    visible: &Plane<K>,
    lands: &[Plane<K>],
    viewer: usize,
    out: &mut [u8],
) {
    assert!(out.len() <= 64 * K, "no more tiles than the planes have");
    for (word, out) in out.chunks_mut(64).enumerate() {
        let seen = visible.0[word % K];
        let mut owners = _mm512_set1_epi8(-1);
        for (seat, land) in lands.iter().enumerate() {
            let owner = distance(seat, viewer, lands.len());
            owners = _mm512_mask_set1_epi8(owners, land.0[word % K] & seen, owner as i8);
        }
        // SAFETY: the mask keeps to the at most 64 bytes of `out`.
        unsafe {
            let inside = u64::MAX >> (64 - out.len());
            _mm512_mask_storeu_epi8(out.as_mut_ptr().cast(), inside, owners);
        }
    }
}

/// Deposits one bit at the `n`-th set position and finds it.
#[target_feature(enable = "bmi1,bmi2")]
#[inline]
pub(super) fn nth_bit(word: u64, n: u32) -> u32 {
    _pdep_u64(1 << n, word).trailing_zeros()
}
