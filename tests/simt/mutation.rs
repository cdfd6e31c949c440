//! PTX that was damaged at random is executed or refused: no panic, no hang, bounded memory. What an earlier
//! run found stays here as text. `PROPTEST_CASES` asks for more cases than 256.

use std::sync::Arc;

use proptest::prelude::*;
use samebits::simt::ptx::ast::Parameter;
use samebits::simt::{Argument, Fault, FaultKind, Launch, Memory, Module, Options, Schedule};

use crate::device::noise;

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
/// What replaces a number.
const NUMBERS: [&str; 16] = [
    "0",
    "3",
    "16",
    "32",
    "33",
    "63",
    "64",
    "65",
    "255",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
];
/// What replaces a token.
const WORDS: [&str; 24] = [
    "0",
    "1",
    "-1",
    "4294967296",
    "18446744073709551615",
    "0x7fffffff",
    "0f7fc00000",
    "%r0",
    "%rd1",
    "%p1",
    "%tid.x",
    "u64",
    "v4",
    "f32",
    "shared",
    "local",
    "ret",
    "bra",
    "bar.sync",
    "{",
    "}",
    "[",
    ";",
    ".param",
];

/// `text` with only one of its entries, so that a change hits what is executed. Functions and variables stay.
fn one_entry(text: &str, choice: usize) -> String {
    const ENTRY: &str = ".visible .entry";
    const END: &str = "\n}\n";
    let mut kept = String::new();
    let (mut seen, chosen) = (0, choice % text.matches(ENTRY).count().max(1));
    for part in text.split_inclusive(END) {
        let Some(start) = part.find(ENTRY) else {
            kept.push_str(part);
            continue;
        };
        kept.push_str(if seen == chosen { part } else { &part[..start] });
        seen += 1;
    }
    kept
}

/// Words, numbers, and single other characters, spaces included: joined, they are the text.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '%');
        let end = if word(first) { rest.find(|c| !word(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        let (token, after) = rest.split_at(end);
        tokens.push(token);
        rest = after;
    }
    tokens
}

/// One change of a text: of which sort, where, and with what.
type Change = (u8, usize, usize);

fn change(text: &str, (sort, at, with): Change) -> String {
    if sort < 4 {
        let mut lines: Vec<_> = text.lines().collect();
        if lines.is_empty() {
            return String::new();
        }
        let (a, b) = (at % lines.len(), with % lines.len());
        match sort {
            0 => drop(lines.remove(a)),
            1 => lines.insert(b, lines[a]),
            2 => lines.swap(a, b),
            _ => lines.truncate(a),
        }
        return lines.join("\n");
    }
    let mut tokens = tokens(text);
    let is_word = |token: &&str| token.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '%');
    let places: Vec<_> = (0..tokens.len()).filter(|place| is_word(&tokens[*place])).collect();
    if places.is_empty() {
        return text.to_owned();
    }
    let (a, b) = (places[at % places.len()], places[with % places.len()]);
    let changed;
    match sort {
        4 => drop(tokens.remove(a)),
        5 => tokens.swap(a, b),
        6 => tokens[a] = tokens[b],
        7 => tokens[a] = WORDS[with % WORDS.len()],
        8 => tokens.insert(a, WORDS[with % WORDS.len()]),
        9 => {
            // Another digit in place of one of them.
            let digit = (b'0' + (with % 10) as u8) as char;
            changed = match tokens[a].rfind(|c: char| c.is_ascii_digit()) {
                Some(place) => format!("{}{digit}{}", &tokens[a][..place], &tokens[a][place + 1..]),
                None => format!("{}{digit}", tokens[a]),
            };
            tokens[a] = &changed;
        }
        10 => {
            // A register of the same kind.
            let registers: Vec<_> = places
                .iter()
                .map(|place| tokens[*place])
                .filter(|token| {
                    token.starts_with('%') && token.as_bytes().get(1) == tokens[a].as_bytes().get(1)
                })
                .collect();
            if !registers.is_empty() {
                tokens[a] = registers[with % registers.len()];
            }
        }
        11 => {
            let is_number = |place: &&usize| tokens[**place].bytes().all(|byte| byte.is_ascii_digit());
            let numbers: Vec<_> = places.iter().filter(is_number).collect();
            if !numbers.is_empty() {
                tokens[*numbers[at % numbers.len()]] = NUMBERS[with % NUMBERS.len()];
            }
        }
        _ => {
            // Any character there is.
            let c = char::from_u32(noise(with) % 0x11_0000).unwrap_or('\u{fffd}');
            changed = c.to_string();
            tokens[a] = &changed;
        }
    }
    tokens.concat()
}

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
        changes in prop::collection::vec((0u8..13, any::<usize>(), any::<usize>()), 0..4),
        seed in any::<u64>(),
    ) {
        let text = changes.into_iter().fold(one_entry(TEXTS[text], entry), |text, by| change(&text, by));
        // What is refused says what and, but for the text as a whole, where.
        if let Err(fault) = execute(&text, seed) {
            prop_assert!(!fault.what.is_empty() && !fault.to_string().contains('\n'), "{fault}");
            prop_assert!(fault.place.is_some() || fault.kind == FaultKind::Syntax, "{fault}");
        }
        prop_assert!(peak_kib().is_none_or(|peak| peak < MOST_KIB), "{:?} KiB for:\n{text}", peak_kib());
    }
}
