//! What the twins of all operations share: NaN as PTX arithmetic makes it, and sums that several threads
//! add to, as a GPU's atomics do.

use std::sync::atomic::{AtomicU32, Ordering};

/// The NaN that PTX arithmetic makes, for every NaN.
pub fn canonical(value: f32) -> f32 {
    if value.is_nan() { f32::from_bits(0x7fff_ffff) } else { value }
}

/// f32 sums that several threads add to, in the order in which they come.
pub struct Accumulators(Vec<AtomicU32>);

impl Accumulators {
    /// `len` sums of +0.
    pub fn zeroed(len: usize) -> Self {
        Self((0..len).map(|_| AtomicU32::new(0)).collect())
    }

    /// Adds `value` to the sum at `index`, in one rounding.
    pub fn add(&self, index: usize, value: f32) {
        let cell = &self.0[index];
        let mut seen = cell.load(Ordering::Relaxed);
        loop {
            let sum = canonical(f32::from_bits(seen) + value).to_bits();
            match cell.compare_exchange_weak(seen, sum, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// The sums, when all have been added.
    pub fn into_values(self) -> Vec<f32> {
        self.0.into_iter().map(|cell| f32::from_bits(cell.into_inner())).collect()
    }
}
