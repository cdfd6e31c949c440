//! Which devices agree: a letter for the bits that each way gave on each device.

use maud::{Markup, html};

use crate::report::compare::agreement;
use crate::report::compare::cell::{Cell, Mark};
use crate::report::compare::model::{Block, Line};
use crate::report::html::section::{Section, and_more};
use crate::report::html::svg::{self, Anchor, At, SERIES, WIDTH};
use crate::report::html::table::Table;
use crate::report::html::{Input, text};

/// Workloads that are shown: the most telling of each operation first.
const PANELS: usize = 12;

/// Devices that are shown.
const DEVICES: usize = 12;

/// Ways that are shown of each workload.
const WAYS: usize = 24;

/// Where the letters begin; names stand before them.
const LEFT: f64 = 140.0;

/// Height of a letter's tile.
const TILE: f64 = 22.0;

/// The section.
pub fn section(input: &Input) -> Option<Section> {
    let comparison = input.comparison;
    let mut blocks: Vec<&Block> = comparison
        .blocks
        .iter()
        .filter(|block| block.lines.iter().any(|line| !line.cells.is_empty()))
        .collect();
    if blocks.is_empty() {
        return None;
    }
    let all = blocks.len();
    // What is broken must not be what is left out.
    let is_bad = |block: &Block| {
        block.lines.iter().any(Line::differs_against_its_claim)
            || block.cells().any(|(_, cell)| cell.is_broken || cell.mark == Mark::Failed)
    };
    blocks.sort_by_key(|block| (!is_bad(block), !block.is_telling));
    let devices = comparison.devices.len();
    let mut left_out = Vec::from_iter(and_more(all, PANELS, "workload", "workloads"));
    left_out.extend(and_more(devices, DEVICES, "device", "devices"));
    let labels = comparison.devices.iter().take(DEVICES);
    let body = html! {
        @if let Some(sentence) = agreement::sentence(&comparison.agreements, &comparison.devices) {
            p { (text::sentence(&sentence)) }
        }
        p.note {
            "Columns: "
            @for (place, device) in labels.enumerate() {
                @if place > 0 { "; " }
                (place + 1) " = " (text::name(&device.label))
            }
            "."
        }
    };
    Some(Section {
        id: "agreement",
        title: "Which devices agree",
        how_to_read: "within a picture, the same letter means the very same bits; ~ changes from run to run, ≠ was \
                      measured on other inputs, ? keeps no digest, – was skipped, ! failed; a thick edge marks bits \
                      that differ between devices although the way claims that they do not."
            .to_owned(),
        body,
        figures: blocks.iter().take(PANELS).enumerate().map(|(place, block)| panel(input, place, block)).collect(),
        left_out,
        data: vec![data(input, &blocks), pairs(input)],
    })
}

fn panel(input: &Input, place: usize, block: &Block) -> Markup {
    let columns = input.comparison.devices.len().min(DEVICES);
    let width = ((WIDTH - LEFT) / columns.max(1) as f64).min(44.0);
    let x = |column: usize| LEFT + width * column as f64;
    let lines: Vec<&Line> = block.lines.iter().take(WAYS).collect();
    let mut y = 20.0;
    let mut parts = Vec::new();
    for line in &lines {
        let (name, height) = svg::way((0.0, y + 15.0), &line.name, LEFT - 8.0);
        let cells = line.cells.iter().filter(|(column, _)| **column < columns);
        parts.push(html! {
            (name)
            @for (column, cell) in cells { (tile(input, line, *column, cell, (x(*column), y), width)) }
        });
        y += height.max(TILE);
    }
    let hidden = block.lines.len() - lines.len();
    let more = if hidden > 0 { format!("; {hidden} more ways are not shown") } else { String::new() };
    let told = lines.iter().map(|line| {
        let marks: Vec<String> = (0..columns).map(|column| mark(line.cells.get(&column))).collect();
        format!("{}: {}", line.name, marks.join(" "))
    });
    let body = html! {
        @for column in 0..columns {
            (svg::label("tick", (x(column) + width / 2.0, 12.0), Anchor::Middle, &(column + 1).to_string(), width))
        }
        @for part in &parts { (part) }
    };
    let title = format!("{} {}{more}", block.operation, block.title);
    let description = format!("Letters by device: {}", told.collect::<Vec<_>>().join("; "));
    svg::figure(&format!("agreement-{place}"), &title, &description, y + 2.0, &body)
}

/// What stands for a cell: a tile has room for a letter or two.
fn mark(cell: Option<&Cell>) -> String {
    match cell.map(|cell| cell.mark) {
        None => "·".to_owned(),
        Some(Mark::Skipped) => "–".to_owned(),
        Some(Mark::Failed) => "!".to_owned(),
        Some(mark) => mark.text(),
    }
}

fn tile(input: &Input, line: &Line, column: usize, cell: &Cell, at: (f64, f64), width: f64) -> Markup {
    let is_bad = cell.mark == Mark::Failed || cell.is_broken || line.differs_against_its_claim();
    let class = match cell.mark {
        _ if is_bad => "tile bad".to_owned(),
        Mark::Letter(letter) => format!("tile s{}", letter % SERIES),
        Mark::Varies => "tile varies".to_owned(),
        _ => "tile none".to_owned(),
    };
    let device = input.comparison.devices.get(column).map_or("", |device| device.label.as_str());
    let told = format!("{} on {device}: {}", line.name, cell.mark.text());
    html! {
        rect class=(class) x=(At(at.0 + 1.5)) y=(At(at.1 + 1.5)) width=(At(width - 3.0)) height=(At(TILE - 3.0)) {
            (svg::tip(&told))
        }
        (svg::label("letter", (at.0 + width / 2.0, at.1 + 15.0), Anchor::Middle, &mark(Some(cell)), width))
    }
}

fn data(input: &Input, blocks: &[&Block]) -> Table {
    let devices = &input.comparison.devices;
    let rows = blocks.iter().flat_map(|block| {
        block.lines.iter().flat_map(move |line| {
            line.cells.iter().map(move |(column, cell)| {
                vec![
                    line.way.full_name(&block.operation),
                    block.title.clone(),
                    devices.get(*column).map_or_else(String::new, |device| device.label.clone()),
                    cell.mark.text(),
                    cell.row.digest.clone(),
                    cell.row.accumulator_digest.clone(),
                ]
            })
        })
    });
    const HEADINGS: [&str; 6] = ["way", "workload", "device", "bits", "digest", "digest of f32 stores"];
    Table::new("whose bits are the same", &HEADINGS, rows)
}

fn pairs(input: &Input) -> Table {
    let label = |column: usize| {
        input.comparison.devices.get(column).map_or_else(String::new, |device| device.label.clone())
    };
    let rows = input.comparison.agreements.iter().map(|pair| {
        let (left, right) = pair.columns;
        vec![label(left), label(right), pair.same.to_string(), pair.cases.to_string()]
    });
    Table::new("cases in which two devices agree", &["device", "and", "#same bits", "#cases"], rows)
}
