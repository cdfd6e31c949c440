//! Rounding: directed cases, a second writing of the model in floating point (as its paper states it, with
//! significands and powers of two as numbers), and the error bound against exact sums.

use super::*;

/// Puts one row of A, one column of B and one c at row 0 and column 0 of `m16n8k16` or the like, and gives
/// the sum there. All registers of the instruction are of 32 bits.
fn dot(name: &str, ty: &str, a: &[u64], b: &[u64], c: u64) -> u64 {
    let mma = product(name);
    let lists = mma.registers();
    let width = bits(ty) as usize;
    let shared = 32 / width;
    let (mut left, mut right) = (fragments(lists.a), fragments(lists.b));
    for (k, (a, b)) in a.iter().zip(b).enumerate() {
        // Row 0 and column 0 belong to lanes 0 to 3: E neighbours each, then 4·E further the next register
        // of B, and the next but one of A.
        let (block, lane, position) = (k / (4 * shared), k / shared % 4, k % shared);
        left[2 * block][lane] |= a << (position * width);
        right[block][lane] |= b << (position * width);
    }
    let mut sums = fragments(lists.c);
    sums[0][0] = c;
    let mut d = fragments(lists.d);
    mma.execute(&left, &right, &sums, &mut d);
    d[0][0] & (if lists.d.ty == Type::F16x2 { 0xffff } else { u64::MAX })
}

const HALF: &str = "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32";
const HALF_SUM: &str = "mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16";
const BRAIN: &str = "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32";
const TF32: &str = "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32";
const FP8: &str = "mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32";

fn h(value: f64) -> u64 {
    u64::from(half::f16::from_f64(value).to_bits())
}

fn f(value: f64) -> u64 {
    u64::from((value as f32).to_bits())
}

/// 2^e.
fn p(e: i32) -> f64 {
    2f64.powi(e)
}

#[test]
fn summands_are_cut_toward_zero_behind_24_bits() {
    let b = [1.0, p(-12), p(-12)].map(h);
    let sum = |a: [f64; 3], c: f64| dot(HALF, "f16", &a.map(h), &b, f(c));
    // 2^-24 is kept, twice it shows in f32; 2^-25 is not, however often.
    assert_eq!(sum([1.0, p(-12), p(-12)], 0.0), f(1.0 + p(-23)));
    assert_eq!(sum([1.0, p(-12), 0.0], 0.0), f(1.0));
    assert_eq!(sum([1.0, p(-13), p(-13)], p(-25)), f(1.0));
    // Of both signs: toward zero, so that 1 − 2^-25 stays 1, and −1 − 2^-24 becomes −1.
    assert_eq!(sum([1.0, -p(-13), 0.0], 0.0), f(1.0));
    assert_eq!(sum([-1.0, -p(-12), 0.0], 0.0), f(-1.0));
    assert_eq!(sum([-1.0, p(-12), 0.0], 0.0), f(-1.0 + p(-24)));
}

#[test]
fn blocks_of_eight_are_rounded_one_after_the_other() {
    let one = h(1.0);
    let tiny = h(p(-12));
    let mut a = [0; 16];
    (a[0], a[8], a[9]) = (one, tiny, tiny);
    let mut b = [0; 16];
    (b[0], b[8], b[9]) = (one, tiny, tiny);
    assert_eq!(dot(HALF, "f16", &a, &b, 0), f(1.0 + p(-23)));
    // One in each block: each is cut by the rounding to f32.
    (a[1], b[1], a[9], b[9]) = (tiny, tiny, 0, 0);
    assert_eq!(dot(HALF, "f16", &a, &b, 0), f(1.0));
}

#[test]
fn a_product_counts_with_the_exponent_of_its_factors_added() {
    // 1.5·1.5 = 2.25 has exponent 0 + 0, so that 2^-24 is kept beside it, and 2^-25 is not.
    let a = [1.5, -1.5, p(-12)].map(h);
    let b = [1.5, 1.5, p(-12)].map(h);
    assert_eq!(dot(HALF, "f16", &a, &b, 0), f(p(-24)));
    let b = [1.5, 1.5, p(-13)].map(h);
    assert_eq!(dot(HALF, "f16", &a, &b, 0), 0);
}

#[test]
fn sums_in_f16_go_to_nearest_with_ties_to_even() {
    let a = [1.0, p(-11)].map(h);
    let b = [1.0, 1.0].map(h);
    assert_eq!(dot(HALF_SUM, "f16", &a, &b, 0), h(1.0));
    assert_eq!(dot(HALF_SUM, "f16", &a, &b, h(p(-10))), h(1.0 + p(-9)));
    // A sticky bit far to the right decides.
    let a = [1.0, p(-11), p(-12)].map(h);
    let b = [1.0, 1.0, p(-12)].map(h);
    assert_eq!(dot(HALF_SUM, "f16", &a, &b, 0), h(1.0 + p(-10)));
    // Subnormals, and overflow at 65520.
    assert_eq!(dot(HALF_SUM, "f16", &[h(p(-14))], &[h(0.75 * p(-9))], 0), h(p(-23)));
    assert_eq!(dot(HALF_SUM, "f16", &[h(16.0)], &[h(1.0)], h(65504.0)), 0x7c00);
    assert_eq!(dot(HALF_SUM, "f16", &[h(-15.0)], &[h(1.0)], h(-65504.0)), h(-65504.0));
    assert_eq!(dot(HALF_SUM, "f16", &[h(-60000.0)], &[h(60000.0)], 0), 0xfc00);
}

