//! Pictures: panels of one width, so that their text has one size on a phone and on a desk, and the parts that they
//! are made of. What a part looks like is the style sheet's matter: parts have classes, and colour never carries
//! anything that a shape, a dash or a word does not carry too.

use std::fmt;

use maud::{Markup, Render, html};

use crate::report::html::scale::Scale;
use crate::report::html::text;
use crate::report::wrap;

/// Width of a panel, in the units of the picture.
pub const WIDTH: f64 = 320.0;

/// Size of text in a picture, in the same units.
pub const SIZE: f64 = 11.0;

/// Height of a line of text.
pub const LINE: f64 = 16.0;

/// Series that look different; more begin again.
pub const SERIES: usize = 7;

/// A coordinate, written with as many digits as show.
#[derive(Debug, Clone, Copy)]
pub struct At(pub f64);

impl fmt::Display for At {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:.1}", self.0);
        out.write_str(digits.strip_suffix(".0").unwrap_or(&digits))
    }
}

impl Render for At {
    fn render_to(&self, buffer: &mut String) {
        buffer.push_str(&self.to_string());
    }
}

/// Which end of a text a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// Its beginning.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

/// A picture with its caption. `id` must be unique on the page; `title` and `description` are for those who do not
/// see it.
pub fn figure(id: &str, title: &str, description: &str, height: f64, body: &Markup) -> Markup {
    html! {
        figure.panel {
            figcaption { (text::title(title)) }
            svg viewBox={ "0 0 " (At(WIDTH)) " " (At(height)) } role="img" aria-labelledby={ (id) "-t " (id) "-d" } {
                title id={ (id) "-t" } { (wrap::truncated(&text::plain(title), LONGEST[0])) }
                desc id={ (id) "-d" } { (wrap::truncated(&text::plain(description), LONGEST[1])) }
                (body)
            }
        }
    }
}

/// Tips and descriptions are cut here, in characters: there are many.
const LONGEST: [usize; 2] = [240, 1500];

/// What a pointer that rests on a part is told.
pub fn tip(what: &str) -> Markup {
    html! { title { (wrap::truncated(&text::plain(what), LONGEST[0])) } }
}

/// A text in a picture, cut to `room`; the whole is its tip.
pub fn label(class: &str, at: (f64, f64), anchor: Anchor, what: &str, room: f64) -> Markup {
    let visible = text::plain(what);
    let cut = text::cut(&visible, SIZE, room);
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    // Fonts that a system takes for other scripts are as wide as they like.
    let length =
        (!cut.is_ascii() && !cut.chars().all(is_sure)).then(|| At(text::width(&cut, SIZE)).to_string());
    let adjust = length.as_ref().map(|_| "spacingAndGlyphs");
    html! {
        text class=(class) x=(At(at.0)) y=(At(at.1)) text-anchor=(anchor) textLength=[length] lengthAdjust=[adjust] {
            @if cut != visible { (tip(what)) }
            (cut)
        }
    }
}

/// The name of a way beside a line of a picture, and the height that both take: a setting that does not fit beside it
/// stands on a line below, where it has the whole width, and so does whose it is, where that does not fit either.
pub fn way(at: (f64, f64), name: &str, room: f64) -> (Markup, f64) {
    let (x, y) = at;
    let fits = |name: &str| text::width(&text::plain(name), SIZE) <= room;
    let (whole, setting) = match name.find(" [").filter(|_| !fits(name)) {
        Some(place) => (&name[..place], &name[place + 1..]),
        None => (name, ""),
    };
    let is_short = setting.is_empty() || fits(whole);
    let (engine, own) = whole.split_once(' ').filter(|_| !is_short).unwrap_or(("", whole));
    let bare = setting.strip_prefix('[').and_then(|setting| setting.strip_suffix(']')).unwrap_or(setting);
    let lines = broken([engine, bare].join(" ").trim(), WIDTH - x - 8.0);
    let drawn = html! {
        (label("name", at, Anchor::Start, own, room))
        @for (index, line) in lines.iter().enumerate() {
            @let y = y + BELOW * (index + 1) as f64;
            (label("sub", (x + 8.0, y), Anchor::Start, line, WIDTH - x - 8.0))
        }
    };
    (drawn, LINE + 3.0 + BELOW * lines.len() as f64)
}

