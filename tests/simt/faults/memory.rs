//! Accesses that are out of bounds, misaligned, to what was never written, or to what must not be written.

use std::sync::Arc;

use samebits::simt::{Argument, FaultKind, Module, Schedule};

use super::{assert_fault, device, faults, is_fine, kernel};

#[test]
fn out_of_bounds_in_global_memory() {
    let words = &["out of bounds", "global address", "thread 0,0,0"];
    is_fine("ld.global.u32 %r2, [%d0+60];", 1);
    faults(
        "ld.global.u32 %r2, [%d0+64]; // here",
        1,
        FaultKind::OutOfBounds,
        &[words, &["a read of 4"][..]].concat(),
    );
    faults("ld.global.u32 %r2, [%d0+-4]; // here", 1, FaultKind::OutOfBounds, words);
    faults("ld.global.v4.u32 {%r2, %r3, %r4, %r5}, [%d0+64]; // here", 1, FaultKind::OutOfBounds, words);
    faults("st.global.u8 [%d0+64], %r0; // here", 1, FaultKind::OutOfBounds, &["a write of 1 bytes"]);
    faults("atom.global.add.u32 %r2, [%d0+64], 1; // here", 1, FaultKind::OutOfBounds, &["atomic"]);
    faults("red.global.add.u32 [%d0+-4], 1; // here", 1, FaultKind::OutOfBounds, &["atomic"]);
    // In the gap behind, far away, null, and the last address there is.
    faults("ld.global.u32 %r2, [%d0+1024]; // here", 1, FaultKind::OutOfBounds, words);
    faults("ld.global.u32 %r2, [%d0+1099511627776]; // here", 1, FaultKind::OutOfBounds, words);
    faults("mov.u64 %d1, 0;\nld.global.u32 %r2, [%d1]; // here", 1, FaultKind::OutOfBounds, &["0x0"]);
    faults("mov.u64 %d1, -4;\nld.global.u32 %r2, [%d1]; // here", 1, FaultKind::OutOfBounds, words);
    faults("mov.u64 %d1, 0;\nld.u32 %r2, [%d1]; // here", 1, FaultKind::OutOfBounds, &["0x0"]);
    faults("ld.global.u64 %d1, [cell+8]; // here", 1, FaultKind::OutOfBounds, words);
}

#[test]
fn the_thread_that_is_out_of_bounds_is_named() {
    let body = "mul.wide.u32 %d1, %r1, 4;\nadd.u64 %d1, %d0, %d1;\nld.global.u32 %r2, [%d1]; // here";
    is_fine(body, 16);
    // Lanes 16 and up are wrong: the first of them is blamed, whatever the others do.
    for threads in [17, 32] {
        faults(body, threads, FaultKind::OutOfBounds, &["thread 16,0,0"]);
    }
    let body = "mul.wide.u32 %d1, %r1, 4;\nadd.u64 %d1, %d0, %d1;\nsetp.lt.u32 %p0, %r1, 16;\n\
                @%p0 ld.global.u32 %r2, [%d1];";
    is_fine(body, 32);
}

#[test]
fn freed_memory() {
    let text = kernel("ld.global.u32 %r2, [%d0]; // here");
    let module = Arc::new(Module::new(&text).unwrap());
    let (mut device, arguments) = device(&module, Schedule::RoundRobin);
    device.try_launch("k", [1; 3], [1; 3], &arguments).unwrap();
    device.memory.free(crate::device::address(&arguments[0]));
    let fault = device.try_launch("k", [1; 3], [1; 3], &arguments).unwrap_err();
    assert_fault(&fault, &text, FaultKind::OutOfBounds, &["a read of 4 bytes"]);
}

#[test]
fn between_allocations() {
    let text = kernel("ld.global.u8 %h0, [%d0]; // here");
    let module = Arc::new(Module::new(&text).unwrap());
    let (mut device, [a, _]) = device(&module, Schedule::RoundRobin);
    let b = device.put(&[1u8; 64]);
    let (a, b) = (crate::device::address(&a), crate::device::address(&b));
    for address in [a - 1, a, a + 63, a + 64, (a + b) / 2, b - 1, b, b + 63, b + 64] {
        let inside = (a..a + 64).contains(&address) || (b..b + 64).contains(&address);
        let arguments = [Argument::U64(address), Argument::U32(0)];
        let result = device.try_launch("k", [1; 3], [1; 3], &arguments);
        assert_eq!(result.is_ok(), inside, "{address:#x}");
        if let Err(fault) = result {
            assert_fault(&fault, &text, FaultKind::OutOfBounds, &["a read of 1 bytes"]);
        }
    }
}

