//! `samebits causes` as text: a line per cause, and findings that follow from the intervals.

use serde::Serialize;

use crate::causes::measure::{Length, Outcome};
use crate::causes::summary::{Ratio, Summary};
use crate::causes::table::Kind;
use crate::error::{Error, Result};
use crate::report::{words, wrap};

/// What was measured, and how.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// Where, in words.
    pub device: String,
    /// What is to be known of that, for instance why it is no GPU.
    pub remark: Option<String>,
    /// The optimizer.
    pub optimizer: String,
    /// `operation=algorithm` of each.
    pub algorithms: String,
    /// How long is trained and watched.
    pub length: Length,
    /// What each cause did, seed by seed.
    pub outcomes: Vec<Outcome>,
}

const HEADER: [&str; 10] = [
    "cause",
    "first bit",
    "loss at load",
    "at load ×",
    "later ×",
    "outputs",
    "back in",
    "kind",
    "v_c",
    "v_ermv",
];
/// What the columns are.
const LEGEND: &str = "first bit: where bits first differ from the uninterrupted run's, the earliest of all seeds · loss at \
    load: on the held-out images, before saving → after loading, medians · at load ×, later ×: loss over that before \
    saving, and over the uninterrupted run's in the steps after loading; 95 % intervals over seeds · outputs: predictions \
    that changed by loading, or the largest distance in units in the last place · back in: steps until the loss is within \
    1 % of the uninterrupted run's again, or never while it is watched · v_c, v_ermv: share of outputs whose bits differ at \
    load, and their mean relative difference";

/// For people; no line is wider than `width`, if that leaves two columns.
pub fn terminal(measured: &Measured, width: usize) -> String {
    let summaries = Summary::all(&measured.outcomes);
    let mut rows = vec![HEADER.map(str::to_owned).to_vec()];
    rows.extend(summaries.iter().map(cells));
    let mut widths: Vec<usize> = (0..HEADER.len())
        .map(|column| rows.iter().map(|row| wrap::width(&row[column])).max().unwrap_or(0))
        .collect();
    while widths.len() > 2 && widths.iter().sum::<usize>() + 2 * (widths.len() - 1) > width {
        widths.pop();
    }
    let mut lines: Vec<String> = words_of(&[about(measured)], width);
    lines.push(String::new());
    lines.extend(rows.iter().map(|row| {
        let padded = row
            .iter()
            .zip(&widths)
            .map(|(cell, wide)| format!("{cell}{}", " ".repeat(wide - wrap::width(cell))));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    }));
    lines.push(String::new());
    lines.extend(words_of(&sentences(&summaries), width));
    lines.extend(words_of(&[LEGEND.to_owned()], width));
    lines.join("\n") + "\n"
}

fn words_of(sentences: &[String], width: usize) -> Vec<String> {
    sentences.iter().flat_map(|sentence| wrap::words(sentence, width, "  ")).collect()
}

/// Markdown.
pub fn markdown(measured: &Measured) -> String {
    let summaries = Summary::all(&measured.outcomes);
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = format!("{}\n\n{}", about(measured), line(&HEADER.map(str::to_owned)));
    text += &line(&HEADER.map(|_| "---".to_owned()));
    summaries.iter().for_each(|summary| text += &line(&cells(summary)));
    text.push('\n');
    sentences(&summaries).iter().for_each(|sentence| text += &format!("- {sentence}\n"));
    text + &format!("\n{LEGEND}\n")
}

