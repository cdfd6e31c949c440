//! Kernels with their answers: whether what they give depends on the schedule, and whether they race. `explore/` has
//! them, each for one reason; here is what must be said of each, no more and no less.

use std::collections::BTreeSet;
use std::sync::Arc;

use samebits::explore::plan::{Argument, Given};
use samebits::explore::schedules::Subject;
use samebits::explore::verdict::{Explored, Verdict};
use samebits::explore::{Settings, explore};
use samebits::simt::Module;

use Verdict::{Depends, Independent, MayDepend};

const PTX: &str = include_str!("explore/orders.ptx");

/// Kernel, verdict, whether there is a race, and what the reason says.
type Answer = (&'static str, Verdict, bool, &'static str);

/// An argument's name, and what `--arg` says of it.
type Text = (&'static str, &'static str);

const ANSWERS: &[Answer] = &[
    ("elementwise", Independent, false, ""),
    ("tree", Independent, false, ""),
    ("shuffle_sum", Independent, false, ""),
    ("votes", Independent, false, ""),
    ("histogram", Independent, false, ""),
    ("shared_histogram", Independent, false, ""),
    ("largest", Independent, false, ""),
    ("parity", Independent, false, ""),
    ("limited", Independent, false, ""),
    ("same_value", Independent, false, ""),
    ("bytes", Independent, false, ""),
    ("transpose", Independent, false, ""),
    ("double_buffer", Independent, false, ""),
    ("scan", Independent, false, ""),
    ("warp_synced", Independent, false, ""),
    ("softmax", Independent, false, ""),
    ("early_return", Independent, false, ""),
    ("named_barriers", Independent, false, ""),
    ("copied", Independent, false, ""),
    ("ticket", Independent, false, ""),
    ("ticket_by_addition", Independent, false, ""),
    ("clock_unused", Independent, false, ""),
    // On these numbers every block gives the same sum; still it is its own partial that it begins with.
    ("winner_begins_with_its_own", MayDepend, false, "something of its own"),
    ("winner_says_who_it_is", Depends, false, ""),
    ("winner_keeps_shared", Depends, false, ""),
    ("losers_write", Depends, false, ""),
    ("ticket_without_fence", MayDepend, true, "data race"),
    ("ticket_with_block_fence", MayDepend, true, "data race"),
    ("ticket_with_low_threshold", Depends, true, "whether it is the last"),
    ("ticket_of_every_thread", MayDepend, false, "several threads of one block"),
    ("ticket_is_stored", Depends, false, "who came before; it reaches byte 0 of out"),
    ("ticket_is_an_address", Depends, false, "part of an address"),
    ("ticket_decides", Depends, false, "whether it is the last"),
    ("compaction", Depends, false, "part of an address"),
    ("float_atomic", Depends, false, "added in any order; it reaches byte 0 of out"),
    ("float_atomic_in_shared", Depends, false, "added in any order; it reaches byte 0 of out"),
    ("exchange", Depends, false, "which thread comes first is open"),
    ("mixed_classes", Depends, false, "who came before; it reaches byte 0 of counter"),
    ("other_limits", Depends, false, "who came before; it reaches byte 0 of counter"),
    ("largest_float_by_cas", MayDepend, false, "either may come first"),
    ("locked_sum", MayDepend, false, "which thread comes first is open"),
    ("flag", MayDepend, false, "either may come first"),
    ("clock_stored", Depends, false, "a clock"),
    ("clock_decides", MayDepend, false, "a clock"),
    ("multiprocessor", MayDepend, false, "%smid"),
    ("warp_number", MayDepend, false, "%warpid"),
    ("active_lanes", MayDepend, false, "which lanes run together"),
    ("approximation_decides", MayDepend, false, "hardware's own; it decides"),
    ("missing_barrier", Depends, true, "data race"),
    ("missing_second_barrier", Depends, true, "data race"),
    ("in_step_only", MayDepend, true, "data race"),
    ("in_step_and_volatile", MayDepend, false, "either may come first"),
    ("arms", Depends, true, "data race"),
    ("everybody_writes", Depends, true, "data race"),
    ("same_value_and_a_reader", MayDepend, true, "data race"),
    ("neighbours_byte", MayDepend, true, "data race"),
    ("block_scope", MayDepend, true, ""),
    ("atomic_and_plain", Depends, true, "data race"),
    ("copy_not_awaited", Depends, true, "data race"),
    ("whoever_comes_meets", MayDepend, false, "which threads meet"),
    ("uninitialised", MayDepend, false, "nothing was written there"),
];

fn arguments(texts: &[Text]) -> Vec<Argument> {
    let argument = |(number, (name, text)): (usize, &Text)| {
        let given = Given { name: Some((*name).to_owned()), ..Given::parse(text).unwrap() };
        given.argument(number).unwrap()
    };
    texts.iter().enumerate().map(argument).collect()
}

fn found(module: &Arc<Module>, text: &str, entry: &str, grid: u32, arguments: &[Argument]) -> Explored {
    let subject =
        Subject { module, entry, grid: [grid, 1, 1], block: [64, 1, 1], shared: 0, arguments, fuel: 1 << 24 };
    let settings = Settings::of(12);
    explore(&subject, text, &settings).unwrap_or_else(|error| panic!("{entry}: {error}"))
}

#[test]
fn every_kernel_gets_its_answer() {
    let module = Arc::new(Module::new(PTX).unwrap());
    let known: BTreeSet<&str> = ANSWERS.iter().map(|answer| answer.0).collect();
    assert_eq!(known, module.entries().collect(), "every kernel of the file has an answer");
    let arguments = arguments(&[
        ("x", "in:f32:256:wide"),
        ("out", "both:f32:256"),
        ("part", "both:f32:256"),
        ("counter", "both:u32:256"),
    ]);
    let mut wrong = Vec::new();
    for (entry, verdict, has_race, why) in ANSWERS {
        let found = found(&module, PTX, entry, 4, &arguments);
        let says = why.is_empty() || found.why.iter().any(|finding| finding.what.contains(why));
        let has_reason = (found.verdict == Independent) == found.why.is_empty() || found.verdict == Depends;
        if found.verdict != *verdict || found.races.is_empty() == *has_race || !says || !has_reason {
            wrong.push(format!("{entry}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), ANSWERS.len(), wrong.join("\n"));
}

/// Reasons name the instruction, its line and the source's.
#[test]
fn a_reason_has_its_place() {
    let module = Arc::new(Module::new(PTX).unwrap());
    let arguments = arguments(&[
        ("x", "in:f32:256"),
        ("out", "both:f32:1"),
        ("part", "both:f32:1"),
        ("counter", "both:u32:1"),
    ]);
    let found = found(&module, PTX, "float_atomic", 4, &arguments);
    let [reason] = &found.why[..] else { panic!("{found:?}") };
    assert!(
        reason.instruction.as_deref().is_some_and(|name| name.ends_with(".global.add.f32")),
        "{reason:?}"
    );
    let (file, line) = reason.source.clone().unwrap();
    let source = include_str!("explore/orders.cu").lines().nth(line as usize - 1).unwrap();
    assert!(file.ends_with("orders.cu") && source.contains("float_atomic"), "{file}:{line}: {source}");
    assert_eq!(found.distinct > 1, found.differ.is_some());
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
