//! The report on a terminal: aligned columns, sentences wrapped, rows never.

use crate::measurement::Measurement;
use crate::report::block::BROKEN;
use crate::report::gap::{self, GapLine};
use crate::report::layout::{self, Layout};
use crate::report::legend::{Shown, legend};
use crate::report::model::{Block, Report, Section};
use crate::report::page::{Page, Style};
use crate::report::wrap;

/// How to lay out.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Whether to show a block for every workload in place of the most telling one per operation.
    pub all: bool,
    /// Columns that a line may take.
    pub width: usize,
    /// Whether to add colour. It repeats what the words say.
    pub colour: bool,
    /// Where the rows were written, if anywhere.
    pub results: Option<String>,
}

/// The report on `rows` as text that ends in a newline.
pub fn render(rows: &[Measurement], options: &Options) -> String {
    if rows.is_empty() {
        return "Nothing was measured: there are no rows to report on.\n".to_owned();
    }
    let report = Report::new(rows, options.all);
    let mut page = Page::new(options.width, options.colour);
    let mut shown = Shown::default();
    let mut left_out = Vec::new();
    for (index, next) in report.sections.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| report.sections.get(before));
        let is_next_device = before.is_none_or(|b| (&b.device, &b.kind) != (&next.device, &next.kind));
        if report.has_several_devices() && is_next_device {
            device(&mut page, next);
        }
        section(&mut page, next, &mut shown, &mut left_out);
    }
    findings(&mut page, &report);
    page.gap();
    for line in wrap::items(&legend(&report, &shown), " · ", page.width) {
        page.plain(line);
    }
    if !left_out.is_empty() {
        page.sentence(
            &format!("Left out, a wider terminal shows them: {}.", left_out.join(", ")),
            Style::Plain,
        );
    }
    if let Some(results) = &options.results {
        page.sentence(&format!("All rows: {results}"), Style::Plain);
    }
    if report.is_quick && report.broken.is_empty() {
        page.sentence("Next: samebits run --profile full", Style::Plain);
    }
    page.finish()
}

/// The device that the sections below are of.
fn device(page: &mut Page, section: &Section) {
    page.gap();
    let kind = if section.kind.is_empty() { String::new() } else { format!(" · {}", section.kind) };
    page.sentence(&format!("{}{kind}", section.device), Style::Bold);
}

fn section(page: &mut Page, section: &Section, shown: &mut Shown, left_out: &mut Vec<String>) {
    page.gap();
    page.sentence(&section.headline, Style::Bold);
    for block in &section.blocks {
        let bands = layout::bands(block, page.width);
        for band in &bands {
            page.gap();
            draw(page, block, band);
            shown.add(&band.columns, band.is_short);
        }
        for column in block.columns() {
            let heading = block.heading(column);
            if !bands.iter().any(|band| band.columns.contains(&column)) && !left_out.contains(&heading) {
                left_out.push(heading);
            }
        }
        if !block.gaps.is_empty() {
            page.gap();
            gaps(page, &block.gaps, left_out);
        }
    }
}

fn draw(page: &mut Page, block: &Block, layout: &Layout) {
    if let Some(title) = layout.title_apart(block) {
        page.sentence(&title, Style::Plain);
    }
    for (index, line) in layout.lines(block).into_iter().enumerate() {
        // The header is the first line; below it, line after line, one per algorithm.
        let texts = index
            .checked_sub(1)
            .and_then(|index| block.lines.get(index))
            .map(|line| layout.texts(block, line));
        page.row(&line, &texts.unwrap_or_default(), style_of);
    }
}

/// Gaps below their block; where they do not fit, columns go from the right.
fn gaps(page: &mut Page, gaps: &[GapLine], left_out: &mut Vec<String>) {
    let texts = |line: &GapLine| line.texts().map(str::to_owned).to_vec();
    let mut rows = vec![gap::HEADINGS.map(str::to_owned).to_vec()];
    rows.extend(gaps.iter().map(texts));
    for row in &mut rows[1..] {
        row[0].insert_str(0, "  ");
    }
    let mut columns = gap::HEADINGS.len();
    while columns > 2 && wrap::columns(&rows, columns, gap::NUMBERS_FROM).1 > page.width {
        columns -= 1;
    }
    for heading in gap::HEADINGS[columns..].iter().copied().map(str::to_owned) {
        if !left_out.contains(&heading) {
            left_out.push(heading);
        }
    }
    for line in wrap::columns(&rows, columns, gap::NUMBERS_FROM).0 {
        page.row(&line, &[], style_of);
    }
}

fn findings(page: &mut Page, report: &Report) {
    page.gap();
    for broken in &report.broken {
        page.broken(broken);
    }
    for failure in &report.failures {
        page.sentence(&format!("FAILED: {failure}"), Style::Alarm);
    }
    let rest = report.findings.iter().chain(&report.prices).cloned().chain(report.skipped_in_words());
    for sentence in rest {
        page.sentence(&sentence, Style::Plain);
    }
}

fn style_of(cell: &str) -> Style {
    let is_short_difference = || {
        let counts = cell.split_once('/');
        counts.is_some_and(|(differing, all)| {
            differing.parse::<u64>().is_ok_and(|differing| differing > 0) && all.parse::<u64>().is_ok()
        })
    };
    if cell == "FAILED" || cell.ends_with(BROKEN) {
        Style::Alarm
    } else if cell.ends_with("differ") || cell.ends_with("differs") || is_short_difference() {
        Style::Warning
    } else {
        Style::Plain
    }
}
