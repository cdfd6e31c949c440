//! Rows of several devices side by side: who gave the same bits, and what sameness costs where. Pure
//! functions from rows to text, as all reports; one pass over the rows, so that many may be given.
//!
//! [`choice`] is what a reader asks for, [`model`] says what there is to say, and [`terminal`], [`markdown`], [`csv`]
//! and [`json`] lay it out.

pub mod choice;
pub mod csv;
pub mod json;
pub mod markdown;
pub mod model;
pub mod terminal;

pub mod agreement;
mod baseline;
pub mod cell;
mod claims;
pub mod collect;
pub mod devices;
mod legend;
pub mod price;
pub mod rank;
mod select;
mod sentences;
mod view;
mod warnings;

#[cfg(test)]
mod tests;
