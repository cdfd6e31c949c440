//! Small launches, and what is found of them.

use std::sync::Arc;

use crate::simt::analysis::{Analysis, Judgement, flow};
use crate::simt::{Argument, Launch, Memory, Module, Options, Schedule};

fn module(body: &str) -> Arc<Module> {
    let text = format!(
        ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 out) {{\n.reg .pred %p<9>;\n\
         .reg .b32 %r<9>;\n.reg .b64 %d<9>;\n.shared .align 4 .b8 s[256];\n{body}\n}}\n"
    );
    Arc::new(Module::new(&text).unwrap())
}

/// Launches two blocks of 64 threads, on 1 KiB of zeros.
fn judged(body: &str, schedule: Schedule) -> Judgement {
    let mut memory = Memory::new();
    let loaded = module(body).load(&mut memory).unwrap();
    let out = memory.reserve_zeroed(1024);
    let arguments = [Argument::U64(out)];
    let launch =
        Launch { entry: "k", grid: [2, 1, 1], block: [64, 1, 1], shared_bytes: 0, arguments: &arguments };
    let mut analysis = Analysis::new(loaded.kernel("k").unwrap(), launch.grid, launch.block);
    let options = Options { schedule, ..Options::default() };
    loaded.launch_observed(&launch, &mut memory, &options, &mut analysis).unwrap();
    analysis.judge(&[("out".to_owned(), out, 1024)])
}

/// Block 0 leaves a value and block 1, after it, takes it if it sees the sign. The fences are to be put in.
fn hand_over(release: &str, acquire: &str) -> Judgement {
    let body = format!(
        "mov.u32 %r1, %tid.x; mov.u32 %r2, %ctaid.x; ld.param.u64 %d1, [out];\n\
         setp.ne.u32 %p1, %r1, 0; @%p1 bra END;\n\
         setp.ne.u32 %p2, %r2, 0; @%p2 bra TAKE;\n\
         st.global.u32 [%d1+4], 5;\n{release}\nbra END;\n\
         TAKE:\n{acquire}\nsetp.eq.u32 %p3, %r3, 0; @%p3 bra END;\nld.global.u32 %r4, [%d1+4];\nEND: ret;"
    );
    judged(&body, Schedule::LastBlock { block: 1 })
}

#[test]
fn releases_and_acquires_order_within_their_scopes() {
    let good = [
        ("membar.gl; st.volatile.global.u32 [%d1], 1;", "ld.volatile.global.u32 %r3, [%d1]; membar.gl;"),
        ("st.release.gpu.global.u32 [%d1], 1;", "ld.acquire.gpu.global.u32 %r3, [%d1];"),
        (
            "fence.acq_rel.gpu; red.relaxed.gpu.global.add.u32 [%d1], 1;",
            "ld.acquire.sys.global.u32 %r3, [%d1];",
        ),
        ("atom.release.gpu.global.exch.b32 %r5, [%d1], 1;", "atom.acquire.gpu.global.or.b32 %r3, [%d1], 0;"),
    ];
    for (release, acquire) in good {
        assert_eq!(hand_over(release, acquire).races, [], "{release} {acquire}");
    }
    let bad = [
        ("st.volatile.global.u32 [%d1], 1;", "ld.volatile.global.u32 %r3, [%d1]; membar.gl;"),
        ("membar.gl; st.volatile.global.u32 [%d1], 1;", "ld.volatile.global.u32 %r3, [%d1];"),
        ("membar.cta; st.volatile.global.u32 [%d1], 1;", "ld.volatile.global.u32 %r3, [%d1]; membar.gl;"),
        ("membar.gl; st.volatile.global.u32 [%d1], 1;", "ld.volatile.global.u32 %r3, [%d1]; membar.cta;"),
        ("st.release.cta.global.u32 [%d1], 1;", "ld.acquire.gpu.global.u32 %r3, [%d1];"),
        ("st.global.u32 [%d1], 1; membar.gl;", "ld.global.u32 %r3, [%d1]; membar.gl;"),
        ("st.volatile.global.u32 [%d1], 1; membar.gl;", "ld.volatile.global.u32 %r3, [%d1]; membar.gl;"),
    ];
    for (release, acquire) in bad {
        let races = hand_over(release, acquire).races;
        // The value's, by the two accesses beside it.
        assert!(races.iter().any(|race| race.address % 256 == 4), "{release} {acquire}: {races:?}");
    }
}

#[test]
fn that_one_came_first_is_a_doubt_though_it_is_no_race() {
    let found = hand_over("st.release.gpu.global.u32 [%d1], 1;", "ld.acquire.gpu.global.u32 %r3, [%d1];");
    assert!(found.doubts.iter().any(|doubt| doubt.what.contains("either may come first")), "{found:?}");
}

