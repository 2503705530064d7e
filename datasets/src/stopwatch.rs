//! How long the stages of a run take, over all threads.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

/// A stage of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Playing games, or reading replays.
    Produce,
    /// Playing them again for their rows.
    Expand,
    /// Encoding columns.
    Encode,
    /// Writing files.
    Write,
}

impl Stage {
    /// The stages and their names.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Produce, "produce"),
        (Self::Expand, "expand"),
        (Self::Encode, "encode"),
        (Self::Write, "write"),
    ];
}

/// Time spent in each stage.
#[derive(Debug, Default)]
pub struct Stopwatch([AtomicU64; 4]);

impl Stopwatch {
    /// Seconds of all threads together.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53 nanoseconds")]
    pub fn seconds(&self, stage: Stage) -> f64 {
        self.0[stage as usize].load(Ordering::Relaxed) as f64 / 1e9
    }

    /// Runs `work` and counts its time.
    pub(crate) fn during<R>(&self, stage: Stage, work: impl FnOnce() -> R) -> R {
        let mut lap = self.start();
        let result = work();
        lap.stop(stage);
        result
    }

    /// Starts to count.
    pub(crate) fn start(&self) -> Lap<'_> {
        Lap { stopwatch: self, since: Instant::now() }
    }
}

/// Time that has not been counted yet.
pub(crate) struct Lap<'a> {
    stopwatch: &'a Stopwatch,
    since: Instant,
}

impl Lap<'_> {
    /// Counts the time since the start or the last stop.
    pub(crate) fn stop(&mut self, stage: Stage) {
        let now = Instant::now();
        let nanos = u64::try_from((now - self.since).as_nanos()).unwrap_or(u64::MAX);
        self.stopwatch.0[stage as usize].fetch_add(nanos, Ordering::Relaxed);
        self.since = now;
    }
}
