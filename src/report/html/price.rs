//! The price: how much slower than the fastest each way is, beside what it guarantees.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::guarantee::Guarantee;
use crate::ratio::Ratio;
use crate::report::compare::price;
use crate::report::compare::rank::OfWays;
use crate::report::group::Way;
use crate::report::html::scale::{Kind, Scale, short};
use crate::report::html::section::{Section, and_more};
use crate::report::html::svg::{self, Anchor, Frame, LINE, WIDTH};
use crate::report::html::table::Table;
use crate::report::html::{Input, text};
use crate::report::words::{self, plural};

/// Panels that are shown.
const PANELS: usize = 24;

/// Ways that are shown in each.
const WAYS: usize = 24;

/// Sentences, one per device, that are shown.
const SENTENCES: usize = 12;

/// Where the part with the axis begins; names stand before it.
const LEFT: f64 = 130.0;

/// Above this, times over the fastest's are shown by their powers.
const WIDE: f64 = 3.0;

/// What ways claim, by operation.
type Claims<'a, 'b> = BTreeMap<(&'b str, Way<'a>), Guarantee>;

/// The section.
pub fn section(input: &Input) -> Option<Section> {
    let comparison = input.comparison;
    let mut claims: Claims = BTreeMap::new();
    for block in &comparison.blocks {
        for line in &block.lines {
            let guarantees = line.cells.values().map(|cell| cell.row.guarantee);
            if let Some(guarantee) = guarantees.max() {
                let known = claims.entry((&block.operation, line.way)).or_insert(guarantee);
                *known = guarantee.max(*known);
            }
        }
    }
    let ranks = &comparison.ranks;
    let few: usize = ranks.iter().map(|rank| rank.standing.unranked.len()).sum();
    let mut left_out = Vec::from_iter(and_more(ranks.len(), PANELS, "panel", "panels"));
    left_out.extend((few > 0).then(|| {
        format!(
            "{few} {} timed on too few workloads to be ranked, and not shown.",
            plural(few, "way was", "ways were")
        )
    }));
    let panels = ranks.iter().take(PANELS).enumerate();
    let sentences = price::sentences(&comparison.prices, &comparison.devices);
    left_out.extend(and_more(sentences.len(), SENTENCES, "device with prices", "devices with prices"));
    let body = html! {
        ul { @for sentence in sentences.iter().take(SENTENCES) { li { (text::sentence(sentence)) } } }
        @if ranks.is_empty() {
            p { "No two ways to compute the same were timed on the same workloads, so there is no price to show." }
        }
    };
    Some(Section {
        id: "price",
        title: "The price of the same bits",
        how_to_read: if ranks.is_empty() {
            String::new()
        } else {
            "each point is the time of a way over that of the fastest (dashed at ×1), the geometric mean over the \
             workloads that all in the panel have in common; the stroke is what the 95 % intervals of the medians \
             allow; ways stand below what they guarantee, and further right is dearer."
                .to_owned()
        },
        body,
        figures: panels.map(|(place, rank)| panel(input, place, rank, &claims)).collect(),
        left_out,
        data: if ranks.is_empty() { Vec::new() } else { vec![data(input, &claims)] },
    })
}

fn heading(guarantee: Guarantee) -> &'static str {
    match guarantee {
        Guarantee::NotGuaranteed => "nothing guaranteed",
        Guarantee::RunToRun => "run_to_run: on one device",
        Guarantee::GpuToGpu => "gpu_to_gpu: on every device",
    }
}

