//! Bit planes made numbers, eight tiles at a time.
//!
//! A byte of a plane picks eight finished numbers from a table of 8 KiB, which stays in the
//! first-level cache. That is as fast as memory takes them, without any wide instructions.

/// 0 or 1 for each bit of a byte, low bits first.
const NUMBERS: [[f32; 8]; 256] = numbers();

/// All bits or none for each bit of a byte, low bits first.
const MASKS: [[u16; 8]; 256] = masks();

const fn numbers() -> [[f32; 8]; 256] {
    let mut table = [[0.0; 8]; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut bit = 0;
        while bit < 8 {
            table[byte][bit] = if byte >> bit & 1 != 0 { 1.0 } else { 0.0 };
            bit += 1;
        }
        byte += 1;
    }
    table
}

const fn masks() -> [[u16; 8]; 256] {
    let mut table = [[0; 8]; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut bit = 0;
        while bit < 8 {
            table[byte][bit] = if byte >> bit & 1 != 0 { u16::MAX } else { 0 };
            bit += 1;
        }
        byte += 1;
    }
    table
}

/// Writes 1 where a bit of the plane is set and 0 elsewhere. The plane has a bit for each number.
#[inline]
pub(super) fn write_plane(plane: &[u8], out: &mut [f32]) {
    write_bytes(plane.iter().copied(), out);
}

/// The same for a plane whose bytes are worked out as they are needed.
#[inline]
pub(super) fn write_bytes(mut plane: impl Iterator<Item = u8>, out: &mut [f32]) {
    // A whole chunk is one or two wide moves; only the last one may be shorter.
    let (chunks, rest) = out.as_chunks_mut::<8>();
    for out in chunks {
        let Some(byte) = plane.next() else { return };
        *out = NUMBERS[usize::from(byte)];
    }
    if let (false, Some(byte)) = (rest.is_empty(), plane.next()) {
        rest.copy_from_slice(&NUMBERS[usize::from(byte)][..rest.len()]);
    }
}

/// Calls `change` with eight tiles' values and the plane's bits as masks of 16 bits. The values are
/// whole chunks of eight.
#[inline]
pub(super) fn for_each_mask(
    plane: &[u8],
    values: &mut [u16],
    mut change: impl FnMut(usize, &mut [u16; 8], &[u16; 8]),
) {
    let (chunks, _) = values.as_chunks_mut::<8>();
    for (chunk, (values, byte)) in chunks.iter_mut().zip(plane).enumerate() {
        change(chunk, values, &MASKS[usize::from(*byte)]);
    }
}
