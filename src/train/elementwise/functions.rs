//! exp and log without a maths library: fixed polynomials, those of Cephes, one rounded operation after the other, as the
//! kernels do them.

use crate::operation::twin::canonical;

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

/// The natural logarithm of a normal number above 0, within 2 units in the last place; infinity and NaN stay what they are.
pub fn log(x: f32) -> f32 {
    if x.is_nan() || x == f32::INFINITY {
        return x;
    }
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
        assert_eq!((log(1.0), log(f32::INFINITY)), (0.0, f32::INFINITY));
        assert!(log(f32::NAN).is_nan());
    }
}