#[test]
fn out_of_bounds_in_other_spaces() {
    let bounds = FaultKind::OutOfBounds;
    faults("st.shared.u32 [pool+64], %r0; // here", 1, bounds, &["shared address", "64 bytes"]);
    faults("mov.u32 %r2, pool;\nld.shared.u32 %r3, [%r2+-4]; // here", 1, bounds, &["shared"]);
    faults("atom.shared.add.u32 %r2, [pool+64], 1; // here", 1, bounds, &["shared"]);
    faults("mov.u64 %d1, own;\nst.local.u32 [%d1+32], %r0; // here", 1, bounds, &["local", "32 bytes"]);
    faults("st.local.u32 [own+-4], %r0; // here", 1, bounds, &["local"]);
    faults("ld.const.u32 %r2, [fixed+16]; // here", 1, bounds, &["out of bounds"]);
    faults("ld.const.u32 %r2, [fixed+-4]; // here", 1, bounds, &["out of bounds"]);
    faults("ld.param.u32 %r2, [n+8]; // here", 1, bounds, &["parameter", "12 bytes"]);
    // Through generic addresses.
    faults("cvta.shared.u64 %d1, pool;\nst.u32 [%d1+64], %r0; // here", 1, bounds, &["shared address 0x40"]);
    faults("cvta.local.u64 %d1, own;\nst.u32 [%d1+32], %r0; // here", 1, bounds, &["local address 0x20"]);
}

#[test]
fn misaligned() {
    let is = FaultKind::Misaligned;
    for (ty, to, width) in [("u16", "%h0", 2), ("u32", "%r2", 4), ("f32", "%r2", 4), ("u64", "%d1", 8)] {
        for offset in 1..width {
            let (load, store) = (
                format!("ld.global.{ty} {to}, [%d0+{offset}]; // here"),
                format!(
                    "mov.b64 %d1, 0;\nmov.b32 %r2, 0;\nmov.b16 %h0, 0;\nst.global.{ty} [%d0+{offset}], {to}; // here"
                ),
            );
            faults(&load, 1, is, &["a read", &format!("no multiple of {width}")]);
            faults(&store, 1, is, &["a write", &format!("no multiple of {width}")]);
        }
        is_fine(&format!("ld.global.{ty} {to}, [%d0+{width}];"), 1);
    }
    for (access, width) in [
        ("v2.u16 {%h0, %h1}", 4),
        ("v2.u32 {%r2, %r3}", 8),
        ("v4.u32 {%r2, %r3, %r4, %r5}", 16),
        ("v2.u64 {%d1, %d2}", 16),
    ] {
        let body = |offset| {
            let (ty, registers) = access.split_once(' ').unwrap();
            format!("ld.global.{ty} {registers}, [%d0+{offset}]; // here")
        };
        // Aligned for an element, but not for the vector.
        faults(&body(width / 2), 1, is, &[&format!("no multiple of {width}")]);
        is_fine(&body(width), 1);
    }
    faults("atom.global.add.u32 %r2, [%d0+2], 1; // here", 1, is, &["atomic", "no multiple of 4"]);
    faults("atom.global.add.u64 %d1, [%d0+4], 1; // here", 1, is, &["atomic", "no multiple of 8"]);
    faults("st.shared.u32 [pool+2], %r0; // here", 1, is, &["shared"]);
    faults("st.local.u64 [own+4], %d0; // here", 1, is, &["local"]);
    let copy = "cp.async.ca.shared.global [pool+4], [%d0+8], 8; // here\ncp.async.wait_all;";
    faults(copy, 1, is, &["asynchronous copy", "shared address 0x4"]);
    let copy = "cp.async.cg.shared.global [pool], [%d0+8], 16; // here\ncp.async.wait_all;";
    faults(copy, 1, is, &["asynchronous copy", "global"]);
}

