//! What to deploy, from rows: of each problem the cheapest algorithm of this program that meets what is required,
//! with the rows that it rests on; and what each setting of somebody else's framework does to bits and time. Pure
//! functions from rows to text, as all reports.
//!
//! [`model`] decides, [`effect`] pairs settings, [`terminal`] lays out.

pub mod effect;
pub mod model;
pub mod terminal;
pub mod words;

mod commands;
mod cost;
mod reasons;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
