//! Launches that do not fit the kernel.

use std::sync::Arc;

use samebits::simt::{Argument, Fault, FaultKind, Module, Schedule};

use super::device;

const TEXT: &str = "\
.version 8.0
.target sm_80
.address_size 64
.visible .entry first(.param .u64 where, .param .u16 small, .param .align 4 .b8 many[12]) { ret; }
.visible .entry most() .maxntid 16, 4, 1 { ret; }
.visible .entry exactly() .reqntid 8, 2, 2 { ret; }
.visible .entry shares()
{
    .shared .align 4 .b8 pool[40000];
    st.shared.u32 [pool], 1;
    ret;
}
";

fn launch(
    entry: &str,
    grid: [u32; 3],
    block: [u32; 3],
    shared: u32,
    arguments: &[Argument],
) -> Result<(), Fault> {
    let module = Arc::new(Module::new(TEXT).unwrap());
    let (mut device, _) = device(&module, Schedule::RoundRobin);
    device.shared_bytes = shared;
    device.try_launch(entry, grid, block, arguments).map(|_| ())
}

#[track_caller]
fn refused(result: Result<(), Fault>, words: &[&str]) {
    let fault = result.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Launch, "{fault}");
    for word in words {
        assert!(fault.what.contains(word), "{word} is not said: {fault}");
    }
}

#[test]
fn entries_that_are_missing() {
    refused(launch("second", [1; 3], [1; 3], 0, &[]), &["second", "first", "most", "exactly", "shares"]);
    refused(launch("", [1; 3], [1; 3], 0, &[]), &["first"]);
}

#[test]
fn arguments() {
    use Argument::{Bytes, U16, U32, U64};
    let good = [U64(0), U16(1), Bytes(vec![0; 12])];
    launch("first", [1; 3], [1; 3], 0, &good).unwrap();
    refused(
        launch("first", [1; 3], [1; 3], 0, &good[..2]),
        &["first", "2 arguments", "3", "where, small, many"],
    );
    refused(launch("first", [1; 3], [1; 3], 0, &[]), &["0 arguments"]);
    refused(launch("most", [1; 3], [1; 3], 0, &good[..1]), &["most", "1 argument; it takes"]);
    let with = |index: usize, argument: Argument| {
        let mut arguments = good.clone();
        arguments[index] = argument;
        launch("first", [1; 3], [1; 3], 0, &arguments)
    };
    refused(with(0, U32(0)), &["where", "4 bytes", "8", "u64"]);
    refused(with(1, U32(0)), &["small", "4 bytes", "2", "u16"]);
    refused(with(2, Bytes(vec![0; 11])), &["many", "11 bytes", "12"]);
    refused(with(2, Bytes(vec![])), &["many", "0 bytes"]);
}

#[test]
fn grids_and_blocks() {
    for axis in 0..3 {
        let with = |value: u32| {
            let mut shape = [1; 3];
            shape[axis] = value;
            shape
        };
        refused(launch("most", with(0), [1; 3], 0, &[]), &["grid"]);
        refused(launch("most", with(u32::MAX), [1; 3], 0, &[]), &["grid", "4294967295"]);
        refused(launch("most", [1; 3], with(0), 0, &[]), &["block"]);
        refused(launch("shares", [1; 3], with(1025), 0, &[]), &["1025", "1024"]);
    }
    refused(launch("shares", [1; 3], [1, 1, 65], 0, &[]), &["1,1,65"]);
    refused(launch("shares", [1; 3], [32, 33, 1], 0, &[]), &["32,33,1"]);
    refused(launch("shares", [1, 65536, 1], [1; 3], 0, &[]), &["65535"]);
    launch("shares", [2, 2, 2], [1, 1, 64], 0, &[]).unwrap();
}

#[test]
fn products_that_overflow() {
    refused(launch("most", [1; 3], [u32::MAX; 3], 0, &[]), &["block"]);
    refused(launch("most", [1; 3], [1 << 31, 1 << 31, 4], 0, &[]), &["block"]);
    refused(launch("most", [u32::MAX; 3], [1; 3], 0, &[]), &["grid"]);
    refused(launch("most", [i32::MAX as u32, 65535, 65535], [1; 3], 0, &[]), &["grid"]);
}

#[test]
fn products_that_overflow_in_the_text() {
    let text = "\
.version 8.0
.target sm_80
.address_size 64
.visible .entry k() .maxntid 4294967295, 4294967295, 4294967295 { ret; }
.visible .entry l() .reqntid 4294967295, 4294967295, 4294967295 { ret; }
";
    let Ok(module) = Module::new(text).map(Arc::new) else { return };
    let (mut device, _) = device(&module, Schedule::RoundRobin);
    device.try_launch("k", [1; 3], [1; 3], &[]).unwrap();
    refused(device.try_launch("l", [1; 3], [1; 3], &[]).map(|_| ()), &["reqntid"]);
}

#[test]
fn sizes_that_the_kernel_asks_for() {
    launch("most", [1; 3], [64, 1, 1], 0, &[]).unwrap();
    refused(launch("most", [1; 3], [65, 1, 1], 0, &[]), &["maxntid", "16,4,1", "65"]);
    launch("exactly", [1; 3], [8, 2, 2], 0, &[]).unwrap();
    refused(launch("exactly", [1; 3], [8, 4, 1], 0, &[]), &["reqntid", "8,2,2", "8,4,1"]);
}

#[test]
fn too_much_shared_memory() {
    launch("shares", [1; 3], [1; 3], (227 << 10) - 40000, &[]).unwrap();
    refused(launch("shares", [1; 3], [1; 3], (227 << 10) - 39999, &[]), &["shared memory", "232448"]);
    refused(launch("shares", [1; 3], [1; 3], u32::MAX, &[]), &["shared memory"]);
    refused(launch("most", [1; 3], [1; 3], 228 << 10, &[]), &["shared memory"]);
}

#[test]
fn blocks_that_are_not_there() {
    let module = Arc::new(Module::new(TEXT).unwrap());
    let (mut device, _) = device(&module, Schedule::RoundRobin);
    device.options.blocks = Some(vec![3, 6]);
    refused(device.try_launch("shares", [2, 3, 1], [1; 3], &[]).map(|_| ()), &["no block 6", "6"]);
    device.options.blocks = Some(vec![3, 5]);
    device.try_launch("shares", [2, 3, 1], [1; 3], &[]).unwrap();
}

/// Sizes that PTX can write down and no GPU has: refused before memory is taken for them.
#[test]
fn variables_that_are_too_large() {
    for (variable, most) in [
        // CUDA C++ Programming Guide, Technical Specifications per Compute Capability: 512 KiB of local memory
        // for a thread, 64 KiB of constant memory.
        (".local .align 4 .b8 big[2147483648];", 512 << 10),
        (".local .align 4 .b8 big[524289];", 512 << 10),
        (".shared .align 4 .b8 big[2147483648];", 227 << 10),
        (".shared .align 4 .b8 big[4294967296];", 227 << 10),
    ] {
        let text = format!(
            ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k()\n{{\n{variable}\n.reg .b64 %d<2>;\n\
             mov.u64 %d1, big;\nret;\n}}\n"
        );
        // At the launch at the latest.
        let fault = match Module::new(&text) {
            Err(fault) => fault,
            Ok(module) => {
                let (mut device, _) = device(&Arc::new(module), Schedule::RoundRobin);
                device.try_launch("k", [1; 3], [1; 3], &[]).expect_err(variable)
            }
        };
        assert!(matches!(fault.kind, FaultKind::Launch | FaultKind::Unsupported), "{most}: {fault}");
    }
}
