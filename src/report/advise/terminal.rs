//! The advice on a terminal: settings of frameworks first, then a line per problem, why some are not decided, and the
//! commands that decide them. Rows are never wrapped; columns that do not fit are left out from the right.

use comfy_table::{Table, presets};

use crate::ratio::Ratio;
use crate::report::advise::commands::commands;
use crate::report::advise::effect::{Effect, Seen, Toggle};
use crate::report::advise::model::{Advice, Candidate, Choice, Decision, Fitness};
use crate::report::advise::reasons::reasons;
use crate::report::advise::words::{cost, demand, signed};
use crate::report::evidence::{Missing, Standing};
use crate::report::page::{Page, Style};
use crate::report::words::{self, percent_up, plural};
use crate::report::wrap;
use crate::requirement::Requirement;
use crate::tensor::Dtype;

/// Problems of an operation that are shown one by one unless all are asked for.
const LINES: usize = 8;

/// Reasons of one operation that are shown unless all are asked for.
const REASONS: usize = 8;

/// Columns that stay however narrow the terminal is.
const FEWEST: usize = 2;

/// How to lay out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether long lists are shown whole.
    pub all: bool,
    /// Columns that a line may take.
    pub width: usize,
    /// Whether to add colour. It repeats what the words say.
    pub colour: bool,
}

/// The advice as text that ends in a newline.
pub fn render(advice: &Advice, options: Options) -> String {
    let mut page = Page::new(options.width, options.colour);
    page.sentence(&demand(&advice.demand), Style::Bold);
    for device in &advice.devices {
        page.sentence(&format!("{}: {}", words::visible(device.name), device.label), Style::Plain);
    }
    page.gap();
    frameworks(&mut page, advice, options);
    for choices in advice.choices.chunk_by(|a, b| a.operation == b.operation) {
        page.gap();
        operation(&mut page, advice, choices, options);
    }
    page.gap();
    for (operation, count) in &advice.left_out {
        let were = plural(*count, "workload was", "workloads were");
        page.sentence(
            &words::visible(&format!(
                "{operation}: {count} more {were} executed on no device, and are left out."
            )),
            Style::Plain,
        );
    }
    if advice.choices.is_empty() {
        page.sentence("No row is of an algorithm of this program: nothing to choose from.", Style::Warning);
    }
    for line in wrap::items(&legend(advice), " · ", page.width) {
        page.plain(line);
    }
    page.finish()
}

/// A table without lines that fits into the page.
fn table(page: &mut Page, rows: &[Vec<String>], style: fn(&str) -> Style) {
    let most = rows.iter().map(Vec::len).max().unwrap_or(0);
    let lines = |columns: usize| -> Vec<String> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        for row in rows {
            table.add_row(row.iter().take(columns).cloned().collect::<Vec<_>>());
        }
        table.column_iter_mut().for_each(|column| {
            column.set_padding((0, 3));
        });
        table.lines().map(|line| format!("  {}", line.trim_end())).collect()
    };
    let fits = |lines: &Vec<String>| lines.iter().all(|line| wrap::width(line) <= page.width);
    let columns = (FEWEST.min(most)..=most).rev();
    let shown = columns.map(&lines).find(fits).unwrap_or_else(|| lines(FEWEST.min(most)));
    for (line, row) in shown.iter().zip(rows) {
        page.row(line, row, style);
    }
}

