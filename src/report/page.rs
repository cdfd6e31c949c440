//! A page of lines for a terminal: sentences wrapped, colour only where the words say the same.

use std::ops::Range;

use crate::report::findings::Broken;
use crate::report::wrap;

/// No line is made narrower than this.
pub const NARROWEST: usize = 24;

/// What colour says again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Nothing.
    Plain,
    /// A headline.
    Bold,
    /// What must not be missed.
    Alarm,
    /// What is worth a look.
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

/// Lines so far.
pub struct Page {
    /// Columns that a line may take.
    pub width: usize,
    colour: bool,
    lines: Vec<String>,
}

impl Page {
    /// An empty page.
    pub fn new(width: usize, colour: bool) -> Self {
        Self { width: width.max(NARROWEST), colour, lines: Vec::new() }
    }

    fn styled(&self, text: &str, style: Style) -> String {
        if self.colour && style != Style::Plain {
            format!("{}{text}\x1b[0m", style.code())
        } else {
            text.to_owned()
        }
    }

    /// A line as it is.
    pub fn plain(&mut self, line: String) {
        self.lines.push(line);
    }

    /// A sentence, wrapped.
    pub fn sentence(&mut self, text: &str, style: Style) {
        for line in wrap::words(text, self.width, "  ") {
            self.lines.push(self.styled(&line, style));
        }
    }

    /// A line of a table, cut where it is too long, with those of its `cells` coloured that stand out.
    pub fn row(&mut self, line: &str, cells: &[String], style_of: fn(&str) -> Style) {
        let line = wrap::truncated(line, self.width);
        let mut marked = String::new();
        let mut rest = line.as_str();
        for cell in cells.iter().filter(|cell| !cell.is_empty()) {
            let Some(Range { start, end }) = rest.find(cell.as_str()).map(|at| at..at + cell.len()) else {
                break;
            };
            marked.push_str(&rest[..start]);
            marked.push_str(&self.styled(&rest[start..end], style_of(cell)));
            rest = &rest[end..];
        }
        self.lines.push(marked + rest);
    }

    /// An empty line, but never two, and none at the top.
    pub fn gap(&mut self) {
        if self.lines.last().is_some_and(|line| !line.is_empty()) {
            self.lines.push(String::new());
        }
    }

    /// A broken claim, with the command that repeats it.
    pub fn broken(&mut self, broken: &Broken) {
        self.sentence(&format!("BROKEN CLAIM: {}", broken.what), Style::Alarm);
        let first = broken.first.as_ref().map_or_else(String::new, |first| format!("{first}; "));
        for line in wrap::words(&format!("{first}repeat it:"), self.width - 2, "") {
            self.plain(format!("  {line}"));
        }
        for line in wrap::command(&broken.command, self.width, "    ") {
            self.plain(line);
        }
    }

    /// The text, which ends in a newline.
    pub fn finish(mut self) -> String {
        while self.lines.last().is_some_and(String::is_empty) {
            self.lines.pop();
        }
        self.lines.join("\n") + "\n"
    }
}