/// Height of a line below the name of a way: it clears what stands beside the name.
const BELOW: f64 = 15.0;

/// Lines below the name of a way.
const LINES_BELOW: usize = 3;

/// Settings, broken behind a `;` into lines that fit into `room`; of more than [`LINES_BELOW`] the last does not.
fn broken(settings: &str, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in settings.split_inclusive(';') {
        let is_last = lines.len() == LINES_BELOW;
        match lines.last_mut() {
            Some(line) if is_last || text::width(&text::plain(&format!("{line}{part}")), SIZE) <= room => {
                line.push_str(part)
            }
            _ => lines.push(part.to_owned()),
        }
    }
    lines
}

/// Whether the typewriter fonts themselves have a character.
fn is_sure(character: char) -> bool {
    u32::from(character) < 0x0250 || "…·×−–⁰¹²³⁴⁵⁶⁷⁸⁹⁻≠√".contains(character)
}

/// The part of a picture that axes enclose.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// Its left edge.
    pub left: f64,
    /// Its right edge.
    pub right: f64,
    /// Its upper edge.
    pub top: f64,
    /// Its lower edge.
    pub bottom: f64,
}

/// The axis below a frame, with grid lines, numbers that do not touch each other, and what they are.
pub fn axis_below(frame: Frame, scale: &Scale, unit: &str, number: impl Fn(f64) -> String) -> Markup {
    let mut end = f64::NEG_INFINITY;
    let mut labels = Vec::new();
    for tick in scale.ticks(6) {
        let Some(x) = scale.at(tick) else { continue };
        let words = number(tick);
        let half = text::width(&words, SIZE) / 2.0;
        // A number at the edge moves inwards, so that it is not cut.
        let middle = x.clamp(half.min(WIDTH / 2.0), (WIDTH - half).max(WIDTH / 2.0));
        let is_free = middle - half > end + 4.0;
        if is_free {
            end = middle + half;
        }
        labels.push((x, is_free.then_some((middle, words))));
    }
    html! {
        g.axis {
            @for (x, words) in &labels {
                line.grid x1=(At(*x)) y1=(At(frame.top)) x2=(At(*x)) y2=(At(frame.bottom)) {}
                @if let Some((middle, words)) = words {
                    (label("tick", (*middle, frame.bottom + 14.0), Anchor::Middle, words, WIDTH))
                }
            }
            line.edge x1=(At(frame.left)) y1=(At(frame.bottom)) x2=(At(frame.right)) y2=(At(frame.bottom)) {}
            (label("unit", (frame.right, frame.bottom + 30.0), Anchor::End, unit, frame.right))
        }
    }
}

/// The axis on the left of a frame; what its numbers are stands above it.
pub fn axis_left(frame: Frame, scale: &Scale, unit: &str, number: impl Fn(f64) -> String) -> Markup {
    let most = ((frame.bottom - frame.top) / (2.0 * LINE)).max(2.0) as usize;
    let ticks = scale.ticks(most).into_iter().filter_map(|tick| Some((scale.at(tick)?, number(tick))));
    html! {
        g.axis {
            @for (y, words) in ticks {
                line.grid x1=(At(frame.left)) y1=(At(y)) x2=(At(frame.right)) y2=(At(y)) {}
                (label("tick", (frame.left - 5.0, y + 4.0), Anchor::End, &words, frame.left - 6.0))
            }
            line.edge x1=(At(frame.left)) y1=(At(frame.top)) x2=(At(frame.left)) y2=(At(frame.bottom)) {}
            (label("unit", (0.0, frame.top - 8.0), Anchor::Start, unit, WIDTH))
        }
    }
}

