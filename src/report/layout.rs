//! How a block is laid out on a terminal: in one table if it fits, else in two bands of the same lines.

use comfy_table::{CellAlignment, Table, presets};

use crate::report::ladder::is_further;
use crate::report::model::{Block, Column, Line};
use crate::report::wrap;

/// One table of a block.
pub struct Layout {
    /// Its columns.
    pub columns: Vec<Column>,
    /// Whether cells of perturbations are numbers alone.
    pub is_short: bool,
    /// Whether the title stands on a line of its own, and not in the header.
    is_titled_apart: bool,
    /// Whether it is the first of its block, which has the title.
    is_first: bool,
    /// Spaces between columns.
    gap: u16,
}

/// The tables of a block. Where one would be too wide, the perturbations that go beyond repetition make a
/// second one: nothing that a reader decides by is lost at the usual widths.
pub fn bands(block: &Block, width: usize) -> Vec<Layout> {
    let columns = block.columns();
    let mut whole = Layout::new(columns.clone(), true);
    if whole.moves_closer(block, width) {
        return vec![whole];
    }
    let is_second = |column: &Column| matches!(column, Column::Under(under) if is_further(*under));
    let (further, first): (Vec<_>, Vec<_>) = columns.into_iter().partition(is_second);
    let mut bands = vec![Layout::fitting(first, true, block, width)];
    if !further.is_empty() {
        let columns = [Column::Name, Column::Claims].into_iter().chain(further).collect();
        bands.push(Layout::fitting(columns, false, block, width));
    }
    bands
}

impl Layout {
    fn new(columns: Vec<Column>, is_first: bool) -> Self {
        Self { columns, is_short: false, is_titled_apart: false, is_first, gap: 3 }
    }

    /// The widest layout that fits: first everything moves closer, then cells get short, then columns go from
    /// the right; the name and one more stay.
    fn fitting(columns: Vec<Column>, is_first: bool, block: &Block, width: usize) -> Self {
        let mut layout = Self::new(columns, is_first);
        if layout.moves_closer(block, width) {
            return layout;
        }
        layout.is_short = true;
        while layout.columns.len() > 2 && layout.width(block) > width {
            layout.columns.pop();
        }
        layout
    }

    /// Moves columns closer until they fit, if they do.
    fn moves_closer(&mut self, block: &Block, width: usize) -> bool {
        [(false, 3), (false, 2), (true, 2)].into_iter().any(|(is_titled_apart, gap)| {
            (self.is_titled_apart, self.gap) = (is_titled_apart, gap);
            self.width(block) <= width
        })
    }

    fn width(&self, block: &Block) -> usize {
        self.lines(block).iter().map(|line| wrap::width(line)).max().unwrap_or(0)
    }

    /// The title, if it stands above the table.
    pub fn title_apart(&self, block: &Block) -> Option<String> {
        (self.is_first && self.is_titled_apart).then(|| title(block))
    }

    /// What a line of the block says in the columns.
    pub fn texts(&self, block: &Block, line: &Line) -> Vec<String> {
        self.columns.iter().map(|column| block.text(line, *column, self.is_short)).collect()
    }

    /// The lines of the table, the header first.
    pub fn lines(&self, block: &Block) -> Vec<String> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let headings = self.columns.iter().map(|column| match column {
            Column::Name if self.is_titled_apart || !self.is_first => "  algorithm".to_owned(),
            Column::Name => title(block),
            other => block.heading(*other),
        });
        table.set_header(headings.collect::<Vec<_>>());
        for line in &block.lines {
            let mut texts = self.texts(block, line);
            if let Some(name) = texts.first_mut() {
                name.insert_str(0, "  ");
            }
            table.add_row(texts);
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

fn title(block: &Block) -> String {
    format!("{}  {}", block.operation, block.problem)
}
