//! Copies to memory that nobody reads soon, past the caches.
//!
//! An ordinary store first fetches the line that it changes part of. Where whole lines of a large
//! buffer are written, that is as much traffic as the stores themselves; a non-temporal store does
//! without (Intel 64 and IA-32 Architectures Optimization Reference Manual, section 9.4).
#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "the store takes a raw pointer"))]

/// Copies numbers to memory. The two slices have the same length; of slices that differ, what is
/// longer keeps its rest.
///
/// Worth it where `to` is part of a buffer that no cache holds, and a few KiB at least; ordinary
/// stores are better where it is read again at once.
#[inline]
pub fn copy(from: &[f32], to: &mut [f32]) {
    let len = from.len().min(to.len());
    let (from, to) = (&from[..len], &mut to[..len]);
    #[cfg(target_arch = "x86_64")]
    copy_past_caches(from, to);
    #[cfg(not(target_arch = "x86_64"))]
    to.copy_from_slice(from);
}

/// Copies between slices of the same length. SSE is part of every x86-64.
#[cfg(target_arch = "x86_64")]
fn copy_past_caches(from: &[f32], to: &mut [f32]) {
    use std::arch::x86_64::{_mm_loadu_ps, _mm_sfence, _mm_stream_ps};
    // `align_offset` may decline, and then all is copied by ordinary stores.
    let head = to.as_ptr().align_offset(16).min(to.len());
    let (from_head, from) = from.split_at(head);
    let (to_head, to) = to.split_at_mut(head);
    to_head.copy_from_slice(from_head);
    let (from_fours, from_tail) = from.as_chunks::<4>();
    let (to_fours, to_tail) = to.as_chunks_mut::<4>();
    for (from, to) in from_fours.iter().zip(to_fours) {
        // SAFETY: both point to four numbers, and `to` is at a multiple of 16 bytes: the first one
        // is by `head`, and each of the others begins 16 bytes after the one before it.
        unsafe { _mm_stream_ps(to.as_mut_ptr(), _mm_loadu_ps(from.as_ptr())) };
    }
    to_tail.copy_from_slice(from_tail);
    // Non-temporal stores are not ordered with others. After this, whoever learns that the copy is
    // done (by a lock or an atomic) sees it.
    //
    // SAFETY: SSE is part of every x86-64.
    unsafe { _mm_sfence() };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_past_the_caches_is_a_copy_at_every_length_and_place() {
        let from: Vec<f32> = (0_u8..150).map(f32::from).collect();
        for len in 0..80 {
            for (first, place) in (0..9).flat_map(|a| (0..9).map(move |b| (a, b))) {
                let (mut to, mut wanted) = (vec![-1.0; 120], vec![-1.0; 120]);
                copy(&from[first..first + len], &mut to[place..place + len]);
                wanted[place..place + len].copy_from_slice(&from[first..first + len]);
                assert_eq!(to, wanted, "{len} numbers from {first} to {place}");
            }
        }
    }

    #[test]
    fn of_slices_that_differ_in_length_the_longer_one_keeps_its_rest() {
        let mut to = [9.0; 8];
        copy(&[1.0; 5], &mut to);
        assert_eq!(to.to_vec(), vec![1.0, 1.0, 1.0, 1.0, 1.0, 9.0, 9.0, 9.0]);
        copy(&[2.0; 8], &mut to[..3]);
        assert_eq!(to.to_vec(), vec![2.0, 2.0, 2.0, 1.0, 1.0, 9.0, 9.0, 9.0]);
    }
}
