//! The difference of two checkpoints on a terminal: a summary with the likely cause, its evidence, and a line
//! per tensor that differs, those that matter most first.

mod names;

use crate::diff::model::{Diff, Distance, Status, TensorDiff};
use crate::report::diff_capture;
use crate::report::page::{Page, Style};
use crate::report::words::{plural, share, ulp, visible};
use crate::report::wrap;

/// Lines of tensors that are shown unless all are asked for.
const LINES: usize = 40;

/// Columns that a name in a sentence takes at the most.
const LONGEST: usize = 64;

/// How to lay out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether equal tensors are shown too, and lists are not cut.
    pub all: bool,
    /// Columns that a line may take.
    pub width: usize,
    /// Whether to add colour. It repeats what the words say.
    pub colour: bool,
}

/// The difference as text that ends in a newline.
pub fn render(diff: &Diff, options: &Options) -> String {
    let mut page = Page::new(options.width, options.colour);
    match &diff.capture {
        Some(capture) => {
            page.sentence(&diff_capture::headline(diff), Style::Bold);
            diff_capture::sections(&mut page, diff, capture, options.all);
        }
        None => checkpoint(&mut page, diff),
    }
    let shown: Vec<&TensorDiff> =
        diff.tensors.iter().filter(|tensor| options.all || tensor.status != Status::Equal).collect();
    let most = if options.all { shown.len() } else { LINES };
    if !shown.is_empty() {
        page.gap();
        for line in table(&shown[..shown.len().min(most)], page.width) {
            page.plain(line);
        }
    }
    if shown.len() > most {
        page.plain(format!("… and {} more; --all shows them", shown.len() - most));
    }
    page.finish()
}

fn checkpoint(page: &mut Page, diff: &Diff) {
    page.sentence(&headline(diff), Style::Bold);
    if diff.summary.different == 0 {
        page.sentence(&what_else(), Style::Plain);
    }
    for counts in counts(diff) {
        page.sentence(&counts, Style::Warning);
    }
    for cause in &diff.causes {
        for evidence in &cause.evidence {
            page.sentence(&format!("· {}", readable(evidence)), Style::Plain);
        }
    }
}

fn headline(diff: &Diff) -> String {
    let (different, tensors) = (diff.summary.different, diff.summary.tensors);
    if different == 0 {
        return match tensors {
            1 => "The only tensor has the same bits: the saved tensors are not the cause.".to_owned(),
            _ => format!("All {tensors} tensors have the same bits: the saved tensors are not the cause."),
        };
    }
    let differ = plural(different, "differs", "differ");
    let of = plural(tensors, "tensor", "tensors");
    format!("{different} of {tensors} {of} {differ}; likely cause: {}", readable(&diff.likely_cause))
}

/// A sentence with names out of a file in it: nothing does anything to a terminal, and no name fills a
/// screen.
pub(super) fn readable(sentence: &str) -> String {
    let words: Vec<String> = visible(sentence).split(' ').map(|word| names::short(word, LONGEST)).collect();
    words.join(" ")
}

fn what_else() -> String {
    "Check mode (train or eval), optimizer, RNG and preprocessing: capture both sides with \
     scripts/peers/torch_capture.py and diff the captures."
        .to_owned()
}

