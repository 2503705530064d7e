//! Running a loop with the widest instructions the machine has.
//!
//! The loops over planes are plain Rust. Compiled for a portable target they use 128-bit
//! registers; inside [`Isa::run`] the same source is compiled once more for AVX-512, so that a
//! plane is one register, and the choice is made at run time. Results are equal (tested).
#![expect(unsafe_code, reason = "calling code compiled for instructions that were detected")]

/// Instructions that a loop is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// What the build target guarantees.
    Portable,
    /// AVX-512 with the byte, population count and funnel shift extensions (Zen 4, Ice Lake).
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// A loop that [`Isa::run`] compiles for each instruction set. `run` must be `#[inline(always)]`.
pub(crate) trait Work {
    /// Does the work.
    fn run(self);
}

impl Isa {
    /// The widest instructions this machine has.
    #[must_use]
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vbmi2")
            && is_x86_feature_detected!("avx512vpopcntdq")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt")
        {
            return Self::Avx512;
        }
        Self::Portable
    }

    /// Does the work with these instructions.
    #[inline(always)]
    pub(crate) fn run(self, work: impl Work) {
        match self {
            Self::Portable => work.run(),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Avx512` is made by `detect` alone, after it found every feature that
            // `run_avx512` is compiled for.
            Self::Avx512 => unsafe { run_avx512(work) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(
    enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi2,avx512vpopcntdq,bmi1,bmi2,lzcnt,popcnt"
)]
fn run_avx512(work: impl Work) {
    work.run();
}
