//! Numbers and constant expressions. The integers here are what ptxas 12.9 writes into a cubin for
//! `.global .u64 g[1] = {…}`.

use proptest::prelude::*;

use super::{HEAD, body_fault, fault, operands, parse};
use crate::simt::fault::FaultKind;
use crate::simt::ptx::ast::{Literal, Operand};

fn value(expression: &str) -> Literal {
    match operands(&format!("x {expression};"))[..] {
        [Operand::Literal(literal)] => literal,
        ref other => panic!("{expression}: {other:?}"),
    }
}

#[test]
fn integers_as_ptxas_computes_them() {
    let expected: [(&str, u64); 61] = [
        ("0", 0),
        ("300", 300),
        ("-1 / 2U", 0x7fff_ffff_ffff_ffff),
        ("-1/2", 0),
        ("-1>>1", u64::MAX),
        ("-1U>>1", 0x7fff_ffff_ffff_ffff),
        ("~0", u64::MAX),
        ("!5", 0),
        ("!0", 1),
        ("1<<63", 1 << 63),
        ("(.u64)-1 / 2", 0x7fff_ffff_ffff_ffff),
        ("(.s64)0xFFFFFFFFFFFFFFFF / 2", 0),
        ("0x8000000000000000 / 2", 1 << 62),
        ("-7 % 3", 0),
        ("-7 % 3U", 0),
        ("-8%-3", 0xffff_ffff_ffff_fff8),
        ("-7 / 2 % 3", 1),
        ("-8/3", 0xffff_ffff_ffff_fffe),
        ("1?2:3", 2),
        ("0?2:3", 3),
        ("1?0?5:6:7", 6),
        ("-1<0U", 0),
        ("-1<0", 1),
        ("1==1", 1),
        ("1==1==1", 1),
        ("2<3<4", 1),
        ("2&&3", 1),
        ("2&&0", 0),
        ("0||0", 0),
        ("0||2", 1),
        ("1|2^3&1", 3),
        ("010", 8),
        ("0b11", 3),
        ("0B11", 3),
        ("0X1f", 31),
        ("0x1FU", 31),
        ("18446744073709551615", u64::MAX),
        ("1+2*3<<1", 14),
        ("-(3)", 0xffff_ffff_ffff_fffd),
        ("- -3", 3),
        ("+3", 3),
        ("WARP_SZ*2", 64),
        ("-9223372036854775808/-1", 0),
        ("~0>>1", 0x7fff_ffff_ffff_ffff),
        ("(.s64)~0>>1", u64::MAX),
        ("~0/2", 0x7fff_ffff_ffff_ffff),
        ("(1<2)-2>>1", u64::MAX),
        ("(5&4)-8>>1", 0xffff_ffff_ffff_fffe),
        ("(7^3)-8>>1", 0xffff_ffff_ffff_fffe),
        ("(3<<1)-8>>1", u64::MAX),
        ("(0xFFFFFFFFFFFFFFFF|0)/2", 0x7fff_ffff_ffff_ffff),
        ("-8/(3&3)", 0xffff_ffff_ffff_fffe),
        ("-2*3U/2", 0x7fff_ffff_ffff_fffd),
        ("-4>>1U", 0xffff_ffff_ffff_fffe),
        ("(-1)<(1&1)", 1),
        ("1<2U ? 1 : 2", 1),
        ("!0-2>>1", u64::MAX),
        ("(1&&1)-2>>1", u64::MAX),
        ("(.s64)3U-4>>1", u64::MAX),
        ("3U-4>>1", 0x7fff_ffff_ffff_ffff),
        ("-(3U)>>1", 0x7fff_ffff_ffff_fffe),
    ];
    for (expression, bits) in expected {
        assert_eq!(value(expression), Literal::Integer(bits.cast_signed()), "{expression}");
    }
    assert_eq!(value("1.5<2.5"), Literal::Integer(1));
}

