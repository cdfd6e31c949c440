//! A comparison as one page to look at: a file that opens offline, loads nothing, and is whole without its script.
//! Pure functions from rows to HTML, as all reports.
//!
//! [`sections`] lists what stands on the page, in its order. A section is a function from [`Input`] to a
//! [`section::Section`]: pictures that [`svg`] draws, a sentence of how to read them, and the numbers as a
//! [`table::Table`]. [`maud`] escapes every text; [`text`] keeps names from mixing with what stands beside them.

pub mod beside;
pub mod section;
pub mod sections;
pub mod table;
pub mod text;

pub mod scale;
pub mod svg;

mod agreement;
mod causes;
mod distances;
mod drift;
mod finding;
mod ladder;
mod method;
mod page;
mod plot;
mod price;
mod settings;
mod tally;
mod throughput;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::measurement::Measurement;
use crate::report::compare::model::Comparison;
use crate::report::html::beside::Beside;

/// What the page is made of.
pub struct Input<'a> {
    /// The rows that are compared.
    pub rows: &'a [Measurement],
    /// What there is to say about them.
    pub comparison: &'a Comparison<'a>,
    /// What was given beside them.
    pub beside: &'a Beside,
}

impl<'a> Input<'a> {
    /// The column of the device that a row was measured on, by its name, kind and environment.
    fn columns(&self) -> HashMap<[&'a str; 3], usize> {
        let devices = self.comparison.devices.iter().enumerate();
        devices.map(|(column, device)| ([device.name, device.kind, device.environment], column)).collect()
    }

    /// The name of a column.
    fn device(&self, column: usize) -> &'a str {
        self.comparison.devices.get(column).map_or("", |device| device.label.as_str())
    }
}

/// The page.
pub fn render(input: &Input) -> String {
    page::page(input).into_string() + "\n"
}
