//! Running a loop with the widest instructions the machine has.
//!
//! The loops over planes are plain Rust. Compiled for a portable target they use 128-bit
//! registers and count bits in many steps; inside `Isa::run` the same source is compiled once more
//! for AVX2 and once for AVX-512, where a plane is one register, and the choice is made at run time.
//! Results are equal (tested).
//!
//! A few inner loops do not survive the compiler's own vectorisation (it takes planes apart into
//! words to shift them); those are written in intrinsics, each beside the plain loop
//! that it must equal.
#![expect(unsafe_code, reason = "calling code compiled for instructions that were detected")]

#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use crate::rules::{plane::Plane, shape::Shape};

/// Instructions that a loop is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// What the build target guarantees.
    Portable,
    /// AVX2 with the instructions on bits that came with it (Haswell, Zen).
    #[cfg(target_arch = "x86_64")]
    #[non_exhaustive]
    Avx2,
    /// AVX-512 with the byte, population count and funnel shift extensions (Zen 4, Ice Lake).
    #[cfg(target_arch = "x86_64")]
    #[non_exhaustive]
    Avx512,
}

/// A march chosen by `Isa::pick`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pick {
    pub(crate) from: u16,
    pub(crate) direction: u8,
    pub(crate) half: bool,
}

/// What a view is made of, as planes.
#[derive(Clone, Copy)]
pub(crate) struct Layers<'a, const K: usize, const P: usize> {
    pub(crate) shape: &'a Shape<K>,
    pub(crate) visible: &'a Plane<K>,
    pub(crate) own: &'a Plane<K>,
    /// Land of team mates, if there are teams.
    pub(crate) allies: Option<&'a Plane<K>>,
    /// Land of every seat.
    pub(crate) lands: &'a [Plane<K>; P],
    pub(crate) passable: &'a Plane<K>,
    pub(crate) cities: &'a Plane<K>,
    pub(crate) generals: &'a Plane<K>,
    /// Cities that show as a structure where they are not seen, if not all do.
    pub(crate) fog_cities: Option<&'a Plane<K>>,
    /// Tiles that can move, none if the viewer is dead.
    pub(crate) movable: Option<&'a Plane<K>>,
}

/// A loop that `Isa::run` compiles for each instruction set. `run` must be `#[inline(always)]`.
pub(crate) trait Work {
    /// Does the work. `isa` is what it is compiled for, a constant once inlined.
    fn run(self, isa: Isa);
}

impl Isa {
    /// The widest instructions this machine has.
    #[must_use]
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt")
        {
            let has_avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vbmi2")
                && is_x86_feature_detected!("avx512vpopcntdq");
            return if has_avx512 { Self::Avx512 } else { Self::Avx2 };
        }
        Self::Portable
    }

    /// How they are called in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
        }
    }

    /// Does the work with these instructions, in a function of its own.
    #[inline(always)]
    pub(crate) fn run(self, work: impl Work) {
        match self {
            Self::Portable => work.run(self),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Avx2` is made by `detect` alone, after it found every feature that `run_avx2`
            // is compiled for.
            Self::Avx2 => unsafe { run_avx2(work) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Avx512` is made by `detect` alone, after it found every feature that
            // `run_avx512` is compiled for.
            Self::Avx512 => unsafe { run_avx512(work) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(never)]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
fn run_avx2(work: impl Work) {
    work.run(Isa::Avx2);
}

#[cfg(target_arch = "x86_64")]
#[inline(never)]
#[target_feature(
    enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi2,avx512vpopcntdq,bmi1,bmi2,lzcnt,popcnt"
)]
fn run_avx512(work: impl Work) {
    work.run(Isa::Avx512);
}

