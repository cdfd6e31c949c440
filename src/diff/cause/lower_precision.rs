//! Saved in lower precision: every element of AFTER is that of BEFORE rounded to the nearest number of a
//! narrower format, ties to even, whether AFTER still is of that format or was widened again.
//!
//! It fires if that holds for *all* elements, for f32 (of f64), f16, bf16, f8 e4m3 or f8 e5m2, and at least
//! one element changed into something other than 0 (8 elements for the 8-bit formats, whose numbers are few
//! enough to be met by chance). A finite value beyond the format's largest may have become that one, an
//! infinity or, in e4m3, a NaN; such elements are counted as saturated. Where BEFORE is AFTER rounded, the
//! files were given in the other order, and that is said.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::checkpoint::View;
use crate::checkpoint::element::{Float, float, name};
use crate::diff::cause::pair::{Pair, all};
use crate::diff::cause::{Cause, Scope, count};

/// Formats that values are saved in, the most precise first.
const FORMATS: [Float; 5] = [Float::F32, Float::F16, Float::Bf16, Float::E4m3, Float::E5m2];

/// What was found of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The formats that explain it; more than one only if its values are simple.
    pub formats: Vec<Float>,
    /// Elements that changed.
    pub changed: u64,
    /// Elements that were beyond the format's largest number.
    pub saturated: u64,
    /// Whether it is BEFORE that was rounded.
    pub is_reverse: bool,
}

/// Looks at one tensor.
pub fn look(pair: &Pair) -> Option<Found> {
    let (before, after) = pair.floats()?;
    let changed = pair.distance.differing;
    if changed == 0 {
        let is_narrower = after.precision() < before.precision();
        return is_narrower.then(|| Found { formats: vec![after], changed, saturated: 0, is_reverse: false });
    }
    [false, true].into_iter().find_map(|is_reverse| {
        let from = if is_reverse { after } else { before };
        let mut saturated = 0;
        let fits = |format: &Float| {
            let is_wide = from.precision() > format.precision();
            let enough = if format.precision() <= 4 { 8 } else { 1 };
            let found = (is_wide && changed >= enough).then(|| rounds(pair, *format, is_reverse)).flatten();
            saturated = found.unwrap_or(saturated);
            found.is_some()
        };
        let formats: Vec<Float> = FORMATS.into_iter().filter(fits).collect();
        (!formats.is_empty()).then_some(Found { formats, changed, saturated, is_reverse })
    })
}

/// How many elements saturated, if all others are rounded ones.
fn rounds(pair: &Pair, format: Float, is_reverse: bool) -> Option<u64> {
    let (saturated, telling) = (AtomicU64::new(0), AtomicU64::new(0));
    let holds = pair.all(|a, b| {
        let (from, to) = if is_reverse { (b, a) } else { (a, b) };
        let mut counts = (0, 0);
        let fits = from.iter().zip(to).all(|(&from, &to)| {
            let rounded = round(format, from);
            let is_beyond = from.is_finite() && rounded.abs() > format.max_finite();
            counts.0 += u64::from(is_beyond);
            counts.1 += u64::from(to != 0.0 && to != from);
            if is_beyond { is_saturated(format, from, to) } else { is_same(format, rounded, to) }
        });
        saturated.fetch_add(counts.0, Ordering::Relaxed);
        telling.fetch_add(counts.1, Ordering::Relaxed);
        fits
    });
    // All to zero would also be a reset.
    (holds && telling.into_inner() > 0).then(|| saturated.into_inner())
}

fn is_same(format: Float, rounded: f64, to: f64) -> bool {
    // e4m3 has no infinities.
    let to_nan = rounded.is_nan() || (rounded.is_infinite() && format == Float::E4m3);
    (to_nan && to.is_nan()) || (rounded == to && rounded.is_sign_negative() == to.is_sign_negative())
}

fn is_saturated(format: Float, from: f64, to: f64) -> bool {
    let limit = format.max_finite().copysign(from);
    to == limit
        || (to.is_infinite() && to.signum() == from.signum())
        || (to.is_nan() && format == Float::E4m3)
}

