//! A small, real training run, and checkpoints of it: what `samebits causes` reloads under one cause after the other.
//!
//! A device computes all of a step. Products, sums and batch-norm are the suite's own operations; the rest is elementwise, one
//! rounded operation after the other and without a maths library, so that a step's bits follow from its inputs' alone wherever
//! the chosen algorithms claim it. The host loads images, and counts: the schedule and Adam's corrections.
//!
//! ```text
//! digits ── batch of the order, augmented ── network (math, elementwise) ── gradients ── optimizer ── state ── checkpoint
//! ```

pub mod checkpoint;
pub mod digits;
pub mod elementwise;
pub mod math;
pub mod network;
pub mod optimizer;
pub mod philox;
pub mod state;
pub mod trainer;

#[cfg(test)]
mod tests;
