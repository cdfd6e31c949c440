//! A panel of points and lines over two axes: what drift, throughput and losses have in common.

use maud::{Markup, html};

use crate::report::html::scale::{Kind, Scale, short};
use crate::report::html::svg::{self, Anchor, At, Frame, LINE, SERIES, WIDTH};

/// Where the part with the axes begins; numbers stand before it.
const LEFT: f64 = 60.0;
const TOP: f64 = 22.0;
const HEIGHT: f64 = 170.0;

/// Points of one kind.
pub struct Series {
    /// What they are.
    pub name: String,
    /// Where they lie, in ascending order along the first axis, and what each is told as.
    pub points: Vec<(f64, f64, String)>,
    /// Whether the points show; else only the line through them does.
    pub is_marked: bool,
}

/// A line that is no measurement.
pub struct Bound {
    /// What it is.
    pub name: String,
    /// Places that it goes through.
    pub through: Vec<(f64, f64)>,
}

/// A panel.
pub struct Plot<'a> {
    /// Unique on the page.
    pub id: String,
    /// What it shows.
    pub title: String,
    /// The axis below: its scale, and what its numbers are.
    pub below: (Kind, &'a str),
    /// The axis on the left.
    pub left: (Kind, &'a str),
    /// What was measured, at most [`SERIES`] of it.
    pub series: Vec<Series>,
    /// What it is to be seen beside, at most two: dashed, then dotted.
    pub bounds: Vec<Bound>,
}

impl Plot<'_> {
    /// As a figure; `None` where no point has a place.
    pub fn render(&self) -> Option<Markup> {
        let frame = Frame { left: LEFT, right: WIDTH - 10.0, top: TOP, bottom: TOP + HEIGHT };
        let points = || self.series.iter().flat_map(|series| &series.points).map(|(x, y, _)| (*x, *y));
        let bounds = || self.bounds.iter().flat_map(|bound| bound.through.iter().copied());
        let is_there = |(x, y): &(f64, f64)| {
            let has_place = |kind, value: f64| value.is_finite() && (kind == Kind::Linear || value > 0.0);
            has_place(self.below.0, *x) && has_place(self.left.0, *y)
        };
        if !points().any(|point| is_there(&point)) {
            return None;
        }
        let all = || points().chain(bounds()).filter(is_there);
        let across = Scale::over(self.below.0, all().map(|(x, _)| x), frame.left, frame.right)?;
        let upwards = Scale::over(self.left.0, all().map(|(_, y)| y), frame.bottom, frame.top)?;
        let place = |x: f64, y: f64| across.at(x).zip(upwards.at(y));
        let series = self.series.iter().take(SERIES).enumerate().map(|(index, series)| {
            let places: Vec<(f64, f64)> =
                series.points.iter().filter_map(|(x, y, _)| place(*x, *y)).collect();
            html! {
                (svg::line(index, &places, &series.name))
                @if series.is_marked {
                    @for (x, y, told) in &series.points {
                        @if let Some(at) = place(*x, *y) { (svg::point(index, at, told)) }
                    }
                }
            }
        });
        let first_key = frame.bottom + 30.0 + LINE;
        let mut lines_key = first_key;
        let mut key = Vec::new();
        for (index, series) in self.series.iter().take(SERIES).enumerate() {
            let y = lines_key;
            let (name, height) = svg::way((22.0, y), &series.name, WIDTH - 22.0);
            key.push(html! {
                @if series.is_marked {
                    (svg::point(index, (10.0, y - 4.0), &series.name))
                } @else {
                    (svg::line(index, &[(0.0, y - 4.0), (18.0, y - 4.0)], &series.name))
                }
                (name)
            });
            lines_key += height - 3.0;
        }
        let body = html! {
            (svg::axis_below(frame, &across, self.below.1, |tick| across.label(tick)))
            (svg::axis_left(frame, &upwards, self.left.1, short))
            @for (index, bound) in self.bounds.iter().enumerate() {
                @let places = bound.through.iter().filter_map(|(x, y)| place(*x, *y)).collect::<Vec<_>>();
                (reference(index, &places, &bound.name))
                @let y = lines_key + LINE * index as f64;
                (reference(index, &[(0.0, y - 4.0), (18.0, y - 4.0)], &bound.name))
                (svg::label("key", (22.0, y), Anchor::Start, &bound.name, WIDTH - 22.0))
            }
            @for series in series { (series) }
            @for line in &key { (line) }
        };
        let height = lines_key + LINE * self.bounds.len() as f64 - 6.0;
        Some(svg::figure(&self.id, &self.title, &self.told(), height, &body))
    }

    /// The picture in words.
    fn told(&self) -> String {
        let of_series = |series: &Series| {
            let values = series.points.iter().map(|(_, y, _)| *y).filter(|y| y.is_finite());
            let ends = values.fold(None, |ends: Option<(f64, f64)>, y| {
                Some(ends.map_or((y, y), |(low, high)| (low.min(y), high.max(y))))
            });
            let ends =
                ends.map_or_else(String::new, |(low, high)| format!(", {} to {}", short(low), short(high)));
            format!("{}: {} points{ends}", series.name, series.points.len())
        };
        let series: Vec<String> = self.series.iter().take(SERIES).map(of_series).collect();
        format!("{} over {}. {}", self.left.1, self.below.1, series.join("; "))
    }
}

fn reference(index: usize, places: &[(f64, f64)], told: &str) -> Markup {
    let path: String = places
        .iter()
        .enumerate()
        .map(|(place, (x, y))| format!("{}{} {}", if place == 0 { 'M' } else { 'L' }, At(*x), At(*y)))
        .collect();
    html! {
        @if places.len() > 1 {
            path class=(if index == 0 { "bound" } else { "bound far" }) d=(path) { (svg::tip(told)) }
        }
    }
}
