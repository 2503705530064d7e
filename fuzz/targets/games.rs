//! Fuzzes the reader of games datasets, and the games it gives.
#![no_main]

mod claims;

use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        // The Parquet library panics on some damaged files, which the reader makes errors of, and
        // only a panic that leaves the reader is a finding. The engine's own hook ends the
        // process at any.
        drop(std::panic::take_hook());
        std::panic::set_hook(Box::new(|_| ()));
    },
    |bytes: &[u8]| claims::games(bytes)
);
