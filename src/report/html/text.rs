//! Text that fits and stays where it is: names that come from rows may be long, and of any script.

use maud::{Markup, html};

use crate::report::words;

/// Names that are longer are cut in tables, in characters; the whole is in the tooltip.
const LONGEST: usize = 120;

/// Titles of pictures, which are made of several names, are cut here: the next number that they end with is worth a line.
const LONGEST_TITLE: usize = 240;

/// Names that are longer are cut in tooltips too.
const LONGEST_TOLD: usize = 540;

/// Sentences that are longer are cut, in characters.
const LONGEST_SENTENCE: usize = 2000;

/// Width of a character in the page's typewriter font, as a part of the font's size. The widest of those that
/// systems have.
const ADVANCE: f64 = 0.61;

/// A text of rows, safe to show: isolated from what stands beside it, and cut where it is longer than anybody reads.
pub fn name(text: &str) -> Markup {
    isolated(text, LONGEST)
}

/// As [`name`], where nothing but text may stand.
pub fn short(text: &str) -> String {
    cut_to(&plain(text), LONGEST)
}

/// The title of a picture, safe to show as [`name`] is.
pub fn title(text: &str) -> Markup {
    isolated(text, LONGEST_TITLE)
}

fn isolated(text: &str, most: usize) -> Markup {
    let visible = plain(text);
    let cut = cut_to(&visible, most);
    html! {
        @if cut == visible {
            @if visible.is_ascii() { (visible) } @else { bdi { (visible) } }
        } @else {
            bdi title=(cut_to(&visible, LONGEST_TOLD)) { (cut) }
        }
    }
}

/// A sentence that has names in it, or what a program said of an error, safe to show and no longer than anybody reads.
/// What is written from right to left is isolated: a number behind such a name would else be drawn before it.
pub fn sentence(text: &str) -> Markup {
    let cut = cut_to(&plain(text), LONGEST_SENTENCE);
    let (mut rest, mut parts) = (cut.as_str(), Vec::new());
    while let Some(start) = rest.find(is_from_the_right) {
        let (before, from) = rest.split_at(start);
        // Words of one name stand together, in their own order.
        let words = from.find(|character| !is_from_the_right(character) && !is_between_words(character));
        let (run, after) = from.split_at(words.unwrap_or(from.len()));
        let name = run.trim_end_matches(is_between_words);
        parts.push(html! { (before) bdi { (name) } (run[name.len()..]) });
        rest = after;
    }
    html! { @for part in &parts { (part) } (rest) }
}

/// Whether a character is of a script that is written from right to left: Hebrew, Arabic and their kin, and what ranges
/// Unicode keeps for such.
fn is_from_the_right(character: char) -> bool {
    matches!(u32::from(character), 0x0590..0x0900 | 0xfb1d..0xfe00 | 0xfe70..0xff00 | 0x10800..0x11000 | 0x1e800..0x1f000)
}

fn is_between_words(character: char) -> bool {
    matches!(character, ' ' | '-' | '_' | '\u{300}'..='\u{36f}')
}

/// `text` with everything written out that does not show, or that no document may hold.
pub fn plain(text: &str) -> String {
    let is_no_character = |character: char| u32::from(character) & 0xfffe == 0xfffe;
    words::visible(text).replace(is_no_character, "\u{fffd}")
}

/// The room that `text` takes at `size` in the typewriter font, in the same unit; an upper estimate.
pub fn width(text: &str, size: f64) -> f64 {
    text.chars().map(columns).sum::<f64>() * ADVANCE * size
}

/// What other scripts take: fonts that systems take for them are up to two columns wide, and ligatures more.
fn columns(character: char) -> f64 {
    match u32::from(character) {
        0..0x0590 | 0x2000..0x2400 => 1.0,
        0xfb50..0xfe00 => 12.0,
        _ => 2.0,
    }
}

/// `text`, with `…` for its end where it takes more than `room` at `size`.
pub fn cut(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut left = room - width("…", size);
    let fits = |character: &char| {
        left -= columns(*character) * ADVANCE * size;
        left >= 0.0
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

fn cut_to(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_isolated_escaped_and_cut() {
        assert_eq!(name("fixed_tree").into_string(), "fixed_tree");
        assert_eq!(name("<b>\"&").into_string(), "&lt;b&gt;&quot;&amp;");
        assert_eq!(name("\u{5d0}b").into_string(), "<bdi>\u{5d0}b</bdi>");
        assert_eq!(name("a\u{202e}b\0\u{ffff}").into_string(), "<bdi>a\\u{202e}b\\u{0}\u{fffd}</bdi>");
        let long = name(&"x".repeat(500)).into_string();
        assert!(long.starts_with(&format!("<bdi title=\"{}\">", "x".repeat(500))), "{long}");
        assert!(long.ends_with(&format!(">{}…</bdi>", "x".repeat(119))), "{long}");
        assert!(name(&"x".repeat(5000)).into_string().len() < 800);
        assert!(title(&"x".repeat(240)).into_string().len() == 240);
    }

    #[test]
    fn names_in_sentences_are_isolated_where_they_are_written_from_the_right() {
        let of = |text: &str| sentence(text).into_string();
        assert_eq!(of(&"x".repeat(5000)), "x".repeat(1999) + "…");
        assert_eq!(of("2 of 5 on AMD <EPYC>, 日本"), "2 of 5 on AMD &lt;EPYC&gt;, 日本");
        assert_eq!(of("On \u{5d0}\u{5d1} \u{5d2}, 3 of 5"), "On <bdi>\u{5d0}\u{5d1} \u{5d2}</bdi>, 3 of 5");
        assert_eq!(
            of("\u{627}: 4 and \u{5d0} 7 \u{5d1}"),
            "<bdi>\u{627}</bdi>: 4 and <bdi>\u{5d0}</bdi> 7 <bdi>\u{5d1}</bdi>"
        );
        assert_eq!(of("\u{5d0}-<\u{5d1}"), "<bdi>\u{5d0}</bdi>-&lt;<bdi>\u{5d1}</bdi>");
    }

    #[test]
    fn what_is_cut_fits() {
        for text in ["", "x", "fixed_tree", &"x".repeat(500), &"日".repeat(40), &"\u{fdfd}".repeat(9)] {
            for room in [0.0, 7.0, 8.0, 50.0, 100.5] {
                let cut = cut(text, 12.0, room);
                assert!(width(&cut, 12.0) <= room || cut == "…" || cut.is_empty(), "{cut} in {room}");
            }
            assert_eq!(cut(text, 12.0, 1e9), text);
        }
    }
}
