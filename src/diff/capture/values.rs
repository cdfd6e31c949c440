//! Small tensors as f64, and what relates two of them.

use half::{bf16, f16};

use crate::checkpoint::View;
use crate::checkpoint::element::{Float, Kind, kind};
use crate::diff::widen::{size, to_f64, to_integers};

/// The elements as f64; `None` for types that nothing is computed with. Integers beyond 2^53 are rounded.
pub fn values(view: View) -> Option<Vec<f64>> {
    let mut values = vec![0.0; usize::try_from(view.elements()).ok()?];
    match kind(view.element) {
        Kind::Opaque => return None,
        Kind::Integer { bits: 64, .. } => {
            let mut integers = vec![0; values.len()];
            to_integers(view.element, view.bytes, &mut integers);
            values.iter_mut().zip(integers).for_each(|(value, integer)| *value = integer as f64);
        }
        _ => to_f64(view.element, view.bytes, &mut values),
    }
    Some(values)
}

/// How many elements are widened together.
const BLOCK: usize = 4096;

/// Blocks of both as f64, until `go_on` says that it has seen enough. False if they cannot be paired, or
/// widened.
pub fn blocks(a: View, b: View, mut go_on: impl FnMut(&[f64], &[f64]) -> bool) -> bool {
    let is_number = |view: View| !matches!(kind(view.element), Kind::Opaque | Kind::Integer { bits: 64, .. });
    if a.elements() != b.elements() || !is_number(a) || !is_number(b) {
        return false;
    }
    let (mut wide_a, mut wide_b) = ([0.0; BLOCK], [0.0; BLOCK]);
    let (size_a, size_b) = (size(a.element), size(b.element));
    for (a_bytes, b_bytes) in a.bytes.chunks(BLOCK * size_a).zip(b.bytes.chunks(BLOCK * size_b)) {
        let count = a_bytes.len() / size_a;
        to_f64(a.element, a_bytes, &mut wide_a[..count]);
        to_f64(b.element, b_bytes, &mut wide_b[..count]);
        if !go_on(&wide_a[..count], &wide_b[..count]) {
            break;
        }
    }
    true
}

/// The one number of a tensor that holds one.
pub fn scalar(view: View) -> Option<f64> {
    (view.elements() == 1).then(|| values(view)).flatten().map(|values| values[0])
}

/// Whether `b` is `a` rounded to nearest, ties to even, into a narrower format; −0 is told from +0.
pub fn is_rounded(a: f64, b: f64, format: Float) -> bool {
    let rounded = match format {
        Float::F16 => f64::from(f16::from_f64(a)),
        Float::Bf16 => f64::from(bf16::from_f64(a)),
        _ => f64::from(a as f32),
    };
    rounded.to_bits() == b.to_bits() || (rounded.is_nan() && b.is_nan())
}

/// y = `scale`·x + `shift`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// The factor.
    pub scale: f64,
    /// What is added.
    pub shift: f64,
}

/// The scale and shift that explain all pairs within rounding of f32 on both sides, by least squares.
/// `None` if none does, or if there are too few distinct values for it to mean anything.
pub fn affine(pairs: &[(f64, f64)]) -> Option<Affine> {
    let count = pairs.len() as f64;
    if pairs.iter().any(|(x, y)| !x.is_finite() || !y.is_finite()) || !has_distinct(pairs, 4) {
        return None;
    }
    let mean_of = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean_of(&|pair| pair.0), mean_of(&|pair| pair.1));
    let spread = pairs.iter().map(|(x, _)| (x - mean_x) * (x - mean_x)).sum::<f64>();
    let common = pairs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>();
    let scale = common / spread;
    let found = Affine { scale, shift: mean_y - scale * mean_x };
    // Both sides came about by a subtraction and a division, each rounded to f32.
    let largest = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).fold(0.0, f64::max);
    let sizes = largest(&|pair| (scale * pair.0).abs()) + largest(&|pair| pair.1.abs()) + found.shift.abs();
    let tolerance = 8.0 * Float::F32.unit_roundoff() * sizes;
    let explains = |(x, y): &(f64, f64)| (scale * x + found.shift - y).abs() <= tolerance;
    (scale.is_finite() && scale != 0.0 && pairs.iter().all(explains)).then_some(found)
}