fn frameworks(page: &mut Page, advice: &Advice, options: Options) {
    let (measured, not): (Vec<&Toggle>, Vec<&Toggle>) =
        advice.toggles.iter().partition(|toggle| !toggle.effects.is_empty());
    if !measured.is_empty() {
        page.sentence("PyTorch, as measured here, without a setting → with it:", Style::Bold);
    }
    for toggle in measured {
        page.plain(wrap::truncated(&format!("  {}", toggle.setting.written), page.width));
        let mut lines: Vec<Vec<String>> = Vec::new();
        for (name, effects) in by_name(&toggle.effects) {
            let texts = [bits(&effects), price(&effects)];
            // What is alike is said once.
            match lines.iter_mut().find(|line| line[1..] == texts) {
                Some(line) => line[0] = format!("{}, {name}", line[0]),
                None => lines.push([format!("  {name}")].into_iter().chain(texts).collect()),
            }
        }
        table(page, &lines, |text| if text.contains("differ →") { Style::Warning } else { Style::Plain });
        for note in notes(&toggle.effects) {
            indented(page, &note, 4);
        }
        if options.all {
            for effect in &toggle.effects {
                let (name, on) = (&effect.name, &advice.devices[effect.column].label);
                let (bits, price) = (bits(&[effect]), price(&[effect]));
                indented(page, &format!("{name}, {} on {on}: {bits}; {price}", effect.described), 4);
            }
        }
    }
    for on_cpu in [true, false] {
        let missing: Vec<String> = not
            .iter()
            .filter(|toggle| (toggle.setting.device != "cuda") == on_cpu)
            .map(|toggle| toggle.setting.written.to_owned())
            .collect();
        if !missing.is_empty() {
            let device = if on_cpu { "cpu" } else { "cuda" };
            let command = format!("samebits run --device {device} --peer torch");
            page.sentence(&format!("Not measured: {}. Run: {command}", missing.join(", ")), Style::Plain);
        }
    }
}

/// Effects by the way that they are seen on, in the order in which they came.
fn by_name<'e, 'a>(effects: &'e [Effect<'a>]) -> Vec<(&'e str, Vec<&'e Effect<'a>>)> {
    let mut named: Vec<(&str, Vec<&Effect>)> = Vec::new();
    for effect in effects {
        match named.iter_mut().find(|(name, _)| *name == effect.name) {
            Some((_, effects)) => effects.push(effect),
            None => named.push((&effect.name, vec![effect])),
        }
    }
    named
}

/// Why something was not measured or refused, each reason once.
fn notes(effects: &[Effect]) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for effect in effects {
        for (seen, which) in [(effect.off, "without it"), (effect.on, "with it")] {
            if let Seen::Not(row) = seen {
                let note = words::visible(&format!("{} {which}: {}", effect.name, row.note));
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
        }
    }
    notes
}

/// What a setting does to bits.
fn bits(effects: &[&Effect]) -> String {
    let sum = |of: for<'e, 'a> fn(&'e Effect<'a>) -> Seen<'a>| {
        let seen: Vec<Seen> = effects.iter().map(|effect| of(effect)).collect();
        (seen.iter().any(|seen| matches!(seen, Seen::Not(_))), sum(seen.into_iter()))
    };
    let ((off_is_missing, off), (on_is_missing, on)) = (sum(|effect| effect.off), sum(|effect| effect.on));
    let side = |is_missing: bool, counts: (u64, u64)| match (is_missing, counts.1) {
        (true, 0) => "not executed".to_owned(),
        (true, _) => format!("{}, some not executed", told(counts)),
        (false, _) => told(counts),
    };
    if off_is_missing || on_is_missing || off.0 + on.0 > 0 {
        return format!("{} → {}", side(off_is_missing, off), side(on_is_missing, on));
    }
    let other = effects.iter().filter(|effect| effect.is_same_bits == Some(false)).count();
    let which = match (other, effects.len()) {
        (0, _) => String::new(),
        (1, 1) => ", other bits".to_owned(),
        (some, all) => format!(", other bits in {some} of {all}"),
    };
    format!("same 0/{}{which}", off.1.min(on.1))
}

/// Differing comparisons and all.
fn sum<'a>(seen: impl Iterator<Item = Seen<'a>>) -> (u64, u64) {
    seen.fold((0, 0), |(differing, all), seen| match seen {
        Seen::Same(comparisons) => (differing, all + comparisons),
        Seen::Varies(some, comparisons) => (differing + some, all + comparisons),
        Seen::Not(_) => (differing, all),
    })
}

fn told((differing, all): (u64, u64)) -> String {
    if differing == 0 { format!("same 0/{all}") } else { format!("{differing} of {all} differ") }
}

