//! Kernels with their answers: whether what they give depends on the schedule, and whether they race. `explore/` has
//! them, each for one reason; [`crate::answers`] what must be said of each, no more and no less.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use samebits::explore::plan::{Argument, Given};
use samebits::explore::schedules::Subject;
use samebits::explore::verdict::{Explored, Finding, Verdict};
use samebits::explore::{Settings, explore};
use samebits::simt::Module;

use crate::answers::{Answer, Case, FILES, Truth};
use Verdict::{Depends, Independent};

/// As many as `explore` tries unless it is told otherwise.
pub const SCHEDULES: u64 = 32;

/// An argument's name, and what `--arg` says of it.
type Text = (&'static str, &'static str);

const COMMON: &str = include_str!("explore/common.cuh");

fn arguments(texts: &[Text]) -> Vec<Argument> {
    let argument = |(number, (name, text)): (usize, &Text)| {
        let given = Given { name: Some((*name).to_owned()), ..Given::parse(text).unwrap() };
        given.argument(number).unwrap()
    };
    texts.iter().enumerate().map(argument).collect()
}

fn found(module: &Arc<Module>, text: &str, entry: &str, grid: u32, arguments: &[Argument]) -> Explored {
    explored(module, text, entry, grid, arguments).unwrap_or_else(|error| panic!("{entry}: {error}"))
}

/// What is found, or what fails under every schedule.
fn explored(
    module: &Arc<Module>,
    text: &str,
    entry: &str,
    grid: u32,
    arguments: &[Argument],
) -> Result<Explored, String> {
    let subject =
        Subject { module, entry, grid: [grid, 1, 1], block: [64, 1, 1], shared: 0, arguments, fuel: 1 << 22 };
    let settings = Settings::of(SCHEDULES);
    explore(&subject, text, &settings)
}

/// Where something is: file and line.
type Line = (String, u32);

/// Lines that a comment such as `// race: KERNEL` marks for this kernel, in its file and in what all include.
fn marked(file: &str, source: &str, mark: &str, kernel: &str) -> BTreeSet<Line> {
    let is_marked = |line: &str| {
        let named = line.split("// ").find_map(|part| part.strip_prefix(mark)?.strip_prefix(": "));
        named.is_some_and(|names| names.split(", ").any(|name| name.trim() == kernel))
    };
    let of = |file: &str, source: &str| -> Vec<Line> {
        let marked = (1..).zip(source.lines()).filter(|(_, line)| is_marked(line));
        marked.map(|(number, _)| (file.to_owned(), number)).collect()
    };
    of(&format!("{file}.cu"), source).into_iter().chain(of("common.cuh", COMMON)).collect()
}

/// The source lines of a finding. Of a race that of the second access is the finding's, the first one's stands in its
/// words, as does that of a fault.
fn lines_of(found: &Finding) -> Vec<Line> {
    let base = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let second = found.source.as_ref().map(|(file, line)| (base(file), *line));
    let first = found.what.split(['(', ')']).filter_map(|part| {
        let (file, line) = part.rsplit_once(':')?;
        let is_source = file.ends_with(".cu") || file.ends_with(".cuh");
        is_source.then(|| Some((base(file), line.parse().ok()?))).flatten()
    });
    second.into_iter().chain(first).collect()
}

/// A source's name in the PTX, without its ending.
fn of_corpus(file: &str) -> String {
    format!("tests/simt/explore/{file}")
}

/// What is wrong with what was found, if anything.
fn wrong(file: &str, source: &str, case: &Case, found: &Explored) -> Option<&'static str> {
    let fits = match case.answer {
        Answer::Independent => found.verdict == Independent && found.why.is_empty(),
        Answer::Depends => found.verdict == Depends,
        Answer::MayDepend => found.verdict == Verdict::MayDepend && !found.why.is_empty(),
        Answer::Refused => false,
    };
    if !fits {
        return Some("the verdict");
    }
    if !found.why.iter().any(|finding| finding.what.contains(case.says)) && !case.says.is_empty() {
        return Some("the reason's words");
    }
    let races = marked(file, source, "race", case.kernel);
    let met: Vec<Vec<Line>> = found.races.iter().map(lines_of).collect();
    if met.is_empty() == case.races || races.is_empty() == case.races {
        return Some("whether there is a race");
    }
    if met.iter().any(|lines| lines.len() != 2) || met.concat().into_iter().collect::<BTreeSet<_>>() != races
    {
        return Some("where the race is");
    }
    let here = marked(file, source, "here", case.kernel);
    let named: BTreeSet<Line> = found.why.iter().flat_map(lines_of).collect();
    let placed = here.is_empty() || named.intersection(&here).next().is_some();
    if !placed || !named.is_subset(&(&here | &races)) {
        return Some("where the reason is");
    }
    let unplaced = here.is_empty() && races.is_empty();
    let needs_a_place = case.answer != Answer::Independent && case.says.is_empty();
    (needs_a_place && unplaced).then_some("no line is marked")
}

