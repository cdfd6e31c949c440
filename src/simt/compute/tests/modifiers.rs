//! What modifiers add to conversions and floating-point instructions, each against `rustc_apfloat`.

use rustc_apfloat::ieee::{BFloat, Double, Half, Single};
use rustc_apfloat::{Float, FloatConvert, Round};

use super::float::{extreme, flush, nan};
use super::{agree, decode, for_operands};
use crate::simt::ptx::ast::Type;

const CASES: usize = 10_000;
const NEAR: Round = Round::NearestTiesToEven;

fn single(bits: u64) -> Single {
    Single::from_bits(bits.into())
}

/// The bits with the canonical NaN.
fn bits_of<T: Float>(value: T) -> u64 {
    if value.is_nan() { nan::<T>(&[]) } else { value.to_bits() as u64 }
}

fn clamped<T: Float>(value: T) -> u64 {
    let one = T::from_u128(1).value;
    if value.is_nan() || value.is_negative() {
        0
    } else if value > one {
        bits_of(one)
    } else {
        bits_of(value)
    }
}

/// Of a conversion that has no infinities, and rectifies, if so.
fn limited<T: Float>(value: T, finite: bool, relu: bool) -> u64 {
    let value = if finite && value.is_infinite() { T::largest().copy_sign(value) } else { value };
    if relu && value.is_negative() && !value.is_nan() { 0 } else { bits_of(value) }
}

fn narrowed<T: Float>(ty: &str)
where
    Single: FloatConvert<T>,
{
    for (word, round) in [("rn", NEAR), ("rz", Round::TowardZero)] {
        for (suffix, finite, relu) in [
            ("", false, false),
            (".relu", false, true),
            (".satfinite", true, false),
            (".relu.satfinite", true, true),
        ] {
            let convert = |a: u64| limited::<T>(single(a).convert_r(round, &mut false).value, finite, relu);
            agree(&format!("cvt.{word}{suffix}.{ty}.f32"), 1, 2 * CASES, |[a, ..]| convert(a));
            agree(&format!("cvt.{word}{suffix}.{ty}x2.f32"), 2, 2 * CASES, |[a, b, ..]| {
                convert(a) << 16 | convert(b)
            });
        }
    }
}

#[test]
fn rectified_and_finite_conversions() {
    narrowed::<Half>("f16");
    narrowed::<BFloat>("bf16");
}

/// By the bits of an f32, whose 13 lowest are rounded off.
#[test]
fn tf32() {
    let nearest = |bits: u32| bits.wrapping_add(0x0fff + (bits >> 13 & 1)) & !0x1fff;
    let truncated = |bits: u32| bits & !0x1fff;
    let rounded = |bits: u32, near: bool, finite: bool, relu: bool| -> u64 {
        let value = f32::from_bits(bits);
        if value.is_nan() {
            return 0x7fff_ffff;
        }
        let result = if near { nearest(bits) } else { truncated(bits) };
        let overflown = finite && result & 0x7f80_0000 == 0x7f80_0000;
        let result = if overflown { bits & 0x8000_0000 | 0x7f7f_e000 } else { result };
        if relu && value.is_sign_negative() { 0 } else { result.into() }
    };
    for (word, near) in [("rn", true), ("rz", false)] {
        for (suffix, finite, relu) in
            [("", false, false), (".satfinite", true, false), (".relu", false, true)]
        {
            agree(&format!("cvt.{word}{suffix}.tf32.f32"), 1, 2 * CASES, |[a, ..]| {
                rounded(a as u32, near, finite, relu)
            });
        }
    }
}

