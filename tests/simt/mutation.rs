//! PTX that was damaged at random is executed or refused: no panic, no hang, bounded memory. What an earlier
//! run found stays here as text. `PROPTEST_CASES` asks for more cases than 256.

use std::sync::Arc;

use proptest::prelude::*;
use samebits::simt::ptx::ast::Parameter;
use samebits::simt::{Argument, Fault, FaultKind, Launch, Memory, Module, Options, Schedule};

use crate::damage::{SORTS, WORDS, change, one_entry};

const TEXTS: [&str; 10] = [
    include_str!("kernels/algorithms.ptx"),
    include_str!("kernels/atomics.ptx"),
    include_str!("kernels/barriers.ptx"),
    include_str!("kernels/control.ptx"),
    include_str!("kernels/copies.ptx"),
    include_str!("kernels/exchange.ptx"),
    include_str!("kernels/hand.ptx"),
    include_str!("kernels/locks.ptx"),
    include_str!("kernels/spaces.ptx"),
    include_str!("../../kernels/ptx/reduce.ptx"),
];
/// Thread instructions of a launch.
const FUEL: u64 = 50_000;
/// The most resident memory that the whole of this process may come to need.
const MOST_KIB: u64 = 2 << 20;

/// Launches every entry with arguments of the sizes that it says it wants.
fn execute(text: &str, seed: u64) -> Result<(), Fault> {
    let module = Arc::new(Module::new(text)?);
    let mut memory = Memory::new();
    let loaded = module.load(&mut memory)?;
    let tree = samebits::simt::ptx::parse(text)?;
    let options = Options { schedule: Schedule::Random { seed }, fuel: FUEL, ..Options::default() };
    for entry in module.entries() {
        let function = tree.functions.iter().find(|function| function.entry && function.name == entry);
        let parameters = function.map(|function| &function.parameters[..]).unwrap_or_default();
        let arguments: Vec<_> = parameters.iter().map(|parameter| argument(parameter, &mut memory)).collect();
        let launch =
            Launch { entry, grid: [2, 1, 1], block: [40, 1, 1], shared_bytes: 256, arguments: &arguments };
        if let Err(fault) = loaded.launch(&launch, &mut memory, &options) {
            assert!(!fault.to_string().contains('\n') && !fault.what.is_empty());
        }
    }
    Ok(())
}

/// Eight bytes are taken for a pointer to memory that was written, four for a small number.
fn argument(parameter: &Parameter, memory: &mut Memory) -> Argument {
    const BYTES: u64 = 1024;
    let bytes = match parameter {
        Parameter::Memory(variable) => {
            variable.elements.unwrap_or(0).saturating_mul(variable.ty.bytes().into())
        }
        Parameter::Register(_) => 0,
    };
    match bytes {
        8 => {
            let address = memory.allocate(BYTES);
            memory.fill(address, BYTES, 3).unwrap();
            Argument::U64(address)
        }
        4 => Argument::U32(7),
        bytes => Argument::Bytes(vec![1; bytes.min(1 << 20) as usize]),
    }
}

/// The peak of this process's resident memory, where the system tells it.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_text_is_executed_or_refused(
        text in 0..TEXTS.len(),
        entry in any::<usize>(),
        changes in prop::collection::vec((0..SORTS, any::<usize>(), any::<usize>()), 0..4),
        seed in any::<u64>(),
    ) {
        let text = changes.into_iter().fold(one_entry(TEXTS[text], entry), |text, by| change(&text, by, &WORDS));
        // What is refused says what and, but for the text as a whole, where.
        if let Err(fault) = execute(&text, seed) {
            prop_assert!(!fault.what.is_empty() && !fault.to_string().contains('\n'), "{fault}");
            prop_assert!(fault.place.is_some() || fault.kind == FaultKind::Syntax, "{fault}");
        }
        prop_assert!(peak_kib().is_none_or(|peak| peak < MOST_KIB), "{:?} KiB for:\n{text}", peak_kib());
    }
}
