//! How far results that change from run to run drift, against the length of their sums.

use std::collections::{BTreeMap, HashMap};

use maud::html;

use crate::measurement::Measurement;
use crate::operation;
use crate::report::group::{self, Way};
use crate::report::html::Input;
use crate::report::html::plot::{Bound, Plot, Series};
use crate::report::html::scale::{Kind, short};
use crate::report::html::section::{Section, and_more};
use crate::report::html::svg::SERIES;
use crate::report::html::table::Table;
use crate::report::words::{self, plural};
use crate::tensor::Dtype;
use crate::verdict::Verdict;

/// Panels that are shown.
const PANELS: usize = 24;

/// Where sums are compared: the operation's place in the suite and name, the column, the types of outputs and sums.
type Place<'a> = (usize, &'a str, usize, &'static str, &'static str);

/// A way on inputs of one distribution: terms that cancel drift otherwise than terms of one sign.
type Line<'a> = (Way<'a>, &'static str);

/// The rows of each length of sums.
type Lengths<'a> = BTreeMap<u64, Vec<&'a Measurement>>;

/// The section.
pub fn section(input: &Input) -> Option<Section> {
    let mut without = 0;
    let panels = collect(input, &mut without);
    if panels.is_empty() {
        return None;
    }
    let mut left_out = Vec::from_iter(and_more(panels.len(), PANELS, "panel", "panels"));
    let hidden: usize = panels.values().map(|ways| ways.len().saturating_sub(SERIES)).sum();
    left_out.extend((hidden > 0).then(|| {
        format!(
            "{hidden} {} after the first {SERIES} of a panel: in the table alone.",
            plural(hidden, "line", "lines")
        )
    }));
    left_out.extend((without > 0).then(|| {
        format!(
            "{without} {} no place: no mean relative difference, or sums whose length the extents do not tell.",
            plural(without, "row that differs has", "rows that differ have")
        )
    }));
    let is_short = |lengths: &Lengths| lengths.len() < 3;
    let body = html! {
        @if panels.values().flat_map(BTreeMap::values).all(is_short) {
            p {
                "No way was measured at more than two lengths of sums of like terms, so that growth does not show; "
                code { "samebits run --profile full" } " has more, and " code { "--workloads FILE" } " takes your own."
            }
        }
    };
    let figures = panels.iter().take(PANELS).enumerate();
    let figures = figures.filter_map(|(place, (of, ways))| panel(input, place, of, ways)).collect();
    Some(Section {
        id: "drift",
        title: "How far what is not ordered drifts",
        how_to_read: "each point is the largest mean relative difference of an execution from the first, over a way's rows \
                      with sums of n terms that changed from run to run; u·√n is what n roundings of either sign come to, \
                      u·n what they can come to at the most where all terms have one sign (u = 2⁻²⁴, half a unit in the \
                      last place of an f32 at 1; two sums may be apart by twice that); where terms cancel, points may lie \
                      above both, and outputs that are stored narrower than they are summed have no such lines."
            .to_owned(),
        body,
        figures,
        left_out,
        data: vec![data(input, &panels)],
    })
}

fn collect<'a>(
    input: &Input<'a>,
    without: &mut usize,
) -> BTreeMap<Place<'a>, BTreeMap<Line<'a>, Lengths<'a>>> {
    let columns = input.columns();
    let mut lengths: HashMap<[&str; 2], Option<u64>> = HashMap::new();
    let mut panels: BTreeMap<Place, BTreeMap<Line, Lengths>> = BTreeMap::new();
    let drifts = |row: &&Measurement| {
        row.verdict == Verdict::Differs && row.gap().is_none() && group::is_run_to_run(row.perturbation)
    };
    for row in input.rows.iter().filter(drifts) {
        let operation = row.operation.as_str();
        let known = operation::find(operation).ok();
        let length = *lengths.entry([operation, &row.shape]).or_insert_with(|| {
            let known = known?;
            known.terms(&known.shape(&row.shape).ok()?)
        });
        let column = columns.get(&[row.device.as_str(), row.device_kind.as_str(), row.environment.as_str()]);
        let (Some(length), Some(column), Some(_)) = (length.filter(|n| *n > 0), column, drift(row)) else {
            *without += 1;
            continue;
        };
        let types = (row.output_dtype.name(), row.accumulate.name());
        let place = (group::listed(operation), operation, *column, types.0, types.1);
        let ways = panels.entry(place).or_default();
        ways.entry((group::way(known, row), row.input.name()))
            .or_default()
            .entry(length)
            .or_default()
            .push(row);
    }
    panels
}

fn drift(row: &Measurement) -> Option<f64> {
    row.v_ermv.filter(|mean| mean.is_finite() && *mean > 0.0)
}

fn largest(rows: &[&Measurement]) -> f64 {
    rows.iter().filter_map(|row| drift(row)).fold(0.0, f64::max)
}

fn panel(input: &Input, place: usize, of: &Place, ways: &BTreeMap<Line, Lengths>) -> Option<maud::Markup> {
    let (_, operation, column, outputs, sums) = *of;
    let series = ways.iter().take(SERIES).map(|((way, terms), lengths)| {
        let name = format!("{}, {terms} terms", way.name());
        let points = lengths.iter().map(|(n, rows)| {
            let drift = largest(rows);
            (*n as f64, drift, format!("{name}: {} at n = {n}, of {} rows", short(drift), rows.len()))
        });
        Series { points: points.collect(), name: name.clone(), is_marked: true }
    });
    let all = || ways.values().flat_map(BTreeMap::keys).map(|n| *n as f64);
    // A single length still needs a line to lie beside.
    let (low, high) = (all().fold(f64::MAX, f64::min) / 1.5, all().fold(1.0, f64::max) * 1.5);
    let u = (outputs == sums && outputs == Dtype::F32.name()).then_some(2f64.powi(-24));
    let bound = |name: &str, at: fn(f64) -> f64, u: f64| Bound {
        name: name.to_owned(),
        through: vec![(low, u * at(low)), (high, u * at(high))],
    };
    let plot = Plot {
        id: format!("drift-{place}"),
        title: format!("{operation} on {}, {outputs} outputs", input.device(column)),
        below: (Kind::Log10, "n, terms of a sum"),
        left: (Kind::Log10, "mean relative difference"),
        series: series.collect(),
        bounds: u.into_iter().flat_map(|u| [bound("u·√n", f64::sqrt, u), bound("u·n", |n| n, u)]).collect(),
    };
    plot.render()
}

fn data(input: &Input, panels: &BTreeMap<Place, BTreeMap<Line, Lengths>>) -> Table {
    let rows = panels.iter().flat_map(|((_, operation, column, outputs, _), ways)| {
        ways.iter().flat_map(move |((way, terms), lengths)| {
            lengths.iter().map(move |(n, rows)| {
                let ulp = rows.iter().filter_map(|row| row.max_ulp).max();
                vec![
                    way.full_name(operation),
                    input.device(*column).to_owned(),
                    (*outputs).to_owned(),
                    (*terms).to_owned(),
                    n.to_string(),
                    words::significant(largest(rows), 5),
                    ulp.map_or_else(String::new, |ulp| ulp.to_string()),
                    rows.len().to_string(),
                ]
            })
        })
    });
    const HEADINGS: [&str; 8] = [
        "way",
        "device",
        "outputs",
        "terms",
        "#n",
        "#mean relative difference",
        "#largest distance in ulp",
        "#rows",
    ];
    Table::new("drift from run to run", &HEADINGS, rows)
}
