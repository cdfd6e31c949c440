//! Kernels that never end, and what PTX leaves undefined among threads.

use samebits::simt::FaultKind;

use super::{faults, is_fine};

#[test]
fn endless_loops_run_out_of_fuel() {
    faults("LOOP:\nbra LOOP; // here", 32, FaultKind::Fuel, &["10000 thread instructions", "endless loop"]);
    let body =
        "mov.u32 %r2, 0;\nLOOP:\nadd.u32 %r2, %r2, 1;\nsetp.ge.s32 %p0, %r2, 0;\n@%p0 bra LOOP; // here";
    faults(body, 1, FaultKind::Fuel, &["10000"]);
    let table = "mov.u32 %r2, 0;\nLOOP:\nways: .branchtargets LOOP;\nbrx.idx %r2, ways; // here";
    faults(table, 1, FaultKind::Fuel, &["10000"]);
    // One lane suffices, and so does one warp.
    faults("setp.ne.u32 %p0, %r1, 70;\nLOOP:\n@!%p0 bra LOOP; // here", 96, FaultKind::Fuel, &["10000"]);
    faults(
        "LOOP:\nld.volatile.global.u32 %r2, [%d0];\nsetp.ne.u32 %p0, %r2, 77;\n@%p0 bra LOOP; // here",
        64,
        FaultKind::Fuel,
        &["10000"],
    );
    // A barrier in it, and exchanges.
    faults("LOOP:\nbar.sync 0;\nbra LOOP; // here", 64, FaultKind::Fuel, &["10000"]);
    faults("LOOP:\nbar.warp.sync 0xffffffff;\nbra LOOP; // here", 32, FaultKind::Fuel, &["10000"]);
}

#[test]
fn straight_code_needs_fuel_too() {
    // 512 threads times more than 20 instructions, and not one jump.
    let body = "add.u32 %r2, %r1, 1;\n".repeat(40);
    let text = super::kernel(&body);
    let module = std::sync::Arc::new(samebits::simt::Module::new(&text).unwrap());
    let (mut device, arguments) = super::device(&module, samebits::simt::Schedule::RoundRobin);
    let fault = device.try_launch("k", [4, 1, 1], [512, 1, 1], &arguments).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Fuel, "{fault}");
}

#[test]
fn deadlocks_at_barriers() {
    let is = FaultKind::Deadlock;
    // The other warp has exited, and a barrier of 64 threads waits for ever.
    let body = "setp.ge.u32 %p0, %r1, 32;\n@%p0 exit;\nbar.sync 3, 64; // here";
    faults(body, 64, is, &["deadlock", "warp 0", "barrier 3", "32 of 64"]);
    // Barriers crossed: each warp waits at the one that the other comes to later.
    let body = "setp.ge.u32 %p0, %r1, 32;\n@%p0 bra OTHER;\nbar.sync 1, 64; // here\nbar.sync 2, 64;\nret;\n\
                OTHER:\nbar.sync 2, 64; // here\nbar.sync 1, 64;";
    let words = ["warp 0", "warp 1", "barrier 1 (32 of 64", "barrier 2 (32 of 64", "line 19", "line 23"];
    faults(body, 64, is, &words);
    // One lane stays behind in its own branch, waiting for what comes after.
    let body = "setp.eq.u32 %p0, %r1, 0;\n@%p0 bra ONE;\nbarrier.sync 0; // here\nbarrier.sync 1, 32;\nret;\n\
                ONE:\nbarrier.sync 1, 32; // here\nbarrier.sync 0;";
    faults(body, 32, is, &["barrier 0", "barrier 1", "lanes 0x00000001", "lanes 0xfffffffe"]);
}

