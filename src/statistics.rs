//! What a finite number of observations can say.

use statrs::distribution::{Beta, ContinuousCDF};

/// The confidence of every bound and interval in the suite.
pub const CONFIDENCE: f64 = 0.95;

/// One-sided Clopper–Pearson bound: with 95 % confidence the probability of an event is below this
/// after `events` of `trials` (Clopper and Pearson 1934). 1 without trials.
pub fn p_upper_95(events: u64, trials: u64) -> f64 {
    if events >= trials {
        return 1.0;
    }
    if events == 0 {
        // The closed form of the quantile below, exact to the last digits.
        return -((1.0 - CONFIDENCE).ln() / trials as f64).exp_m1();
    }
    match Beta::new(events as f64 + 1.0, (trials - events) as f64) {
        Ok(beta) => beta.inverse_cdf(CONFIDENCE),
        // Both parameters are positive; without a distribution nothing is known.
        Err(_) => 1.0,
    }
}

/// How many comparisons without a difference bring [`p_upper_95`] to `p` or below.
pub fn comparisons_for(p: f64) -> u64 {
    let mut comparisons = ((1.0 - CONFIDENCE).ln() / (-p).ln_1p()).ceil().max(1.0) as u64;
    // The quotient's rounding may miss by one.
    while p_upper_95(0, comparisons) > p {
        comparisons += 1;
    }
    comparisons
}

/// A median with a confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Median {
    /// The median.
    pub value: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
}

impl Median {
    /// The median of `samples` and the interval between the order statistics that hold it with 95 %
    /// confidence, by the normal approximation of the binomial (Conover 1999, §3.2); `None` without
    /// samples. With fewer than six the interval is that of all samples, which holds less.
    pub fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let last = n.checked_sub(1)?;
        let value = (sorted[last / 2] + sorted[n / 2]) / 2.0;
        let reach = 1.96 * (n as f64).sqrt() / 2.0;
        let low = (n as f64 / 2.0 - reach).floor().max(1.0) as usize - 1;
        let high = ((n as f64 / 2.0 + reach).ceil() as usize).min(last);
        Some(Self { value, low: sorted[low], high: sorted[high] })
    }

    /// Whether the interval is within ±`share` of the median.
    pub fn is_within(&self, share: f64) -> bool {
        self.value - self.low <= share * self.value && self.high - self.value <= share * self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clopper–Pearson upper limits at 95 %, one-sided, as tabled; those with no events are the
    /// closed form 1 − 0.05^(1/n).
    #[test]
    fn clopper_pearson_agrees_with_published_values() {
        let tabled = [
            (0, 1, 0.95),
            (0, 10, 0.258_866),
            (0, 31, 0.092_114),
            (0, 299, 0.009_969),
            (1, 10, 0.394_163),
            (2, 10, 0.506_901),
            (5, 10, 0.777_559),
            (9, 10, 0.994_884),
            (1, 20, 0.216_106),
            (5, 100, 0.102_253),
            (10, 10, 1.0),
            (0, 0, 1.0),
        ];
        for (events, trials, bound) in tabled {
            let ours = p_upper_95(events, trials);
            assert!((ours - bound).abs() < 2e-6, "{events} of {trials}: {ours}, not {bound}");
        }
    }

    #[test]
    fn the_bound_satisfies_its_definition() {
        // P(X ≤ x | p) = 5 % at the bound, summed directly.
        for (events, trials) in [(0u64, 31u64), (1, 31), (3, 31), (30, 31), (7, 299)] {
            let p = p_upper_95(events, trials);
            let mut term = (1.0 - p).powi(trials as i32);
            let mut cdf = term;
            for k in 0..events {
                term *= (trials - k) as f64 / (k + 1) as f64 * p / (1.0 - p);
                cdf += term;
            }
            assert!((cdf - 0.05).abs() < 1e-6, "{events} of {trials}: {cdf}");
        }
    }

    #[test]
    fn one_percent_takes_299_comparisons() {
        assert_eq!(comparisons_for(0.01), 299);
        assert_eq!(comparisons_for(0.95), 1);
        assert!(p_upper_95(0, comparisons_for(0.001)) <= 0.001);
    }

    #[test]
    fn medians_lie_inside_their_intervals() {
        assert_eq!(Median::of(&[]), None);
        assert_eq!(Median::of(&[3.0]), Some(Median { value: 3.0, low: 3.0, high: 3.0 }));
        let samples: Vec<f64> = (0..101).map(f64::from).collect();
        let median = Median::of(&samples).unwrap();
        // Conover's ranks for n = 101 are 41 and 61 of 1 to 101, or one wider.
        assert_eq!(median.value, 50.0);
        assert!((39.0..=40.0).contains(&median.low) && (60.0..=61.0).contains(&median.high));
        assert!(median.is_within(0.25) && !median.is_within(0.1));
    }
}