#[test]
fn floats() {
    for (text, expected) in [
        ("1.", 1.0),
        ("1.e5", 1e5),
        (".5", 0.5),
        ("1e-3", 1e-3),
        ("0.25", 0.25),
        ("2E+2", 200.0),
        ("0e+1", 0.0),
    ] {
        assert_eq!(value(text), Literal::Double(expected), "{text}");
    }
    assert_eq!(value("-1.5"), Literal::Double(-1.5));
    assert_eq!(value("1.5+2.5*2.0"), Literal::Double(6.5));
    assert_eq!(value("0d3ff0000000000000"), Literal::Double(1.0));
    assert_eq!(value("0f7fc00001"), Literal::Float(0x7fc0_0001));
}

#[test]
fn what_ptxas_refuses_is_no_number() {
    let refused = [
        "08",
        "0x1Fu",
        "0x",
        "0b2",
        "0f3F80",
        "0f3F8000000",
        "0d3F",
        "1.5U",
        "1e999",
        "12ab",
        "1_000",
        "18446744073709551616",
        "0x1FFFFFFFFFFFFFFFF",
        "1+1.5",
        "5.0/2",
        "!1.5",
        "~1.5",
        "~0f3f800000",
        "-0f3F800000",
        "0f3F800000+0f3F800000",
        "5/0",
        "5%0U",
        "1.5|2.5",
        "1.5<<1",
        "(.s64)0x8000000000000000 / (.s64)-1",
        "(1",
        "1+",
        "1?2",
        "1?1.5:2",
        "1.5?1:2",
        "()",
        "&&1",
    ];
    for expression in refused {
        let fault = body_fault(&format!("x {expression};"));
        assert_eq!(
            (fault.kind, fault.place.as_ref().map(|place| place.line)),
            (FaultKind::Syntax, Some(5)),
            "{expression}"
        );
    }
    for expression in ["1<<64", "1>>64", "1<<-1", "(.u32)5", "1?-8:3U", "-%r1", "~x"] {
        assert_eq!(body_fault(&format!("x {expression};")).kind, FaultKind::Unsupported, "{expression}");
    }
}

#[test]
fn nesting_is_bounded() {
    for (open, close) in [("(", ")"), ("-", ""), ("!", ""), ("(.u64)", ""), ("1?1:", ""), ("1?", ":1")] {
        for depth in [20, 100_000] {
            let text = format!(".const .u64 x = {}1{};", open.repeat(depth), close.repeat(depth));
            if depth == 20 {
                assert_eq!(
                    parse(&format!("{HEAD}{text}")).map(|module| module.variables.len()),
                    Ok(1),
                    "{open}"
                );
            } else {
                let fault = fault(&text);
                assert_eq!(fault.what, "more than 64 levels inside each other");
                assert_eq!(fault.kind, FaultKind::Unsupported);
            }
        }
    }
}

proptest! {
    /// Chains of operators of one level go from left to right, and 128-bit arithmetic agrees.
    #[test]
    fn sums_and_products(first in any::<i32>(), rest in prop::collection::vec((0..3_u8, any::<i32>()), 0..15)) {
        let mut text = format!("({first})");
        let mut expected = i128::from(first);
        for (operator, operand) in rest {
            let operand = i128::from(operand);
            let (sign, result) = match operator {
                0 => ("+", expected + operand),
                1 => ("-", expected - operand),
                _ => ("*", expected * operand),
            };
            text = format!("({text} {sign} {operand})");
            expected = i128::from(result as i64);
        }
        prop_assert_eq!(value(&text), Literal::Integer(expected as i64));
    }

    /// Every integer and every float reads back.
    #[test]
    fn literals(bits in any::<u64>()) {
        let double = f64::from_bits(bits);
        for text in [format!("{bits}"), format!("{bits:#x}"), format!("0{bits:o}"), format!("{bits:#b}U")] {
            prop_assert_eq!(value(&text), Literal::Integer(bits.cast_signed()), "{}", text);
        }
        prop_assert_eq!(value(&format!("0f{:08X}", bits as u32)), Literal::Float(bits as u32));
        let Literal::Double(read) = value(&format!("0d{bits:016x}")) else { panic!("no double") };
        prop_assert_eq!(read.to_bits(), bits);
        if double.is_finite() {
            let Literal::Double(read) = value(&format!("{double:e}")) else { panic!("no double") };
            prop_assert_eq!(read.to_bits(), bits);
        }
    }
}