#[test]
fn specials() {
    const NAN: u64 = 0x7fff_ffff;
    let (inf, nan) = (0x7c00, 0x7e01);
    let two = |a: [u64; 2], b: [u64; 2], c: u64| dot(HALF, "f16", &a, &b, c);
    assert_eq!(two([inf, h(1.0)], [h(2.0), h(1.0)], 0), f(f64::INFINITY));
    assert_eq!(two([inf, h(1.0)], [h(-2.0), h(1.0)], 0), f(f64::NEG_INFINITY));
    assert_eq!(two([inf, h(1.0)], [0, h(1.0)], 0), NAN);
    assert_eq!(two([0, h(1.0)], [inf, h(1.0)], 0), NAN);
    assert_eq!(two([inf, inf], [h(1.0), h(-1.0)], 0), NAN);
    assert_eq!(two([inf, 0], [h(1.0), 0], f(f64::NEG_INFINITY)), NAN);
    assert_eq!(two([nan, 0], [0, 0], 0), NAN);
    assert_eq!(two([0, 0], [0, 0], 0xffc0_0001), NAN);
    assert_eq!(two([h(1.0), 0], [h(1.0), 0], f(f64::INFINITY)), f(f64::INFINITY));
    assert_eq!(dot(HALF_SUM, "f16", &[nan], &[0], 0), 0x7fff);
    assert_eq!(dot(HALF_SUM, "f16", &[inf], &[h(-1.0)], 0), 0xfc00);
    // Zeros of any sign give +0.
    assert_eq!(two([0x8000, 0x8000], [h(1.0), h(1.0)], 0x8000_0000), 0);
    // E4M3 has one NaN of each sign and no infinity: 7e is 448.
    assert_eq!(dot(FP8, "e4m3", &[0xff], &[0x38], 0), NAN);
    assert_eq!(dot(FP8, "e4m3", &[0x7e], &[0x38], 0), f(448.0));
    let e5m2 = FP8.replace("e4m3", "e5m2");
    assert_eq!(dot(&e5m2, "e5m2", &[0x7c], &[0xbc], 0), f(f64::NEG_INFINITY));
    assert_eq!(dot(&e5m2, "e5m2", &[0x7d], &[0x3c], 0), NAN);
    // Overflow of f32, from products and toward zero.
    let big = 0x7f7f;
    assert_eq!(dot(BRAIN, "bf16", &[big], &[big], 0), f(f64::INFINITY));
    assert_eq!(dot(BRAIN, "bf16", &[0x3f80], &[0x3f80], u64::from(f32::MAX.to_bits())), f(f32::MAX.into()));
    assert_eq!(dot(BRAIN, "bf16", &[big, big], &[0x3f80, 0x3f80], 0), f(f64::INFINITY));
}

#[test]
fn tf32_ignores_its_low_bits() {
    assert_eq!(dot(TF32, "tf32", &[f(1.0) | 0x1fff], &[f(3.0) | 0x1000], 0), f(3.0));
    assert_eq!(dot(TF32, "tf32", &[0x7f80_0001], &[f(3.0)], 0), f(f64::INFINITY));
}

/// A finite value as significand and exponent, as the paper has them: 1 ≤ |s| < 2 but for subnormals.
fn split(value: f64, smallest: i32) -> (f64, i32) {
    if value == 0.0 {
        return (0.0, -126);
    }
    let exponent = ((value.to_bits() >> 52 & 0x7ff) as i32 - 1023).max(smallest);
    (value / p(exponent), exponent)
}

/// What distinguishes factors: fraction bits, smallest exponent, L and F.
struct Format {
    name: &'static str,
    ty: &'static str,
    smallest: i32,
    block: usize,
    kept: i32,
}

const FORMATS: [Format; 5] = [
    Format { name: HALF, ty: "f16", smallest: -14, block: 8, kept: 24 },
    Format { name: HALF_SUM, ty: "f16", smallest: -14, block: 8, kept: 24 },
    Format { name: BRAIN, ty: "bf16", smallest: -126, block: 8, kept: 24 },
    Format { name: TF32, ty: "tf32", smallest: -126, block: 4, kept: 24 },
    Format { name: FP8, ty: "e4m3", smallest: -6, block: 16, kept: 13 },
];

