//! Bad input: one clear report with its kind, its line and what is wrong, under every schedule; never a panic.

mod endless;
mod launches;
mod memory;
mod text;

use std::sync::Arc;

use samebits::simt::{Argument, Fault, FaultKind, Module, Schedule};

use crate::device::Device;

/// What every kernel here begins with. `p` points to 64 bytes 0, 1, 2…, and `n` is 4.
const HEAD: &str = "\
.version 8.0
.target sm_80
.address_size 64
.global .align 8 .u64 cell = 5;
.const .align 4 .u32 fixed[4] = {1, 2, 3, 4};
.visible .entry k(.param .u64 p, .param .u32 n)
{
    .reg .pred %p<4>;
    .reg .b16 %h<4>;
    .reg .b32 %r<8>;
    .reg .b64 %d<8>;
    .shared .align 16 .b8 pool[64];
    .local .align 16 .b8 own[32];
    ld.param.u64 %d0, [p];
    ld.param.u32 %r0, [n];
    mov.u32 %r1, %tid.x;
";

/// A kernel with that body; each culprit's line ends in `// here`.
fn kernel(body: &str) -> String {
    format!("{HEAD}{body}\n    ret;\n}}\n")
}

/// The numbers of the lines that end in `// here`: where several wait, any of them may be named first.
fn lines(text: &str) -> Vec<u32> {
    let marked = text.lines().zip(1..).filter(|(line, _)| line.ends_with("// here"));
    marked.map(|(_, number)| number).collect()
}

/// A device with the buffer that `p` points to.
fn device(module: &Arc<Module>, schedule: Schedule) -> (Device, [Argument; 2]) {
    let mut device = Device::new(module, schedule);
    // Nothing lies before and behind it but gaps.
    let p = device.put(&std::array::from_fn::<u8, 64, _>(|index| index as u8));
    device.options.fuel = 10_000;
    (device, [p, Argument::U32(4)])
}

/// Has the kind, stands at a marked line, and says these words.
fn assert_fault(fault: &Fault, text: &str, kind: FaultKind, words: &[&str]) {
    let shown = fault.to_string();
    assert_eq!(fault.kind, kind, "{shown}\n{text}");
    let line = fault.place.as_ref().expect("a place").line;
    assert!(lines(text).contains(&line), "{shown}\n{text}");
    assert!(!shown.contains('\n'), "{shown}");
    for word in words {
        assert!(shown.contains(word), "{word} is not said: {shown}");
    }
}

/// Executing that body with `threads` threads ends in the fault, under round-robin and some seeds.
#[track_caller]
fn faults(body: &str, threads: u32, kind: FaultKind, words: &[&str]) {
    let text = kernel(body);
    let module = Arc::new(Module::new(&text).unwrap_or_else(|fault| panic!("{fault}\n{text}")));
    let random = (0..5).map(|seed| Schedule::Random { seed });
    for schedule in std::iter::once(Schedule::RoundRobin).chain(random) {
        let (mut device, arguments) = device(&module, schedule);
        let fault = match device.try_launch("k", [1, 1, 1], [threads, 1, 1], &arguments) {
            Err(fault) => fault,
            Ok(executed) => panic!("no fault under {schedule:?}, {executed:?}\n{text}"),
        };
        assert_fault(&fault, &text, kind, words);
    }
}

/// Executing that body with `threads` threads is all right.
#[track_caller]
fn is_fine(body: &str, threads: u32) {
    let module = Arc::new(Module::new(&kernel(body)).unwrap());
    let (mut device, arguments) = device(&module, Schedule::RoundRobin);
    device.try_launch("k", [1, 1, 1], [threads, 1, 1], &arguments).unwrap();
}

/// That body is refused before anything runs.
#[track_caller]
fn refused(body: &str, kind: FaultKind, words: &[&str]) {
    let text = kernel(body);
    match Module::new(&text) {
        Err(fault) => assert_fault(&fault, &text, kind, words),
        Ok(_) => panic!("it is accepted:\n{text}"),
    }
}
