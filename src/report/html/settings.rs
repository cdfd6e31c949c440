//! What a framework's settings do: off against on, the time and the bits.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::ratio::Ratio;
use crate::report::advise::effect::{Effect, Seen, Toggle, toggles};
use crate::report::compare::collect::collect;
use crate::report::compare::devices::Devices;
use crate::report::html::Input;
use crate::report::html::scale::{Kind, Scale, short};
use crate::report::html::section::{Section, and_more};
use crate::report::html::svg::{self, Anchor, At, Frame, LINE, WIDTH};
use crate::report::html::table::Table;
use crate::report::words;

/// Panels that are shown.
const PANELS: usize = 12;

/// Lines of a panel.
const LINES: usize = 16;

/// Ratios up to this, and down to its inverse, have an even scale.
const WIDE: f64 = 3.0;

/// What is on and off on one device.
struct Panel<'a, 'b> {
    toggle: &'b Toggle<'a>,
    column: usize,
    effects: Vec<&'b Effect<'a>>,
}

/// The section; `None` where rows hold no setting both off and on.
pub fn section(input: &Input) -> Option<Section> {
    let problems = collect(input.rows, &mut Devices::default());
    let toggles = toggles(&problems);
    let panels: Vec<Panel> = toggles.iter().flat_map(|toggle| panels(input, toggle)).collect();
    if panels.is_empty() {
        return None;
    }
    let mut left_out = Vec::from_iter(and_more(panels.len(), PANELS, "panel", "panels"));
    let untimed =
        panels.iter().flat_map(|panel| &panel.effects).filter(|effect| ratio(effect).is_none()).count();
    left_out.extend(
        (untimed > 0).then(|| format!("{untimed} pairs without times of one run: in the table alone.")),
    );
    let figures = panels.iter().take(PANELS).enumerate();
    Some(Section {
        id: "settings",
        title: "Settings of the framework, off against on",
        how_to_read: "each point is the time with the setting over that without, the geometric mean over the problems of a way \
                      whose bits fared alike, with what the 95 % intervals of the medians allow; right of the dashed line it \
                      costs time; its shape and the words say what became of the bits, the number how many problems."
            .to_owned(),
        body: html! {},
        figures: figures.filter_map(|(place, panel)| picture(input, place, panel)).collect(),
        left_out,
        data: vec![data(input, &panels)],
    })
}

fn panels<'a, 'b>(input: &Input, toggle: &'b Toggle<'a>) -> Vec<Panel<'a, 'b>> {
    let of = |column| {
        let effects: Vec<_> = toggle.effects.iter().filter(|effect| effect.column == column).collect();
        (!effects.is_empty()).then_some(Panel { toggle, column, effects })
    };
    (0..input.comparison.devices.len()).filter_map(of).collect()
}

fn ratio(effect: &Effect) -> Option<Ratio> {
    effect.ratio.filter(|ratio| ratio.value.is_finite() && ratio.value > 0.0)
}

/// What became of the bits: a series, and words.
fn bits(effect: &Effect) -> (usize, &'static str) {
    match (&effect.off, &effect.on, effect.is_same_bits) {
        (Seen::Not(_), _, _) | (_, Seen::Not(_), _) => (6, "not executed"),
        (Seen::Varies(..), Seen::Same(_), _) => (2, "varied, now the same"),
        (Seen::Varies(..), Seen::Varies(..), _) => (1, "varies still"),
        (Seen::Same(_), Seen::Varies(..), _) => (4, "was the same, now varies"),
        (_, _, Some(true)) => (0, "same bits"),
        (_, _, Some(false)) => (3, "other bits"),
        (_, _, None) => (5, "repeated"),
    }
}

/// One way of a panel, whose bits fared alike: on so many problems, and the geometric mean of their ratios.
struct Line<'a> {
    name: &'a str,
    bits: (usize, &'static str),
    problems: usize,
    mean: Ratio,
}

impl Line<'_> {
    fn told(&self) -> String {
        format!("{}: {}", self.words(), words::factor_of(self.mean, true))
    }

    fn words(&self) -> String {
        format!("{} ({}): {}", self.name, self.problems, self.bits.1)
    }
}

