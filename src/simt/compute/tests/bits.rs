//! Logic, shifts and bit fields against loops over single bits; comparisons and selections against the
//! host's.

use super::{agree, decode, for_operands};
use crate::simt::ptx::ast::Type;

pub(super) const COVERED: &[&str] = &[
    "and", "bfe", "bfi", "bfind", "bmsk", "brev", "clz", "cnot", "fns", "lop3", "not", "or", "popc", "prmt",
    "selp", "set", "setp", "shf", "shl", "shr", "slct", "szext", "xor",
];

const CASES: usize = 10_000;

fn bit(value: u64, index: u64) -> bool {
    index < 64 && value >> index & 1 == 1
}

/// A value made of single bits.
fn build(bits: u64, f: impl Fn(u64) -> bool) -> u64 {
    (0..bits).filter(|index| f(*index)).map(|index| 1 << index).sum()
}

#[test]
fn logic() {
    for (ty, bits) in [("pred", 1), ("b16", 16), ("b32", 32), ("b64", 64)] {
        agree(&format!("and.{ty}"), 2, CASES, |[a, b, ..]| build(bits, |i| bit(a, i) && bit(b, i)));
        agree(&format!("or.{ty}"), 2, CASES, |[a, b, ..]| build(bits, |i| bit(a, i) || bit(b, i)));
        agree(&format!("xor.{ty}"), 2, CASES, |[a, b, ..]| build(bits, |i| bit(a, i) != bit(b, i)));
        agree(&format!("not.{ty}"), 1, CASES, |[a, ..]| build(bits, |i| !bit(a, i)));
        if bits > 1 {
            agree(&format!("cnot.{ty}"), 1, CASES, |[a, ..]| if a == 0 { 1 } else { 0 });
        }
    }
    agree("lop3.b32", 4, CASES, |[a, b, c, table]| {
        build(32, |i| bit(table, u64::from(bit(a, i)) * 4 + u64::from(bit(b, i)) * 2 + u64::from(bit(c, i))))
    });
}

#[test]
fn shifts() {
    for bits in [16, 32, 64] {
        agree(&format!("shl.b{bits}"), 2, CASES, |[a, n, ..]| build(bits, |i| i >= n && bit(a, i - n)));
        agree(&format!("shr.u{bits}"), 2, CASES, |[a, n, ..]| build(bits, |i| bit(a, i + n)));
        agree(&format!("shr.b{bits}"), 2, CASES, |[a, n, ..]| build(bits, |i| bit(a, i + n)));
        agree(&format!("shr.s{bits}"), 2, CASES, |[a, n, ..]| build(bits, |i| bit(a, (i + n).min(bits - 1))));
    }
    for (word, wrap) in [("clamp", false), ("wrap", true)] {
        let count = |c: u64| if wrap { c % 32 } else { c.min(32) };
        let joined = |a: u64, b: u64, i: u64| if i < 32 { bit(a, i) } else { bit(b, i - 32) };
        agree(&format!("shf.l.{word}.b32"), 3, CASES, |[a, b, c, _]| {
            build(32, |i| joined(a, b, i + 32 - count(c)))
        });
        agree(&format!("shf.r.{word}.b32"), 3, CASES, |[a, b, c, _]| {
            build(32, |i| joined(a, b, i + count(c)))
        });
    }
}