/// What a look at the first lines of a long table would miss.
fn counts(diff: &Diff) -> Vec<String> {
    let summary = &diff.summary;
    let tensors = |count: usize| format!("{count} {}", plural(count, "tensor", "tensors"));
    [
        (summary.missing, "only in BEFORE"),
        (summary.extra, "only in AFTER"),
        (summary.incomparable, "not comparable"),
        (summary.not_finite, "with new NaN or infinities in AFTER"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{} {what}", tensors(count)))
    .reduce(|a, b| format!("{a}, {b}"))
    .into_iter()
    .collect()
}

/// Columns, those that a narrow terminal shows first.
const HEADINGS: [&str; 9] =
    ["tensor", "dtype", "shape", "differ", "max ulp", "v_ermv", "p99 ulp", "first", "remarks"];

/// Columns that stay however narrow the terminal is.
const FEWEST: usize = 4;

fn table(tensors: &[&TensorDiff], width: usize) -> Vec<String> {
    let mut rows = vec![HEADINGS.map(str::to_owned).to_vec()];
    rows.extend(tensors.iter().map(|tensor| cells(tensor)));
    let has_remarks = rows.iter().skip(1).any(|row| row.last().is_some_and(|remark| !remark.is_empty()));
    let most = HEADINGS.len() - usize::from(!has_remarks);
    // As many columns as fit beside names of a readable length.
    let short = names::shortened(&names_of(&rows), 32);
    let with_names = |names: &[String]| -> Vec<Vec<String>> {
        let rename = |(row, name): (&Vec<String>, &String)| [std::slice::from_ref(name), &row[1..]].concat();
        rows.iter().zip(names).map(rename).collect()
    };
    let count = (FEWEST..=most).rev().find(|&count| columns(&with_names(&short), count).1 <= width);
    let count = count.unwrap_or(FEWEST);
    let rest = columns(&with_names(&vec![String::new(); rows.len()]), count).1;
    let names = names::shortened(&names_of(&rows), width.saturating_sub(rest).max(12));
    columns(&with_names(&names), count).0
}

/// The first `count` columns, words flush left and numbers flush right; and the width of the widest line.
fn columns(rows: &[Vec<String>], count: usize) -> (Vec<String>, usize) {
    let numbers = count.min(HEADINGS.len() - 1);
    let (mut lines, widest) = wrap::columns(rows, numbers, 3);
    if count > numbers {
        for (line, row) in lines.iter_mut().zip(rows) {
            *line = format!("{line:<widest$}   {}", row[numbers]).trim_end().to_owned();
        }
    }
    let widest = lines.iter().map(|line| wrap::width(line)).max().unwrap_or(0);
    (lines, widest)
}

fn names_of(rows: &[Vec<String>]) -> Vec<String> {
    rows.iter().map(|row| row[0].clone()).collect()
}

fn cells(tensor: &TensorDiff) -> Vec<String> {
    let distance = tensor.distance.as_ref();
    let of = |cell: &dyn Fn(&Distance) -> String| distance.map_or_else(String::new, cell);
    vec![
        visible(&tensor.name),
        change(tensor.dtype_before.as_ref(), tensor.dtype_after.as_ref(), String::clone),
        change(tensor.shape_before.as_ref(), tensor.shape_after.as_ref(), |shape| extents(shape)),
        match tensor.status {
            Status::Missing => "missing".to_owned(),
            Status::Extra => "extra".to_owned(),
            Status::Incomparable => "not comparable".to_owned(),
            Status::Equal => "same".to_owned(),
            Status::Different => of(&|distance| share(distance.v_c)),
        },
        of(&|distance| distance.max_ulp.map_or_else(|| unmeasured(distance), ulp)),
        of(&|distance| distance.v_ermv.map_or_else(|| "-".to_owned(), mean)),
        of(&|distance| distance.p99_ulp.map_or_else(|| unmeasured(distance), ulp)),
        of(&|distance| match (&distance.first_coordinates, distance.first_difference) {
            (Some(place), _) => extents(place),
            (None, Some(index)) => index.to_string(),
            (None, None) => String::new(),
        }),
        remarks(tensor),
    ]
}

fn mean(mean: f64) -> String {
    if mean == 0.0 { "0".to_owned() } else { format!("{mean:.1e}") }
}

fn unmeasured(distance: &Distance) -> String {
    if distance.compared_as == "bytes" { "-".to_owned() } else { "NaN".to_owned() }
}

fn remarks(tensor: &TensorDiff) -> String {
    let mut remarks = Vec::new();
    if let Some(distance) = &tensor.distance {
        let counts = [
            ("NaN", distance.nan_before, distance.nan_after),
            ("Inf", distance.infinite_before, distance.infinite_after),
        ];
        let changed = counts.into_iter().filter(|(_, before, after)| before != after);
        remarks.extend(changed.map(|(what, before, after)| format!("{what} {before}→{after}")));
    }
    remarks.extend(tensor.remarks.iter().map(|remark| visible(remark)));
    let is_said = matches!(tensor.status, Status::Missing | Status::Extra);
    remarks.extend(tensor.cause.filter(|_| !is_said).map(|cause| cause.replace('_', " ")));
    remarks.join("; ")
}

fn change<T: PartialEq>(before: Option<&T>, after: Option<&T>, text: impl Fn(&T) -> String) -> String {
    match (before, after) {
        (Some(before), Some(after)) if before != after => format!("{}→{}", text(before), text(after)),
        (Some(one), _) | (None, Some(one)) => text(one),
        (None, None) => String::new(),
    }
}

fn extents(shape: &[u64]) -> String {
    format!("[{}]", shape.iter().map(u64::to_string).collect::<Vec<_>>().join(","))
}
