//! The numbers behind a picture, as a table that unfolds, can be selected and copied, and, where scripts run, sorted
//! and filtered.

use maud::{Markup, html};

use crate::report::html::section::and_more;
use crate::report::html::text;

/// More rows are not on the page: nobody reads them there, and the page must stay small.
pub const MOST: usize = 500;

/// Bytes of text in a table: as many rows of ordinary names fit in, and fewer of names that nobody gives.
const LARGEST: usize = 100_000;

/// A table. Entries are plain text.
pub struct Table {
    /// What it holds.
    pub caption: String,
    /// Its columns; whether each holds numbers.
    pub headings: Vec<(String, bool)>,
    /// Its rows, the first entry naming the row.
    pub rows: Vec<Vec<String>>,
    /// How many rows there are, if more than [`Table::rows`] holds.
    pub all: usize,
}

impl Table {
    /// A table that keeps the first of `rows`, [`MOST`] at most. Headings of numbers start with `#`.
    pub fn new(
        caption: impl Into<String>,
        headings: &[&str],
        rows: impl Iterator<Item = Vec<String>>,
    ) -> Self {
        let heading = |heading: &&str| match heading.strip_prefix('#') {
            Some(numbers) => (numbers.to_owned(), true),
            None => ((*heading).to_owned(), false),
        };
        let mut kept = Vec::new();
        let (mut all, mut bytes) = (0, 0);
        for row in rows {
            all += 1;
            if kept.len() < MOST && bytes < LARGEST {
                bytes += row.iter().map(|entry| size(entry)).sum::<usize>();
                kept.push(row);
            }
        }
        Self { caption: caption.into(), headings: headings.iter().map(heading).collect(), rows: kept, all }
    }

    /// As HTML.
    pub fn render(&self) -> Markup {
        let entry = |place: usize, entry: &str| {
            let class = self.headings.get(place).is_some_and(|(_, numbers)| *numbers).then_some("n");
            html! {
                @if place == 0 {
                    th scope="row" { (text::name(entry)) }
                } @else {
                    td class=[class] { (text::name(entry)) }
                }
            }
        };
        html! {
            details.data {
                summary { "Data: " (self.caption) }
                div.scroll tabindex="0" role="region" aria-label=(self.caption) {
                    table {
                        caption { (self.caption) }
                        thead {
                            tr {
                                @for (heading, numbers) in &self.headings {
                                    th scope="col" class=[numbers.then_some("n")] { (heading) }
                                }
                            }
                        }
                        tbody {
                            @for row in &self.rows {
                                tr { @for (place, text) in row.iter().enumerate() { (entry(place, text)) } }
                            }
                        }
                    }
                }
                @if let Some(more) = and_more(self.all, self.rows.len(), "row", "rows") { p.note { (more) } }
            }
        }
    }
}

/// Bytes of `text` as HTML, in which some characters are written with five or six.
fn size(text: &str) -> usize {
    text.len() + 5 * text.matches(['&', '<', '>', '"']).count()
}
