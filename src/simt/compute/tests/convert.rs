//! Conversions against `rustc_apfloat` and exact integers; approximate functions against their special
//! values and bounds.

use rustc_apfloat::ieee::{BFloat, Double, Half, Single};
use rustc_apfloat::{Float, FloatConvert, Round};

use super::{agree, decode};

pub(super) const COVERED: &[&str] =
    &["cvt", "ex2", "lg2", "sin", "cos", "tanh", "rsqrt", "rcp", "sqrt", "div"];

const CASES: usize = 10_000;
const ROUNDINGS: [(&str, Round); 4] = [
    ("rn", Round::NearestTiesToEven),
    ("rz", Round::TowardZero),
    ("rm", Round::TowardNegative),
    ("rp", Round::TowardPositive),
];
const INTEGERS: [(&str, u32, bool); 8] = [
    ("u8", 8, false),
    ("u16", 16, false),
    ("u32", 32, false),
    ("u64", 64, false),
    ("s8", 8, true),
    ("s16", 16, true),
    ("s32", 32, true),
    ("s64", 64, true),
];

fn value(bits: u64, width: u32, signed: bool) -> i128 {
    let negative = signed && bits >> (width - 1) == 1;
    i128::from(bits) - if negative { 1 << width } else { 0 }
}

fn limited(value: i128, width: u32, signed: bool) -> i128 {
    let (least, most) =
        if signed { (-(1 << (width - 1)), (1 << (width - 1)) - 1) } else { (0, (1 << width) - 1) };
    value.max(least).min(most)
}

fn masked(value: i128, width: u32) -> u64 {
    value.rem_euclid(1 << width) as u64
}

#[test]
fn integers_to_integers() {
    for (from, from_width, from_signed) in INTEGERS {
        for (to, width, signed) in INTEGERS {
            agree(&format!("cvt.{to}.{from}"), 1, CASES, |[a, ..]| {
                masked(value(a, from_width, from_signed), width)
            });
            agree(&format!("cvt.sat.{to}.{from}"), 1, CASES, |[a, ..]| {
                masked(limited(value(a, from_width, from_signed), width, signed), width)
            });
        }
    }
}

fn with_integers<T: Float>(float: &str) {
    for (integer, width, signed) in INTEGERS {
        for (word, round) in ROUNDINGS {
            agree(&format!("cvt.{word}.{float}.{integer}"), 1, CASES, |[a, ..]| {
                T::from_i128_r(value(a, width, signed), round).value.to_bits() as u64
            });
            agree(&format!("cvt.{word}i.{integer}.{float}"), 1, CASES, |[a, ..]| {
                let number = T::from_bits(a.into());
                if number.is_nan() {
                    return if T::BITS == 64 || width == 64 { 1 << (width - 1) } else { 0 };
                }
                let exact = &mut false;
                let whole = number.to_i128_r(100, round, exact).value;
                masked(limited(whole, width, signed), width)
            });
        }
    }
}

#[test]
fn f32_and_integers() {
    with_integers::<Single>("f32");
}

#[test]
fn f64_and_integers() {
    with_integers::<Double>("f64");
}

#[test]
fn halves_and_integers() {
    with_integers::<Half>("f16");
    with_integers::<BFloat>("bf16");
}

fn canonical<T: Float>(number: T) -> u64 {
    match (number.is_nan(), T::BITS) {
        (false, _) => number.to_bits() as u64,
        (_, 16) => 0x7fff,
        (_, 32) => 0x7fff_ffff,
        _ => 0x7ff8_0000_0000_0000,
    }
}

fn narrow<S: Float + FloatConvert<T>, T: Float>(from: &str, to: &str) {
    for (word, round) in ROUNDINGS {
        agree(&format!("cvt.{word}.{to}.{from}"), 1, 3 * CASES, |[a, ..]| {
            canonical::<T>(S::from_bits(a.into()).convert_r(round, &mut false).value)
        });
        agree(&format!("cvt.{word}.sat.{to}.{from}"), 1, CASES, |[a, ..]| {
            let number: T = S::from_bits(a.into()).convert_r(round, &mut false).value;
            let one = T::from_u128(1).value;
            if number.is_nan() || number.is_negative() {
                0
            } else if number > one {
                one.to_bits() as u64
            } else {
                number.to_bits() as u64
            }
        });
    }
}

