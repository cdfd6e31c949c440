//! Reasons for a changed loss after reloading, side by side: a small network is trained and saved, and goes on from the file
//! under one cause after the other.
//!
//! `table` registers the causes; `measure` tries them all with one seed; `summary` sums seeds up, with intervals.

pub mod damage;
pub mod measure;
pub mod resume;
pub mod summary;
pub mod table;
pub mod told;

#[cfg(test)]
mod tests;
