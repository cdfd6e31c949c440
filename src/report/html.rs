//! A comparison as one page to look at: a file that opens offline, loads nothing, and is whole without its script.
//! Pure functions from rows to HTML, as all reports.
//!
//! [`sections`] lists what stands on the page, in its order. A section is a function from [`Input`] to a
//! [`section::Section`]: pictures that [`svg`] draws, a sentence of how to read them, and the numbers as a
//! [`table::Table`]. [`maud`] escapes every text; [`text`] keeps names from mixing with what stands beside them.

pub mod section;
pub mod sections;
pub mod table;
pub mod text;

pub mod scale;
pub mod svg;

mod agreement;
mod finding;
mod ladder;
mod method;
mod page;
mod price;
mod tally;

#[cfg(test)]
mod tests;

use crate::measurement::Measurement;
use crate::report::compare::model::Comparison;

/// What the page is made of.
pub struct Input<'a> {
    /// The rows that are compared.
    pub rows: &'a [Measurement],
    /// What there is to say about them.
    pub comparison: &'a Comparison<'a>,
}

/// The page.
pub fn render(input: &Input) -> String {
    page::page(input).into_string() + "\n"
}