/// What a setting costs: of several cases the geometric mean, with that of the intervals' ends.
fn price(effects: &[&Effect]) -> String {
    let ratios: Vec<Ratio> = effects.iter().filter_map(|effect| effect.ratio).collect();
    let mean = Ratio::geometric_mean(&ratios).map_or_else(|| "–".to_owned(), |mean| cost(&mean));
    if ratios.len() > 1 { format!("{mean}, {} cases", ratios.len()) } else { mean }
}

fn operation(page: &mut Page, advice: &Advice, choices: &[Choice], options: Options) {
    let Some(first) = choices.first() else { return };
    page.sentence(&words::visible(first.operation), Style::Bold);
    let is_whole = options.all || choices.len() <= LINES;
    let groups = if is_whole { choices.iter().map(|choice| vec![choice]).collect() } else { alike(choices) };
    let lines: Vec<Vec<String>> = groups.iter().map(|group| line(group, choices)).collect();
    table(page, &lines, |text| match text {
        "undecided" => Style::Warning,
        "no algorithm qualifies" => Style::Alarm,
        _ => Style::Plain,
    });
    why(page, advice, choices, options);
    let undecided: Vec<&Choice> =
        choices.iter().filter(|choice| choice.decision() == Decision::Undecided).collect();
    for command in commands(advice, &undecided) {
        page.plain("  To decide, run:".to_owned());
        for line in wrap::command(&command, page.width, "    ") {
            page.plain(line);
        }
    }
    if undecided.iter().any(|choice| has_one_device(choice)) {
        indented(page, "For device: run the same on another device, and give the folders of both.", 2);
    }
}

/// Problems of one type and function, of which the same is to be said, together.
fn alike<'c, 'a>(choices: &'c [Choice<'a>]) -> Vec<Vec<&'c Choice<'a>>> {
    let what = |choice: &Choice| match choice.decision() {
        Decision::Use(best) => best.way.name(),
        Decision::Undecided => "undecided".to_owned(),
        Decision::None => "none".to_owned(),
    };
    let key = |choice: &Choice<'a>| (choice.on.dtype, choice.function, what(choice));
    let mut groups: Vec<Vec<&Choice>> = Vec::new();
    for choice in choices {
        match groups.iter_mut().find(|group| key(group[0]) == key(choice)) {
            Some(group) => group.push(choice),
            None => groups.push(vec![choice]),
        }
    }
    groups.sort_by_key(|group| (group[0].on.dtype != Dtype::F32, group[0].function));
    groups
}

fn has_one_device(choice: &Choice) -> bool {
    choice.candidates.iter().any(|candidate| {
        candidate.fitness == Fitness::Open
            && candidate.findings.iter().any(|f| f.standing == Standing::Open(Missing::OneDevice))
    })
}

/// The problems, what to take, what it costs, what that rests on.
fn line(group: &[&Choice], all: &[Choice]) -> Vec<String> {
    let first = group[0];
    let function = if all.iter().any(|other| other.function != first.function) {
        format!(", {}", first.function)
    } else {
        String::new()
    };
    let problem = match group {
        [one] => words::visible(&format!("{}{function}", one.described)),
        several => format!("{} workloads of {}{function}", several.len(), first.on.dtype.name()),
    };
    match first.decision() {
        Decision::Use(best) => {
            let taken: Vec<&Candidate> =
                group.iter().filter_map(|choice| choice.candidates.first()).collect();
            vec![problem, format!("use {}", words::visible(&best.way.name())), costs(&taken), support(&taken)]
        }
        Decision::Undecided => vec![problem, "undecided".to_owned()],
        Decision::None => vec![problem, "no algorithm qualifies".to_owned()],
    }
}

