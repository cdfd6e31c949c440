//! The rarer widths and signednesses of integers, comparisons and atomic operations.

use rustc_apfloat::Float;
use rustc_apfloat::ieee::{BFloat, Double, Half};

use super::float::{extreme, nan};
use super::{agree, decode, for_operands};
use crate::simt::compute::{AtomicOp, atomic};
use crate::simt::ptx::ast::Type;

const CASES: usize = 10_000;

fn number(value: u64, width: u32, signed: bool) -> i64 {
    let low = (value % (1 << width)) as i64;
    if signed && low >= 1 << (width - 1) { low - (1 << width) } else { low }
}

#[test]
fn dot_products_of_every_signedness() {
    for (first, a_signed) in [("u32", false), ("s32", true)] {
        for (second, b_signed) in [("u32", false), ("s32", true)] {
            agree(&format!("dp4a.{first}.{second}"), 3, CASES, |[a, b, c, _]| {
                let part = |i: u32| number(a >> (8 * i), 8, a_signed) * number(b >> (8 * i), 8, b_signed);
                ((0..4).map(part).sum::<i64>() + c as i64).rem_euclid(1 << 32) as u64
            });
            for (word, from) in [("lo", 0), ("hi", 16)] {
                agree(&format!("dp2a.{word}.{first}.{second}"), 3, CASES, |[a, b, c, _]| {
                    let part = |i: u32| {
                        number(a >> (16 * i), 16, a_signed) * number(b >> (from + 8 * i), 8, b_signed)
                    };
                    (part(0) + part(1) + c as i64).rem_euclid(1 << 32) as u64
                });
            }
        }
    }
}

#[test]
fn products_of_24_bits() {
    for (ty, signed) in [("u32", false), ("s32", true)] {
        for (word, shift) in [("lo", 0), ("hi", 16)] {
            let product = |a: u64, b: u64| (number(a, 24, signed) * number(b, 24, signed)) >> shift;
            agree(&format!("mul24.{word}.{ty}"), 2, CASES, |[a, b, ..]| {
                product(a, b).rem_euclid(1 << 32) as u64
            });
            agree(&format!("mad24.{word}.{ty}"), 3, CASES, |[a, b, c, _]| {
                (product(a, b) + c as i64).rem_euclid(1 << 32) as u64
            });
        }
    }
}

/// Carries are those of the bits, whatever the type's sign.
#[test]
fn carries_of_every_type() {
    for (ty, bits) in [("u32", 32), ("s32", 32), ("u64", 64), ("s64", 64)] {
        let all = u128::from(u64::MAX >> (64 - bits));
        let word = if bits == 32 { Type::U32 } else { Type::U64 };
        let add = ["addc", "addc.cc", "subc", "subc.cc"].map(|name| decode(&format!("{name}.{ty}"), 2));
        for_operands(&[word, word, Type::Pred], CASES, |[a, b, c, _]| {
            let (x, y, carry) = (i128::from(a), i128::from(b), i128::from(c));
            let [sum, sum_cc, difference, difference_cc] =
                add.each_ref().map(|one| one.evaluate([a, b, c, 0]));
            let total = x + y + carry;
            assert_eq!(u128::from(sum.value), total as u128 & all);
            assert_eq!((sum_cc.value, sum_cc.second == 1), (sum.value, total > all as i128));
            let total = x - y - carry;
            assert_eq!(u128::from(difference.value), total as u128 & all);
            assert_eq!((difference_cc.value, difference_cc.second == 1), (difference.value, total < 0));
            assert_eq!((sum.second, difference.second), (0, 0));
        });
        let signed = ty.starts_with('s');
        for part in ["lo", "hi"] {
            let [first, next] = ["mad", "madc"].map(|name| decode(&format!("{name}.{part}.cc.{ty}"), 3));
            for_operands(&[word; 3], CASES, |[a, b, c, _]| {
                let [x, y] = [a, b].map(|v| match (signed, bits) {
                    (false, _) => i128::from(v),
                    (true, 32) => (v as u32 as i32).into(),
                    (true, _) => (v as i64).into(),
                });
                let product = x.wrapping_mul(y) as u128;
                let term = if part == "hi" { product >> bits } else { product } & all;
                for (compute, carry) in [(&first, 0), (&next, 0), (&next, 1)] {
                    let total = term + u128::from(c) + u128::from(carry);
                    let got = compute.evaluate([a, b, c, carry]);
                    assert_eq!(
                        (u128::from(got.value), got.second == 1),
                        (total & all, total > all),
                        "{ty} {part}"
                    );
                }
            });
        }
    }
}

#[test]
fn packed_minima() {
    for (name, f) in [
        ("min.u16x2", (|a: u16, b: u16| a.min(b)) as fn(u16, u16) -> u16),
        ("max.s16x2", |a, b| (a as i16).max(b as i16) as u16),
        ("min.relu.s16x2", |a, b| (a as i16).min(b as i16).max(0) as u16),
    ] {
        agree(name, 2, CASES, |[a, b, ..]| {
            u64::from(f(a as u16, b as u16)) | u64::from(f((a >> 16) as u16, (b >> 16) as u16)) << 16
        });
    }
}