#[test]
fn flushing_conversions() {
    let flushed = |a: u64| flush(single(a), true);
    agree("cvt.rn.ftz.f16.f32", 1, CASES, |[a, ..]| {
        bits_of::<Half>(flushed(a).convert_r(NEAR, &mut false).value)
    });
    agree("cvt.ftz.f64.f32", 1, CASES, |[a, ..]| bits_of::<Double>(flushed(a).convert(&mut false).value));
    agree("cvt.ftz.f32.f32", 1, CASES, |[a, ..]| bits_of(flushed(a)));
    agree("cvt.f32.f32", 1, CASES, |[a, ..]| bits_of(single(a)));
    agree("cvt.sat.f32.f32", 1, CASES, |[a, ..]| clamped(single(a)));
    agree("cvt.ftz.sat.f32.f32", 1, CASES, |[a, ..]| clamped(flushed(a)));
    for (word, round) in [("rn", NEAR), ("rp", Round::TowardPositive)] {
        agree(&format!("cvt.{word}.ftz.f32.f64"), 1, CASES, |[a, ..]| {
            let value: Single = Double::from_bits(a.into()).convert_r(round, &mut false).value;
            bits_of(flush(value, true))
        });
        agree(&format!("cvt.{word}i.ftz.s32.f32"), 1, CASES, |[a, ..]| {
            let value = flushed(a).to_i128_r(100, round, &mut false).value;
            let value = if single(a).is_nan() { 0 } else { value };
            u64::from(value.clamp(i32::MIN.into(), i32::MAX.into()) as u32)
        });
        agree(&format!("cvt.{word}.sat.f32.s32"), 1, CASES, |[a, ..]| {
            clamped(Single::from_i128_r((a as u32 as i32).into(), round).value)
        });
    }
}

fn integral<T: Float>(ty: &str) {
    for (word, round) in [
        ("rni", NEAR),
        ("rzi", Round::TowardZero),
        ("rmi", Round::TowardNegative),
        ("rpi", Round::TowardPositive),
    ] {
        agree(&format!("cvt.{word}.{ty}.{ty}"), 1, CASES, |[a, ..]| {
            let value = T::from_bits(a.into());
            if value.is_nan() { nan::<T>(&[a]) } else { bits_of(value.round_to_integral(round).value) }
        });
    }
}

#[test]
fn integral_values_and_wider_formats() {
    integral::<Half>("f16");
    integral::<BFloat>("bf16");
    integral::<Double>("f64");
    agree("cvt.rn.bf16.f16", 1, CASES, |[a, ..]| {
        bits_of::<BFloat>(Half::from_bits(a.into()).convert_r(NEAR, &mut false).value)
    });
    agree("cvt.rz.f16.bf16", 1, CASES, |[a, ..]| {
        bits_of::<Half>(BFloat::from_bits(a.into()).convert_r(Round::TowardZero, &mut false).value)
    });
    let [half, bfloat] = ["cvt.f64.f16", "cvt.f64.bf16"].map(|name| decode(name, 1));
    for a in 0..=0xffff_u64 {
        let wide: Double = Half::from_bits(a.into()).convert(&mut false).value;
        assert_eq!(half.evaluate([a, 0, 0, 0]).value, bits_of(wide), "{a:#x}");
        let wide: Double = BFloat::from_bits(a.into()).convert(&mut false).value;
        assert_eq!(bfloat.evaluate([a, 0, 0, 0]).value, bits_of(wide), "{a:#x}");
    }
}

#[test]
fn packed_integers() {
    for (ty, width, signed) in [
        ("u16", 16, false),
        ("s16", 16, true),
        ("u8", 8, false),
        ("s8", 8, true),
        ("u4", 4, false),
        ("s2", 2, true),
    ] {
        let third = width < 16;
        let name = format!("cvt.pack.sat.{ty}.s32{}", if third { ".b32" } else { "" });
        agree(&name, if third { 3 } else { 2 }, CASES, |[a, b, c, _]| {
            let (least, most) =
                if signed { (-(1 << (width - 1)), (1 << (width - 1)) - 1) } else { (0, (1 << width) - 1) };
            let part = |x: u64| i64::from(x as u32 as i32).max(least).min(most) as u64 % (1 << width);
            let below = if third { c << (2 * width) } else { 0 };
            u64::from((below + (part(a) << width) + part(b)) as u32)
        });
    }
}