/// The inner loops that differ between instruction sets. Those that are not written out for one are
/// the plain ones, compiled for it.
impl Isa {
    /// The set and the eight neighbours of each of its tiles.
    #[inline(always)]
    pub(crate) fn dilated<const K: usize>(self, shape: &Shape<K>, set: &Plane<K>) -> Plane<K> {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Avx512` is made by `detect` alone, after it found every feature needed.
            Self::Avx512 => unsafe { avx512::dilated(shape, set) },
            _ => shape.dilated(set),
        }
    }

    /// The tiles of `sources` from which a step in each direction arrives in `open`.
    #[inline(always)]
    pub(crate) fn steps<const K: usize>(
        self,
        shape: &Shape<K>,
        sources: &Plane<K>,
        open: &Plane<K>,
    ) -> [Plane<K>; 4] {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Avx512` is made by `detect` alone, after it found every feature needed.
            Self::Avx512 => unsafe { avx512::steps(shape, sources, open) },
            _ => shape.steps(sources, open),
        }
    }

    /// One of the marches of `steps`, whole or half, each equally likely; none if there is none.
    #[inline(always)]
    pub(crate) fn pick<const K: usize>(self, steps: &[Plane<K>; 4], bits: u64) -> Option<Pick> {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Avx512` is made by `detect` alone, after it found every feature needed.
            Self::Avx512 => unsafe { avx512::pick(steps, bits) },
            _ => portable::pick(steps, bits),
        }
    }

    /// Writes a view's nine planes and four planes of legal marches, `words` words each.
    ///
    /// Planes are stored whole: words of a plane beyond `words` are 0 and land where the next
    /// plane comes, or behind the last, so both slices need `K` words more than their planes.
    #[inline(always)]
    pub(crate) fn write_view<const K: usize, const P: usize>(
        self,
        layers: &Layers<'_, K, P>,
        words: usize,
        planes: &mut [u64],
        mask: &mut [u64],
    ) {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Avx512` is made by `detect` alone, after it found every feature needed.
            Self::Avx512 => unsafe { avx512::write_view(layers, words, planes, mask) },
            _ => portable::write_view(layers, words, planes, mask),
        }
    }

    /// Copies the units of as many tiles as `out` has room for, 0 where `keep` has no tile.
    #[inline(always)]
    pub(crate) fn write_army<const K: usize>(
        self,
        keep: &Plane<K>,
        units: &[[u16; 64]; K],
        out: &mut [u16],
    ) {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Avx512` is made by `detect` alone, after it found every feature needed.
            Self::Avx512 => unsafe { avx512::write_army(keep, units, out) },
            _ => portable::write_army(keep, units, out),
        }
    }

    /// Writes who owns each tile, for as many tiles as `out` has room for: the seat's distance
    /// after `viewer`, 255 where nobody does or where `visible` has no tile.
    #[inline(always)]
    pub(crate) fn write_owners<const K: usize>(
        self,
        visible: &Plane<K>,
        lands: &[Plane<K>],
        viewer: usize,
        out: &mut [u8],
    ) {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Avx512` is made by `detect` alone, after it found every feature needed.
            Self::Avx512 => unsafe { avx512::write_owners(visible, lands, viewer, out) },
            _ => portable::write_owners(visible, lands, viewer, out),
        }
    }

    /// The position of the `n`-th set bit of `word`, which has more than `n`.
    #[inline(always)]
    pub(crate) fn nth_bit(self, word: u64, n: u32) -> u32 {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Avx512` is made by `detect` alone, after it found BMI2.
            Self::Avx512 => unsafe { avx512::nth_bit(word, n) },
            // Some processors with AVX2 take hundreds of cycles to deposit bits (Zen 2).
            _ => portable::nth_bit(word, n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    fn random_plane<const K: usize>(dice: &mut Dice, board: &Plane<K>) -> Plane<K> {
        let sparse = dice.below(2) == 0;
        let mut plane = Plane::EMPTY;
        for word in &mut plane.0 {
            *word = if sparse { dice.bits() & dice.bits() & dice.bits() } else { dice.bits() };
        }
        plane & *board
    }

    fn kernels_agree<const K: usize>(sides: &[(u16, u16)]) {
        let (wide, mut dice) = (Isa::detect(), Dice::new(3));
        for &(width, height) in sides {
            let shape = Shape::<K>::new(width, height);
            for _ in 0..200 {
                let (a, b) =
                    (random_plane(&mut dice, &shape.board), random_plane(&mut dice, &shape.board));
                assert_eq!(wide.dilated(&shape, &a), Isa::Portable.dilated(&shape, &a));
                assert_eq!(wide.steps(&shape, &a, &b), Isa::Portable.steps(&shape, &a, &b));
                let c = random_plane(&mut dice, &shape.board);
                let steps = wide.steps(&shape, &a, &b);
                let bits = dice.bits();
                assert_eq!(wide.pick(&steps, bits), Isa::Portable.pick(&steps, bits));
                write_view_agrees(&shape, [&a, &b, &c], bits & 1 != 0);
            }
        }
    }

    fn write_view_agrees<const K: usize>(
        shape: &Shape<K>,
        [a, b, c]: [&Plane<K>; 3],
        allies: bool,
    ) {
        let (known, lands) = (*b & *c, [*a & *b, b.without(*a)]);
        let layers = Layers {
            shape,
            visible: a,
            own: &(*a & *b),
            allies: allies.then_some(c),
            lands: &lands,
            passable: &b.without(*c),
            cities: c,
            generals: b,
            fog_cities: allies.then_some(&known),
            movable: (!allies).then_some(c),
        };
        let words = usize::from(shape.tiles()).div_ceil(64);
        let (mut wide, mut plain) = (
            [vec![7; 9 * words + K], vec![7; 4 * words + K]],
            [vec![7; 9 * words + K], vec![7; 4 * words + K]],
        );
        let [planes, mask] = &mut wide;
        Isa::detect().write_view(&layers, words, planes, mask);
        let [planes, mask] = &mut plain;
        Isa::Portable.write_view(&layers, words, planes, mask);
        assert_eq!(wide, plain);
    }

    #[test]
    fn wide_and_plain_loops_give_the_same_planes() {
        kernels_agree::<8>(&[(1, 1), (1, 32), (32, 1), (16, 32), (20, 20), (22, 23), (7, 5)]);
        kernels_agree::<16>(&[(32, 32), (24, 24), (25, 30), (31, 26), (9, 9)]);
    }

    fn rows_agree<const K: usize>(tiles: usize) {
        let mut dice = Dice::new(5);
        let full = Plane([u64::MAX; K]);
        for _ in 0..100 {
            let keep = random_plane(&mut dice, &full);
            let lands = [(); 5].map(|()| random_plane(&mut dice, &full));
            let mut units = [[0; 64]; K];
            for unit in units.as_flattened_mut() {
                *unit = u16::try_from(dice.below(65_536)).unwrap();
            }
            let (mut wide, mut plain) = (vec![1; tiles], vec![2; tiles]);
            Isa::detect().write_army(&keep, &units, &mut wide);
            Isa::Portable.write_army(&keep, &units, &mut plain);
            assert_eq!(wide, plain);
            let (mut wide, mut plain) = (vec![1; tiles], vec![2; tiles]);
            Isa::detect().write_owners(&keep, &lands, 3, &mut wide);
            Isa::Portable.write_owners(&keep, &lands, 3, &mut plain);
            assert_eq!(wide, plain);
        }
    }

    #[test]
    fn wide_and_plain_loops_write_the_same_rows() {
        [0, 1, 31, 32, 63, 64, 400, 500, 512].into_iter().for_each(rows_agree::<8>);
        [1, 513, 784, 961, 1023, 1024].into_iter().for_each(rows_agree::<16>);
    }

    #[test]
    fn wide_and_plain_loops_find_the_same_bit() {
        let mut dice = Dice::new(5);
        for _ in 0..1000 {
            let word = dice.bits() & dice.bits();
            for n in 0..word.count_ones() {
                assert_eq!(Isa::detect().nth_bit(word, n), Isa::Portable.nth_bit(word, n));
            }
        }
    }
}