#[test]
fn both_sides_of_a_race_are_named() {
    let body = "mov.u32 %r1, %tid.x; ld.param.u64 %d1, [out]; setp.eq.u32 %p1, %r1, 33; setp.eq.u32 %p2, %r1, 2;\n\
                @%p1 st.global.u8 [%d1+7], 1;\n@%p2 ld.global.u32 %r2, [%d1+4];\nret;";
    let races = judged(body, Schedule::RoundRobin).races;
    let lines: Vec<_> = races.iter().map(|race| (race.first.place.line, race.second.place.line)).collect();
    assert!(lines.contains(&(10, 11)) || lines.contains(&(11, 10)), "{races:?}");
    let race = races.iter().find(|race| race.first.place.line != race.second.place.line).unwrap();
    let mut threads = [race.first.thread.thread[0], race.second.thread.thread[0]];
    threads.sort_unstable();
    assert_eq!(threads, [2, 33]);
    // Beside each other they do not meet.
    let apart = judged(&body.replace("[%d1+7]", "[%d1+8]"), Schedule::RoundRobin).races;
    assert!(apart.iter().all(|race| race.first.place.line == race.second.place.line), "{apart:?}");
}

/// What a thread did before it wrote what another writes too is a race with that, whoever came first.
#[test]
fn a_writer_of_the_same_value_meets_what_was_there_before_it() {
    let body = |first: &str| {
        format!(
            "mov.u32 %r1, %tid.x; mov.u32 %r2, %ctaid.x; ld.param.u64 %d1, [out];\n\
             setp.ne.u32 %p1, %r1, 0; @%p1 bra END;\nsetp.ne.u32 %p2, %r2, 0;\n\
             @%p2 bra SAME;\n{first}\nSAME: st.global.u32 [%d1], 5;\nEND: ret;"
        )
    };
    for block in [0, 1] {
        let races = |first| judged(&body(first), Schedule::LastBlock { block }).races;
        assert_eq!(races(""), []);
        for first in ["st.global.u32 [%d1], 1;", "ld.global.u32 %r3, [%d1];", "red.global.add.u32 [%d1], 1;"]
        {
            assert_ne!(races(first), [], "{first} with block {block} as the last");
        }
    }
}

/// What the first thread of block 0 does, and then that of block 1.
fn in_order(first: &str, second: &str) -> Judgement {
    let body = format!(
        "mov.u32 %r1, %tid.x; mov.u32 %r2, %ctaid.x; ld.param.u64 %d1, [out];\n\
         setp.ne.u32 %p1, %r1, 0; @%p1 bra END;\nsetp.ne.u32 %p2, %r2, 0; @%p2 bra SECOND;\n\
         {first}\nbra END;\nSECOND:\n{second}\nEND: ret;"
    );
    judged(&body, Schedule::LastBlock { block: 1 })
}

#[test]
fn order_by_who_came_first_at_an_atomic_operation_is_open() {
    let release = "st.global.u32 [%d1+4], 5; membar.gl; red.global.add.u32 [%d1], 1;";
    let acquire = "atom.global.add.u32 %r3, [%d1], 1; membar.gl; ld.global.u32 %r4, [%d1+4];";
    let found = in_order(release, acquire);
    assert_eq!(found.races, []);
    assert!(found.doubts.iter().any(|doubt| doubt.what.contains("by chance or not")), "{found:?}");
}

#[test]
fn atomic_operations_meet_all_that_came_before_them() {
    let two = "red.global.xor.b32 [%d1], 3; red.global.add.u32 [%d1], 3;";
    let found = in_order(two, "red.global.add.u32 [%d1], 1;");
    assert!(found.doubts.iter().any(|doubt| doubt.what.contains("who came before")), "{found:?}");
    let same = "red.global.add.u32 [%d1], 2; red.global.add.u32 [%d1], 3;";
    assert_eq!(in_order(same, "red.global.add.u32 [%d1], 1;").doubts, []);
}

#[test]
fn branches_meet_at_their_post_dominators() {
    let body = "mov.u32 %r1, %tid.x; setp.eq.u32 %p1, %r1, 3;\n\
                @%p1 bra A;\nadd.u32 %r2, %r1, 1; bra B;\nA: add.u32 %r3, %r1, 2;\nB: @%p1 bra B;\n\
                @%p1 ret;\nst.shared.u32 [s], %r1;\nret;";
    let mut memory = Memory::new();
    let loaded = module(body).load(&mut memory).unwrap();
    let kernel = loaded.kernel("k").unwrap();
    let regions = flow::regions(kernel);
    let mut all: Vec<_> = regions.into_iter().collect();
    all.sort_by_key(|(at, _)| *at);
    let [(2, diamond), (6, around), (7, leaving)] = &all[..] else { panic!("{all:?}") };
    assert_eq!((diamond.join, diamond.writes.len(), diamond.effect), (6, 2, None));
    assert_eq!((around.join, around.writes.len(), around.effect), (7, 0, None));
    assert_eq!((leaving.join, leaving.effect, leaving.stores_shared), (flow::END, Some(8), true));
}
