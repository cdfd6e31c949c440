//! What stands on the page, from top to bottom: the one place where a section is entered.

use crate::report::html::section::Section;
use crate::report::html::{Input, agreement, finding, ladder, method, price};

/// A section of the page; `None` where the rows have nothing for it.
pub type Make = fn(&Input) -> Option<Section>;

/// All sections, in the order of the page.
pub const SECTIONS: [Make; 5] =
    [finding::section, ladder::section, price::section, agreement::section, method::section];