#[test]
fn fields() {
    for (bits, signed) in [(32, false), (32, true), (64, false), (64, true)] {
        let letter = if signed { 's' } else { 'u' };
        let top = bits - 1;
        agree(&format!("bfe.{letter}{bits}"), 3, 4 * CASES, |[a, b, c, _]| {
            let (position, length) = (b & 255, c & 255);
            let sign = signed && length > 0 && bit(a, (position + length - 1).min(top));
            build(bits, |i| if i < length && position + i <= top { bit(a, position + i) } else { sign })
        });
        let highest = |a: u64| {
            let other = signed && bit(a, top);
            (0..bits).rev().find(|i| bit(a, *i) != other)
        };
        agree(&format!("bfind.{letter}{bits}"), 1, CASES, |[a, ..]| highest(a).unwrap_or(0xffff_ffff));
        agree(&format!("bfind.shiftamt.{letter}{bits}"), 1, CASES, |[a, ..]| {
            highest(a).map_or(0xffff_ffff, |i| top - i)
        });
    }
    for bits in [32, 64] {
        agree(&format!("bfi.b{bits}"), 4, 4 * CASES, |[a, b, c, d]| {
            let (position, length) = (c & 255, d & 255);
            build(
                bits,
                |i| {
                    if i >= position && i - position < length { bit(a, i - position) } else { bit(b, i) }
                },
            )
        });
        agree(&format!("brev.b{bits}"), 1, CASES, |[a, ..]| build(bits, |i| bit(a, bits - 1 - i)));
        agree(&format!("popc.b{bits}"), 1, CASES, |[a, ..]| (0..bits).filter(|i| bit(a, *i)).count() as u64);
        agree(&format!("clz.b{bits}"), 1, CASES, |[a, ..]| {
            (0..bits).rev().take_while(|i| !bit(a, *i)).count() as u64
        });
    }
    for (word, wrap) in [("clamp", false), ("wrap", true)] {
        for (ty, signed) in [("u32", false), ("s32", true)] {
            agree(&format!("szext.{word}.{ty}"), 2, CASES, |[a, b, ..]| {
                let length = if wrap { b % 32 } else { b.min(32) };
                let sign = signed && length > 0 && bit(a, length - 1);
                build(32, |i| if i < length { bit(a, i) } else { sign })
            });
        }
        agree(&format!("bmsk.{word}.b32"), 2, CASES, |[a, b, ..]| {
            let (from, length) = if wrap { (a % 32, b % 32) } else { (a, b) };
            build(32, |i| i >= from && i - from < length)
        });
    }
    agree("fns.b32", 3, CASES, |[mask, base, offset, _]| {
        let offset = i64::from(offset as u32 as i32);
        let (mut position, mut left) = (i64::from(base as u32 as i32), offset.abs());
        if offset == 0 {
            return if (0..32).contains(&position) && bit(mask, base) { base } else { 0xffff_ffff };
        }
        while (0..32).contains(&position) {
            left -= i64::from(bit(mask, position as u64));
            if left == 0 {
                return position as u64;
            }
            position += offset.signum();
        }
        0xffff_ffff
    });
}

/// The ISA's tables, most significant byte first.
#[test]
fn permutations() {
    let tables = [
        ("f4e", [[3, 2, 1, 0], [4, 3, 2, 1], [5, 4, 3, 2], [6, 5, 4, 3]]),
        ("b4e", [[5, 6, 7, 0], [6, 7, 0, 1], [7, 0, 1, 2], [0, 1, 2, 3]]),
        ("rc8", [[0; 4], [1; 4], [2; 4], [3; 4]]),
        ("ecl", [[3, 2, 1, 0], [3, 2, 1, 1], [3, 2, 2, 2], [3, 3, 3, 3]]),
        ("ecr", [[0, 0, 0, 0], [1, 1, 1, 0], [2, 2, 1, 0], [3, 2, 1, 0]]),
        ("rc16", [[1, 0, 1, 0], [3, 2, 3, 2], [1, 0, 1, 0], [3, 2, 3, 2]]),
    ];
    let byte = |a: u64, b: u64, i: u64| (if i < 4 { a >> (8 * i) } else { b >> (8 * (i - 4)) }) & 255;
    for (mode, table) in tables {
        agree(&format!("prmt.b32.{mode}"), 3, CASES, |[a, b, c, _]| {
            table[(c & 3) as usize].iter().fold(0, |all, i| all << 8 | byte(a, b, *i))
        });
    }
    agree("prmt.b32", 3, CASES, |[a, b, c, _]| {
        (0..4).rev().fold(0, |all, i| {
            let selector = c >> (4 * i) & 15;
            let picked = byte(a, b, selector % 8);
            let filled = if picked >= 128 { 255 } else { 0 };
            all << 8 | if selector >= 8 { filled } else { picked }
        })
    });
}

/// A comparison of the host's by PTX's name; of unordered operands those with a `u` hold.
fn relation<T: PartialOrd>(name: &str, a: T, b: T) -> bool {
    let unordered = a.partial_cmp(&b).is_none();
    match name {
        "eq" => a == b,
        "ne" => !unordered && a != b,
        "lt" | "lo" => a < b,
        "le" | "ls" => a <= b,
        "gt" | "hi" => a > b,
        "ge" | "hs" => a >= b,
        "num" => !unordered,
        "nan" => unordered,
        _ => unordered || relation(&name[..2], a, b),
    }
}

