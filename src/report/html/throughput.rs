//! Work per time against the size of a problem, beside the limit that the device was measured to have.

use std::collections::{BTreeMap, HashMap};

use maud::{Markup, html};

use crate::measurement::Measurement;
use crate::operation::{self, Operation};
use crate::report::group::{self, Way};
use crate::report::html::plot::{Bound, Plot, Series};
use crate::report::html::scale::{Kind, short};
use crate::report::html::section::{Section, and_more};
use crate::report::html::svg::SERIES;
use crate::report::html::table::Table;
use crate::report::html::{Input, text};
use crate::report::words;

/// Panels that are shown.
const PANELS: usize = 24;

/// What is comparable: the operation's place in the suite and name, the function, the column, the type of the inputs, the
/// unit.
type Place<'a> = (usize, &'a str, &'static str, usize, &'static str, &'a str);

/// Throughputs, and limits, at a size.
#[derive(Default)]
struct Sized {
    throughputs: Vec<f64>,
    limits: Vec<f64>,
}

/// By size.
type Sizes = BTreeMap<u64, Sized>;

/// The section.
pub fn section(input: &Input) -> Option<Section> {
    let panels = collect(input);
    if panels.is_empty() {
        return None;
    }
    let mut left_out = Vec::from_iter(and_more(panels.len(), PANELS, "panel", "panels"));
    let hidden: usize = panels.values().map(|ways| ways.len().saturating_sub(SERIES)).sum();
    left_out.extend((hidden > 0).then(|| {
        format!("{hidden} slower ways, after the {SERIES} fastest of a panel, are in the table alone.")
    }));
    let figures = panels.iter().take(PANELS).enumerate();
    let figures = figures.filter_map(|(place, (of, ways))| panel(input, place, of, ways)).collect();
    Some(Section {
        id: "throughput",
        title: "Throughput against size",
        how_to_read: "each point is the work per second of a way at a size, the geometric mean where several workloads have \
                      that size; the size is what one execution reads and writes in bytes, or does in operations; the dashed \
                      line is the limit of the device, measured in the same runs by a probe that only reads, or computes."
            .to_owned(),
        body: html! {},
        figures,
        left_out,
        data: vec![data(input, &panels)],
    })
}

fn collect<'a>(input: &Input<'a>) -> BTreeMap<Place<'a>, BTreeMap<Way<'a>, Sizes>> {
    let columns = input.columns();
    let mut known: HashMap<&str, Option<&'static dyn Operation>> = HashMap::new();
    let mut panels: BTreeMap<Place, BTreeMap<Way, Sizes>> = BTreeMap::new();
    for row in input.rows.iter().filter(|row| row.gap().is_none()) {
        let (Some(throughput), Some(size)) = (throughput(row), size(row)) else { continue };
        let operation = row.operation.as_str();
        let known = *known.entry(operation).or_insert_with(|| operation::find(operation).ok());
        let device = [row.device.as_str(), row.device_kind.as_str(), row.environment.as_str()];
        let Some(column) = columns.get(&device) else { continue };
        let way = group::way(known, row);
        let unit = row.throughput_unit.as_str();
        let place = (group::listed(operation), operation, way.function, *column, row.dtype.name(), unit);
        let sized = panels.entry(place).or_default().entry(way).or_default().entry(size).or_default();
        sized.throughputs.push(throughput);
        let percent = row.percent_of_limit.filter(|percent| percent.is_finite() && *percent > 0.0);
        sized
            .limits
            .extend(percent.map(|percent| throughput * 100.0 / percent).filter(|limit| limit.is_finite()));
    }
    panels
}

fn throughput(row: &Measurement) -> Option<f64> {
    row.throughput.filter(|throughput| throughput.is_finite() && *throughput > 0.0)
}

