//! The comparison on a terminal: a column per device. Devices that do not fit are left out from the
//! right, and named; rows are never wrapped.

use crate::measurement::Measurement;
use crate::report::compare::claims::some_of;
use crate::report::compare::legend::legend;
use crate::report::compare::model::{Block, Cell, Comparison, Mark};
use crate::report::compare::sentences::source;
use crate::report::gap;
use crate::report::page::{Page, Style};
use crate::report::words::{self, plural};
use crate::report::wrap;
use crate::verdict::Verdict;

/// Spaces between columns.
const BETWEEN: usize = 3;

/// What a heading may take before it is wrapped.
const HEADING: usize = 22;

/// How to lay out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Columns that a line may take.
    pub width: usize,
    /// Whether to add colour. It repeats what the words say.
    pub colour: bool,
}

/// The comparison as text that ends in a newline.
pub fn render(comparison: &Comparison, options: Options) -> String {
    if comparison.blocks.is_empty() {
        return "Nothing to compare: there are no rows.\n".to_owned();
    }
    let mut page = Page::new(options.width, options.colour);
    for broken in &comparison.broken {
        page.broken(broken);
    }
    for failure in &comparison.failures {
        page.sentence(&format!("FAILED: {failure}"), Style::Alarm);
    }
    page.gap();
    page.sentence(&comparison.caption, Style::Bold);
    let layout = Layout::fitting(comparison, page.width);
    for device in &comparison.devices[..layout.devices.len()] {
        page.sentence(&source(device), Style::Plain);
    }
    for blocks in comparison.blocks.chunk_by(|a, b| a.operation == b.operation) {
        page.gap();
        layout.headings(blocks, &mut page);
        for block in blocks {
            layout.block(block, &mut page);
        }
    }
    page.gap();
    for finding in &comparison.findings {
        page.sentence(finding, Style::Plain);
    }
    let left_out: Vec<String> =
        comparison.devices[layout.devices.len()..].iter().map(|device| device.label.clone()).collect();
    if !left_out.is_empty() {
        page.sentence(
            &format!(
                "{} of {} {} left out, a wider terminal or --format md or csv shows them: {}.",
                left_out.len(),
                comparison.devices.len(),
                plural(left_out.len(), "devices is", "devices are"),
                some_of(&left_out)
            ),
            Style::Warning,
        );
    }
    for line in wrap::items(&legend(comparison, |column| column < layout.devices.len()), " · ", page.width) {
        page.plain(line);
    }
    page.finish()
}

/// The parts of a cell: mark, work per time, its unit, tax. A mark that is a word stands alone.
fn parts(cell: &Cell) -> [String; 4] {
    let [number, unit] = match (cell.throughput(), cell.timed) {
        (Some(throughput), Some(row)) => {
            [words::significant(throughput, 3), words::visible(&row.throughput_unit)]
        }
        _ => [String::new(), String::new()],
    };
    [cell.mark.text(), number, unit, cell.tax.map_or_else(String::new, words::tax)]
}

fn stands_alone(mark: Mark) -> bool {
    matches!(mark, Mark::Skipped | Mark::Failed)
}

/// What a gap is on one device.
pub fn gap_text(row: &Measurement) -> String {
    match row.verdict {
        Verdict::Differs => {}
        Verdict::Same => return row.verdict.name().to_owned(),
        Verdict::Skipped | Verdict::Failed => return gap::elements(row),
    }
    let nan = row.max_ulp.is_none() && gap::ulp(row) == "NaN";
    let unit = if nan { "" } else { " ulp" };
    format!("{}  {}{unit}", gap::elements(row), gap::ulp(row))
}

/// The columns of one device.
struct Column {
    heading: Vec<String>,
    /// Widths of the parts of cells.
    parts: [usize; 4],
    width: usize,
}

