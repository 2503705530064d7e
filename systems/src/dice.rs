//! Randomness as a pure function of (seed, game, episode, turn, seat).
//!
//! There is no generator state: any draw of any game can be made alone, in any order and on any
//! thread, and is the same.

/// Scrambles a word so that every bit of the input moves every bit of the output.
///
/// Source of the constants: Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators" (2014), the finaliser of `SplitMix64`. It is one-to-one.
#[inline(always)]
#[must_use]
pub const fn mix(word: u64) -> u64 {
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

/// The golden ratio in 64 bits: consecutive multiples are far apart.
const PHI: u64 = 0x9e37_79b9_7f4a_7c15;

/// The key of one episode's randomness.
///
/// For one seed it differs between any two episodes whose game index is below 2^40 and whose
/// episode number is below 2^24, because [`mix`] is one-to-one; so it also serves as the
/// episode's id.
#[inline(always)]
#[must_use]
pub fn episode_key(seed: u64, game: u64, episode: u32) -> u64 {
    let name = game.rotate_left(24) ^ u64::from(episode);
    // Added, not combined by xor: a seed that equals a name must not cancel it out.
    mix(mix(seed.wrapping_add(PHI)).wrapping_add(mix(name ^ PHI)))
}

/// The draw of one seat in one turn of an episode.
#[inline(always)]
#[must_use]
pub fn draw(key: u64, turn: u32, seat: usize) -> u64 {
    mix(key ^ (u64::from(turn) << 4 | seat as u64).wrapping_mul(PHI))
}

/// A number below `n` from 32 random bits (multiply-high; the bias is below n / 2^32).
#[inline(always)]
#[must_use]
pub fn below(bits: u64, n: u32) -> u32 {
    (((bits >> 32) * u64::from(n)) >> 32) as u32
}

/// A stream of random numbers: draw `i` is [`mix`] of a key and `i`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// The stream of this seed. Seeds that differ in any way, even by one, give unrelated streams.
    #[inline]
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Mixed, so that the streams of neighbouring seeds do not overlap after a few draws.
        Self { state: mix(seed ^ 0xA076_1D64_78BD_642F) }
    }

    /// The next 64 bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(PHI);
        mix(self.state)
    }

    /// A number below `n`, each with equal chance; 0 if `n` is 0.
    ///
    /// One multiplication instead of a rejection loop: the chances differ by less than n in 2^32,
    /// and every call takes exactly one draw.
    #[inline]
    pub fn below(&mut self, n: u32) -> u32 {
        below(self.bits(), n)
    }

    /// A number from `low` to `high`, both included; `low` if `high` is lower.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the result is at most the larger of two 16-bit numbers"
    )]
    pub fn between(&mut self, low: u16, high: u16) -> u16 {
        low + self.below(u32::from(high.saturating_sub(low)) + 1) as u16
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn episodes_have_different_keys() {
        let keys: BTreeSet<u64> = (0..100)
            .flat_map(|game| (0..100).map(move |episode| episode_key(7, game, episode)))
            .collect();
        assert_eq!(keys.len(), 10_000);
    }

    #[test]
    fn draws_are_even() {
        let mut counts = [0_u32; 10];
        for turn in 0..100_000 {
            counts[below(draw(1, turn, 0), 10) as usize] += 1;
        }
        assert!(counts.iter().all(|n| (9_500..10_500).contains(n)), "{counts:?}");
    }

    #[test]
    fn streams_never_change() {
        let mut dice = Dice::new(1);
        let first = [dice.bits(), dice.bits(), dice.bits()];
        assert_eq!(
            first,
            [6_892_524_944_465_914_486, 7_757_932_417_719_639_098, 1_982_842_030_592_956_869]
        );
        assert_eq!(mix(0), 0);
        assert_eq!(mix(1), 0x5692_161D_100B_05E5);
    }

    #[test]
    fn numbers_are_in_range_and_evenly_spread() {
        let mut dice = Dice::new(7);
        let mut counts = [0_u32; 6];
        for _ in 0..60_000 {
            counts[usize::from(dice.between(3, 8)) - 3] += 1;
        }
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
        assert_eq!(
            (dice.below(0), dice.below(1), dice.between(5, 5), dice.between(5, 2)),
            (0, 0, 5, 5)
        );
        assert!((0..1000).all(|_| dice.below(u32::MAX) < u32::MAX));
        assert!((0..1000).any(|_| dice.between(0, u16::MAX) > 60_000));
    }

    #[test]
    fn neighbouring_seeds_are_unrelated() {
        let differing: u32 = (0..1000)
            .map(|seed| (Dice::new(seed).bits() ^ Dice::new(seed + 1).bits()).count_ones())
            .sum();
        assert!((31_000..33_000).contains(&differing), "{differing} of 64000 bits differ");
    }
}
