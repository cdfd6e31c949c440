//! The comparison as Markdown: per workload a table of the devices that measured it.

use std::collections::BTreeSet;

use crate::report::compare::legend::legend;
use crate::report::compare::model::{Block, Cell, Comparison, Device};
use crate::report::compare::sentences::source;
use crate::report::compare::terminal::gap_text;
use crate::report::markdown::{broken, escaped, grid};
use crate::report::words;

/// The comparison as Markdown that ends in a newline.
pub fn render(comparison: &Comparison) -> String {
    if comparison.blocks.is_empty() {
        return "Nothing to compare: there are no rows.\n".to_owned();
    }
    let mut paragraphs: Vec<String> = comparison.broken.iter().map(broken).collect();
    let failures = comparison.failures.iter();
    paragraphs.extend(failures.map(|failure| format!("**FAILED:** {}", escaped(failure))));
    paragraphs.push(format!("**{}**", escaped(&comparison.caption)));
    paragraphs.push(listed(comparison.devices.iter().map(source)));
    for block in &comparison.blocks {
        paragraphs.push(format!("**{}** {}", escaped(&block.operation), escaped(&block.title)));
        paragraphs.push(table(block, &comparison.devices));
    }
    paragraphs.push(listed(comparison.findings.iter().cloned()));
    let legend: Vec<String> = legend(comparison, |_| true).iter().map(|entry| escaped(entry)).collect();
    paragraphs.push(legend.join(" · "));
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs.join("\n\n") + "\n"
}

fn listed(sentences: impl Iterator<Item = String>) -> String {
    sentences.map(|sentence| format!("- {}", escaped(&sentence))).collect::<Vec<_>>().join("\n")
}

fn table(block: &Block, devices: &[Device]) -> String {
    let lines = block.lines.iter().flat_map(|line| line.cells.keys());
    let shown: BTreeSet<usize> =
        lines.chain(block.gaps.iter().flat_map(|gap| gap.cells.keys())).copied().collect();
    let mut headings = vec![("algorithm".to_owned(), false)];
    headings.extend(shown.iter().map(|column| (devices[*column].label.clone(), false)));
    let mut rows = Vec::new();
    for line in &block.lines {
        let mut row = vec![line.name.clone()];
        row.extend(shown.iter().map(|column| line.cells.get(column).map_or_else(String::new, text)));
        rows.push(row);
    }
    for gap in &block.gaps {
        let mut row = vec![gap.name.clone()];
        let texts =
            shown.iter().map(|column| gap.cells.get(column).map_or_else(String::new, |row| gap_text(row)));
        row.extend(texts);
        rows.push(row);
    }
    grid(headings, rows)
}

fn text(cell: &Cell) -> String {
    let mut parts = vec![cell.mark.text()];
    if let (Some(throughput), Some(row)) = (cell.throughput(), cell.timed) {
        let unit = words::visible(&row.throughput_unit);
        parts.push(format!("{} {unit}", words::significant(throughput, 3)));
    }
    parts.extend(cell.tax.map(words::tax));
    parts.join(" · ")
}