/// The nearest number of a format without a largest one, ties to even. Exact: scaling by powers of two is,
/// and so is rounding to an integer.
pub fn round(format: Float, value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    if format == Float::F64 {
        return value;
    }
    let exponent_of = |value: f64| ((value.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    // Below the smallest normal number the spacing stays.
    let exponent = exponent_of(value).max(exponent_of(format.min_normal()));
    let spacing = exponent - (format.precision() as i32 - 1);
    (value * power(-spacing)).round_ties_even() * power(spacing)
}

/// 2^exponent for exponents from −1022 to 1023.
fn power(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// The format that explains most tensors.
pub fn elect<'a>(found: impl Iterator<Item = &'a Found> + Clone) -> Option<Float> {
    let votes = |format: Float| found.clone().filter(|found| found.formats.contains(&format)).count();
    FORMATS.into_iter().rev().max_by_key(|format| votes(*format)).filter(|format| votes(*format) > 0)
}

/// The causes of the tensors that were found. `equal` are those that did not change.
pub fn tell(found: &[(&str, &Found)], scope: &Scope, equal: &[View]) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut rest: Vec<(&str, &Found)> = found.to_vec();
    while let Some(format) = elect(rest.iter().map(|(_, found)| *found)) {
        let (these, others): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|(_, found)| found.formats.contains(&format));
        causes.push(tell_format(format, &these, scope, equal));
        rest = others;
    }
    causes
}

fn tell_format(format: Float, found: &[(&str, &Found)], scope: &Scope, equal: &[View]) -> Cause {
    let left = left_alone(format, equal);
    let format = name(format.element());
    let sum = |of: fn(&Found) -> u64| found.iter().map(|(_, found)| of(found)).sum::<u64>();
    let (changed, saturated) = (sum(|found| found.changed), sum(|found| found.saturated));
    let reversed = found.iter().filter(|(_, found)| found.is_reverse).count();
    let mut evidence = vec![match changed {
        0 => format!("every value is exact in {format}: nothing was lost"),
        _ => format!(
            "every element of {} is the nearest {format} (ties to even) of its counterpart; {changed} \
             elements \
             changed",
            scope.of(found.len())
        ),
    }];
    if saturated > 0 {
        evidence.push(format!("{saturated} elements were beyond the largest {format} and saturated"));
    }
    match left {
        (0, _) => {}
        (wide, 0) => evidence.push(format!(
            "{} with the same bits: only numbers that are exact in {format}, which may have been rounded too",
            count(wide, "tensor")
        )),
        (wide, others) => evidence.push(format!(
            "{others} of the {wide} float tensors with the same bits hold numbers that are not exact in \
             {format}: they \
             were not rounded"
        )),
    }
    if reversed > 0 {
        evidence.push(format!(
            "BEFORE holds the rounded values in {reversed} of them: the files may have been given in the \
             other order"
        ));
    }
    Cause {
        kind: "lower_precision",
        what: format!("saved in lower precision: {format}, {}", scope.of(found.len())),
        evidence,
        tensors: found.len(),
    }
}

/// How many unchanged tensors are of a wider format, and how many of them hold numbers that the narrow one
/// has not.
fn left_alone(format: Float, equal: &[View]) -> (usize, usize) {
    let is_wide = |view: &&View| float(view.element).is_some_and(|of| of.precision() > format.precision());
    let wide: Vec<&View> = equal.iter().filter(is_wide).collect();
    let is_exact = |view: &View| all(*view, |value| value.is_nan() || round(format, value) == value);
    (wide.len(), wide.iter().filter(|view| !is_exact(view)).count())
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use super::*;

    #[test]
    fn rounding_is_that_of_the_formats() {
        for bits in (0..u32::MAX).step_by(65_521) {
            let value = f32::from_bits(bits);
            if !value.is_finite() {
                continue;
            }
            let wide = f64::from(value);
            let half = f16::from_f32(value);
            if half.is_finite() {
                assert_eq!(round(Float::F16, wide).to_bits(), half.to_f64().to_bits(), "{value}");
            }
            let brain = bf16::from_f32(value);
            if brain.is_finite() {
                assert_eq!(round(Float::Bf16, wide).to_bits(), brain.to_f64().to_bits(), "{value}");
            }
            assert_eq!(round(Float::F32, wide), wide);
        }
        // Ties to even, and numbers below the smallest normal one, by hand.
        let e4m3 =
            [17.0, 19.0, 1.0625, 0.000_976_562_5, 0.002_929_687_5, 464.0].map(|v| round(Float::E4m3, v));
        assert_eq!(e4m3, [16.0, 20.0, 1.0, 0.0, 0.003_906_25, 448.0]);
        assert_eq!([5.3, 57_344.0, -0.3].map(|v| round(Float::E5m2, v)), [5.0, 57_344.0, -0.3125]);
        assert_eq!(round(Float::F32, 1.0 + 2f64.powi(-25)), 1.0);
    }
}