fn has_distinct(pairs: &[(f64, f64)], wanted: usize) -> bool {
    let mut distinct: Vec<f64> = Vec::new();
    for (x, _) in pairs {
        if !distinct.contains(x) {
            distinct.push(*x);
        }
        if distinct.len() >= wanted {
            return true;
        }
    }
    false
}

/// Pearson's correlation; `None` where a side does not vary.
pub fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let count = a.len() as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / count, b.iter().sum::<f64>() / count);
    let sum =
        |of: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(a, b)| of(a - mean_a, b - mean_b)).sum::<f64>();
    let found = sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt();
    found.is_finite().then_some(found)
}

/// The largest difference over the largest magnitude of the first; infinite where something is not finite on
/// one side only. `None` if they cannot be paired.
pub fn relative_distance(a: View, b: View) -> Option<f64> {
    let (mut apart, mut largest) = (0.0, 0.0);
    let can_be = blocks(a, b, |a, b| {
        (apart, largest) = a.iter().zip(b).fold((apart, largest), |so_far, (a, b)| farther(so_far, *a, *b));
        true
    });
    can_be.then(|| if apart == 0.0 { 0.0 } else { apart / largest })
}

fn farther((apart, largest): (f64, f64), a: f64, b: f64) -> (f64, f64) {
    let distance = match (a - b).abs() {
        _ if a.to_bits() == b.to_bits() => 0.0,
        nan if nan.is_nan() => f64::INFINITY,
        distance => distance,
    };
    let size = if a.is_finite() { a.abs() } else { 0.0 };
    (apart.max(distance), f64::max(largest, size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Element;

    #[test]
    fn a_scale_and_a_shift_are_found_and_noise_is_not_one() {
        let x: Vec<f64> = (0..20u8).map(|i| f64::from((f32::from(i) * 37.0) % 11.0)).collect();
        let line = |x: f64| f64::from((x as f32 - 3.25) / 1.7);
        let pairs: Vec<(f64, f64)> = x.iter().map(|x| (*x, line(*x))).collect();
        let found = affine(&pairs).unwrap();
        assert!(
            (found.scale - 1.0 / 1.7).abs() < 1e-6 && (found.shift + 3.25 / 1.7).abs() < 1e-6,
            "{found:?}"
        );
        let mut off = pairs.clone();
        off[7].1 += 1e-4;
        assert_eq!(affine(&off), None);
        assert_eq!(affine(&pairs[..3]), None, "a line through two or three points says nothing");
        let constant: Vec<(f64, f64)> = x.iter().map(|x| (*x, 2.0)).collect();
        assert_eq!(affine(&constant), None, "a constant is no image of anything");
        assert_eq!(affine(&[(f64::NAN, 1.0); 8]), None);
    }

    #[test]
    fn rounding_is_to_nearest_even_and_keeps_the_sign_of_zero() {
        assert!(is_rounded(1.000_488_281_25, 1.0, Float::F16), "a tie goes to the even one");
        assert!(!is_rounded(1.000_6, 1.0, Float::F16));
        assert!(is_rounded(1e6, f64::INFINITY, Float::F16) && !is_rounded(0.0, -0.0, Float::Bf16));
        assert!(is_rounded(1e6, 999_424.0, Float::Bf16));
    }

    #[test]
    fn distances_are_relative_to_the_largest() {
        let distance = |a: [f32; 2], b: [f32; 2]| {
            let bytes = [a, b].map(|side| side.map(f32::to_le_bytes).concat());
            let view = |bytes| View { name: "", element: Element::F32, shape: &[2], bytes };
            relative_distance(view(&bytes[0]), view(&bytes[1])).unwrap()
        };
        assert_eq!(distance([4.0, 0.0], [4.0, 1.0]), 0.25);
        assert_eq!(distance([f32::NAN, 1.0], [f32::NAN, 1.0]), 0.0);
        assert_eq!(distance([f32::NAN, 1.0], [2.0, 1.0]), f64::INFINITY);
        assert!(correlation(&[1.0, 2.0, 3.0], &[2.0, 4.1, 6.0]).unwrap() > 0.99);
        assert_eq!(correlation(&[1.0, 1.0], &[2.0, 3.0]), None);
    }
}
