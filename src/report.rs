//! Reports: pure functions from rows to text. They know rows, and nothing of how these were measured.
//!
//! [`model`] says what there is to say: a headline per operation, a block with one line per algorithm,
//! findings, the price. [`terminal`] and [`markdown`] only lay that out. No operation, algorithm or
//! result is written into this code: words and numbers come from the rows and the table of operations.

pub mod advise;
pub mod causes;
pub mod check;
pub mod compare;
pub mod diff;
pub mod explore;
pub mod golden;
pub mod html;
pub mod markdown;
pub mod model;
pub mod terminal;

mod block;
mod certified;
mod code;
mod diff_capture;
mod evidence;
mod findings;
mod gap;
mod group;
mod headline;
mod ladder;
mod layout;
mod legend;
mod page;
mod skipped;
mod uncovered;
pub(crate) mod words;
pub(crate) mod wrap;

#[cfg(test)]
pub(crate) mod tests;
