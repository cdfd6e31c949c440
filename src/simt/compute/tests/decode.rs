//! What is not known is refused by name, and nothing panics.

use proptest::prelude::*;

use super::{bits, convert, float, integer};
use crate::simt::compute::{Compute, OPCODES, is_compute};
use crate::simt::fault::FaultKind;

#[test]
fn every_opcode_has_an_oracle() {
    let lists = [
        (bits::COVERED, include_str!("bits.rs")),
        (convert::COVERED, include_str!("convert.rs")),
        (float::COVERED, include_str!("float.rs")),
        (integer::COVERED, include_str!("integer.rs")),
    ];
    for opcode in OPCODES {
        assert!(is_compute(opcode), "{opcode}: the list is not sorted");
        assert!(lists.iter().any(|(list, _)| list.contains(opcode)), "{opcode} has no oracle");
    }
    // A list says no more than its file does: the name is written there again, in a test.
    for (list, text) in lists {
        let tests = text.split_once("];").unwrap().1;
        for opcode in list {
            let named = [format!("\"{opcode}."), format!("\"{opcode}\"")];
            assert!(named.iter().any(|name| tests.contains(name)), "{opcode} is listed but not tested");
        }
    }
    assert!(!is_compute("mov") && !is_compute("ld"));
}

#[test]
fn unknown_names_are_refused_by_name() {
    let cases = [
        ("add.rq.f32", 2, ".rq is not known here"),
        ("add.f32", 3, "has 3 source operands, not 2"),
        ("add.s8", 2, "none of type .s8"),
        ("add.ftz.f64", 2, ".ftz is not known here"),
        ("add.rn.rn.f32", 2, ".rn is not known here"),
        ("add.f32x2", 2, "0 types"),
        ("add.f32.f16", 2, "2 types"),
        ("fma.f32", 3, "needs one of .rn .rz .rm .rp"),
        ("fma.rz.f16", 3, "needs one of .rn"),
        ("div.u8", 2, "none of type .u8"),
        ("mul.u32", 2, "needs one of .lo .hi .wide"),
        ("mul.wide.u64", 2, "none of type .u64"),
        ("cvt.f32.u32", 1, "needs one of"),
        ("cvt.rn.f32.f16", 1, ".rn is not known here"),
        ("cvt.rn.e4m3x2.f32", 2, "needs .satfinite"),
        ("setp.lt.b32", 2, "needs one of .eq .ne"),
        ("setp.lo.s32", 2, "needs one of"),
        ("lop3.or.b32", 5, ".or is not known here"),
        ("sin.f32", 1, "needs one of .approx"),
        ("selp.pred", 3, "none of type .pred"),
        ("shl.u32", 2, "none of type .u32"),
        ("mov.b32", 1, "no computing instruction"),
    ];
    for (name, sources, why) in cases {
        let mut words = name.split('.').map(str::to_owned);
        let opcode = words.next().unwrap();
        let fault = Compute::decode(&opcode, &words.collect::<Vec<_>>(), sources).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unsupported);
        assert!(fault.what.starts_with(&format!("{name}: ")) && fault.what.contains(why), "{}", fault.what);
    }
}

const WORDS: &[&str] = &[
    "rn",
    "rz",
    "rm",
    "rp",
    "rna",
    "rni",
    "rzi",
    "rmi",
    "rpi",
    "ftz",
    "sat",
    "relu",
    "satfinite",
    "approx",
    "full",
    "lo",
    "hi",
    "wide",
    "cc",
    "NaN",
    "xorsign",
    "abs",
    "lt",
    "eq",
    "nan",
    "and",
    "or",
    "pack",
    "l",
    "r",
    "clamp",
    "wrap",
    "shiftamt",
    "f4e",
    "finite",
    "pred",
    "b16",
    "b32",
    "b64",
    "u8",
    "u16",
    "u32",
    "u64",
    "s8",
    "s16",
    "s32",
    "s64",
    "f16",
    "f16x2",
    "bf16",
    "bf16x2",
    "tf32",
    "f32",
    "f64",
    "e4m3x2",
    "e5m2x2",
    "u16x2",
    "s16x2",
    "u4",
    "q",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]
    #[test]
    fn nothing_panics(
        opcode in prop::sample::select(OPCODES),
        words in prop::collection::vec(prop::sample::select(WORDS), 0..5),
        sources in 0usize..6,
        operands in prop::array::uniform4(any::<u64>()),
    ) {
        let words: Vec<_> = words.into_iter().map(str::to_owned).collect();
        if let Ok(compute) = Compute::decode(opcode, &words, sources) {
            prop_assert_eq!(compute.operands.len(), sources);
            let mut cut = operands;
            for (operand, ty) in cut.iter_mut().zip(&compute.operands) {
                *operand &= u64::MAX >> (64 - ty.bits());
            }
            let value = compute.evaluate(cut).value;
            prop_assert_eq!(value & (u64::MAX >> (64 - compute.result.bits())), value);
        }
    }
}
