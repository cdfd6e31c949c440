//! The simulated GPU: executes PTX on the CPU, exactly or not at all, under a schedule that a seed
//! replays. It knows PTX and nothing of the suite.
//!
//! ```text
//! text ── ptx (syntax tree) ── lower ── program ── execute (warps, memory, schedule) ── memory, counts
//! ```

pub mod analysis;
pub mod compute;
pub mod execute;
pub mod fault;
mod lanes;
mod lower;
pub mod matrix;
pub mod memory;
mod module;
mod program;
pub mod ptx;
mod schedule;
mod segment;
mod usage;

pub use execute::{Argument, Executed, Launch, Options};
pub use fault::{Fault, FaultKind, Result};
pub use memory::Memory;
pub use module::{Loaded, Module};
pub use program::Parameter;
pub use schedule::{MOST_RESIDENT, Schedule};
pub use usage::Usage;
