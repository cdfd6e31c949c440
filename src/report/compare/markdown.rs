//! The comparison as Markdown: a table per workload, of the columns that have anything in it.

use crate::report::compare::legend::legend;
use crate::report::compare::model::Comparison;
use crate::report::compare::sentences::source;
use crate::report::compare::view::{Entry, Sheet, Table, ranking_sentences, sheets};
use crate::report::markdown::{broken, escaped, grid};

/// The comparison as Markdown that ends in a newline.
pub fn render(comparison: &Comparison) -> String {
    if comparison.devices.is_empty() {
        return "Nothing to compare: there are no rows.\n".to_owned();
    }
    let mut paragraphs: Vec<String> = comparison.broken.iter().map(broken).collect();
    let failures = comparison.failures.iter();
    paragraphs.extend(failures.map(|failure| format!("**FAILED:** {}", escaped(failure))));
    paragraphs.push(format!("**{}**", escaped(&comparison.caption)));
    paragraphs.push(listed(comparison.devices.iter().map(source)));
    for sheet in &sheets(comparison) {
        for table in &sheet.tables {
            paragraphs.push(format!("**{}** {}", escaped(&table.operation), escaped(&table.title)));
            paragraphs.push(grid_of(sheet, table));
        }
    }
    let sentences =
        if comparison.choice.rank { ranking_sentences(comparison) } else { comparison.sentences() };
    paragraphs.push(listed(sentences.into_iter()));
    paragraphs.push(listed(comparison.warnings.iter().map(|warning| warning.sentence())));
    paragraphs.push(listed(comparison.left_out.iter().cloned()));
    let legend: Vec<String> = legend(comparison, |_| true, true).iter().map(|entry| escaped(entry)).collect();
    paragraphs.push(legend.join(" · "));
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs.join("\n\n") + "\n"
}

fn listed(sentences: impl Iterator<Item = String>) -> String {
    sentences.map(|sentence| format!("- {}", escaped(&sentence))).collect::<Vec<_>>().join("\n")
}

fn grid_of(sheet: &Sheet, table: &Table) -> String {
    let has_any = |place: &usize| {
        table.lines.iter().any(|(_, entries)| entries.get(*place).is_some_and(Option::is_some))
    };
    let shown: Vec<usize> = (0..sheet.headings.len()).filter(has_any).collect();
    let mut headings = vec![(String::new(), false)];
    headings.extend(shown.iter().map(|place| (sheet.headings[*place].clone(), false)));
    let rows = table.lines.iter().map(|(name, entries)| {
        let entry =
            |place: &usize| entries.get(*place).and_then(Option::as_ref).map_or_else(String::new, text);
        std::iter::once(name.clone()).chain(shown.iter().map(entry)).collect()
    });
    grid(headings, rows.collect())
}

fn text(entry: &Entry) -> String {
    match entry {
        Entry::Text(text) => text.clone(),
        Entry::Cell { mark, throughput, limit, ratio: [_, ratio] } => {
            let throughput = throughput.as_ref().map(|(number, unit)| format!("{number} {unit}"));
            let parts = [mark.clone(), throughput.unwrap_or_default(), limit.clone(), ratio.clone()];
            parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
        }
    }
}