/// A point of a series: each series has a shape and a colour of its own.
pub fn point(series: usize, at: (f64, f64), told: &str) -> Markup {
    let (x, y) = at;
    let path = |corners: &[(f64, f64)]| {
        let corner = |(index, (dx, dy)): (usize, &(f64, f64))| {
            format!("{}{} {}", if index == 0 { 'M' } else { 'L' }, At(x + dx), At(y + dy))
        };
        corners.iter().enumerate().map(corner).collect::<String>()
    };
    let closed = |corners: &[(f64, f64)]| path(corners) + "Z";
    let shape = match series % SERIES {
        0 => None,
        1 => Some(closed(&[(-4.0, -4.0), (4.0, -4.0), (4.0, 4.0), (-4.0, 4.0)])),
        2 => Some(closed(&[(0.0, -5.0), (5.0, 4.0), (-5.0, 4.0)])),
        3 => Some(closed(&[(0.0, -5.5), (5.5, 0.0), (0.0, 5.5), (-5.5, 0.0)])),
        4 => Some(closed(&[(0.0, 5.0), (5.0, -4.0), (-5.0, -4.0)])),
        5 => Some(path(&[(-4.5, -4.5), (4.5, 4.5), (0.0, 0.0), (-4.5, 4.5), (4.5, -4.5)])),
        _ => Some(path(&[(-5.5, 0.0), (5.5, 0.0), (0.0, 0.0), (0.0, -5.5), (0.0, 5.5)])),
    };
    html! {
        g class={ "point s" (series % SERIES) } {
            (tip(told))
            @match shape {
                None => circle cx=(At(x)) cy=(At(y)) r="4.5" {},
                Some(shape) => path d=(shape) {},
            }
        }
    }
}

/// The interval of a point, from `from` to `to`, with a stroke at either end.
pub fn interval(series: usize, y: f64, from: f64, to: f64) -> Markup {
    let stroke = |x: f64| format!("M{} {}V{}", At(x), At(y - 4.0), At(y + 4.0));
    html! {
        path class={ "interval s" (series % SERIES) }
            d={ (stroke(from)) "M" (At(from)) " " (At(y)) "H" (At(to)) (stroke(to)) } {}
    }
}

/// A line through `places`: each series has a dash and a colour of its own.
pub fn line(series: usize, places: &[(f64, f64)], told: &str) -> Markup {
    let place = |(index, (x, y)): (usize, &(f64, f64))| {
        format!("{}{} {}", if index == 0 { 'M' } else { 'L' }, At(*x), At(*y))
    };
    let path: String = places.iter().enumerate().map(place).collect();
    html! {
        @if places.len() > 1 {
            path class={ "line s" (series % SERIES) } d=(path) { (tip(told)) }
        }
    }
}

/// A bar from `from` to `to` along the vertical, `width` wide around `x`.
pub fn bar(series: usize, x: f64, width: f64, from: f64, to: f64, told: &str) -> Markup {
    html! {
        rect class={ "bar s" (series % SERIES) } x=(At(x - width / 2.0)) y=(At(from.min(to)))
            width=(At(width)) height=(At((from - to).abs())) { (tip(told)) }
    }
}

/// What series are: a shape and a name each, on lines of their own from `top` on.
pub fn key(names: &[&str], top: f64) -> Markup {
    html! {
        @for (series, name) in names.iter().enumerate() {
            @let y = top + LINE * series as f64;
            (point(series, (10.0, y - 4.0), name))
            (label("key", (22.0, y), Anchor::Start, name, WIDTH - 22.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_broken_behind_a_semicolon_into_few_lines() {
        let of = |settings: &str| broken(settings, 10.0 * 0.61 * SIZE + 0.1);
        assert!(of("").is_empty());
        assert_eq!(of("a=1;bb=22"), ["a=1;bb=22"]);
        assert_eq!(of("a=1;bb=22;c=3"), ["a=1;bb=22;", "c=3"]);
        assert_eq!(of("long_key=no;c=3"), ["long_key=no;", "c=3"]);
        assert_eq!(of("first=1;second=2;third=3;fourth=4"), ["first=1;", "second=2;", "third=3;fourth=4"]);
    }

    #[test]
    fn whose_a_way_is_moves_below_only_where_it_must() {
        let words = |name: &str| {
            let drawn = way((0.0, 20.0), name, 106.0).0.into_string();
            let text = |part: &str| part.split_once('<').map(|(text, _)| text.to_owned());
            drawn.split('>').filter_map(text).filter(|text| !text.is_empty()).collect::<Vec<_>>()
        };
        assert_eq!(words("fixed_tree"), ["fixed_tree"]);
        assert_eq!(words("torch sum [threads=2]"), ["torch sum", "threads=2"]);
        assert_eq!(words("torch conv2d_backward [threads=2]"), ["conv2d_backward", "torch threads=2"]);
        assert_eq!(words("torch sum [threads=2], wide terms"), ["torch sum", "[threads=2], wide terms"]);
    }
}
