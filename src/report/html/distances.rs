//! How many units in the last place outputs that differ are apart.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::operation;
use crate::report::group::{self, Way};
use crate::report::html::Input;
use crate::report::html::scale::{Kind, Scale, short};
use crate::report::html::section::{Section, and_more};
use crate::report::html::svg::{self, Anchor, At, Frame, WIDTH};
use crate::report::html::table::Table;
use crate::report::words::plural;
use crate::verdict::Verdict;

/// Panels that are shown.
const PANELS: usize = 24;

/// Numbers below a picture.
const NUMBERS: usize = 6;

const LEFT: f64 = 60.0;

/// Whose distances: the operation's place in the suite and name, the column, whether other than from run to run, the way,
/// the type of the outputs.
type Place<'a> = (usize, &'a str, usize, bool, Way<'a>, &'static str);

/// Elements by distance, and the rows that they are of.
type Counts = (Vec<u64>, usize);

/// The section; `None` where no row has differences whose distances were kept.
pub fn section(input: &Input) -> Option<Section> {
    let mut without = 0;
    let panels = collect(input, &mut without);
    let remarks = &input.beside.remarks;
    if panels.is_empty() && remarks.is_empty() {
        return None;
    }
    let mut left_out = Vec::from_iter(and_more(panels.len(), PANELS, "panel", "panels"));
    left_out.extend((without > 0).then(|| {
        format!(
            "{without} {} no distances in a samples.jsonl beside the rows.",
            plural(without, "row that differs has", "rows that differ have")
        )
    }));
    left_out.extend(remarks.iter().map(|remark| super::text::plain(remark)));
    let figures = panels.iter().take(PANELS).enumerate();
    Some(Section {
        id: "distances",
        title: "How many units in the last place apart",
        how_to_read: "each bar is the share of the elements that differ whose distance from the first execution is at least the \
                      number below it and less than twice that; a distance of 1 is the next number that the type has; the \
                      output that differs most counts, of all rows of a way together; otherwise: under what is not from run to run."
            .to_owned(),
        body: html! {},
        figures: figures.filter_map(|(place, (of, counts))| panel(input, place, of, counts)).collect(),
        left_out,
        data: if panels.is_empty() { Vec::new() } else { vec![data(input, &panels)] },
    })
}

fn collect<'a>(input: &Input<'a>, without: &mut usize) -> BTreeMap<Place<'a>, Counts> {
    let columns = input.columns();
    let mut panels: BTreeMap<Place, Counts> = BTreeMap::new();
    let differing = input.rows.iter().filter(|row| row.verdict == Verdict::Differs && row.gap().is_none());
    for row in differing {
        let column = columns.get(&[row.device.as_str(), row.device_kind.as_str(), row.environment.as_str()]);
        let (Some(counts), Some(column)) = (input.beside.histogram(row), column) else {
            *without += 1;
            continue;
        };
        let operation = row.operation.as_str();
        let way = group::way(operation::find(operation).ok(), row);
        let is_other = !group::is_run_to_run(row.perturbation);
        let place = (group::listed(operation), operation, *column, is_other, way, row.output_dtype.name());
        let (all, rows) = panels.entry(place).or_default();
        *rows += 1;
        // Distances of 64 bits have 65 entries; more are nobody's.
        let counts = &counts[..counts.len().min(65)];
        all.resize(all.len().max(counts.len()), 0);
        all.iter_mut().zip(counts).for_each(|(sum, count)| *sum = sum.saturating_add(*count));
    }
    panels
}

/// The smallest distance of entry `k`, which is not 0.
fn least(entry: usize) -> f64 {
    2f64.powi(entry as i32 - 1)
}

fn panel(input: &Input, place: usize, of: &Place, (counts, rows): &Counts) -> Option<Markup> {
    let (_, operation, column, is_other, way, outputs) = *of;
    let last = counts.iter().rposition(|count| *count > 0).filter(|last| *last > 0)?;
    let differing: f64 = counts[1..].iter().map(|count| *count as f64).sum();
    let all = differing + counts[0] as f64;
    let shares: Vec<f64> = counts[1..=last].iter().map(|count| 100.0 * *count as f64 / differing).collect();
    let frame = Frame { left: LEFT, right: WIDTH - 10.0, top: 22.0, bottom: 142.0 };
    let most = shares.iter().copied().fold(0.0, f64::max);
    let upwards = Scale::over(Kind::Linear, [0.0, most], frame.bottom, frame.top)?;
    let step = (frame.right - frame.left) / shares.len() as f64;
    let wide = (step * 0.8).min(28.0);
    let middle = |index: usize| frame.left + step * (index as f64 + 0.5);
    let base = upwards.at(0.0)?;
    let when = if is_other { "otherwise" } else { "from run to run" };
    let title = format!(
        "{} on {}, {outputs}, {when}: {} % differ, {rows} {}",
        way.full_name(operation),
        input.device(column),
        short((1000.0 * differing / all).round() / 10.0),
        plural(*rows, "row", "rows")
    );
    let told = |index: usize| {
        let from = least(index + 1);
        format!("{} to below {} ulp: {} elements", short(from), short(2.0 * from), counts[index + 1])
    };
    let description: Vec<String> =
        (0..shares.len()).filter(|index| counts[index + 1] > 0).map(told).collect();
    let powers = Scale::over(Kind::Log2, [1.0, least(last)], 0.0, 1.0)?;
    let body = html! {
        (svg::axis_left(frame, &upwards, "% of what differs", short))
        line.edge x1=(At(frame.left)) y1=(At(base)) x2=(At(frame.right)) y2=(At(base)) {}
        @for (index, share) in shares.iter().enumerate() {
            @if let Some(top) = upwards.at(*share).filter(|_| *share > 0.0) {
                (svg::bar(0, middle(index), wide, base, top, &told(index)))
            }
            @if index % shares.len().div_ceil(NUMBERS) == 0 {
                @let number = powers.label(least(index + 1));
                (svg::label("tick", (middle(index), frame.bottom + 14.0), Anchor::Middle, &number, WIDTH))
            }
        }
        (svg::label("unit", (frame.right, frame.bottom + 30.0), Anchor::End, "distance in ulp, at least", frame.right))
    };
    Some(svg::figure(
        &format!("distances-{place}"),
        &title,
        &description.join("; "),
        frame.bottom + 36.0,
        &body,
    ))
}

fn data(input: &Input, panels: &BTreeMap<Place, Counts>) -> Table {
    let rows = panels.iter().flat_map(|((_, operation, column, is_other, way, outputs), (counts, _))| {
        let there = counts.iter().enumerate().filter(|(_, count)| **count > 0);
        there.map(move |(entry, count)| {
            let (from, below) = if entry == 0 {
                (0, "1".to_owned())
            } else {
                (1u128 << (entry - 1), (1u128 << entry).to_string())
            };
            vec![
                way.full_name(operation),
                input.device(*column).to_owned(),
                (*outputs).to_owned(),
                if *is_other { "other" } else { "run to run" }.to_owned(),
                from.to_string(),
                below,
                count.to_string(),
            ]
        })
    });
    const HEADINGS: [&str; 7] =
        ["way", "device", "outputs", "perturbations", "#distance from", "#to below", "#elements"];
    Table::new("distances in units in the last place", &HEADINGS, rows)
}