#[test]
fn floats_to_floats() {
    narrow::<Double, Single>("f64", "f32");
    narrow::<Double, Half>("f64", "f16");
    narrow::<Double, BFloat>("f64", "bf16");
    narrow::<Single, Half>("f32", "f16");
    narrow::<Single, BFloat>("f32", "bf16");
    agree("cvt.f64.f32", 1, 3 * CASES, |[a, ..]| {
        canonical::<Double>(Single::from_bits(a.into()).convert(&mut false).value)
    });
    // Every pattern of 16 bits.
    for (name, convert) in [
        ("cvt.f32.f16", (|a| Half::from_bits(a).convert(&mut false).value) as fn(u128) -> Single),
        ("cvt.f32.bf16", |a| BFloat::from_bits(a).convert(&mut false).value),
    ] {
        let compute = decode(name, 1);
        for a in 0..=0xffff {
            assert_eq!(compute.evaluate([a, 0, 0, 0]).value, canonical(convert(a.into())), "{name} {a:#x}");
        }
    }
    for (word, round) in ROUNDINGS {
        agree(&format!("cvt.{word}i.f32.f32"), 1, CASES, |[a, ..]| {
            canonical(Single::from_bits(a.into()).round_to_integral(round).value)
        });
    }
}

#[test]
fn two_numbers_into_one_register() {
    for (ty, single) in [("f16x2", "f16"), ("bf16x2", "bf16")] {
        for modifiers in ["rn", "rz", "rn.relu", "rz.relu.satfinite"] {
            let one = decode(&format!("cvt.{modifiers}.{single}.f32"), 1);
            agree(&format!("cvt.{modifiers}.{ty}.f32"), 2, CASES, |[a, b, ..]| {
                one.evaluate([a, 0, 0, 0]).value << 16 | one.evaluate([b, 0, 0, 0]).value
            });
        }
    }
    agree("cvt.pack.sat.u16.s32", 2, CASES, |[a, b, ..]| {
        let part = |x: u64| u64::from((x as i32).clamp(0, 0xffff) as u16);
        part(a) << 16 | part(b)
    });
    agree("cvt.pack.sat.s8.s32.b32", 3, CASES, |[a, b, c, _]| {
        let part = |x: u64| u64::from((x as i32).clamp(-128, 127) as u8);
        (c << 16 | part(a) << 8 | part(b)) & 0xffff_ffff
    });
}

/// Eight bits: every finite number by its definition, the nearest one (even on a tie) by search.
#[test]
fn eight_bits() {
    for (ty, fraction_bits, bias, largest) in [("e4m3", 3, 7, 0x7e_u64), ("e5m2", 2, 15, 0x7b)] {
        let number = |bits: u64| {
            let (exponent, fraction) =
                ((bits >> fraction_bits) as i32, (bits & ((1 << fraction_bits) - 1)) as f64);
            let step = f64::from(1 << fraction_bits);
            if exponent == 0 {
                fraction / step * 2f64.powi(1 - bias)
            } else {
                (1.0 + fraction / step) * 2f64.powi(exponent - bias)
            }
        };
        let nearest = |bits: u64| {
            let value = f64::from(f32::from_bits(bits as u32));
            if value.is_nan() {
                return 0x7f;
            }
            let distance = |candidate: &u64| (value.abs().min(number(largest)) - number(*candidate)).abs();
            let best = (0..=largest).map(|c| distance(&c)).fold(f64::INFINITY, f64::min);
            let tied: Vec<_> = (0..=largest).filter(|c| distance(c) == best).collect();
            let chosen = *tied.iter().find(|c| **c % 2 == 0 || tied.len() == 1).unwrap();
            chosen | if value.is_sign_negative() { 0x80 } else { 0 }
        };
        agree(&format!("cvt.rn.satfinite.{ty}x2.f32"), 2, 2_000, |[a, b, ..]| nearest(a) << 8 | nearest(b));
        let rectified = |bits: u64| if nearest(bits) > 0x80 { 0 } else { nearest(bits) & 0x7f };
        agree(&format!("cvt.rn.satfinite.relu.{ty}x2.f32"), 2, 2_000, |[a, b, ..]| {
            rectified(a) << 8 | rectified(b)
        });
        let halves = decode(&format!("cvt.rn.satfinite.{ty}x2.f16x2"), 1);
        for bits in (0..0x8000).step_by(7).chain(0x7bf0..0x7c10) {
            let expected = nearest(half::f16::from_bits(bits).to_f32().to_bits().into());
            let packed = u64::from(bits | 0x8000) << 16 | u64::from(bits);
            let sign = if expected == 0x7f { 0 } else { 0x80 };
            assert_eq!(
                halves.evaluate([packed, 0, 0, 0]).value,
                (expected | sign) << 8 | expected,
                "{bits:#x}"
            );
        }
        let widen = decode(&format!("cvt.rn.f16x2.{ty}x2"), 1);
        let narrow = decode(&format!("cvt.rn.satfinite.{ty}x2.f16x2"), 1);
        for bits in 0..=largest {
            let wide = widen.evaluate([bits << 8 | bits, 0, 0, 0]).value;
            assert_eq!(half::f16::from_bits(wide as u16).to_f64(), number(bits));
            assert_eq!(narrow.evaluate([wide, 0, 0, 0]).value, bits << 8 | bits);
        }
    }
}