#[test]
fn misaligned_in_some_lanes() {
    let body = "mul.wide.u32 %d1, %r1, 2;\nadd.u64 %d1, %d0, %d1;\nld.global.u32 %r2, [%d1]; // here";
    faults(body, 16, FaultKind::Misaligned, &["thread 1,0,0"]);
}

#[test]
fn reads_of_what_was_never_written() {
    let is = FaultKind::Uninitialised;
    faults("ld.shared.u32 %r2, [pool]; // here", 1, is, &["shared", "nothing was written there"]);
    faults("ld.local.u32 %r2, [own]; // here", 1, is, &["local", "nothing was written there"]);
    faults("atom.shared.add.u32 %r2, [pool], 1; // here", 1, is, &["atomic", "nothing was written there"]);
    // Two of four bytes were.
    faults(
        "mov.b16 %h0, 1;\nst.shared.u16 [pool], %h0;\nld.shared.u32 %r2, [pool]; // here",
        1,
        is,
        &["shared"],
    );
    // Another thread's memory is no help.
    let body = "setp.eq.u32 %p0, %r1, 0;\n@%p0 st.local.u32 [own], %r0;\nld.local.u32 %r2, [own]; // here";
    faults(body, 2, is, &["thread 1,0,0"]);
    is_fine(body, 1);
    // Only the half of a pool that every thread writes for itself.
    let body = "shl.b32 %r2, %r1, 2;\nmov.u32 %r3, pool;\nadd.u32 %r2, %r2, %r3;\nst.shared.u32 [%r2], %r1;\n\
                bar.sync 0;\nld.shared.u32 %r4, [%r2+4]; // here";
    faults(body, 8, is, &["thread 7,0,0", "shared address 0x20"]);
}

#[test]
fn global_memory_that_was_never_written() {
    let text = kernel("ld.global.u32 %r2, [%d0]; // here");
    let module = Arc::new(Module::new(&text).unwrap());
    let (mut device, _) = device(&module, Schedule::RoundRobin);
    let arguments = [device.room::<u32>(4), Argument::U32(0)];
    let fault = device.try_launch("k", [1; 3], [1; 3], &arguments).unwrap_err();
    assert_fault(&fault, &text, FaultKind::Uninitialised, &["global", "nothing was written there"]);
}

#[test]
fn shared_memory_of_a_block_is_not_that_of_the_next() {
    let text = kernel(
        "mov.u32 %r2, %ctaid.x;\nsetp.eq.u32 %p0, %r2, 0;\n@%p0 st.shared.u32 [pool], %r0;\n\
         ld.shared.u32 %r3, [pool]; // here",
    );
    let module = Arc::new(Module::new(&text).unwrap());
    for schedule in (0..8).map(|seed| Schedule::Random { seed }) {
        let (mut device, arguments) = device(&module, schedule);
        device.try_launch("k", [1; 3], [1; 3], &arguments).unwrap();
        let fault = device.try_launch("k", [20, 1, 1], [1; 3], &arguments).unwrap_err();
        assert_fault(&fault, &text, FaultKind::Uninitialised, &["shared"]);
    }
}

#[test]
fn registers_that_were_never_written() {
    let is = FaultKind::Uninitialised;
    faults("st.global.u32 [%d0], %r7; // here", 1, is, &["%r7"]);
    // Where the value is computed with, or where the result of that is written.
    faults("add.u32 %r3, %r7, 1; // here\nst.global.u32 [%d0], %r3; // here", 1, is, &[]);
    // Compilers copy such registers, the padding of a structure say, where nobody looks at the copy.
    is_fine("mov.u32 %r3, %r7;", 1);
    faults("@%p2 st.global.u32 [%d0], %r0; // here", 1, is, &["%p2"]);
    faults("ld.global.u32 %r3, [%d5]; // here", 1, is, &["%d5"]);
    // Written by one lane, read by all.
    let body = "setp.eq.u32 %p0, %r1, 0;\n@%p0 mov.u32 %r5, 1;\nst.global.u32 [%d0], %r5; // here";
    faults(body, 2, is, &["%r5", "thread 1,0,0"]);
    is_fine(body, 1);
}