#[test]
fn every_kernel_gets_its_answer() {
    let arguments = arguments(&[
        ("x", "in:f32:256:wide"),
        ("out", "both:f32:256"),
        ("part", "both:f32:256"),
        ("counter", "both:u32:256"),
    ]);
    let mut misses = Vec::new();
    for (file, ptx, source, cases) in FILES {
        let module = Arc::new(Module::new(ptx).unwrap());
        let known: BTreeSet<&str> = cases.iter().map(|case| case.kernel).collect();
        assert_eq!(known, module.entries().collect(), "every kernel of {file} has an answer");
        assert_eq!(known.len(), cases.len(), "one answer each");
        for case in cases {
            let found = explored(&module, ptx, case.kernel, 4, &arguments);
            let found = match found {
                Ok(found) => found,
                Err(error) => {
                    let here = marked(file, source, "here", case.kernel);
                    let placed = here
                        .iter()
                        .any(|(_, line)| error.contains(&format!("({}.cu:{line})", of_corpus(file))));
                    if case.answer != Answer::Refused || !error.contains(case.says) || !placed {
                        misses.push(format!("{file}: the fault of {case:?}: {error}"));
                    }
                    continue;
                }
            };
            if let Some(what) = wrong(file, source, case, &found) {
                misses.push(format!("{file}: {what} of {case:?}: {found:#?}"));
            }
        }
    }
    assert!(misses.is_empty(), "{}:\n{}", misses.len(), misses.join("\n"));
}

/// Of the answers themselves: none contradicts what is so.
#[test]
fn no_answer_certifies_what_differs_or_races_and_none_shows_what_is_the_same() {
    for case in FILES.iter().flat_map(|(.., cases)| *cases) {
        let is_sound = match case.answer {
            Answer::Independent => case.truth == Truth::Same && !case.races,
            Answer::Depends => case.truth != Truth::Same,
            Answer::Refused => case.truth == Truth::Fails,
            Answer::MayDepend => true,
        };
        assert!(is_sound, "{case:?}");
    }
}

/// The corpus as a table.
fn table() -> String {
    let count: usize = FILES.iter().map(|(.., cases)| cases.len()).sum();
    let mut text = format!(
        "# The corpus of `explore`\n\n{count} kernels, each written for one reason, as NVRTC 12.0 compiles them for \
         compute capability 8.0, launched with four blocks of 64 threads.\nThe column *condition* names the one of METHODOLOGY.md \
         that a kernel meets or misses;\n`tests/simt/certificates.rs` \
         demands the verdict, whether there is a race, and the source lines of the finding, which\ncomments in the \
         sources mark.\n*in truth* is what all interleavings of the threads give, derived from the sources alone; *unfixed* \
         depends on clocks,\nplaces or what nobody wrote. No kernel that differs in truth, is unfixed or races is certified. \
         What is the same in truth, races not\nand is not certified misses a condition all the same. What differs in truth \
         and was not seen to differ does so only where lanes of a\nwarp do not run in step, as the simulation runs them.\n\nWritten from `tests/simt/answers.rs` by `INSTA_UPDATE=always cargo test --test simt \
         the_table`.\n"
    );
    for (file, .., cases) in FILES {
        let _ = write!(
            text,
            "\n## {file}.cu\n\n| kernel | shows | condition | in truth | answer |\n| --- | --- | --- | --- | --- |\n"
        );
        for case in cases {
            let answer = match case.answer {
                Answer::Independent => "independent",
                Answer::Depends => "depends",
                Answer::MayDepend => "may depend",
                Answer::Refused => "fails there",
            };
            let truth = match case.truth {
                Truth::Same => "same",
                Truth::Differs => "differs",
                Truth::Unfixed => "unfixed",
                Truth::Fails => "may not end",
            };
            let race = if case.races { ", race" } else { "" };
            let Case { kernel, shows, condition, .. } = case;
            let _ = writeln!(text, "| {kernel} | {shows} | {condition} | {truth} | {answer}{race} |");
        }
    }
    text
}

#[test]
fn the_table_in_the_docs_is_that_of_the_tests() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simt/explore/README.md");
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(&path, table()).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(committed == table(), "stale: INSTA_UPDATE=always cargo test --test simt the_table");
}

/// Reasons name the instruction, its line and the source's.
#[test]
fn a_reason_has_its_place() {
    let ptx = include_str!("explore/atomics.ptx");
    let module = Arc::new(Module::new(ptx).unwrap());
    let arguments = arguments(&[
        ("x", "in:f32:256"),
        ("out", "both:f32:1"),
        ("part", "both:f32:1"),
        ("counter", "both:u32:1"),
    ]);
    let found = found(&module, ptx, "float_atomic", 4, &arguments);
    let [reason] = &found.why[..] else { panic!("{found:?}") };
    assert!(
        reason.instruction.as_deref().is_some_and(|name| name.ends_with(".global.add.f32")),
        "{reason:?}"
    );
    let (file, line) = reason.source.clone().unwrap();
    let source = include_str!("explore/atomics.cu").lines().nth(line as usize - 1).unwrap();
    assert!(file.ends_with("atomics.cu") && source.contains("float_atomic"), "{file}:{line}: {source}");
    assert_eq!(found.distinct > 1, found.differ.is_some());
}