impl Column {
    fn of(comparison: &Comparison, place: usize) -> Self {
        let lines = comparison.blocks.iter().flat_map(|block| &block.lines);
        let mut widths = [0; 4];
        let mut alone = 0;
        for cell in lines.filter_map(|line| line.cells.get(&place)) {
            if stands_alone(cell.mark) {
                alone = alone.max(wrap::width(&cell.mark.text()));
                continue;
            }
            for (width, part) in widths.iter_mut().zip(parts(cell)) {
                *width = (*width).max(wrap::width(&part));
            }
        }
        let gaps = comparison.blocks.iter().flat_map(|block| &block.gaps);
        let gaps = gaps.filter_map(|gap| gap.cells.get(&place)).map(|row| wrap::width(&gap_text(row)));
        let content = wrap::width(&joined(&["", "", "", ""].map(str::to_owned), widths))
            .max(alone)
            .max(gaps.max().unwrap_or(0));
        let label = comparison.devices.get(place).map_or("", |device| device.label.as_str());
        let heading = wrap::words(label, content.max(HEADING), "");
        let heading: Vec<String> =
            heading.iter().map(|line| wrap::truncated(line, content.max(HEADING))).collect();
        let width = heading.iter().map(|line| wrap::width(line)).max().unwrap_or(0).max(content);
        Self { heading, parts: widths, width }
    }

    fn text(&self, cell: &Cell) -> String {
        if stands_alone(cell.mark) { cell.mark.text() } else { joined(&parts(cell), self.parts) }
    }
}

/// Parts at their widths, those that are empty everywhere left out.
fn joined(parts: &[String; 4], widths: [usize; 4]) -> String {
    let [mark, number, unit, tax] = parts;
    let mut text = format!("{mark:<0$}", widths[0]);
    if widths[1] > 0 {
        text.push_str(&format!("  {number:>0$} {unit:<1$}", widths[1], widths[2]));
    }
    if widths[3] > 0 {
        text.push_str(&format!("  {tax:>0$}", widths[3]));
    }
    text
}

/// How all blocks are laid out: the same columns in each.
struct Layout {
    names: usize,
    devices: Vec<Column>,
}

impl Layout {
    /// As many devices as fit, but at least one.
    fn fitting(comparison: &Comparison, width: usize) -> Self {
        let blocks = || comparison.blocks.iter();
        let lines = blocks().flat_map(|block| &block.lines).map(|line| 2 + wrap::width(&line.name));
        let operations = blocks().map(|block| wrap::width(&block.operation));
        let names = lines.chain(operations).max().unwrap_or(0);
        let mut devices = Vec::new();
        let mut taken = names;
        for place in 0..comparison.devices.len() {
            let column = Column::of(comparison, place);
            taken += BETWEEN + column.width;
            if taken > width && !devices.is_empty() {
                break;
            }
            devices.push(column);
        }
        Self { names, devices }
    }

    fn line(&self, name: &str, texts: impl Iterator<Item = String>) -> String {
        let mut line = format!("{name:<0$}", self.names);
        for (column, text) in self.devices.iter().zip(texts) {
            line.push_str(&format!("{:BETWEEN$}{text:<width$}", "", width = column.width));
        }
        line.trim_end().to_owned()
    }

    fn headings(&self, blocks: &[Block], page: &mut Page) {
        let height = self.devices.iter().map(|column| column.heading.len()).max().unwrap_or(0);
        for row in 0..height.max(1) {
            let name = blocks.first().filter(|_| row == 0).map_or("", |block| &block.operation);
            let texts =
                self.devices.iter().map(|column| column.heading.get(row).cloned().unwrap_or_default());
            page.row(&self.line(name, texts), &[], style_of);
        }
    }

    fn block(&self, block: &Block, page: &mut Page) {
        page.row(&block.title, &[], style_of);
        for line in &block.lines {
            let marks: Vec<String> = (0..self.devices.len())
                .filter_map(|place| Some(line.cells.get(&place)?.mark.text()))
                .collect();
            let text = |(place, column): (usize, &Column)| {
                line.cells.get(&place).map_or_else(String::new, |cell| column.text(cell))
            };
            let texts = self.devices.iter().enumerate().map(text);
            let loud: Vec<String> = marks.into_iter().filter(|mark| style_of(mark) != Style::Plain).collect();
            page.row(&self.line(&format!("  {}", line.name), texts), &loud, style_of);
        }
        for gap in &block.gaps {
            let text = |place: usize| gap.cells.get(&place).map_or_else(String::new, |row| gap_text(row));
            let texts = (0..self.devices.len()).map(text);
            let mut name = format!("  {}", gap.name);
            if wrap::width(&name) > self.names {
                // A long name must cost no device its column.
                page.row(&name, &[], style_of);
                name.clear();
            }
            page.row(&self.line(&name, texts), &[], style_of);
        }
    }
}

fn style_of(mark: &str) -> Style {
    match mark {
        "FAILED" => Style::Alarm,
        "~" | "≠" => Style::Warning,
        _ => Style::Plain,
    }
}