#[test]
fn comparisons_of_bits_and_halves() {
    for ty in ["b16", "b32", "b64"] {
        agree(&format!("setp.eq.{ty}"), 2, CASES, |[a, b, ..]| (a == b).into());
        agree(&format!("setp.ne.{ty}"), 2, CASES, |[a, b, ..]| (a != b).into());
    }
    let half = |a: u64| half::f16::from_bits(a as u16);
    let bfloat = |a: u64| half::bf16::from_bits(a as u16);
    agree("setp.ltu.bf16", 2, CASES, |[a, b, ..]| {
        bfloat(a).partial_cmp(&bfloat(b)).is_none_or(|order| order.is_lt()).into()
    });
    agree("setp.ge.ftz.f16", 2, CASES, |[a, b, ..]| {
        let flushed = |a: u64| if half(a).is_normal() || a & 0x7c00 != 0 { half(a) } else { half::f16::ZERO };
        (flushed(a) >= flushed(b)).into()
    });
    agree("set.gt.u16.f16", 2, CASES, |[a, b, ..]| if half(a) > half(b) { 0xffff } else { 0 });
    agree("set.gt.f16.f16", 2, CASES, |[a, b, ..]| if half(a) > half(b) { 0x3c00 } else { 0 });
    agree(
        "set.le.s32.f64",
        2,
        CASES,
        |[a, b, ..]| {
            if f64::from_bits(a) <= f64::from_bits(b) { 0xffff_ffff } else { 0 }
        },
    );
    agree(
        "set.lt.xor.f32.s64",
        3,
        CASES,
        |[a, b, c, _]| {
            if ((a as i64) < b as i64) != (c == 1) { 0x3f80_0000 } else { 0 }
        },
    );
    let [set, setp] =
        [("set.lt.f16x2.f16x2", 2), ("setp.lt.and.f16x2", 3)].map(|(n, count)| decode(n, count));
    for_operands(&[Type::F16; 4], 2 * CASES, |[a, b, c, d]| {
        let (low, high) = (half(a) < half(b), half(c) < half(d));
        let (x, y) = (a | c << 16, b | d << 16);
        let expected = if low { 0x3c00 } else { 0 } | if high { 0x3c00_0000 } else { 0 };
        assert_eq!(set.evaluate([x, y, 0, 0]).value, expected);
        let got = setp.evaluate([x, y, 1, 0]);
        assert_eq!((got.value, got.second), (low.into(), high.into()));
        let got = setp.evaluate([x, y, 0, 0]);
        assert_eq!((got.value, got.second), (0, 0));
    });
}

fn atomic_floats<T: Float>(ty: Type) {
    for_operands(&[ty; 2], CASES, |[old, a, ..]| {
        let sum = (T::from_bits(old.into()) + T::from_bits(a.into())).value;
        let expected = if sum.is_nan() { nan::<T>(&[old, a]) } else { sum.to_bits() as u64 };
        // Flushing is for f32 alone.
        assert_eq!(atomic(AtomicOp::Add { flush: true }, ty, old, a, 0), expected, "{ty} {old:#x} {a:#x}");
        if T::BITS == 16 {
            for (op, greatest) in [(AtomicOp::Min, false), (AtomicOp::Max, true)] {
                assert_eq!(atomic(op, ty, old, a, 0), extreme::<T>(greatest, false, old, a), "{ty} {op:?}");
            }
        }
    });
}

#[test]
fn atomics_of_every_type() {
    atomic_floats::<Half>(Type::F16);
    atomic_floats::<BFloat>(Type::Bf16);
    atomic_floats::<Double>(Type::F64);
    let add = AtomicOp::Add { flush: false };
    for (packed, single) in [(Type::F16x2, Type::F16), (Type::Bf16x2, Type::Bf16)] {
        for_operands(&[single; 4], CASES, |[a, b, c, d]| {
            for op in [add, AtomicOp::Min, AtomicOp::Max] {
                let expected = atomic(op, single, a, b, 0) | atomic(op, single, c, d, 0) << 16;
                assert_eq!(atomic(op, packed, a | c << 16, b | d << 16, 0), expected);
            }
        });
    }
    for_operands(&[Type::U64; 3], CASES, |[old, a, b, _]| {
        let check = |op, ty, expected: u64| assert_eq!(atomic(op, ty, old, a, b), expected, "{op:?} {ty}");
        check(add, Type::U64, old.wrapping_add(a));
        check(add, Type::S64, old.wrapping_add(a));
        check(AtomicOp::Min, Type::U64, old.min(a));
        check(AtomicOp::Max, Type::U64, old.max(a));
        check(AtomicOp::Min, Type::S64, (old as i64).min(a as i64) as u64);
        check(AtomicOp::Max, Type::S64, (old as i64).max(a as i64) as u64);
        check(AtomicOp::And, Type::B64, old & a);
        check(AtomicOp::Or, Type::B64, old | a);
        check(AtomicOp::Xor, Type::B64, old ^ a);
        check(AtomicOp::Exch, Type::B64, a);
        check(AtomicOp::Cas, Type::B64, if old == a { b } else { old });
        assert_eq!(atomic(AtomicOp::Cas, Type::B64, old, old, b), b);
    });
}