#[test]
fn registers_that_some_paths_write() {
    let is = FaultKind::Uninitialised;
    // One arm of two writes; who takes the other is found, and nobody else blamed.
    let body = "setp.ge.u32 %p0, %r1, 3;\n@%p0 bra END;\nmov.u32 %r5, 7;\nEND:\n\
                add.u32 %r6, %r5, 1; // here\nst.global.u32 [%d0], %r6;";
    faults(body, 5, is, &["%r5", "thread 3,0,0"]);
    is_fine(body, 3);
    // Both arms do.
    let body = "setp.ge.u32 %p0, %r1, 3;\n@%p0 bra UP;\nmov.u32 %r5, 7;\nbra END;\nUP:\nmov.u32 %r5, 8;\nEND:\n\
                st.global.u32 [%d0], %r5;";
    is_fine(body, 5);
    // The same predicate guards the write and the read.
    let body = "setp.ge.u32 %p0, %r1, 3;\n@%p0 mov.u32 %r5, 7;\n@%p0 st.global.u32 [%d0], %r5;";
    is_fine(body, 5);
    // A loop that writes at its end what it reads at its beginning; it is entered once too early.
    let walk = |first: &str| {
        format!(
            "{first}mov.u32 %r2, 0;\nAGAIN:\nsetp.eq.u32 %p0, %r2, 0;\n@%p0 bra NEXT;\n\
             add.u32 %r6, %r5, 1; // here\nNEXT:\nadd.u32 %r2, %r2, 1;\nsetp.lt.u32 %p1, %r2, 3;\n\
             @%p1 bra AGAIN;\nst.global.u32 [%d0], %r2;"
        )
    };
    faults(&walk(""), 1, is, &["%r5"]);
    is_fine(&walk("mov.u32 %r5, 1;\n"), 1);
    // Through copies, parts and wholes of registers.
    faults("mov.u32 %r6, %r5;\nmov.u32 %r7, %r6;\nadd.u32 %r3, %r7, 1; // here", 1, is, &["%r7"]);
    faults("mov.b64 %d5, {%r1, %r5};\nst.global.u64 [%d0], %d5; // here", 1, is, &["%d5"]);
    faults("mov.b64 {%r3, %r6}, %d5;\nst.global.u32 [%d0], %r6; // here", 1, is, &["%r6"]);
    is_fine("mov.u32 %r5, 1;\nmov.b64 %d5, {%r1, %r5};\nst.global.u64 [%d0], %d5;", 1);
    // Exchanges and atomics.
    faults("shfl.sync.idx.b32 %r2, %r5, 0, 31, 0xffffffff; // here", 32, is, &["%r5"]);
    faults("red.global.add.u32 [%d0], %r5; // here", 1, is, &["%r5"]);
}

#[test]
fn registers_of_a_function_that_were_never_written() {
    let call = "call (%r5), f, (%r1);\nst.global.u32 [%d0], %r5; // here";
    let function = |body: &str| format!(".func (.reg .u32 %o) f (.reg .u32 %i)\n{{\n{body}\nret;\n}}\n");
    let text = |body: &str| kernel(call).replacen(".visible", &format!("{}.visible", function(body)), 1);
    let launch = |text: &str| {
        let module = Arc::new(Module::new(text).unwrap());
        let (mut device, arguments) = device(&module, Schedule::RoundRobin);
        device.try_launch("k", [1; 3], [2, 1, 1], &arguments)
    };
    launch(&text("add.u32 %o, %i, 1;")).unwrap();
    let text = text("mov.u32 %i, %i;");
    let fault = launch(&text).unwrap_err();
    assert_fault(&fault, &text, FaultKind::Uninitialised, &["%r5"]);
}

#[test]
fn writes_to_constants() {
    let is = FaultKind::ReadOnly;
    faults("st.const.u32 [fixed], %r0; // here", 1, is, &["a write of 4 bytes", "read-only"]);
    faults(
        "cvta.const.u64 %d1, fixed;\nst.u32 [%d1], %r0; // here",
        1,
        is,
        &["a write of 4 bytes", "read-only"],
    );
    faults("cvta.const.u64 %d1, fixed;\natom.add.u32 %r2, [%d1], 1; // here", 1, is, &["read-only"]);
}

#[test]
fn writes_to_parameters() {
    faults("st.param.u32 [n], %r1; // here", 1, FaultKind::ReadOnly, &["a write of 4 bytes", "read-only"]);
}
