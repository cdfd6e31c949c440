//! Integer arithmetic against the host's typed integers.

use super::{agree, decode, for_operands};
use crate::simt::ptx::ast::Type;

pub(super) const COVERED: &[&str] = &[
    "add", "addc", "sub", "subc", "mul", "mad", "madc", "mul24", "mad24", "div", "rem", "abs", "neg", "min",
    "max", "sad", "dp4a", "dp2a",
];

const CASES: usize = 12_000;

macro_rules! plain {
    ($name:literal, $ty:ty, $unsigned:ty, $wide:ty, $unsigned_wide:ty, $half:expr) => {
        let of = |bits: u64| bits as $unsigned as $ty;
        let to = |value: $ty| u64::from(value as $unsigned);
        let name = |opcode: &str| format!("{opcode}.{}", $name);
        agree(&name("add"), 2, CASES, |[a, b, ..]| to(of(a).wrapping_add(of(b))));
        agree(&name("sub"), 2, CASES, |[a, b, ..]| to(of(a).wrapping_sub(of(b))));
        agree(&name("min"), 2, CASES, |[a, b, ..]| to(of(a).min(of(b))));
        agree(&name("max"), 2, CASES, |[a, b, ..]| to(of(a).max(of(b))));
        agree(&name("mul.lo"), 2, CASES, |[a, b, ..]| to(of(a).wrapping_mul(of(b))));
        agree(&name("mad.lo"), 3, CASES, |[a, b, c, _]| to(of(a).wrapping_mul(of(b)).wrapping_add(of(c))));
        let high = |a: u64, b: u64| ((of(a) as $wide * of(b) as $wide) >> $half) as $ty;
        agree(&name("mul.hi"), 2, CASES, |[a, b, ..]| to(high(a, b)));
        agree(&name("mad.hi"), 3, CASES, |[a, b, c, _]| to(high(a, b).wrapping_add(of(c))));
        agree(&name("sad"), 3, CASES, |[a, b, c, _]| {
            u64::from((of(c) as $unsigned).wrapping_add(of(a).abs_diff(of(b)) as $unsigned))
        });
        let ones = <$unsigned>::MAX;
        agree(
            &name("div"),
            2,
            CASES,
            |[a, b, ..]| {
                if of(b) == 0 { ones.into() } else { to(of(a).wrapping_div(of(b))) }
            },
        );
        agree(
            &name("rem"),
            2,
            CASES,
            |[a, b, ..]| {
                if of(b) == 0 { ones.into() } else { to(of(a).wrapping_rem(of(b))) }
            },
        );
    };
}

macro_rules! wide {
    ($name:literal, $ty:ty, $wide:ty, $unsigned_wide:ty) => {
        let product = |a: u64, b: u64| (a as $ty as $wide).wrapping_mul(b as $ty as $wide);
        agree(&format!("mul.wide.{}", $name), 2, CASES, |[a, b, ..]| product(a, b) as $unsigned_wide as u64);
        agree(&format!("mad.wide.{}", $name), 3, CASES, |[a, b, c, _]| {
            product(a, b).wrapping_add(c as $wide) as $unsigned_wide as u64
        });
    };
}

macro_rules! signed {
    ($name:literal, $ty:ty, $unsigned:ty) => {
        agree(&format!("abs.{}", $name), 1, CASES, |[a, ..]| (a as $ty).wrapping_abs() as $unsigned as u64);
        agree(&format!("neg.{}", $name), 1, CASES, |[a, ..]| (a as $ty).wrapping_neg() as $unsigned as u64);
    };
}

#[test]
fn integers_of_16_bits() {
    plain!("u16", u16, u16, u32, u32, 16);
    plain!("s16", i16, u16, i32, u32, 16);
    wide!("u16", u16, u32, u32);
    wide!("s16", i16, i32, u32);
    signed!("s16", i16, u16);
}

#[test]
fn integers_of_32_bits() {
    plain!("u32", u32, u32, u64, u64, 32);
    plain!("s32", i32, u32, i64, u64, 32);
    wide!("u32", u32, u64, u64);
    wide!("s32", i32, i64, u64);
    signed!("s32", i32, u32);
}

#[test]
fn integers_of_64_bits() {
    plain!("u64", u64, u64, u128, u128, 64);
    plain!("s64", i64, u64, i128, u128, 64);
    signed!("s64", i64, u64);
}

#[test]
fn saturation_and_packed_integers() {
    let signed = |a: u64| a as u32 as i32;
    let back = |value: i32| u64::from(value as u32);
    agree("add.sat.s32", 2, CASES, |[a, b, ..]| back(signed(a).saturating_add(signed(b))));
    agree("sub.sat.s32", 2, CASES, |[a, b, ..]| back(signed(a).saturating_sub(signed(b))));
    let high = |a: u64, b: u64| ((i64::from(signed(a)) * i64::from(signed(b))) >> 32) as i32;
    agree("mad.hi.sat.s32", 3, CASES, |[a, b, c, _]| back(high(a, b).saturating_add(signed(c))));
    agree("min.relu.s32", 2, CASES, |[a, b, ..]| back(signed(a).min(signed(b)).max(0)));
    agree("max.relu.s32", 2, CASES, |[a, b, ..]| back(signed(a).max(signed(b)).max(0)));
    let both = |a: u64, b: u64, f: fn(i16, i16) -> i16| {
        u64::from(f(a as i16, b as i16) as u16)
            | u64::from(f((a >> 16) as i16, (b >> 16) as i16) as u16) << 16
    };
    agree("add.s16x2", 2, CASES, |[a, b, ..]| both(a, b, i16::wrapping_add));
    agree("add.u16x2", 2, CASES, |[a, b, ..]| both(a, b, i16::wrapping_add));
    agree("min.s16x2", 2, CASES, |[a, b, ..]| both(a, b, i16::min));
    agree("max.relu.s16x2", 2, CASES, |[a, b, ..]| both(a, b, |a, b| a.max(b).max(0)));
    agree("max.u16x2", 2, CASES, |[a, b, ..]| both(a, b, |a, b| (a as u16).max(b as u16) as i16));
}

