//! Fuzzes what `bivouac verify`, `inspect` and `export minari` read of experiences.
#![no_main]

mod claims;

use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        // As in the target of games files.
        drop(std::panic::take_hook());
        std::panic::set_hook(Box::new(|_| ()));
    },
    |bytes: &[u8]| claims::experiences(bytes)
);