#[test]
fn minima_with_modifiers() {
    let sign = 0x8000_0000_u64;
    for (opcode, greatest) in [("min", false), ("max", true)] {
        let two = |keep: bool, a: u64, b: u64| extreme::<Single>(greatest, keep, a, b);
        agree(&format!("{opcode}.f32"), 3, CASES, |[a, b, c, _]| two(false, two(false, a, b), c));
        agree(&format!("{opcode}.abs.f32"), 3, CASES, |[a, b, c, _]| {
            two(false, two(false, a & !sign, b & !sign), c & !sign)
        });
        agree(&format!("{opcode}.NaN.xorsign.abs.f32"), 2, CASES, |[a, b, ..]| {
            let result = two(true, a & !sign, b & !sign);
            if single(result).is_nan() { result } else { result | ((a ^ b) & sign) }
        });
        agree(&format!("{opcode}.ftz.f16"), 2, CASES, |[a, b, ..]| {
            let flushed = |a: u64| flush(Half::from_bits(a.into()), true).to_bits() as u64;
            extreme::<Half>(greatest, false, flushed(a), flushed(b))
        });
        let [one, both] = ["NaN.bf16", "NaN.bf16x2"].map(|rest| decode(&format!("{opcode}.{rest}"), 2));
        for_operands(&[Type::Bf16; 4], CASES, |[a, b, c, d]| {
            let value = |a, b| one.evaluate([a, b, 0, 0]).value;
            assert_eq!(
                both.evaluate([a | c << 16, b | d << 16, 0, 0]).value,
                value(a, b) | value(c, d) << 16
            );
        });
    }
}

#[test]
fn signs_roots_and_classes() {
    agree("abs.ftz.f32", 1, CASES, |[a, ..]| bits_of(flush(single(a), true).abs()));
    agree("neg.ftz.f32", 1, CASES, |[a, ..]| bits_of(-flush(single(a), true)));
    agree("abs.ftz.f16", 1, CASES, |[a, ..]| bits_of(flush(Half::from_bits(a.into()), true).abs()));
    let plain = decode("sqrt.rn.f32", 1);
    agree("sqrt.rn.ftz.f32", 1, CASES, |[a, ..]| {
        let flushed = bits_of(flush(single(a), true));
        if single(a).is_nan() { 0x7fff_ffff } else { plain.evaluate([flushed, 0, 0, 0]).value }
    });
    type Case = (&'static str, fn(Double) -> bool);
    let classes: [Case; 6] = [
        ("finite", |x| x.is_finite()),
        ("infinite", |x| x.is_infinite()),
        ("number", |x| !x.is_nan()),
        ("notanumber", |x| x.is_nan()),
        ("normal", |x| x.is_normal() || x.is_zero()),
        ("subnormal", |x| x.is_denormal()),
    ];
    for (class, oracle) in classes {
        agree(&format!("testp.{class}.f64"), 1, CASES, |[a, ..]| oracle(Double::from_bits(a.into())).into());
    }
}

/// Half precision within one unit of the nearest; division within the two units that the ISA allows.
#[test]
fn approximate_halves_and_quotients() {
    type Case = (&'static str, fn(f64) -> f64);
    let functions: [Case; 2] = [("ex2", f64::exp2), ("tanh", f64::tanh)];
    for (opcode, function) in functions {
        let half = decode(&format!("{opcode}.approx.f16"), 1);
        let name = if opcode == "ex2" { "ex2.approx.ftz.bf16" } else { "tanh.approx.bf16" };
        let bfloat = decode(name, 1);
        for a in 0..=0xffff_u16 {
            let close = |got: u16, expected: u16, is_nan: bool| is_nan || got.abs_diff(expected) <= 1;
            let x = half::f16::from_bits(a);
            let got = half.evaluate([a.into(), 0, 0, 0]).value as u16;
            assert!(
                close(got, half::f16::from_f64(function(x.to_f64())).to_bits(), x.is_nan()),
                "{opcode} {a:#x}"
            );
            assert!(!x.is_nan() || got == 0x7fff, "{opcode} {a:#x}");
            let x = half::bf16::from_bits(a);
            let expected = half::bf16::from_f64(function(x.to_f64()));
            if opcode == "tanh" || expected.is_normal() && x.is_normal() {
                let got = bfloat.evaluate([a.into(), 0, 0, 0]).value as u16;
                assert!(close(got, expected.to_bits(), x.is_nan()), "{name} {a:#x}");
            }
        }
    }
    for name in ["div.full.f32", "div.approx.f32", "div.approx.ftz.f32"] {
        let compute = decode(name, 2);
        for_operands(&compute.operands, CASES, |operands| {
            let [x, y] = [operands[0], operands[1]].map(|bits| f32::from_bits(bits as u32));
            let exact = x / y;
            if x.is_normal() && exact.is_normal() && (2f32.powi(-126)..=2f32.powi(126)).contains(&y.abs()) {
                let got = compute.evaluate(operands).value as u32;
                assert!(got.abs_diff(exact.to_bits()) <= 2, "{name} of {x:e} and {y:e}");
            }
        });
    }
}