#[test]
fn products_of_24_bits() {
    let unsigned = |a: u64, b: u64| u64::from(a as u32 & 0xff_ffff) * u64::from(b as u32 & 0xff_ffff);
    let cut = |a: u64| i64::from((a as u32 as i32) << 8 >> 8);
    agree("mul24.lo.u32", 2, CASES, |[a, b, ..]| u64::from(unsigned(a, b) as u32));
    agree("mul24.hi.u32", 2, CASES, |[a, b, ..]| u64::from((unsigned(a, b) >> 16) as u32));
    agree("mul24.lo.s32", 2, CASES, |[a, b, ..]| u64::from((cut(a) * cut(b)) as u32));
    agree("mad24.hi.s32", 3, CASES, |[a, b, c, _]| {
        u64::from((((cut(a) * cut(b)) >> 16) as u32).wrapping_add(c as u32))
    });
    agree("mad24.hi.sat.s32", 3, CASES, |[a, b, c, _]| {
        u64::from((((cut(a) * cut(b)) >> 16) as i32).saturating_add(c as u32 as i32) as u32)
    });
}

#[test]
fn dot_products() {
    agree("dp4a.u32.s32", 3, CASES, |[a, b, c, _]| {
        let (a, b) = ((a as u32).to_le_bytes(), (b as u32).to_le_bytes());
        let dot: i32 = a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(b as i8)).sum();
        u64::from((c as u32).wrapping_add(dot as u32))
    });
    agree("dp4a.u32.u32", 3, CASES, |[a, b, c, _]| {
        let (a, b) = ((a as u32).to_le_bytes(), (b as u32).to_le_bytes());
        let dot: u32 = a.iter().zip(b).map(|(a, b)| u32::from(*a) * u32::from(b)).sum();
        u64::from((c as u32).wrapping_add(dot))
    });
    for (word, first) in [("lo", 0), ("hi", 2)] {
        agree(&format!("dp2a.{word}.s32.u32"), 3, CASES, |[a, b, c, _]| {
            let bytes = (b as u32).to_le_bytes();
            let one = |i: usize| i32::from((a >> (16 * i)) as i16).wrapping_mul(bytes[first + i].into());
            u64::from((c as u32).wrapping_add(one(0) as u32).wrapping_add(one(1) as u32))
        });
    }
}

/// Twice as wide a number computed through the carry is the host's.
#[test]
fn carries() {
    for (low, high) in [("add.cc.u32", "addc.cc.u32"), ("sub.cc.u32", "subc.cc.u32")] {
        let (first, second) = (decode(low, 2), decode(high, 2));
        assert!(second.carry_in && !first.carry_in);
        for_operands(&[Type::U64; 2], CASES, |[a, b, ..]| {
            let low_word = first.evaluate([a & 0xffff_ffff, b & 0xffff_ffff, 0, 0]);
            let high_word = second.evaluate([a >> 32, b >> 32, low_word.second, 0]);
            let (value, carry) =
                if low.starts_with("add") { a.overflowing_add(b) } else { a.overflowing_sub(b) };
            assert_eq!(low_word.value | high_word.value << 32, value, "{a:#x} {b:#x}");
            assert_eq!(high_word.second, u64::from(carry), "{a:#x} {b:#x}");
        });
    }
    let [low, high] = ["mad.lo.cc.u32", "madc.hi.u32"].map(|name| decode(name, 3));
    let [low64, high64] = ["mad.lo.cc.u64", "madc.hi.cc.u64"].map(|name| decode(name, 3));
    for_operands(&[Type::U64, Type::U64, Type::U64], CASES, |[a, b, c, _]| {
        let (x, y) = (a & 0xffff_ffff, b & 0xffff_ffff);
        let first = low.evaluate([x, y, c & 0xffff_ffff, 0]);
        let second = high.evaluate([x, y, c >> 32, first.second]);
        assert_eq!(first.value | second.value << 32, (x * y).wrapping_add(c));
        assert_eq!(second.second, 0);
        let first = low64.evaluate([a, b, c, 0]);
        let second = high64.evaluate([a, b, a, first.second]);
        let addend = u128::from(c) | u128::from(a) << 64;
        let (sum, carry) = (u128::from(a) * u128::from(b)).overflowing_add(addend);
        assert_eq!(
            (u128::from(first.value) | u128::from(second.value) << 64, second.second),
            (sum, u64::from(carry))
        );
    });
}
