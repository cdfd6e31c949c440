//! Asks for memory before it is needed: work on bytes alone does not keep the memory busy (a quarter of the time of a large
//! digest, and a twentieth of a comparison of files; `cargo bench --features self-bench --bench self_speed`).

/// Bytes of a cache line.
const LINE: usize = 64;

/// Asks for as many bytes as `piece` has, `ahead` bytes behind its begin. They need not be there.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn prefetch<T>(piece: &[T], ahead: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    for line in (0..size_of_val(piece)).step_by(LINE) {
        let address = piece.as_ptr().cast::<i8>().wrapping_add(ahead + line);
        // SAFETY: a prefetch reads nothing and may name any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
    }
}

/// Leaves it to the processor.
#[cfg(not(target_arch = "x86_64"))]
pub fn prefetch<T>(_: &[T], _: usize) {}
