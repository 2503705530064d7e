//! The machine's memory bandwidth, so that the engine's figures can be judged.
#![expect(clippy::cast_precision_loss, reason = "rates are printed with a few digits")]

use std::time::Instant;

use serde::Serialize;

/// Bytes copied per second; a copy reads and writes each byte once.
#[derive(Serialize)]
pub(super) struct Bandwidth {
    pub(super) cache_bytes_per_second: f64,
    pub(super) memory_bytes_per_second: f64,
    pub(super) threads: usize,
}

/// Copies within the second-level cache and beyond the last one, on all threads at once.
pub(super) fn measure() -> Bandwidth {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Bandwidth {
        cache_bytes_per_second: copies(threads, 256 << 10),
        memory_bytes_per_second: copies(threads, 128 << 20),
        threads,
    }
}

fn copies(threads: usize, bytes: usize) -> f64 {
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(move || copy(bytes))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or(0.0)).sum()
    })
}

fn copy(bytes: usize) -> f64 {
    let (from, mut to) = (vec![1_u8; bytes], vec![0_u8; bytes]);
    let (start, mut copied) = (Instant::now(), 0);
    while start.elapsed().as_secs_f64() < 0.2 {
        to.copy_from_slice(std::hint::black_box(&from));
        std::hint::black_box(&mut to);
        copied += bytes;
    }
    copied as f64 / start.elapsed().as_secs_f64()
}