/// The lines of a panel, the dearest first.
fn lines<'b>(panel: &Panel<'_, 'b>) -> Vec<Line<'b>> {
    let mut ratios: BTreeMap<(&str, (usize, &'static str)), Vec<Ratio>> = BTreeMap::new();
    for effect in &panel.effects {
        if let Some(ratio) = ratio(effect) {
            ratios.entry((effect.name.as_str(), bits(effect))).or_default().push(ratio);
        }
    }
    let line = |((name, bits), ratios): ((_, _), Vec<Ratio>)| {
        Some(Line { name, bits, problems: ratios.len(), mean: Ratio::geometric_mean(&ratios)? })
    };
    let mut lines: Vec<Line> = ratios.into_iter().filter_map(line).collect();
    lines.sort_by(|a, b| b.mean.value.total_cmp(&a.mean.value));
    lines
}

fn picture(input: &Input, place: usize, panel: &Panel) -> Option<Markup> {
    let mut shown = lines(panel);
    let hidden = shown.len().saturating_sub(LINES);
    shown.truncate(LINES);
    let ends = || shown.iter().flat_map(|line| [line.mean.low, line.mean.value, line.mean.high]).chain([1.0]);
    let kind = if ends().all(|end| (1.0 / WIDE..=WIDE).contains(&end)) { Kind::Linear } else { Kind::Log10 };
    let frame =
        Frame { left: 8.0, right: WIDTH - 14.0, top: 4.0, bottom: 14.0 + 2.2 * LINE * shown.len() as f64 };
    let scale = Scale::over(kind, ends(), frame.left, frame.right)?;
    if shown.is_empty() {
        return None;
    }
    let line = |(index, line): (usize, &Line)| {
        let y = frame.top + LINE + 2.2 * LINE * index as f64;
        let series = line.bits.0;
        let ends = scale.at(line.mean.low).zip(scale.at(line.mean.high));
        html! {
            (svg::label("name", (0.0, y - 2.0), Anchor::Start, &line.words(), WIDTH))
            @if let Some((from, to)) = ends { (svg::interval(series, y + 9.0, from, to)) }
            @if let Some(x) = scale.at(line.mean.value) { (svg::point(series, (x, y + 9.0), &line.told())) }
        }
    };
    let setting = panel.toggle.setting;
    let more = if hidden > 0 { format!("; {hidden} cheaper ones are in the table") } else { String::new() };
    let title = format!("{}: {} on {}{more}", setting.engine, setting.written, input.device(panel.column));
    let base = scale.at(1.0).unwrap_or(frame.left);
    let description: Vec<String> = shown.iter().map(Line::told).collect();
    let body = html! {
        (svg::axis_below(frame, &scale, "time with it over time without", |tick| format!("×{}", short(tick))))
        line.base x1=(At(base)) y1=(At(frame.top)) x2=(At(base)) y2=(At(frame.bottom)) {}
        @for entry in shown.iter().enumerate() { (line(entry)) }
    };
    Some(svg::figure(
        &format!("settings-{place}"),
        &title,
        &description.join("; "),
        frame.bottom + 36.0,
        &body,
    ))
}

fn data(input: &Input, panels: &[Panel]) -> Table {
    let rows = panels.iter().flat_map(|panel| {
        panel.effects.iter().map(move |effect| {
            let number = |of: fn(Ratio) -> f64| {
                let number = ratio(effect).map(of).filter(|x| x.is_finite());
                number.map_or_else(String::new, |x| words::significant(x, 5))
            };
            let setting = panel.toggle.setting;
            vec![
                effect.name.clone(),
                effect.described.clone(),
                input.device(panel.column).to_owned(),
                format!("{} {}", setting.engine, setting.key),
                effect.from.to_owned(),
                setting.on.to_owned(),
                bits(effect).1.to_owned(),
                number(|ratio| ratio.value),
                number(|ratio| ratio.low),
                number(|ratio| ratio.high),
            ]
        })
    });
    const HEADINGS: [&str; 10] = [
        "way",
        "problem",
        "device",
        "setting",
        "from",
        "to",
        "bits",
        "#time with over without",
        "#at least",
        "#at most",
    ];
    Table::new("settings off and on", &HEADINGS, rows)
}