#[test]
fn comparisons() {
    let signed = ["eq", "ne", "lt", "le", "gt", "ge"];
    let unsigned = ["eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs"];
    let float = ["eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"];
    for op in signed {
        agree(&format!("setp.{op}.s16"), 2, CASES, |[a, b, ..]| relation(op, a as i16, b as i16).into());
        agree(&format!("setp.{op}.s32"), 2, CASES, |[a, b, ..]| relation(op, a as i32, b as i32).into());
        agree(&format!("setp.{op}.s64"), 2, CASES, |[a, b, ..]| relation(op, a as i64, b as i64).into());
    }
    for op in unsigned {
        for ty in ["u16", "u32", "u64"] {
            agree(&format!("setp.{op}.{ty}"), 2, CASES, |[a, b, ..]| relation(op, a, b).into());
        }
        agree(
            &format!("set.{op}.u32.u32"),
            2,
            CASES,
            |[a, b, ..]| {
                if relation(op, a, b) { 0xffff_ffff } else { 0 }
            },
        );
    }
    for op in float {
        let single = |a: u64| f32::from_bits(a as u32);
        let half = |a: u64| half::f16::from_bits(a as u16);
        let flushed = |a: u64| if single(a).is_subnormal() { 0.0 } else { single(a) };
        agree(&format!("setp.{op}.f32"), 2, CASES, |[a, b, ..]| relation(op, single(a), single(b)).into());
        agree(&format!("setp.{op}.ftz.f32"), 2, CASES, |[a, b, ..]| {
            relation(op, flushed(a), flushed(b)).into()
        });
        agree(&format!("setp.{op}.f64"), 2, CASES, |[a, b, ..]| {
            relation(op, f64::from_bits(a), f64::from_bits(b)).into()
        });
        agree(&format!("setp.{op}.f16"), 2, CASES, |[a, b, ..]| relation(op, half(a), half(b)).into());
        agree(&format!("set.{op}.f32.f32"), 2, CASES, |[a, b, ..]| {
            if relation(op, single(a), single(b)) { 1f32.to_bits().into() } else { 0 }
        });
    }
    for (word, combine) in
        [("and", (|a, b| a && b) as fn(bool, bool) -> bool), ("or", |a, b| a || b), ("xor", |a, b| a != b)]
    {
        let compute = decode(&format!("setp.lt.{word}.s32"), 3);
        for_operands(&[Type::S32, Type::S32, Type::Pred], CASES, |[a, b, c, _]| {
            let holds = (a as i32) < b as i32;
            let results = compute.evaluate([a, b, c, 0]);
            assert_eq!(results.value, u64::from(combine(holds, c == 1)));
            assert_eq!(results.second, u64::from(combine(!holds, c == 1)));
        });
    }
    let compute = decode("setp.gt.f16x2", 2);
    for_operands(&[Type::F16; 4], 4 * CASES, |[a, b, c, d]| {
        let greater = |a: u64, b: u64| half::f16::from_bits(a as u16) > half::f16::from_bits(b as u16);
        let results = compute.evaluate([a | c << 16, b | d << 16, 0, 0]);
        assert_eq!((results.value, results.second), (u64::from(greater(a, b)), u64::from(greater(c, d))));
    });
}

#[test]
fn selections() {
    for ty in ["b16", "u32", "s64", "f32", "f64"] {
        agree(&format!("selp.{ty}"), 3, CASES, |[a, b, c, _]| if c == 1 { a } else { b });
    }
    agree("slct.u32.s32", 3, CASES, |[a, b, c, _]| if c as i32 >= 0 { a } else { b });
    agree("slct.u64.f32", 3, CASES, |[a, b, c, _]| if f32::from_bits(c as u32) >= 0.0 { a } else { b });
    agree(
        "slct.ftz.u64.f32",
        3,
        CASES,
        |[a, b, c, _]| {
            if f32::from_bits(c as u32) > -f32::MIN_POSITIVE { a } else { b }
        },
    );
}
