//! A cause over all seeds: medians, and intervals of the ratios of losses.

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::causes::measure::Outcome;
use crate::causes::table::{CAUSES, Kind};
use crate::statistics::{CONFIDENCE, Median};

/// A geometric mean over seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// The mean.
    pub value: f64,
    /// Its 95 % interval (Student's t of the logarithms); `None` of one seed.
    pub interval: Option<(f64, f64)>,
}

impl Ratio {
    /// Of positive ratios; `None` without any. Infinite if one is.
    pub fn of(ratios: &[f64]) -> Option<Self> {
        if ratios.iter().any(|ratio| ratio.is_infinite()) {
            return Some(Self {
                value: f64::INFINITY,
                interval: (ratios.len() > 1).then_some((f64::INFINITY, f64::INFINITY)),
            });
        }
        let count = ratios.len() as f64;
        let logarithms: Vec<f64> = ratios.iter().map(|ratio| ratio.ln()).collect();
        let mean = logarithms.iter().sum::<f64>() / count;
        let squares: f64 = logarithms.iter().map(|logarithm| (logarithm - mean).powi(2)).sum();
        let reach = StudentsT::new(0.0, 1.0, count - 1.0).ok().map(|student| {
            student.inverse_cdf(0.5 + CONFIDENCE / 2.0) * (squares / (count - 1.0) / count).sqrt()
        });
        let interval = reach.map(|reach| ((mean - reach).exp(), (mean + reach).exp()));
        (!ratios.is_empty()).then(|| Self { value: mean.exp(), interval })
    }

    /// Whether the whole interval is more than 1 % away from 1; of one seed, `None`.
    pub fn moves(&self) -> Option<bool> {
        self.interval.map(|(low, high)| low > 1.01 || high < 0.99)
    }
}

/// A cause over all seeds.
#[derive(Debug)]
pub struct Summary<'a> {
    /// Its name.
    pub name: &'static str,
    /// Its sort.
    pub kind: Kind,
    /// What it did, seed by seed.
    pub outcomes: Vec<&'a Outcome>,
    /// Loss after loading over that before.
    pub at_load: Option<Ratio>,
    /// Loss over the uninterrupted run's, in the steps after loading.
    pub later: Option<Ratio>,
}

impl<'a> Summary<'a> {
    /// Every cause that was tried, in the table's order.
    pub fn all(outcomes: &'a [Outcome]) -> Vec<Self> {
        let of_cause = |cause: &crate::causes::table::Cause| {
            let outcomes: Vec<&Outcome> =
                outcomes.iter().filter(|outcome| outcome.cause == cause.name).collect();
            let at_load: Vec<f64> = outcomes
                .iter()
                .filter_map(|outcome| Some(f64::from(outcome.loss_after?) / f64::from(outcome.loss_before)))
                .collect();
            let later: Vec<f64> = outcomes.iter().filter_map(|outcome| outcome.later_ratio).collect();
            Some(Self {
                name: cause.name,
                kind: outcomes.first()?.kind,
                outcomes,
                at_load: Ratio::of(&at_load),
                later: Ratio::of(&later),
            })
        };
        CAUSES.iter().filter_map(of_cause).collect()
    }

    /// The median over seeds of what `value` takes; `None` if no seed has it.
    pub fn median(&self, value: impl Fn(&Outcome) -> Option<f64>) -> Option<f64> {
        let values: Vec<f64> = self.outcomes.iter().filter_map(|outcome| value(outcome)).collect();
        Median::of(&values).map(|median| median.value)
    }

    /// Why it was not tried, if so.
    pub fn skipped(&self) -> Option<&str> {
        self.outcomes.iter().find_map(|outcome| outcome.skipped.as_deref())
    }

    /// Whether the loss moves, at load or later; `None` where one seed cannot tell.
    pub fn moves(&self) -> Option<bool> {
        let ratios: Vec<&Ratio> = self.at_load.iter().chain(&self.later).collect();
        ratios.into_iter().map(Ratio::moves).try_fold(false, |moved, moves| moves.map(|moves| moved || moves))
    }

    /// What must hold and does not, in words: the bits of a control, the refusal of a damaged file.
    pub fn broken(&self) -> Option<String> {
        let differs = self.outcomes.iter().find(|outcome| outcome.first_difference.is_some());
        let accepted = self.outcomes.iter().find(|outcome| outcome.refused.is_none());
        match (self.kind, differs, accepted) {
            (Kind::Control, Some(outcome), _) => Some(format!(
                "{}: bits differ from those of the uninterrupted run, with seed {} from step {} on",
                self.name,
                outcome.seed,
                outcome.first_difference.unwrap_or_default()
            )),
            (Kind::Integrity, _, Some(outcome)) => {
                Some(format!("{}: the damaged file was accepted, with seed {}", self.name, outcome.seed))
            }
            _ => None,
        }
    }
}
