//! Broken texts: whatever the bytes, parsing ends, never panics, and a fault names a line of the text.

use proptest::prelude::*;

use super::committed::kernels;
use super::{HEAD, parse};
use crate::simt::fault::{FaultKind, Result};
use crate::simt::ptx::ast::Module;
use crate::simt::ptx::parse_bytes;

/// That a fault, if any, is one of a text, inside the text.
fn assert_sound(bytes: &[u8], result: &Result<Module>) {
    if let Err(fault) = result {
        assert!(matches!(fault.kind, FaultKind::Syntax | FaultKind::Unsupported), "{fault}");
        let lines = 1 + bytes.iter().filter(|byte| **byte == b'\n').count();
        match &fault.place {
            Some(place) => assert!((1..=lines).contains(&(place.line as usize)), "{fault}"),
            None => assert!(fault.what.starts_with("this is no PTX text: "), "{fault}"),
        }
        assert!(fault.what.len() < 400, "{fault}");
        assert!(fault.thread.is_none());
    }
}

/// Real PTX, the smaller files.
fn small_kernels() -> Vec<String> {
    let texts = kernels().into_iter().map(|(_, text)| text);
    texts.filter(|text| text.len() < 100_000).collect()
}

#[test]
fn truncated_kernels() {
    let mut faults = 0;
    for (file, text) in kernels() {
        // All files at every 997th byte would parse half a gigabyte.
        let step = if text.len() < 500_000 { 997 } else { 99_991 };
        for length in (0..text.len()).step_by(step) {
            let cut = &text.as_bytes()[..length];
            let result = parse_bytes(cut);
            assert_sound(cut, &result);
            let count = |mark: u8| cut.iter().filter(|byte| **byte == mark).count();
            if result.is_ok() {
                assert_eq!(count(b'{'), count(b'}'), "{file} at {length}");
            }
            faults += usize::from(result.is_err());
        }
    }
    assert!(faults > 400, "{faults}");
}

