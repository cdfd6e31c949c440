//! The comparison on a terminal. Where it is too wide, intervals go first, then shares of limits, then columns from
//! the right, which are named; rows are never wrapped.

use crate::report::compare::claims::some_of;
use crate::report::compare::legend::legend;
use crate::report::compare::model::Comparison;
use crate::report::compare::sentences::source;
use crate::report::compare::view::{Entry, Sheet, Table, ranking_sentences, sheets};
use crate::report::page::{Page, Style};
use crate::report::words::plural;
use crate::report::wrap;

/// Spaces between columns.
const BETWEEN: usize = 3;

/// What a heading may take before it is wrapped.
const HEADING: usize = 22;

/// A longer name stands on a line of its own where it would cost a column its place.
const NAME: usize = 24;

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
    if comparison.devices.is_empty() {
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
    let sheets = sheets(comparison);
    let layouts: Vec<Layout> = sheets.iter().map(|sheet| Layout::fitting(sheet, page.width)).collect();
    // Where columns are devices, those that are left out are not listed either.
    let columns_are_devices = sheets.iter().all(|sheet| sheet.headings.len() == comparison.devices.len());
    let listed = match layouts.as_slice() {
        [layout] if columns_are_devices => layout.columns.len(),
        _ => comparison.devices.len(),
    };
    for device in &comparison.devices[..listed.min(comparison.devices.len())] {
        page.sentence(&source(device), Style::Plain);
    }
    page.gap();
    let mut gone: Vec<String> = Vec::new();
    for (sheet, layout) in sheets.iter().zip(&layouts) {
        layout.draw(sheet, &mut page);
        gone.extend(sheet.headings[layout.columns.len()..].iter().cloned());
    }
    page.gap();
    let sentences =
        if comparison.choice.rank { ranking_sentences(comparison) } else { comparison.sentences() };
    for finding in &sentences {
        page.sentence(finding, Style::Plain);
    }
    for warning in &comparison.warnings {
        page.sentence(&warning.sentence(), Style::Warning);
    }
    for sentence in &comparison.left_out {
        page.sentence(sentence, Style::Plain);
    }
    if !gone.is_empty() {
        let count = gone.len();
        let (columns, them) = (plural(count, "column is", "columns are"), plural(count, "it", "them"));
        let told =
            format!("{count} {columns} left out, a wider terminal or --format md or csv shows {them}: ");
        page.sentence(&format!("{told}{}.", some_of(&gone)), Style::Warning);
    }
    let level = layouts.iter().map(|layout| layout.level).max().unwrap_or(Level::Limits);
    let is_shown = |column| !columns_are_devices || column < listed;
    let mut entries = legend(comparison, is_shown, level != Level::Bare);
    if level != Level::Intervals
        && comparison.blocks.iter().any(|block| block.cells().any(|(_, c)| c.tax.is_some()))
    {
        entries.push("intervals: --format md, csv or json".to_owned());
    }
    for line in wrap::items(&entries, " · ", page.width) {
        page.plain(line);
    }
    page.finish()
}

/// How much entries tell: the less, the narrower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// Everything.
    Intervals,
    /// No intervals.
    Limits,
    /// No shares of limits either.
    Bare,
}

/// The parts of an entry: mark, work per time, its unit, share of the limit, ratio. `None` of a text, which stands
/// alone.
fn parts(entry: &Entry, level: Level, unit: Option<&str>) -> Option<[String; 5]> {
    let Entry::Cell { mark, throughput, limit, ratio: [short, long] } = entry else { return None };
    let (number, own_unit) = throughput.clone().unwrap_or_default();
    // A unit that all share stands in the title.
    let own_unit = if unit.is_some() { String::new() } else { own_unit };
    let limit = if level == Level::Bare { String::new() } else { limit.clone() };
    let ratio = if level == Level::Intervals { long } else { short };
    Some([mark.clone(), number, own_unit, limit, ratio.clone()])
}

/// One column.
struct Column {
    heading: Vec<String>,
    /// Widths of the parts of entries.
    parts: [usize; 5],
    width: usize,
}

impl Column {
    fn of(sheet: &Sheet, place: usize, level: Level) -> Self {
        let mut widths = [0; 5];
        let mut alone = 0;
        for table in &sheet.tables {
            for entry in table.lines.iter().filter_map(|(_, entries)| entries.get(place)?.as_ref()) {
                match (entry, parts(entry, level, table.unit.as_deref())) {
                    (_, Some(parts)) => {
                        for (width, part) in widths.iter_mut().zip(&parts) {
                            *width = (*width).max(wrap::width(part));
                        }
                    }
                    (Entry::Text(text), _) => alone = alone.max(wrap::width(text)),
                    (Entry::Cell { .. }, None) => {}
                }
            }
        }
        let empty = std::array::from_fn(|_| String::new());
        let content = wrap::width(&joined(&empty, widths)).max(alone);
        let label = sheet.headings.get(place).map_or("", String::as_str);
        let heading = wrap::words(label, content.max(HEADING), "");
        let heading: Vec<String> =
            heading.iter().map(|line| wrap::truncated(line, content.max(HEADING))).collect();
        let width = heading.iter().map(|line| wrap::width(line)).max().unwrap_or(0).max(content);
        Self { heading, parts: widths, width }
    }

