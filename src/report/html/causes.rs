//! What each reason for a changed loss does to a small training run: its losses after loading, a panel per cause.

use std::collections::BTreeSet;

use maud::{Markup, html};

use crate::causes::told::{Outcome, Told};
use crate::report::html::plot::{Bound, Plot, Series};
use crate::report::html::scale::{Kind, short};
use crate::report::html::section::{Section, and_more};
use crate::report::html::svg::SERIES;
use crate::report::html::table::Table;
use crate::report::html::{Input, text};

/// Panels that are shown.
const PANELS: usize = 48;

/// Points of a curve that are shown.
const POINTS: usize = 200;

/// The section; `None` where no report of causes was given.
pub fn section(input: &Input) -> Option<Section> {
    let reports = &input.beside.causes;
    if reports.is_empty() {
        return None;
    }
    let causes: Vec<(&Told, &str)> =
        reports.iter().flat_map(|told| names(told).into_iter().map(move |name| (told, name))).collect();
    let mut left_out = Vec::from_iter(and_more(causes.len(), PANELS, "cause", "causes"));
    let seeds: BTreeSet<u64> =
        reports.iter().flat_map(|told| &told.outcomes).map(|outcome| outcome.seed).collect();
    left_out.extend(
        (seeds.len() > SERIES).then(|| format!("Seeds after the first {SERIES} are in the table alone.")),
    );
    let long = reports.iter().flat_map(|told| &told.outcomes).any(|outcome| outcome.curve.len() > POINTS);
    left_out.extend(long.then(|| format!("Curves are shown at {POINTS} of their steps.")));
    for (told, name) in &causes {
        if curves(told, name).next().is_some() {
            continue;
        }
        let reason = of(told, name).find_map(|outcome| match (&outcome.skipped, &outcome.refused) {
            (Some(skipped), _) => Some(format!("skipped: {skipped}")),
            (_, Some(refused)) => Some(format!("refused: {refused}")),
            _ => None,
        });
        left_out.push(text::plain(&format!(
            "{name}: {}",
            reason.as_deref().unwrap_or("has no loss after loading")
        )));
    }
    left_out.truncate(PANELS);
    let figures = causes.iter().take(PANELS).enumerate();
    Some(Section {
        id: "causes",
        title: "Why a loss changes after loading",
        how_to_read: "each line is the loss on held-out images of one seed's run, at loading (step 0) and after each step from \
                      there, and each panel one thing that went wrong between saving and going on; the dashed line is the \
                      loss just before saving, the median of the seeds: a line that starts there lost nothing by loading."
            .to_owned(),
        body: html! { @for told in reports { p { (text::sentence(&about(told))) } } },
        figures: figures.filter_map(|(place, (told, name))| panel(place, told, name)).collect(),
        left_out,
        data: vec![data(reports)],
    })
}

fn about(told: &Told) -> String {
    let remark = told.remark.as_ref().map(|remark| format!("; {remark}")).unwrap_or_default();
    format!(
        "Trained on {}{remark}, with {} and {}; saved after {} steps, watched for {} more.",
        told.device, told.optimizer, told.algorithms, told.length.before, told.length.after
    )
}

/// The causes of a report, as they came.
fn names(told: &Told) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    told.outcomes.iter().map(|outcome| outcome.cause.as_str()).filter(|name| seen.insert(*name)).collect()
}

fn of<'a>(told: &'a Told, name: &'a str) -> impl Iterator<Item = &'a Outcome> {
    told.outcomes.iter().filter(move |outcome| outcome.cause == name)
}

/// The outcomes that have losses to draw.
fn curves<'a>(told: &'a Told, name: &'a str) -> impl Iterator<Item = &'a Outcome> {
    of(told, name)
        .filter(|outcome| outcome.curve.iter().flatten().any(|loss| loss.is_finite() && *loss > 0.0))
}

fn panel(place: usize, told: &Told, name: &str) -> Option<Markup> {
    let series = curves(told, name).take(SERIES).map(|outcome| {
        let stride = outcome.curve.len().div_ceil(POINTS).max(1);
        let points = outcome.curve.iter().enumerate().step_by(stride).filter_map(|(step, loss)| {
            let loss = (*loss)?;
            Some((step as f64, loss, format!("seed {}, step {step}: {}", outcome.seed, short(loss))))
        });
        // One loss makes no line.
        let points: Vec<_> = points.collect();
        Series { name: format!("seed {}", outcome.seed), is_marked: points.len() < 3, points }
    });
    let mut before: Vec<f64> = of(told, name).filter_map(|outcome| outcome.loss_before).collect();
    before.retain(|loss| loss.is_finite() && *loss > 0.0);
    before.sort_by(f64::total_cmp);
    let last =
        curves(told, name).map(|outcome| outcome.curve.len().saturating_sub(1)).max().unwrap_or(0).max(1);
    let bounds = before.get(before.len() / 2).map(|median| Bound {
        name: format!("loss before saving, {}", short(*median)),
        through: vec![(0.0, *median), (last as f64, *median)],
    });
    let kind = of(told, name).next().map_or("", |outcome| outcome.kind.as_str());
    let plot = Plot {
        id: format!("causes-{place}"),
        title: format!("{name} ({kind})"),
        below: (Kind::Linear, "steps after loading"),
        left: (Kind::Log10, "loss"),
        series: series.collect(),
        bounds: bounds.into_iter().collect(),
    };
    plot.render()
}

fn data(reports: &[Told]) -> Table {
    let number = |loss: Option<f64>| loss.map_or_else(String::new, |loss| loss.to_string());
    let rows = reports.iter().flat_map(|told| &told.outcomes).map(|outcome| {
        let worst = outcome.curve.iter().flatten().copied().reduce(f64::max);
        vec![
            outcome.cause.clone(),
            outcome.kind.clone(),
            outcome.seed.to_string(),
            number(outcome.loss_before),
            number(outcome.curve.first().copied().flatten()),
            number(worst),
            number(outcome.curve.last().copied().flatten()),
            outcome.curve.len().saturating_sub(1).to_string(),
        ]
    });
    const HEADINGS: [&str; 8] = [
        "cause",
        "kind",
        "#seed",
        "#loss before saving",
        "#after loading",
        "#largest",
        "#at the end",
        "#steps watched",
    ];
    Table::new("losses of each cause and seed", &HEADINGS, rows)
}
