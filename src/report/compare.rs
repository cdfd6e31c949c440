//! Rows of several devices side by side: who gave the same bits, and what sameness costs where. Pure
//! functions from rows to text, as all reports; one pass over the rows, so that many may be given.
//!
//! [`model`] says what there is to say, [`terminal`], [`markdown`] and [`csv`] lay it out.

pub mod csv;
pub mod markdown;
pub mod model;
pub mod terminal;

pub mod cell;
mod claims;
pub mod collect;
pub mod devices;
mod legend;
mod sentences;

#[cfg(test)]
mod tests;
