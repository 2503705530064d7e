//! Fuzzes the reader of `.gior` files, and the games it gives.
#![no_main]

mod claims;

use datasets::gior::lz;
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|bytes: &[u8]| claims::gior(bytes));

// Most mutations of packed bytes break the packing and nothing behind it is reached; so three of
// four change the text.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let room = max_size.min(data.len());
    let text = lz::decompress(&data[..size]).ok().filter(|_| seed % 4 > 0);
    let Some(text) = text else { return fuzzer_mutate(data, size, room) };
    let mut text = text.into_bytes();
    let length = text.len();
    text.resize(length + 64, b' ');
    let limit = text.len();
    let length = fuzzer_mutate(&mut text, length, limit);
    let packed = lz::compress(&String::from_utf8_lossy(&text[..length]));
    if packed.len() > room {
        return fuzzer_mutate(data, size, room);
    }
    data[..packed.len()].copy_from_slice(&packed);
    packed.len()
});
