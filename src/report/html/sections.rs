//! What stands on the page, from top to bottom: the one place where a section is entered.

use crate::report::html::section::Section;
use crate::report::html::{
    Input, agreement, causes, distances, drift, finding, ladder, method, price, settings, throughput,
};

/// A section of the page; `None` where the rows have nothing for it.
pub type Make = fn(&Input) -> Option<Section>;

/// All sections, in the order of the page.
pub const SECTIONS: [Make; 10] = [
    finding::section,
    ladder::section,
    price::section,
    drift::section,
    distances::section,
    throughput::section,
    agreement::section,
    settings::section,
    causes::section,
    method::section,
];
