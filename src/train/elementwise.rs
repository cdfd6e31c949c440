//! The steps between products and sums: every element by itself, one rounded operation after the other, as a kernel with
//! `__fmul_rn` and `__fadd_rn` does them. No maths library: exp and log are fixed polynomials, those of Cephes.

use crate::operation::twin::canonical;
use crate::train::philox::unit;

/// e^x, for x up to 88; 0 below −87, where results would be subnormal. Within 2 units in the last place.
pub fn exp(x: f32) -> f32 {
    if x < -87.0 {
        return 0.0;
    }
    // Adding and taking away 1.5 · 2^23 rounds to an integer.
    const ROUND: f32 = 12_582_912.0;
    let power = (x * std::f32::consts::LOG2_E + ROUND) - ROUND;
    // ln 2 in two parts, the first of so few bits that the product is exact.
    let rest = (x - power * (355.0 / 512.0)) - power * -2.121_944_4e-4;
    let coefficients = [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    let polynomial = coefficients.iter().fold(1.987_569_1e-4, |sum, next| sum * rest + next);
    let fraction = (polynomial * (rest * rest) + rest) + 1.0;
    canonical(fraction * f32::from_bits(((power as i32 + 127) as u32) << 23))
}

/// The natural logarithm of a normal number above 0. Within 2 units in the last place.
pub fn log(x: f32) -> f32 {
    let bits = x.to_bits();
    // The fraction in [√½, √2), so that the polynomial's argument is small.
    let above = bits.wrapping_sub(std::f32::consts::FRAC_1_SQRT_2.to_bits());
    let power = (above as i32 >> 23) as f32;
    let fraction = f32::from_bits(bits.wrapping_sub(above & 0xff80_0000)) - 1.0;
    let square = fraction * fraction;
    let coefficients = [
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ];
    let polynomial = coefficients.iter().fold(7.037_683_6e-2, |sum, next| sum * fraction + next);
    let tail = (polynomial * (square * fraction) + power * -2.121_944_4e-4) - 0.5 * square;
    canonical((fraction + tail) + power * (355.0 / 512.0))
}

/// What is above 0.
pub fn relu(x: &[f32]) -> Vec<f32> {
    x.iter().map(|x| if *x > 0.0 { *x } else { 0.0 }).collect()
}

/// The gradient before [`relu`] of `x`, from that behind it.
pub fn relu_backward(x: &[f32], gradient: &[f32]) -> Vec<f32> {
    x.iter().zip(gradient).map(|(x, gradient)| if *x > 0.0 { *gradient } else { 0.0 }).collect()
}

/// Per word the factor of its activation: 0 with probability `rate`, else 1 ÷ (1 − `rate`).
pub fn dropout_factors(words: &[u32], rate: f32) -> Vec<f32> {
    let kept = 1.0 / (1.0 - rate);
    words.iter().map(|word| if unit(*word) < rate { 0.0 } else { kept }).collect()
}

/// Products, element by element.
pub fn products(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a * b).collect()
}

/// Adds a vector to every row.
pub fn add_to_rows(rows: &mut [f32], vector: &[f32]) {
    for row in rows.chunks_mut(vector.len().max(1)) {
        row.iter_mut().zip(vector).for_each(|(element, added)| *element += added);
    }
}

/// e^(x − the largest x of the row), row by row of `columns`; and the largest.
pub fn shifted_exponentials(rows: &[f32], columns: usize) -> (Vec<f32>, Vec<f32>) {
    let largest: Vec<f32> =
        rows.chunks(columns).map(|row| row.iter().copied().fold(f32::NEG_INFINITY, f32::max)).collect();
    let shifted =
        rows.chunks(columns).zip(&largest).flat_map(|(row, most)| row.iter().map(move |x| exp(x - most)));
    (shifted.collect(), largest)
}

/// Columns as rows.
pub fn transposed(matrix: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| matrix.iter().skip(column).step_by(columns).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ulps(ours: f32, exact: f64) -> f64 {
        let unit = (exact as f32).abs().to_bits();
        let spacing = f64::from(f32::from_bits(unit + 1)) - f64::from(f32::from_bits(unit));
        (f64::from(ours) - exact).abs() / spacing
    }

    #[test]
    fn exp_is_within_two_ulp() {
        let worst = (0..=1_000_000)
            .map(|step| -87.0 + step as f32 * (175.0 / 1_000_000.0))
            .map(|x| ulps(exp(x), f64::from(x).exp()))
            .fold(0.0, f64::max);
        assert!(worst < 2.0, "{worst}");
        assert_eq!((exp(0.0), exp(-88.0), exp(f32::NEG_INFINITY)), (1.0, 0.0, 0.0));
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn log_is_within_two_ulp() {
        let worst = (0..2_000_000u32)
            .map(|step| f32::from_bits(f32::MIN_POSITIVE.to_bits() + step * 1055))
            .map(|x| ulps(log(x), f64::from(x).ln()))
            .fold(0.0, f64::max);
        assert!(worst < 2.0, "{worst}");
        assert_eq!(log(1.0), 0.0);
    }

    #[test]
    fn a_matrix_is_transposed() {
        assert_eq!(transposed(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }

    #[test]
    fn dropout_keeps_the_mean() {
        let words: Vec<u32> = (0..1u32 << 16).map(|word| word << 16).collect();
        let factors = dropout_factors(&words, 0.25);
        assert_eq!(factors.iter().filter(|factor| **factor == 0.0).count(), 1 << 14);
        assert!((factors.iter().sum::<f32>() / factors.len() as f32 - 1.0).abs() < 1e-3);
    }
}