/// A line per cause and seed. Loss curves are only in the JSON.
///
/// # Errors
/// Never: it is written into memory.
pub fn csv(measured: &Measured) -> Result<String> {
    let failed = |error: csv::Error| Error::input(format!("cannot write CSV: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(failed)?;
    for outcome in &measured.outcomes {
        writer.write_record(record(outcome)).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| Error::input(format!("cannot write CSV: {error}")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

const COLUMNS: [&str; 16] = [
    "cause",
    "kind",
    "seed",
    "skipped",
    "refused",
    "steps",
    "first_difference",
    "loss_before",
    "loss_after",
    "changed",
    "v_c",
    "v_ermv",
    "max_ulp",
    "later_ratio",
    "back_after",
    "diverged",
];

fn record(outcome: &Outcome) -> [String; COLUMNS.len()] {
    fn text<T: ToString>(value: Option<&T>) -> String {
        value.map(T::to_string).unwrap_or_default()
    }
    [
        outcome.cause.to_owned(),
        outcome.kind.name().to_owned(),
        outcome.seed.to_string(),
        text(outcome.skipped.as_ref()),
        text(outcome.refused.as_ref()),
        outcome.steps.to_string(),
        text(outcome.first_difference.as_ref()),
        outcome.loss_before.to_string(),
        text(outcome.loss_after.as_ref()),
        text(outcome.changed.as_ref()),
        text(outcome.v_c.as_ref()),
        text(outcome.v_ermv.as_ref()),
        text(outcome.max_ulp.as_ref()),
        text(outcome.later_ratio.as_ref()),
        text(outcome.back_after.as_ref()),
        text(outcome.diverged.as_ref()),
    ]
}

/// Everything, with the loss curves.
///
/// # Errors
/// Never: every value has a form in JSON.
pub fn json(measured: &Measured) -> Result<String> {
    let text = serde_json::to_string_pretty(measured);
    text.map(|text| text + "\n").map_err(|error| Error::input(format!("cannot write JSON: {error}")))
}

/// What must hold and does not.
pub fn broken(measured: &Measured) -> Vec<String> {
    Summary::all(&measured.outcomes).iter().filter_map(Summary::broken).collect()
}

fn seeds(summaries: &[Summary]) -> usize {
    summaries.iter().map(|summary| summary.outcomes.len()).max().unwrap_or(0)
}

fn about(measured: &Measured) -> String {
    let Measured { device, remark, optimizer, algorithms, length: Length { before, after }, .. } = measured;
    let remark = remark.as_ref().map(|remark| format!(" · {remark}")).unwrap_or_default();
    format!(
        "handwritten digits · linear, batch-norm, ReLU, dropout, linear · {optimizer} · {algorithms} · {device}{remark} · \
         saved in the middle of step {}, watched for {after} more",
        before + 1
    )
}

fn cells(summary: &Summary) -> Vec<String> {
    let dash = || "–".to_owned();
    let before = summary.median(|outcome| Some(f64::from(outcome.loss_before)));
    let after = summary.median(|outcome| outcome.loss_after.map(f64::from));
    let losses = before.zip(after).map(|(before, after)| format!("{} → {}", loss(before), loss(after)));
    vec![
        summary.name.to_owned(),
        first_bit(summary),
        losses.unwrap_or_else(dash),
        summary.at_load.as_ref().map_or_else(dash, ratio),
        summary.later.as_ref().map_or_else(dash, ratio),
        outputs(summary),
        back(summary),
        summary.kind.name().to_owned(),
        summary.median(|outcome| outcome.v_c).map_or_else(dash, share),
        summary.median(|outcome| outcome.v_ermv).map_or_else(dash, |mean| format!("{mean:.1e}")),
    ]
}

fn first_bit(summary: &Summary) -> String {
    if summary.skipped().is_some() {
        return "skipped".to_owned();
    }
    if summary.outcomes.iter().any(|outcome| outcome.refused.is_some()) {
        return "refused".to_owned();
    }
    match summary.outcomes.iter().filter_map(|outcome| outcome.first_difference).min() {
        None => "never".to_owned(),
        Some(0) => "at load".to_owned(),
        Some(step) => format!("step {step}"),
    }
}

/// Four digits that say something.
fn loss(loss: f64) -> String {
    if loss < 1.0 { format!("{loss:.4}") } else { words::significant(loss, 4) }
}

fn ratio(ratio: &Ratio) -> String {
    let number = |value: f64| match value {
        f64::INFINITY => "∞".to_owned(),
        value if value < 10.0 => format!("{value:.2}"),
        value => format!("{value:.1}"),
    };
    match ratio.interval {
        // Not a ratio that only rounds to 1.
        Some((1.0, 1.0)) => "same".to_owned(),
        Some((low, high)) if low == high => number(low),
        Some((low, high)) => format!("{}–{}", number(low), number(high)),
        None if ratio.value == 1.0 => "same".to_owned(),
        None => number(ratio.value),
    }
}

fn share(share: f64) -> String {
    if share == 0.0 {
        return "0 %".to_owned();
    }
    let percent = 100.0 * share;
    if percent < 10.0 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

fn outputs(summary: &Summary) -> String {
    let changed: Vec<f64> = summary.outcomes.iter().filter_map(|outcome| outcome.changed).collect();
    let Some(distance) = summary.outcomes.iter().filter_map(|outcome| outcome.max_ulp).max() else {
        return "–".to_owned();
    };
    let mean = changed.iter().sum::<f64>() / changed.len() as f64;
    match distance {
        _ if mean > 0.0 => format!("{} differ", share(mean)),
        0 => "same bits".to_owned(),
        distance => format!("{} ulp", words::ulp(distance)),
    }
}

fn back(summary: &Summary) -> String {
    if summary.outcomes.iter().any(|outcome| outcome.loss_after.is_none()) || summary.kind == Kind::Control {
        return "–".to_owned();
    }
    // The median of all seeds is "never" where half of them do not come back.
    let steps = summary.median(|outcome| Some(outcome.back_after.map_or(f64::INFINITY, |step| step as f64)));
    match steps {
        Some(steps) if steps < 0.5 => "at once".to_owned(),
        Some(steps) if steps.is_finite() => format!("{steps:.0} steps"),
        _ => "never".to_owned(),
    }
}

/// What is broken, what the intervals say, and what the reader said of damaged files.
fn sentences(summaries: &[Summary]) -> Vec<String> {
    let mut said: Vec<String> =
        summaries.iter().filter_map(Summary::broken).map(|broken| format!("BROKEN: {broken}")).collect();
    let causes = || {
        summaries.iter().filter(|summary| {
            !matches!(summary.kind, Kind::Control | Kind::Integrity) && summary.skipped().is_none()
        })
    };
    let named = |wanted: Option<bool>| -> Vec<String> {
        causes().filter(|summary| summary.moves() == wanted).map(|summary| summary.name.to_owned()).collect()
    };
    let (moving, total, seeds) = (named(Some(true)), causes().count(), seeds(summaries));
    if seeds < 2 {
        said.push(
            "One seed has no interval: more of them tell what moves the loss from noise (--seeds 5)."
                .to_owned(),
        );
    } else {
        let which = if moving.is_empty() { String::new() } else { format!(": {}", moving.join(", ")) };
        said.push(format!(
            "{} of {total} causes move the loss by more than 1 %, at load or later, in 95 % intervals over {seeds} \
             seeds{which}.",
            moving.len()
        ));
        let others = named(Some(false));
        if !others.is_empty() {
            said.push(format!("Not shown to, beyond the noise of these seeds: {}.", others.join(", ")));
        }
    }
    let losses: Vec<f32> =
        summaries[..1].iter().flat_map(|s| &s.outcomes).map(|outcome| outcome.loss_before).collect();
    let extreme = |pick: fn(f32, f32) -> f32| losses.iter().copied().reduce(pick);
    if let (Some(low), Some(high), true) = (extreme(f32::min), extreme(f32::max), seeds > 1) {
        said.push(format!("Seeds alone: the loss before saving is {low:.4} to {high:.4}."));
    }
    let refusals = summaries.iter().filter_map(|summary| {
        let refused = summary.outcomes.iter().find_map(|outcome| outcome.refused.as_ref())?;
        Some(format!("{}: refused: {refused}", words::capitalised(summary.name)))
    });
    let skipped = summaries.iter().filter_map(|summary| {
        Some(format!("{}: skipped: {}", words::capitalised(summary.name), summary.skipped()?))
    });
    said.extend(skipped);
    said.extend(refusals);
    said
}
