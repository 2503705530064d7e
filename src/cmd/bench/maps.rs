//! Maps per second.
#![expect(clippy::cast_precision_loss, reason = "rates are printed with a few digits")]

use std::time::Instant;

use anyhow::Context as _;
use rayon::prelude::*;
use serde::Serialize;
use systems::mapgen::{MapKind, MapSpec, Size};

/// How fast one kind of map is made.
#[derive(Serialize)]
pub(super) struct Made {
    pub(super) kind: &'static str,
    pub(super) size: String,
    pub(super) threads: usize,
    pub(super) maps_per_second: f64,
}

/// Makes maps of every kind with this height and width, on one thread and on all.
///
/// # Errors
///
/// Boards that a kind of map cannot have.
pub(super) fn measure(seconds: f64, (height, width): (u16, u16)) -> anyhow::Result<Vec<Made>> {
    let all = rayon::current_num_threads();
    let mut made = Vec::new();
    for kind in [MapKind::Generals, MapKind::GeneralsBots, MapKind::Competition] {
        let mut spec = MapSpec::free_for_all(kind, 2);
        spec.size = Size::Fixed { width, height };
        spec.check().with_context(|| format!("--size {height}x{width}"))?;
        for threads in [1, all] {
            let maps_per_second = rate(&spec, threads, seconds);
            let size = format!("{height}x{width}");
            made.push(Made { kind: kind.name(), size, threads, maps_per_second });
        }
    }
    Ok(made)
}

fn rate(spec: &MapSpec, threads: usize, seconds: f64) -> f64 {
    const BATCH: u64 = 2_000;
    let Size::Fixed { width, height } = spec.size else { return f64::NAN };
    let tiles_of_all = BATCH * u64::from(width) * u64::from(height);
    let (start, mut seed) = (Instant::now(), 0);
    while start.elapsed().as_secs_f64() < seconds {
        let tiles = |seed| u64::from(spec.generate(seed).tiles());
        let seeds = seed..seed + BATCH;
        let total: u64 = if threads == 1 {
            seeds.map(tiles).sum()
        } else {
            seeds.into_par_iter().map(tiles).sum()
        };
        assert_eq!(total, tiles_of_all, "every map has all its tiles");
        seed += BATCH;
    }
    seed as f64 / start.elapsed().as_secs_f64()
}