#[test]
fn deadlocks_of_lanes() {
    let is = FaultKind::Deadlock;
    // The upper lanes wait at a barrier to which nobody else comes.
    let body = "setp.ge.u32 %p0, %r1, 16;\n@%p0 bra UP;\n\
                shfl.sync.idx.b32 %r2, %r1, 0, 31, 0xffffffff; // here\nUP:\nbarrier.sync 1, 64; // here";
    faults(body, 32, is, &["lanes 0x0000ffff", "lanes 0xffff0000", "barrier 1"]);
    let body = "setp.ge.u32 %p0, %r1, 16;\n@%p0 bra UP;\nbar.warp.sync 0xffffffff; // here\nUP:\nbarrier.sync 1, 64; // here";
    faults(body, 32, is, &["lanes 0x0000ffff", "bar.warp.sync", "barrier 1"]);
    // Exchanges of two sorts, or of other members, never meet.
    let arms = |low: &str, up: &str| {
        format!("setp.ge.u32 %p0, %r1, 16;\n@%p0 bra UP;\n{low}; // here\nret;\nUP:\n{up}; // here")
    };
    let idle = "shfl.sync.idx.b32 %r2, %r1, 0, 31, 0xffffffff";
    let words = ["lanes 0x0000ffff", "lanes 0xffff0000", "an exchange of the same sort"];
    faults(&arms(idle, "shfl.sync.bfly.b32 %r2, %r1, 0, 31, 0xffffffff"), 32, is, &words);
    faults(&arms(idle, "match.any.sync.b32 %r2, %r1, 0xffffffff"), 32, is, &words);
    faults(&arms(idle, "shfl.sync.idx.b32 %r2, %r1, 31, 31, 0xfffffff0"), 32, is, &words);
    is_fine(&arms(idle, "shfl.sync.idx.b32 %r3, %r0, 3, 31, 0xffffffff"), 32);
    // Members that exited are not waited for.
    is_fine("setp.ge.u32 %p0, %r1, 16;\n@%p0 exit;\nshfl.sync.idx.b32 %r2, %r1, 0, 31, 0xffffffff;", 32);
    is_fine("setp.ge.u32 %p0, %r1, 16;\n@%p0 exit;\nbar.warp.sync 0xffffffff;", 32);
}

#[test]
fn what_is_undefined_among_lanes() {
    let is = FaultKind::Undefined;
    let body = "setp.ge.u32 %p0, %r1, 16;\n@%p0 exit;\nshfl.sync.idx.b32 %r2, %r1, 20, 31, 0xffff; // here";
    faults(body, 32, is, &["shuffle", "lane 20"]);
    let body = "shfl.sync.down.b32 %r2, %r1, 1, 31, 0xffffffff; // here";
    faults(body, 20, is, &["shuffle", "lane 20", "thread 19,0,0"]);
    is_fine(body, 32);
    for exchange in [
        "shfl.sync.idx.b32 %r2, %r1, 0, 31, 0xfffffffe;",
        "setp.eq.u32 %p1, %r1, 0;\nvote.sync.any.pred %p2, %p1, 0xfffffffe;",
        "vote.sync.ballot.b32 %r2, 1, 0xfffffffe;",
        "match.any.sync.b32 %r2, %r1, 0xfffffffe;",
        "redux.sync.add.u32 %r2, %r1, 0xfffffffe;",
        "bar.warp.sync 0xfffffffe;",
    ] {
        faults(&format!("{exchange} // here"), 32, is, &["0xfffffffe", "thread 0,0,0"]);
    }
}

#[test]
fn aligned_barriers_in_divergent_code() {
    let is = FaultKind::Undefined;
    let body = "setp.ge.u32 %p0, %r1, 16;\n@%p0 bra UP;\nbar.sync 0; // here\nret;\nUP:\nbar.sync 0; // here";
    faults(body, 32, is, &["aligned barrier in divergent code", "lanes 0x0000ffff", "lanes 0xffff0000"]);
    is_fine(body, 16);
    // Said to be aligned, and not.
    let body = body.replace("bar.sync 0", "barrier.sync.aligned 0");
    faults(&body, 32, is, &["aligned barrier in divergent code"]);
    is_fine(&body.replace(".aligned", ""), 32);
}

#[test]
fn barriers_that_are_none() {
    let is = FaultKind::Undefined;
    faults("mov.u32 %r2, 16;\nbar.sync %r2; // here", 32, is, &["barrier 16"]);
    faults("mov.u32 %r2, 33;\nbar.sync 1, %r2; // here", 32, is, &["33 threads", "multiple of 32"]);
    faults(
        "setp.ge.u32 %p0, %r1, 32;\nselp.u32 %r2, 64, 96, %p0;\nbar.sync 1, %r2; // here",
        64,
        is,
        &["barrier 1", "64", "96"],
    );
    faults(
        "mov.u32 %r2, 5;\nways: .branchtargets A, B;\nA:\nbrx.idx %r2, ways; // here\nB:",
        1,
        is,
        &["brx.idx", "index 5"],
    );
}

#[test]
fn traps() {
    faults("trap; // here", 1, FaultKind::Trap, &["trap"]);
    faults("setp.eq.u32 %p0, %r1, 37;\n@%p0 trap; // here", 64, FaultKind::Trap, &["trap", "thread 37,0,0"]);
    is_fine("setp.eq.u32 %p0, %r1, 37;\n@%p0 trap;", 32);
}