/// Both halves of 16 bits in every pattern: the nearest number to the f64 function's value.
#[test]
fn approximate_functions_of_halves() {
    for (name, function) in [("ex2.approx.f16", f64::exp2 as fn(f64) -> f64), ("tanh.approx.f16", f64::tanh)]
    {
        let (one, two) = (decode(name, 1), decode(&format!("{name}x2"), 1));
        for a in 0..=0xffff {
            let exact = function(half::f16::from_bits(a as u16).to_f64());
            let double = Double::from_bits(exact.to_bits().into());
            let expected = canonical::<Half>(double.convert(&mut false).value);
            assert_eq!(one.evaluate([a, 0, 0, 0]).value, expected, "{name} {a:#x}");
            assert_eq!(two.evaluate([a << 16 | 0x3c00, 0, 0, 0]).value >> 16, expected, "{name}x2 {a:#x}");
        }
    }
}

/// tf32 by the bits of an f32: the 13 lowest ones are rounded off.
#[test]
fn tf32() {
    for (word, add) in [("rz", 0u32), ("rna", 0x1000)] {
        agree(&format!("cvt.{word}.tf32.f32"), 1, CASES, |[a, ..]| {
            let bits = a as u32;
            if f32::from_bits(bits).is_nan() { 0x7fff_ffff } else { u64::from((bits + add) & !0x1fff) }
        });
    }
}

#[test]
fn approximate_functions_keep_to_their_bounds() {
    type Case = (&'static str, fn(f64) -> f64);
    let cases: [Case; 8] = [
        ("ex2.approx.f32", f64::exp2),
        ("lg2.approx.f32", |x| if x == 0.0 { f64::NEG_INFINITY } else { x.ln() / std::f64::consts::LN_2 }),
        ("sin.approx.f32", f64::sin),
        ("cos.approx.f32", f64::cos),
        ("tanh.approx.f32", f64::tanh),
        ("rcp.approx.f32", |x| 1.0 / x),
        ("sqrt.approx.f32", f64::sqrt),
        ("rsqrt.approx.f32", |x| x.sqrt().recip()),
    ];
    for (name, function) in cases {
        let compute = decode(name, 1);
        super::for_operands(&compute.operands, CASES, |operands| {
            let got = f32::from_bits(compute.evaluate(operands).value as u32);
            let exact = function(f64::from(f32::from_bits(operands[0] as u32)));
            let nearest = exact as f32;
            let close = got.to_bits().abs_diff(nearest.to_bits()) <= 1;
            assert!(close || got.is_nan() && exact.is_nan(), "{name} of {operands:#x?}: {got}, not {exact}");
        });
    }
    let of = |name: &str, a: u64| decode(name, 1).evaluate([a, 0, 0, 0]).value;
    assert_eq!(of("rcp.approx.ftz.f32", 0x8000_0001), 0xff80_0000);
    assert_eq!(of("rsqrt.approx.f32", 0x8000_0000), 0xff80_0000);
    assert_eq!(of("sin.approx.f32", 0x7f80_0000), 0x7fff_ffff);
    assert_eq!(of("ex2.approx.ftz.f32", 0xc2fe_0000), 0, "2^-127 is subnormal");
    assert_eq!(of("rcp.approx.ftz.f64", 2f64.to_bits() | 1), 0.5f64.to_bits());
    assert_eq!(of("rsqrt.approx.ftz.f64", 4f64.to_bits()), 0.5f64.to_bits());
    assert_eq!(of("rcp.approx.ftz.f64", 1), f64::INFINITY.to_bits());
    let divide = |name: &str, a: f32, b: f32| {
        f32::from_bits(decode(name, 2).evaluate([a.to_bits().into(), b.to_bits().into(), 0, 0]).value as u32)
    };
    let large = 2f32.powi(126) * 1.5;
    assert_eq!(divide("div.approx.f32", large, large), 0.0);
    assert!(divide("div.approx.f32", f32::INFINITY, large).is_nan());
    assert_eq!(divide("div.full.f32", large, large), 1.0);
}
