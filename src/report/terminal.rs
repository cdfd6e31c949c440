//! The report on a terminal: aligned columns, sentences wrapped, rows never.

use comfy_table::{CellAlignment, Table, presets};

use crate::measurement::Measurement;
use crate::report::gap::{self, GapLine};
use crate::report::legend::legend;
use crate::report::model::{Block, Column, Report, Section};
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
    let mut shown = Vec::new();
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

fn section(page: &mut Page, section: &Section, shown: &mut Vec<Column>, left_out: &mut Vec<String>) {
    page.gap();
    page.sentence(&section.headline, Style::Bold);
    for block in &section.blocks {
        page.gap();
        let layout = Layout::fitting(block, page.width);
        for column in block.columns() {
            let heading = block.heading(column);
            if layout.columns.contains(&column) {
                shown.push(column);
            } else if !left_out.contains(&heading) {
                left_out.push(heading);
            }
        }
        draw(page, block, &layout);
        if !block.gaps.is_empty() {
            page.gap();
            gaps(page, &block.gaps, left_out);
        }
    }
}

fn draw(page: &mut Page, block: &Block, layout: &Layout) {
    if layout.is_titled_apart {
        page.sentence(&title(block), Style::Plain);
    }
    for (index, line) in layout.lines(block).into_iter().enumerate() {
        // The header is the first line; below it, line after line, one per algorithm.
        let texts = index
            .checked_sub(1)
            .and_then(|index| block.lines.get(index))
            .map(|line| layout.columns.iter().map(|column| block.text(line, *column)).collect::<Vec<_>>());
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
    if cell == "FAILED" {
        Style::Alarm
    } else if cell.ends_with("differ") || cell.ends_with("differs") {
        Style::Warning
    } else {
        Style::Plain
    }
}

fn title(block: &Block) -> String {
    format!("{}  {}", block.operation, block.problem)
}

/// How a block is laid out.
struct Layout {
    columns: Vec<Column>,
    /// Whether the title stands on a line of its own, and not in the header.
    is_titled_apart: bool,
    /// Spaces between columns.
    gap: u16,
}

impl Layout {
    /// The widest layout that fits: first everything moves closer, then columns go from the right; the
    /// name and one more stay.
    fn fitting(block: &Block, width: usize) -> Self {
        let mut layout = Self { columns: block.columns(), is_titled_apart: false, gap: 3 };
        for (is_titled_apart, gap) in [(false, 3), (false, 2), (true, 2)] {
            (layout.is_titled_apart, layout.gap) = (is_titled_apart, gap);
            if layout.width(block) <= width {
                return layout;
            }
        }
        while layout.columns.len() > 2 && layout.width(block) > width {
            layout.columns.pop();
        }
        layout
    }

    fn width(&self, block: &Block) -> usize {
        self.lines(block).iter().map(|line| wrap::width(line)).max().unwrap_or(0)
    }

    /// The lines of a block, the header first.
    fn lines(&self, block: &Block) -> Vec<String> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let headings = self.columns.iter().map(|column| match column {
            Column::Name if self.is_titled_apart => "  algorithm".to_owned(),
            Column::Name => title(block),
            other => block.heading(*other),
        });
        table.set_header(headings.collect::<Vec<_>>());
        for line in &block.lines {
            let texts = self.columns.iter().map(|column| match column {
                Column::Name => format!("  {}", block.text(line, *column)),
                other => block.text(line, *other),
            });
            table.add_row(texts.collect::<Vec<_>>());
        }
        for (column, layout) in self.columns.iter().zip(table.column_iter_mut()) {
            layout.set_padding((0, self.gap));
            if column.is_numeric() {
                layout.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect()
    }
}