/// What a way costs, on all problems and devices that it is taken for.
fn costs(taken: &[&Candidate]) -> String {
    let known: Vec<_> = taken.iter().flat_map(|best| best.costs.values().flatten()).collect();
    match known.as_slice() {
        [] => "its cost was not measured".to_owned(),
        [one] if one.ratio == Ratio::ONE => "the fastest".to_owned(),
        [one] => format!("{} against {}", cost(&one.ratio), words::visible(&one.against.name())),
        several => {
            let percent = |ratio: f64| signed(100.0 * (ratio - 1.0));
            let values = || several.iter().map(|cost| cost.ratio.value);
            let least = percent(values().fold(f64::INFINITY, f64::min));
            let most = percent(values().fold(f64::NEG_INFINITY, f64::max));
            let devices = taken.iter().map(|best| best.costs.len()).max().unwrap_or(0);
            let on = if devices > 1 { format!(" on {devices} devices") } else { String::new() };
            match (most.as_str(), least == most) {
                ("+0.0", _) => format!("the fastest{on}"),
                (_, true) => format!("{most} %{on}"),
                _ => format!("{least} to {most} %{on}"),
            }
        }
    }
}

/// What a decision rests on; of several the weakest.
fn support(taken: &[&Candidate]) -> String {
    let supports = || taken.iter().map(|best| best.support());
    let fewest = supports().map(|support| support.comparisons).min().unwrap_or(0);
    let p = supports().map(|support| support.p).fold(0.0, f64::max);
    let mut parts = Vec::new();
    if fewest > 0 {
        let each = if taken.len() > 1 { " each" } else { "" };
        parts.push(format!("0/{fewest}{each}, p < {}", percent_up(p)));
    }
    let devices = taken.iter().flat_map(|best| &best.findings).filter_map(|finding| match finding.standing {
        Standing::Met(support) if finding.requirement == Requirement::Device => Some(support.comparisons),
        _ => None,
    });
    parts.extend(devices.min().map(|devices| format!("same on {devices} devices")));
    parts.join(", ")
}

/// Why ways were not taken, and the rows of what was.
fn why(page: &mut Page, advice: &Advice, choices: &[Choice], options: Options) {
    let reasons = reasons(choices, advice);
    let most = if options.all { reasons.len() } else { REASONS };
    for reason in reasons.iter().take(most) {
        indented(page, &reason.text(&advice.demand), 2);
    }
    if reasons.len() > most {
        let more = reasons.len() - most;
        page.plain(format!("  … and {more} more {}; --all shows them", plural(more, "reason", "reasons")));
    }
    if !options.all {
        return;
    }
    for choice in choices {
        if let Decision::Use(best) = choice.decision() {
            let rows: Vec<String> =
                best.rows.iter().map(|row| format!("{}/{}", row.run_id, row.row_id)).collect();
            let (way, on) = (best.way.name(), &choice.described);
            indented(page, &words::visible(&format!("{way} for {on} rests on {}", rows.join(", "))), 2);
        }
    }
}

/// A sentence, all of whose lines are indented.
fn indented(page: &mut Page, text: &str, indent: usize) {
    let spaces = " ".repeat(indent);
    for line in wrap::words(text, page.width.saturating_sub(indent), "  ") {
        page.plain(format!("{spaces}{line}"));
    }
}

fn legend(advice: &Advice) -> Vec<String> {
    let mut entries = Vec::new();
    if advice.toggles.iter().any(|toggle| !toggle.effects.is_empty()) {
        entries.push("same 0/N: either way none of N comparisons with a first execution differed".to_owned());
        entries.push("other bits: with the setting than without it, in so many cases".to_owned());
        entries.push("cannot tell: the interval of the cost holds none".to_owned());
    }
    let is_used = |choice: &Choice| matches!(choice.decision(), Decision::Use(_));
    if advice.choices.iter().any(is_used) {
        entries.push(
            "costs: time over the fastest algorithm's in the same run, with the interval that both 95 % intervals \
             allow"
                .to_owned(),
        );
        entries.push("0/N: none of N comparisons with a first execution differed".to_owned());
        entries.push(
            "p <: 95 % bound of the chance that a later execution differs, where least was tried".to_owned(),
        );
    }
    entries
}
