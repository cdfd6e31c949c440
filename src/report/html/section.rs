//! A section of the page: what it shows, how to read it, and its numbers.

use maud::{Markup, html};

use crate::report::html::table::Table;
use crate::report::words::plural;

/// A section.
pub struct Section {
    /// Its anchor, unique on the page.
    pub id: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// One sentence of how to read its pictures; empty where it has none.
    pub how_to_read: String,
    /// What stands first.
    pub body: Markup,
    /// Its pictures, which stand side by side where there is room.
    pub figures: Vec<Markup>,
    /// What it leaves out, in sentences.
    pub left_out: Vec<String>,
    /// Its numbers.
    pub data: Vec<Table>,
}

impl Section {
    /// As HTML.
    pub fn render(&self) -> Markup {
        html! {
            section id=(self.id) aria-labelledby={ (self.id) "-h" } {
                h2 id={ (self.id) "-h" } { (self.title) }
                @if !self.how_to_read.is_empty() {
                    p.how { "How to read it: " (self.how_to_read) }
                }
                (self.body)
                @if !self.figures.is_empty() {
                    div.panels { @for figure in &self.figures { (figure) } }
                }
                @for sentence in &self.left_out { p.note { (sentence) } }
                @for table in &self.data { (table.render()) }
            }
        }
    }
}

/// How many of `all` are not on the page, if `shown` are: `one` or `many` of what.
pub fn and_more(all: usize, shown: usize, one: &str, many: &str) -> Option<String> {
    let more = all.saturating_sub(shown);
    let what = plural(more, one, many);
    (more > 0).then(|| format!("{more} more {what}: not on the page; --format csv and json have all."))
}