fn panel(input: &Input, place: usize, rank: &OfWays, claims: &Claims) -> Markup {
    let operation = rank.operation.as_str();
    let claim = |way: Way| claims.get(&(operation, way)).copied().unwrap_or(Guarantee::NotGuaranteed);
    let mut shown: Vec<_> = rank.standing.ranked.iter().map(|ranked| (claim(ranked.who), ranked)).collect();
    let hidden = shown.len().saturating_sub(WAYS);
    // The fastest first, and those below their claims.
    shown.truncate(WAYS);
    shown.sort_by_key(|(guarantee, _)| *guarantee);
    let ends = shown.iter().flat_map(|(_, ranked)| [ranked.mean.low, ranked.mean.value, ranked.mean.high]);
    let ends: Vec<f64> = ends.chain([1.0]).collect();
    let kind = if ends.iter().all(|end| *end <= WIDE) { Kind::Linear } else { Kind::Log10 };
    let Some(scale) = Scale::over(kind, ends, LEFT, WIDTH - 12.0) else { return html! {} };
    let mut y = 4.0;
    let mut lines = Vec::new();
    for (index, (guarantee, ranked)) in shown.iter().enumerate() {
        if index == 0 || shown[index - 1].0 != *guarantee {
            // A little air between what is guaranteed and what is not.
            y += if index == 0 { LINE } else { LINE + 6.0 };
            lines.push(svg::label("head", (0.0, y), Anchor::Start, heading(*guarantee), WIDTH));
        }
        let (line, height) = way(ranked.who, ranked.mean, *guarantee, y + LINE + 3.0, &scale);
        lines.push(line);
        y += height;
    }
    let frame = Frame { left: LEFT, right: WIDTH - 12.0, top: 4.0, bottom: y + 10.0 };
    let first = rank.standing.ranked.first().map(|ranked| ranked.who);
    let engine = first.filter(|way| !way.is_own()).map(|way| format!("{} ", way.engine)).unwrap_or_default();
    let function = first.map(|way| way.function).filter(|function| !function.is_empty());
    let function = function.map(|function| format!(" ({function})")).unwrap_or_default();
    let cases = rank.standing.cases.len();
    let more = if hidden > 0 { format!("; {hidden} slower ways are not shown") } else { String::new() };
    let title = format!(
        "{engine}{operation}{function} on {}, {cases} {}{more}",
        input.device(rank.column),
        plural(cases, "workload", "workloads")
    );
    let told = shown.iter().map(|(guarantee, ranked)| {
        format!("{} ({}) {}", ranked.who.name(), guarantee.name(), words::tax_of(ranked.mean, true))
    });
    let description = told.collect::<Vec<_>>().join("; ");
    let base = scale.at(1.0).unwrap_or(LEFT);
    let body = html! {
        (svg::axis_below(frame, &scale, "time over the fastest way's", |tick| format!("×{}", short(tick))))
        line.base x1=(svg::At(base)) y1=(svg::At(frame.top)) x2=(svg::At(base)) y2=(svg::At(frame.bottom)) {}
        @for line in &lines { (line) }
    };
    svg::figure(&format!("price-{place}"), &title, &description, frame.bottom + 36.0, &body)
}

/// The line of a way, whose text stands on `y`, and its height.
fn way(way: Way, mean: Ratio, guarantee: Guarantee, y: f64, scale: &Scale) -> (Markup, f64) {
    let series = match guarantee {
        Guarantee::NotGuaranteed => 1,
        Guarantee::RunToRun => 0,
        Guarantee::GpuToGpu => 2,
    };
    let told = format!("{}: {}", way.name(), words::tax_of(mean, true));
    let ends = scale.at(mean.low).zip(scale.at(mean.high));
    let (name, height) = svg::way((8.0, y), &way.name(), LEFT - 18.0);
    let line = html! {
        (name)
        @if let Some((from, to)) = ends { (svg::interval(series, y - 4.0, from, to)) }
        @if let Some(x) = scale.at(mean.value) { (svg::point(series, (x, y - 4.0), &told)) }
    };
    (line, height)
}

fn data(input: &Input, claims: &Claims) -> Table {
    let rows = input.comparison.ranks.iter().flat_map(|rank| {
        rank.standing.ranked.iter().map(move |ranked| {
            let claim = claims.get(&(rank.operation.as_str(), ranked.who));
            let Ratio { value, low, high } = ranked.mean;
            let number = |x: f64| if x.is_finite() { words::significant(x, 5) } else { String::new() };
            vec![
                ranked.who.full_name(&rank.operation),
                input.device(rank.column).to_owned(),
                claim.map_or_else(String::new, |claim| claim.name().to_owned()),
                number(value),
                number(low),
                number(high),
                rank.standing.cases.len().to_string(),
            ]
        })
    });
    const HEADINGS: [&str; 7] =
        ["way", "device", "guarantee", "#time over the fastest's", "#at least", "#at most", "#workloads"];
    Table::new("times over the fastest way's", &HEADINGS, rows)
}