    fn text(&self, entry: &Entry, level: Level, unit: Option<&str>) -> String {
        match (entry, parts(entry, level, unit)) {
            (_, Some(parts)) => joined(&parts, self.parts),
            (Entry::Text(text), None) => text.clone(),
            (Entry::Cell { .. }, None) => String::new(),
        }
    }
}

/// Parts at their widths, those that are empty everywhere left out.
fn joined(parts: &[String; 5], widths: [usize; 5]) -> String {
    let [mark, number, unit, limit, ratio] = parts;
    let mut text = format!("{mark:<0$}", widths[0]);
    if widths[1] > 0 {
        text.push_str(&format!("  {number:>0$}", widths[1]));
    }
    if widths[2] > 0 {
        text.push_str(&format!(" {unit:<0$}", widths[2]));
    }
    if widths[3] > 0 {
        text.push_str(&format!("  {limit:>0$}", widths[3]));
    }
    if widths[4] > 0 {
        text.push_str(&format!("  {ratio:<0$}", widths[4]));
    }
    text
}

/// How a sheet is laid out.
struct Layout {
    names: usize,
    level: Level,
    columns: Vec<Column>,
}

impl Layout {
    /// The most telling layout in which all columns fit; else as many columns as do, but at least one.
    fn fitting(sheet: &Sheet, width: usize) -> Self {
        let lines = || sheet.tables.iter().flat_map(|table| &table.lines);
        let longest = lines().map(|(name, _)| 2 + wrap::width(name)).max().unwrap_or(0);
        let short = lines().map(|(name, _)| 2 + wrap::width(name)).filter(|width| *width <= NAME).max();
        let short = short.unwrap_or(NAME).min(longest);
        for level in [Level::Intervals, Level::Limits, Level::Bare] {
            let columns = Self::columns(sheet, level, width);
            let taken: usize = columns.iter().map(|column| BETWEEN + column.width).sum();
            for names in [longest, short] {
                if columns.len() == sheet.headings.len() && names + taken <= width {
                    return Self { names, level, columns };
                }
            }
        }
        let mut columns = Self::columns(sheet, Level::Bare, width);
        let ends = columns.iter().scan(short, |end, column| {
            *end += BETWEEN + column.width;
            Some(*end)
        });
        let count = ends.take_while(|end| *end <= width).count();
        columns.truncate(count.max(1));
        Self { names: short, level: Level::Bare, columns }
    }

    /// The columns from the left, as far as any layout could hold them: there may be thousands.
    fn columns(sheet: &Sheet, level: Level, width: usize) -> Vec<Column> {
        let most = (width / BETWEEN).min(sheet.headings.len());
        (0..most).map(|place| Column::of(sheet, place, level)).collect()
    }

    fn line(&self, name: &str, texts: impl Iterator<Item = String>) -> String {
        let mut line = format!("{name:<0$}", self.names);
        for (column, text) in self.columns.iter().zip(texts) {
            line.push_str(&format!("{:BETWEEN$}{text:<width$}", "", width = column.width));
        }
        line.trim_end().to_owned()
    }

    fn draw(&self, sheet: &Sheet, page: &mut Page) {
        let height = self.columns.iter().map(|column| column.heading.len()).max().unwrap_or(0);
        for row in 0..height {
            let texts =
                self.columns.iter().map(|column| column.heading.get(row).cloned().unwrap_or_default());
            page.row(&self.line("", texts), &[], style_of);
        }
        for table in &sheet.tables {
            self.table(table, page);
        }
    }

    fn table(&self, table: &Table, page: &mut Page) {
        let unit = table.unit.as_ref().map_or_else(String::new, |unit| format!(", in {unit}"));
        let title = format!("{}  {}{unit}", table.operation, table.title);
        if wrap::width(&title) <= page.width {
            page.plain(title);
        } else {
            // A title is no row: nothing of it may be lost.
            page.sentence(&title, Style::Plain);
        }
        for (name, entries) in &table.lines {
            let unit = table.unit.as_deref();
            let texts = self.columns.iter().zip(entries).map(|(column, entry)| {
                entry.as_ref().map_or_else(String::new, |entry| column.text(entry, self.level, unit))
            });
            let mark = |entry: &Option<Entry>| match entry.as_ref()? {
                Entry::Text(text) => Some(text.clone()),
                Entry::Cell { mark, .. } => Some(mark.clone()),
            };
            let loud: Vec<String> =
                entries.iter().filter_map(mark).filter(|mark| style_of(mark) != Style::Plain).collect();
            let name = format!("  {name}");
            let line = self.line("", texts);
            let is_free = line.chars().take(wrap::width(&name) + BETWEEN).all(|character| character == ' ');
            if is_free {
                // It may reach into columns that have nothing here.
                let rest: String = line.chars().skip(wrap::width(&name)).collect();
                page.row(format!("{name}{rest}").trim_end(), &loud, style_of);
            } else {
                // A long name must cost no column its place.
                page.row(&name, &[], style_of);
                page.row(&line, &loud, style_of);
            }
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