/// The work of one execution to three digits, so that rounded times of the same work do not tell it apart.
fn size(row: &Measurement) -> Option<u64> {
    // Units are per second and in 10⁹, times in 10⁻⁹ seconds.
    let size = throughput(row)? * row.median_ns? as f64;
    if !(1.0..1e18).contains(&size) {
        return None;
    }
    let digit = 10f64.powf(size.log10().floor() - 2.0);
    Some(((size / digit).round() * digit).round() as u64)
}

fn mean(values: &[f64]) -> f64 {
    (values.iter().map(|value| value.ln()).sum::<f64>() / values.len() as f64).exp()
}

/// Ways, the fastest first: by the mean of their throughputs.
fn ranked<'a, 'b>(ways: &'b BTreeMap<Way<'a>, Sizes>) -> Vec<(&'b Way<'a>, &'b Sizes)> {
    let speed =
        |sizes: &Sizes| mean(&sizes.values().map(|sized| mean(&sized.throughputs)).collect::<Vec<_>>());
    let mut ranked: Vec<_> = ways.iter().map(|(way, sizes)| (speed(sizes), way, sizes)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked.into_iter().map(|(_, way, sizes)| (way, sizes)).collect()
}

fn panel(input: &Input, place: usize, of: &Place, ways: &BTreeMap<Way, Sizes>) -> Option<Markup> {
    let (_, operation, function, column, dtype, unit) = *of;
    let series = ranked(ways).into_iter().take(SERIES).map(|(way, sizes)| {
        let name = way.name();
        let points = sizes.iter().map(|(size, sized)| {
            let speed = mean(&sized.throughputs);
            (*size as f64, speed, format!("{name}: {} {unit} at {}", short(speed), short(*size as f64)))
        });
        Series { points: points.collect(), name: name.clone(), is_marked: true }
    });
    let mut limits: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for (size, sized) in ways.values().flatten().filter(|(_, sized)| !sized.limits.is_empty()) {
        limits.entry(*size).or_default().extend(&sized.limits);
    }
    let mut through: Vec<(f64, f64)> = limits.iter().map(|(size, all)| (*size as f64, mean(all))).collect();
    if let [(size, limit)] = through[..] {
        through = vec![(size / 1.5, limit), (size * 1.5, limit)];
    }
    let function = if function.is_empty() { String::new() } else { format!(" ({function})") };
    let below = match unit {
        "GB/s" => "bytes of one execution",
        "GFLOP/s" => "operations of one execution",
        _ => "work of one execution",
    };
    let unit = text::plain(unit);
    let plot = Plot {
        id: format!("throughput-{place}"),
        title: format!("{operation}{function} on {}, {dtype}", input.device(column)),
        below: (Kind::Log10, below),
        left: (Kind::Log10, &unit),
        series: series.collect(),
        bounds: (!through.is_empty())
            .then(|| Bound { name: "limit of the device".to_owned(), through })
            .into_iter()
            .collect(),
    };
    plot.render()
}

fn data(input: &Input, panels: &BTreeMap<Place, BTreeMap<Way, Sizes>>) -> Table {
    let rows = panels.iter().flat_map(|((_, operation, _, column, dtype, unit), ways)| {
        ranked(ways).into_iter().flat_map(move |(way, sizes)| {
            sizes.iter().map(move |(size, sized)| {
                let limit = (!sized.limits.is_empty()).then(|| words::significant(mean(&sized.limits), 4));
                vec![
                    way.full_name(operation),
                    input.device(*column).to_owned(),
                    (*dtype).to_owned(),
                    size.to_string(),
                    words::significant(mean(&sized.throughputs), 4),
                    limit.unwrap_or_default(),
                    (*unit).to_owned(),
                    sized.throughputs.len().to_string(),
                ]
            })
        })
    });
    const HEADINGS: [&str; 8] =
        ["way", "device", "inputs", "#work of an execution", "#throughput", "#limit", "unit", "#rows"];
    Table::new("throughput by size", &HEADINGS, rows)
}
