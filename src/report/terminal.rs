//! The report on a terminal: aligned columns, sentences wrapped, rows never.

use std::ops::Range;

use comfy_table::{CellAlignment, Table, presets};

use crate::measurement::Measurement;
use crate::report::legend::legend;
use crate::report::model::{Block, Broken, Column, Report, Section};
use crate::report::wrap;

/// No line is made narrower than this.
const NARROWEST: usize = 24;

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
    let mut page = Page { width: options.width.max(NARROWEST), colour: options.colour, lines: Vec::new() };
    let mut shown = Vec::new();
    let mut left_out = Vec::new();
    for (index, section) in report.sections.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| report.sections.get(before));
        let is_next_device = before.is_none_or(|b| (&b.device, &b.kind) != (&section.device, &section.kind));
        if report.has_several_devices() && is_next_device {
            page.device(section);
        }
        page.section(section, &mut shown, &mut left_out);
    }
    page.findings(&report);
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

/// What colour says again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Bold,
    Alarm,
    Warning,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "\x1b[1m",
            Self::Alarm => "\x1b[1;31m",
            Self::Warning => "\x1b[33m",
        }
    }
}

struct Page {
    width: usize,
    colour: bool,
    lines: Vec<String>,
}

impl Page {
    fn styled(&self, text: &str, style: Style) -> String {
        if self.colour && style != Style::Plain {
            format!("{}{text}\x1b[0m", style.code())
        } else {
            text.to_owned()
        }
    }

    fn plain(&mut self, line: String) {
        self.lines.push(line);
    }

    fn sentence(&mut self, text: &str, style: Style) {
        for line in wrap::words(text, self.width, "  ") {
            self.lines.push(self.styled(&line, style));
        }
    }

    /// An empty line, but never two, and none at the top.
    fn gap(&mut self) {
        if self.lines.last().is_some_and(|line| !line.is_empty()) {
            self.lines.push(String::new());
        }
    }

    fn device(&mut self, section: &Section) {
        self.gap();
        let kind = if section.kind.is_empty() { String::new() } else { format!(" · {}", section.kind) };
        self.sentence(&format!("{}{kind}", section.device), Style::Bold);
    }

    fn section(&mut self, section: &Section, shown: &mut Vec<Column>, left_out: &mut Vec<String>) {
        self.gap();
        self.sentence(&section.headline, Style::Bold);
        for block in &section.blocks {
            self.gap();
            let layout = Layout::fitting(block, self.width);
            for column in block.columns() {
                let heading = block.heading(column);
                if layout.columns.contains(&column) {
                    shown.push(column);
                } else if !left_out.contains(&heading) {
                    left_out.push(heading);
                }
            }
            self.block(block, &layout);
        }
    }

    fn block(&mut self, block: &Block, layout: &Layout) {
        if layout.is_titled_apart {
            self.sentence(&title(block), Style::Plain);
        }
        for (index, line) in layout.lines(block).into_iter().enumerate() {
            // The header is the first line; below it, line after line, one per algorithm.
            let texts = index.checked_sub(1).and_then(|index| block.lines.get(index)).map(|line| {
                layout.columns.iter().map(|column| block.text(line, *column)).collect::<Vec<_>>()
            });
            let line = wrap::truncated(&line, self.width);
            self.lines.push(self.marked(&line, &texts.unwrap_or_default()));
        }
    }

    /// `line` with those of its `cells` coloured that stand out.
    fn marked(&self, line: &str, cells: &[String]) -> String {
        let mut marked = String::new();
        let mut rest = line;
        for cell in cells.iter().filter(|cell| !cell.is_empty()) {
            let Some(Range { start, end }) = rest.find(cell.as_str()).map(|at| at..at + cell.len()) else {
                break;
            };
            marked.push_str(&rest[..start]);
            marked.push_str(&self.styled(&rest[start..end], style_of(cell)));
            rest = &rest[end..];
        }
        marked + rest
    }

    fn findings(&mut self, report: &Report) {
        self.gap();
        for broken in &report.broken {
            self.broken(broken);
        }
        for failure in &report.failures {
            self.sentence(&format!("FAILED: {failure}"), Style::Alarm);
        }
        let rest = report.findings.iter().chain(&report.prices).cloned().chain(report.skipped_in_words());
        for sentence in rest {
            self.sentence(&sentence, Style::Plain);
        }
    }

    fn broken(&mut self, broken: &Broken) {
        self.sentence(&format!("BROKEN CLAIM: {}", broken.what), Style::Alarm);
        let first = broken.first.as_ref().map_or_else(String::new, |first| format!("{first}; "));
        for line in wrap::words(&format!("{first}repeat it:"), self.width - 2, "") {
            self.plain(format!("  {line}"));
        }
        for line in wrap::command(&broken.command, self.width, "    ") {
            self.plain(line);
        }
    }

    fn finish(mut self) -> String {
        while self.lines.last().is_some_and(String::is_empty) {
            self.lines.pop();
        }
        self.lines.join("\n") + "\n"
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
