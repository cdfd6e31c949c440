//! The simulated GPU: executes PTX on the CPU, exactly or not at all, under a schedule that a seed
//! replays. It knows PTX and nothing of the suite.
//!
//! ```text
//! text ── ptx (syntax tree) ── lower ── program ── execute (warps, memory, schedule) ── memory, counts
//! ```

pub mod fault;
pub mod ptx;

pub use fault::{Fault, FaultKind, Result};