/// A change of some bytes.
#[derive(Debug, Clone)]
enum Change {
    Delete(usize),
    Duplicate(usize),
    Replace(u8),
    Insert(&'static str),
}

fn change() -> impl Strategy<Value = (prop::sample::Index, Change)> {
    let printable = prop_oneof![4 => b' '..=b'~', 1 => any::<u8>()];
    let change = prop_oneof![
        (1..40_usize).prop_map(Change::Delete),
        (1..400_usize).prop_map(Change::Duplicate),
        printable.prop_map(Change::Replace),
        prop::sample::select(TOKENS).prop_map(Change::Insert),
    ];
    (any::<prop::sample::Index>(), change)
}

fn apply(bytes: &mut Vec<u8>, index: usize, change: &Change) {
    match change {
        Change::Delete(length) => {
            bytes.drain(index..bytes.len().min(index + length));
        }
        Change::Duplicate(length) => {
            let copy = bytes[index..bytes.len().min(index + length)].to_vec();
            bytes.splice(index..index, copy);
        }
        Change::Replace(byte) => bytes[index] = *byte,
        Change::Insert(token) => {
            bytes.splice(index..index, token.bytes());
        }
    }
}

/// Pieces that PTX is made of, and some that it is not.
const TOKENS: &[&str] = &[
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    ",",
    ";",
    ":",
    "=",
    "@",
    "!",
    "|",
    "&",
    "^",
    "~",
    "+",
    "-",
    "*",
    "/",
    "%",
    "?",
    "<<",
    ">>",
    "==",
    "&&",
    ".entry k",
    ".func",
    ".visible",
    ".extern",
    ".global",
    ".shared",
    ".const",
    ".param",
    ".local",
    ".reg",
    ".align",
    ".u32",
    ".b8",
    ".f64",
    ".pred",
    ".v4",
    ".b64",
    ".loc 1 2 3",
    ".file 1",
    ".section .debug_x",
    ".pragma",
    "\"text\"",
    ".maxntid",
    ".branchtargets",
    ".callprototype",
    ".target sm_80",
    ".attribute(.managed)",
    ".ptr",
    "ld",
    "call",
    "mov",
    "ret",
    "x",
    "%r",
    "%r1",
    "%r12",
    "_",
    "$L",
    "WARP_SZ",
    "generic",
    "0",
    "1",
    "08",
    "4294967295",
    "18446744073709551615",
    "0xFFFFFFFFFFFFFFFF",
    "0f3F800000",
    "1e999",
    "0d7ff0000000000000",
    "1.5",
    ".5",
    "-1",
    "(.u64)",
    "(.s64)",
    "// c\n",
    "/*",
    "*/",
    "\n",
    "#",
    "\u{e9}",
    "\0",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn mutated_kernels(which in any::<prop::sample::Index>(), changes in prop::collection::vec(change(), 1..6)) {
        let kernels = small_kernels();
        let mut bytes = which.get(&kernels).clone().into_bytes();
        for (position, change) in &changes {
            if !bytes.is_empty() {
                let index = position.index(bytes.len());
                apply(&mut bytes, index, change);
            }
        }
        assert_sound(&bytes, &parse_bytes(&bytes));
    }

    #[test]
    fn bytes_of_any_kind(bytes in prop::collection::vec(any::<u8>(), 0..200), headed in any::<bool>()) {
        let bytes = if headed { [HEAD.as_bytes(), &bytes].concat() } else { bytes };
        assert_sound(&bytes, &parse_bytes(&bytes));
    }

    #[test]
    fn texts_of_any_kind(text in "\\PC{0,200}") {
        assert_sound(text.as_bytes(), &parse(&text));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// In a module, in a body, and as operands.
    #[test]
    fn soup_of_tokens(tokens in prop::collection::vec(prop::sample::select(TOKENS), 0..60), place in 0..3_u8) {
        let soup = tokens.join(" ");
        let text = match place {
            0 => format!("{HEAD}{soup}"),
            1 => format!("{HEAD}.entry k() {{ .reg .b32 %r<9>; {{ {soup} }} }}"),
            _ => format!("{HEAD}.entry k() {{ x {soup}; }}"),
        };
        assert_sound(text.as_bytes(), &parse(&text));
    }
}

/// Time and memory stay in proportion where a text asks for much in few bytes.
#[test]
fn little_text_that_asks_for_much() {
    let many = |piece: &str, count: usize| piece.repeat(count);
    let numbered = |piece: &str, count: usize| -> String {
        (0..count).map(|index| piece.replace('#', &index.to_string())).collect()
    };
    let texts = [
        format!(".entry k() {{ {} }}", numbered(".reg .b32 r#<4294967295>x#<4294967295>;", 1)),
        format!(".entry k() {{ {} }}", numbered(".reg .b32 a#x<4294967295>;", 50_000)),
        format!(".entry k() {{ {} }}", numbered(".reg .b32 a#;", 50_000)),
        format!(".entry k() {{ .reg .b32 r{}; }}", many("1", 1_000_000)),
        format!(".entry k() {{ {} {} {} }}", many("{ x:", 60), many("bra x;", 50_000), many("}", 60)),
        numbered(".file # \"a\"\n", 50_000),
        numbered(".global .u8 a#[4294967295][2147483647];", 20_000),
        format!(".global .u8 x[] = {{ {} 1 }};", many("1,", 500_000)),
        format!(".entry k() {{ x {} 1; }}", many("1+", 300_000)),
        format!(".entry k() {{ x {{ {} a }}; }}", many("a,", 300_000)),
        many("/**/", 300_000),
        many("/*", 500_000),
        many("\"", 500_001),
        many("{", 500_000),
    ];
    let start = std::time::Instant::now();
    for text in &texts {
        let text = format!("{HEAD}{text}");
        assert_sound(text.as_bytes(), &parse(&text));
    }
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}