fn decode(ty: &str, bits: u64) -> f64 {
    match ty {
        "f16" => half::f16::from_bits(bits as u16).to_f64(),
        "bf16" => half::bf16::from_bits(bits as u16).to_f64(),
        "e4m3" => {
            let magnitude = match (bits >> 3 & 15, bits & 7) {
                (0, fraction) => fraction as f64 * p(-9),
                (exponent, fraction) => (8 + fraction) as f64 * p(exponent as i32 - 10),
            };
            if bits & 0x80 == 0 { magnitude } else { -magnitude }
        }
        _ => f64::from(f32::from_bits(bits as u32)),
    }
}

/// The model in the paper's words.
fn oracle(format: &Format, a: &[f64], b: &[f64], c: f64) -> f64 {
    let halves = format.name == HALF_SUM;
    let mut sum = c;
    for (a, b) in a.chunks(format.block).zip(b.chunks(format.block)) {
        let mut terms = vec![split(sum, if halves { -14 } else { -126 })];
        for (a, b) in a.iter().zip(b) {
            let ((s, e), (t, f)) = (split(*a, format.smallest), split(*b, format.smallest));
            terms.push(if s * t == 0.0 { (0.0, -126) } else { (s * t, e + f) });
        }
        let largest = terms.iter().map(|(_, e)| *e).max().unwrap();
        let cut = |(s, e): &(f64, i32)| (s * p(format.kept) * p((e - largest).max(-400))).trunc();
        let exact = terms.iter().map(cut).sum::<f64>() * p(largest - format.kept);
        let places = match (halves, format.ty) {
            (true, _) => 10,
            (_, "e4m3") => 13,
            _ => 23,
        };
        let (s, e) = split(exact, if halves { -14 } else { -126 });
        let scaled = s * p(places);
        sum = if halves { scaled.round_ties_even() } else { scaled.trunc() } * p(e - places);
    }
    sum
}

/// Random bits, with exponents that lie near each other, so that much is cut and cancelled.
fn random(ty: &str, count: usize, seed: u64) -> Vec<u64> {
    let draws = integers(3 * count, seed, (0, (1 << 30) - 1));
    let element = |draw: &[i64]| {
        let (sign, exponent, fraction) = (draw[0] as u64 & 1, draw[1] as u64, draw[2] as u64);
        match ty {
            "f16" => sign << 15 | (exponent % 20) << 10 | fraction & 0x3ff,
            "bf16" => sign << 15 | (exponent % 30 + 112) << 7 | fraction & 0x7f,
            "e4m3" => sign << 7 | (exponent % 15) << 3 | fraction & 7,
            _ => sign << 31 | (exponent % 30 + 112) << 23 | (fraction & 0x3ff) << 13,
        }
    };
    draws.chunks(3).map(element).collect()
}

#[test]
fn random_sums_equal_the_papers_words_and_keep_the_error_bound() {
    for format in &FORMATS {
        let mut inexact = 0;
        for seed in 0..400 {
            let a = random(format.ty, 32, seed * 3);
            let b = random(format.ty, 32, seed * 3 + 1);
            let k = match format.ty {
                "tf32" => 8,
                "e4m3" => 32,
                _ => 16,
            };
            let (a, b) = (&a[..k], &b[..k]);
            let halves = format.name == HALF_SUM;
            let c = random(if halves { "f16" } else { "f32" }, 1, seed * 3 + 2)[0];
            let got = dot(format.name, format.ty, a, b, c);
            let sum_type = if halves { "f16" } else { "f32" };
            let values = |bits: &[u64]| -> Vec<f64> { bits.iter().map(|x| decode(format.ty, *x)).collect() };
            let (a, b, c) = (values(a), values(b), decode(sum_type, c));
            let expected = oracle(format, &a, &b, c);
            let got = decode(sum_type, got);
            if halves && expected.abs() >= 65520.0 {
                assert!(got.is_infinite());
                continue;
            }
            assert_eq!(got, expected, "{} with seed {seed}", format.name);
            // Each of ⌈k / L⌉ blocks cuts L + 1 summands and rounds once. f64 has bits to spare here.
            let exact: f64 = c + a.iter().zip(&b).map(|(a, b)| a * b).sum::<f64>();
            let magnitude: f64 = c.abs() + a.iter().zip(&b).map(|(a, b)| (a * b).abs()).sum::<f64>();
            let places = if halves { 11 } else { format.kept.min(23) };
            let blocks = k.div_ceil(format.block) as f64;
            let cuts = (format.block + 1) as f64 * p(-format.kept);
            let bound = blocks * magnitude * (2.0 * cuts + p(1 - places)) + blocks * p(-25);
            assert!((got - exact).abs() <= bound, "{} with seed {seed}: {got} {exact}", format.name);
            inexact += usize::from(got != exact);
        }
        assert!(inexact > 200, "{}: {inexact}", format.name);
    }
}
