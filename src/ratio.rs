//! How many times as long one thing takes as another, and how certain that is.

use crate::measurement::Measurement;

/// A ratio of two medians with an interval that holds it if the 95 % interval of each median holds that median.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// The ratio of the medians, above 0.
    pub value: f64,
    /// The least that the two intervals allow: the low end of the one over the high end of the other.
    pub low: f64,
    /// The most that they allow.
    pub high: f64,
}

impl Ratio {
    /// A thing against itself.
    pub const ONE: Self = Self { value: 1.0, low: 1.0, high: 1.0 };

    /// The time of `row` over that of `other`. `None` where one of them has no time above 0, or no interval.
    pub fn of_times(row: &Measurement, other: &Measurement) -> Option<Self> {
        if std::ptr::eq(row, other) {
            return time(row).map(|_| Self::ONE);
        }
        let ([low, median, high], [other_low, other_median, other_high]) = (time(row)?, time(other)?);
        Some(Self { value: median / other_median, low: low / other_high, high: high / other_low })
    }

    /// The geometric mean of `ratios`: of the values, of the low and of the high ends. `None` of none.
    pub fn geometric_mean(ratios: &[Self]) -> Option<Self> {
        let mean = |part: fn(&Self) -> f64| {
            (ratios.iter().map(|ratio| part(ratio).ln()).sum::<f64>() / ratios.len() as f64).exp()
        };
        (!ratios.is_empty()).then(|| Self {
            value: mean(|ratio| ratio.value),
            low: mean(|ratio| ratio.low),
            high: mean(|ratio| ratio.high),
        })
    }

    /// Whether it is told which of the two is the larger: false where the interval holds 1.
    pub fn is_told(&self) -> bool {
        self.low > 1.0 || self.high < 1.0
    }
}

/// Low end, median and high end in ns, if they can be divided by and stand in that order.
fn time(row: &Measurement) -> Option<[f64; 3]> {
    let [low, median, high] = [row.ci95_low_ns?, row.median_ns?, row.ci95_high_ns?];
    (0 < low && low <= median && median <= high).then_some([low as f64, median as f64, high as f64])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guarantee::Guarantee;
    use crate::perturbation::Perturbation;
    use crate::report::tests::rows::row;

    fn timed(low: u64, median: u64, high: u64) -> Measurement {
        Measurement {
            ci95_low_ns: Some(low),
            median_ns: Some(median),
            ci95_high_ns: Some(high),
            ..row("ticket", Guarantee::RunToRun, Perturbation::Repeat)
        }
    }

    #[test]
    fn the_interval_is_all_that_both_intervals_allow() {
        let (a, b) = (timed(90, 100, 120), timed(40, 50, 60));
        let ratio = Ratio::of_times(&a, &b).unwrap();
        assert_eq!((ratio.value, ratio.low, ratio.high), (2.0, 1.5, 3.0));
        let inverse = Ratio::of_times(&b, &a).unwrap();
        assert_eq!((inverse.value, inverse.low, inverse.high), (0.5, 40.0 / 120.0, 60.0 / 90.0));
        assert!(ratio.is_told() && inverse.is_told());
    }

    #[test]
    fn intervals_that_overlap_or_touch_tell_nothing() {
        let a = timed(90, 100, 110);
        for (other, is_told) in [
            (timed(109, 115, 120), false),
            (timed(110, 115, 120), false),
            (timed(111, 115, 120), true),
            (timed(80, 85, 90), false),
            (timed(80, 85, 89), true),
            (timed(90, 100, 110), false),
        ] {
            assert_eq!(Ratio::of_times(&a, &other).unwrap().is_told(), is_told, "{other:?}");
            assert_eq!(Ratio::of_times(&other, &a).unwrap().is_told(), is_told, "{other:?}");
        }
        assert!(!Ratio::ONE.is_told());
    }

    #[test]
    fn a_row_against_itself_is_one_exactly() {
        let a = timed(90, 100, 110);
        assert_eq!(Ratio::of_times(&a, &a), Some(Ratio::ONE));
    }

    #[test]
    fn what_has_no_time_has_no_ratio() {
        let a = timed(90, 100, 110);
        let without = |change: fn(&mut Measurement)| {
            let mut row = timed(90, 100, 110);
            change(&mut row);
            row
        };
        for other in [
            timed(0, 100, 110),
            timed(0, 0, 0),
            timed(101, 100, 110),
            timed(90, 100, 99),
            without(|row| row.median_ns = None),
            without(|row| row.ci95_low_ns = None),
            without(|row| row.ci95_high_ns = None),
        ] {
            assert_eq!(Ratio::of_times(&a, &other), None, "{other:?}");
            assert_eq!(Ratio::of_times(&other, &a), None, "{other:?}");
            assert_eq!(Ratio::of_times(&other, &other), None, "{other:?}");
        }
    }

    #[test]
    fn means_are_geometric() {
        let ratio = |value: f64| Ratio { value, low: value / 2.0, high: value * 4.0 };
        let mean = Ratio::geometric_mean(&[ratio(2.0), ratio(8.0)]).unwrap();
        for (part, expected) in [(mean.value, 4.0), (mean.low, 2.0), (mean.high, 16.0)] {
            assert!((part - expected).abs() < 1e-12, "{mean:?}");
        }
        assert_eq!(Ratio::geometric_mean(&[]), None);
        assert_eq!(Ratio::geometric_mean(&[Ratio::ONE; 3]), Some(Ratio::ONE));
    }
}
