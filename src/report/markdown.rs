//! The report as Markdown, for READMEs and issues.

use crate::measurement::Measurement;
use crate::report::gap;
use crate::report::legend::{Shown, legend};
use crate::report::model::{Block, Broken, GapLine, Report};

/// The report on `rows` as Markdown that ends in a newline: with `all` a table for every workload, else
/// for the most telling one per operation.
pub fn render(rows: &[Measurement], all: bool) -> String {
    if rows.is_empty() {
        return "Nothing was measured: there are no rows to report on.\n".to_owned();
    }
    let report = Report::new(rows, all);
    let mut paragraphs: Vec<String> = report.captions.iter().map(|caption| escaped(caption)).collect();
    let mut shown = Shown::default();
    for section in &report.sections {
        paragraphs.push(format!("**{}**", escaped(&section.headline)));
        for block in &section.blocks {
            let place =
                if report.has_several_devices() { format!(" · {}", section.device) } else { String::new() };
            paragraphs.push(format!("`{}` {}{}", block.operation, escaped(&block.problem), escaped(&place)));
            paragraphs.push(table(block));
            shown.add(&block.columns(), false);
            if !block.gaps.is_empty() {
                paragraphs.push(gaps(&block.gaps));
            }
        }
    }
    paragraphs.extend(report.broken.iter().map(broken));
    paragraphs.extend(report.failures.iter().map(|failure| format!("**FAILED:** {}", escaped(failure))));
    let sentences = report.findings.iter().chain(&report.prices).cloned().chain(report.skipped_in_words());
    let sentences: Vec<String> = sentences.map(|sentence| format!("- {}", escaped(&sentence))).collect();
    paragraphs.push(sentences.join("\n"));
    let legend: Vec<String> = legend(&report, &shown).iter().map(|entry| escaped(entry)).collect();
    paragraphs.push(legend.join(" · "));
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs.join("\n\n") + "\n"
}

fn table(block: &Block) -> String {
    let columns = block.columns();
    let headings = columns.iter().map(|column| (block.heading(*column), column.is_numeric())).collect();
    let texts = |line| columns.iter().map(|column| block.text(line, *column, false)).collect();
    grid(headings, block.lines.iter().map(texts).collect())
}

fn gaps(gaps: &[GapLine]) -> String {
    let headings = gap::HEADINGS.iter().enumerate();
    let headings = headings.map(|(place, text)| ((*text).to_owned(), place >= gap::NUMBERS_FROM)).collect();
    grid(headings, gaps.iter().map(|line| line.texts().map(str::to_owned).to_vec()).collect())
}

/// A table of headings, with whether numbers stand below them, and rows.
pub(super) fn grid(headings: Vec<(String, bool)>, rows: Vec<Vec<String>>) -> String {
    let row = |texts: &[String]| {
        format!("| {} |", texts.iter().map(|text| escaped(text)).collect::<Vec<_>>().join(" | "))
    };
    let (headings, numeric): (Vec<String>, Vec<bool>) = headings.into_iter().unzip();
    let rule = |numeric: &bool| if *numeric { "--:" } else { "---" };
    let rules: Vec<&str> = numeric.iter().map(rule).collect();
    let mut lines = vec![row(&headings), format!("| {} |", rules.join(" | "))];
    lines.extend(rows.iter().map(|texts| row(texts)));
    lines.join("\n")
}

pub(super) fn broken(broken: &Broken) -> String {
    let first = broken.first.as_ref().map_or_else(String::new, |first| format!("{}; ", escaped(first)));
    format!(
        "**BROKEN CLAIM:** {}\n\n{first}repeat it:\n\n```sh\n{}\n```",
        escaped(&broken.what),
        broken.command.join(" ")
    )
}

/// `text` as Markdown that shows it as it is, on one line. Underscores inside words need nothing.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if r"\*<>[]|".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