/// The kernel `ticket`, of so many blocks, at most 131.
fn ticket(blocks: u32, settings: &Settings) -> Explored {
    let (name, ptx, ..) = FILES[2];
    assert_eq!(name, "tickets");
    let module = Arc::new(Module::new(ptx).unwrap());
    let arguments = arguments(&[
        ("x", "in:f32:8384:wide"),
        ("out", "both:f32:1"),
        ("part", "both:f32:256"),
        ("counter", "both:u32:1"),
    ]);
    let subject = Subject {
        module: &module,
        entry: "ticket",
        grid: [blocks, 1, 1],
        block: [64, 1, 1],
        shared: 0,
        arguments: &arguments,
        fuel: 1 << 22,
    };
    explore(&subject, ptx, settings).unwrap()
}

/// What trying all blocks as the last would take too long for is no proof, and says how to allow it.
#[test]
fn blocks_are_not_tried_as_the_last_beyond_the_limit() {
    let none = ticket(4, &Settings { most_for_lasts: 1000, ..Settings::of(1) });
    assert_eq!((none.verdict, none.lasts), (Verdict::MayDepend, 0));
    let [reason] = &none.why[..] else { panic!("{none:?}") };
    assert!(
        reason.what.starts_with("4 blocks draw tickets") && reason.what.ends_with("raise --max-instructions")
    );
}

/// All that another block did is executed once for many of those that are tried as the last.
#[test]
fn trying_many_blocks_as_the_last_takes_few_launches() {
    for blocks in [1, 2, 7, 8, 9, 64, 131] {
        let once = ticket(blocks, &Settings { most_for_lasts: 0, ..Settings::of(1) }).instructions;
        let tried = ticket(blocks, &Settings::of(1));
        assert_eq!((tried.verdict, tried.lasts), (Independent, blocks as usize), "{tried:?}");
        // Twice: eight parts, each of which is halved, and the launch of which nothing was tried.
        let halvings = u64::from(blocks.div_ceil(8).ilog2());
        let launches = 2 * (u64::from(blocks.min(8)) + halvings + 2) + 1;
        assert!(tried.instructions <= launches * once, "{blocks}: {} of {once}", tried.instructions);
    }
}

/// Every way of our own to sum: what is claimed to be the same from run to run is certified, atomics depend.
#[test]
fn our_sums_are_certified_or_depend() {
    let text = include_str!("../../kernels/ptx/reduce.ptx");
    let module = Arc::new(Module::new(text).unwrap());
    let two_rows = [("rows", "u64=2"), ("columns", "u64=20000")];
    let x = ("x", "in:f32:40000:wide");
    let (out, partials, tickets) =
        (("out", "out:f32:2"), ("partials", "out:f32:8"), ("tickets", "both:u32:2"));
    let zeroed = ("out", "both:f32:2");
    let of_tiles = [("chunks", "u32=4"), ("tiles", "u32=3")];
    let cases: [(&str, Vec<Text>, Verdict); 6] = [
        (
            "fixed_tree_f32",
            [vec![x, out, partials, tickets], two_rows.to_vec(), of_tiles.to_vec()].concat(),
            Independent,
        ),
        (
            "ticket_f32",
            [vec![x, out, partials, tickets], two_rows.to_vec(), vec![("blocks", "u32=4")]].concat(),
            Independent,
        ),
        (
            "two_pass_f32",
            [vec![x, partials], two_rows.to_vec(), vec![("blocks", "u32=4")]].concat(),
            Independent,
        ),
        (
            "two_pass_finish",
            vec![("partials", "in:f32:8"), out, ("rows", "u64=2"), ("blocks", "u32=4")],
            Independent,
        ),
        (
            "atomic_block_f32",
            [vec![x, zeroed], two_rows.to_vec(), vec![("blocks", "u32=4")]].concat(),
            Depends,
        ),
        ("atomic_element_f32", [vec![x, zeroed], two_rows.to_vec()].concat(), Depends),
    ];
    for (name, texts, verdict) in cases {
        let found = found(&module, text, &format!("reduce_{name}"), 8, &arguments(&texts));
        assert_eq!(found.verdict, verdict, "{name}: {found:?}");
        assert!(found.races.is_empty(), "{name}: {found:?}");
        if verdict == Depends {
            assert!(found.why[0].what.contains("added in any order"), "{name}: {found:?}");
        }
    }
}
