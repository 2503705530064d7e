//! Maps per second.
#![expect(clippy::cast_precision_loss, reason = "rates are printed with a few digits")]

use std::time::Instant;

use rayon::prelude::*;
use serde::Serialize;
use systems::mapgen::{MapKind, MapSpec, Size};

/// How fast one kind of map is made.
#[derive(Serialize)]
pub(super) struct Made {
    pub(super) kind: &'static str,
    pub(super) size: &'static str,
    pub(super) threads: usize,
    pub(super) maps_per_second: f64,
}

/// Makes maps of every kind, on one thread and on all.
pub(super) fn measure(seconds: f64) -> Vec<Made> {
    let all = rayon::current_num_threads();
    let mut made = Vec::new();
    for kind in [MapKind::Generals, MapKind::GeneralsBots, MapKind::Competition] {
        let mut spec = MapSpec::free_for_all(kind, 2);
        spec.size = Size::Fixed { width: 20, height: 20 };
        for threads in [1, all] {
            let maps_per_second = rate(&spec, threads, seconds);
            made.push(Made { kind: kind.name(), size: "20x20", threads, maps_per_second });
        }
    }
    made
}

fn rate(spec: &MapSpec, threads: usize, seconds: f64) -> f64 {
    const BATCH: u64 = 2_000;
    let (start, mut seed) = (Instant::now(), 0);
    while start.elapsed().as_secs_f64() < seconds {
        let tiles = |seed| u64::from(spec.generate(seed).tiles());
        let seeds = seed..seed + BATCH;
        let total: u64 = if threads == 1 {
            seeds.map(tiles).sum()
        } else {
            seeds.into_par_iter().map(tiles).sum()
        };
        assert_eq!(total, BATCH * 400, "every map has 400 tiles");
        seed += BATCH;
    }
    seed as f64 / start.elapsed().as_secs_f64()
}
