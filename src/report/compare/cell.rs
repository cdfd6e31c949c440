//! What one way gave on one device: the newest row of each perturbation, and what they say together.

use std::collections::{BTreeMap, BTreeSet};

use crate::guarantee::Guarantee;
use crate::measurement::Measurement;
use crate::perturbation::Perturbation;
use crate::ratio::Ratio;
use crate::report::compare::collect::{Input, input};
use crate::report::group::is_run_to_run;
use crate::verdict::Verdict;

/// What the bits were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The same as all others of this number on the same problem.
    Letter(usize),
    /// They change from run to run.
    Varies,
    /// They are those of other inputs.
    OtherInput,
    /// The row keeps no digest.
    Unknown,
    /// Not executed.
    Skipped,
    /// Executed, and wrong.
    Failed,
}

impl Mark {
    /// The mark as it is shown.
    pub fn text(self) -> String {
        match self {
            Self::Letter(number) => letter(number),
            Self::Varies => "~".to_owned(),
            Self::OtherInput => "≠".to_owned(),
            Self::Unknown => "?".to_owned(),
            Self::Skipped => "skipped".to_owned(),
            Self::Failed => "FAILED".to_owned(),
        }
    }
}

/// `A` to `Z`, then `AA` and so on, as spreadsheets name columns.
fn letter(number: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = number + 1;
    while rest > 0 {
        letters.push(char::from(b'A' + ((rest - 1) % 26) as u8));
        rest = (rest - 1) / 26;
    }
    letters.iter().rev().collect()
}

/// All output bits of a first execution: those of the outputs, and of the f32 stores beside them.
pub type Bits<'a> = (&'a str, &'a str);

/// What one way gave on one device.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell<'a> {
    /// What the bits were.
    pub mark: Mark,
    /// The worst verdict under any perturbation.
    pub verdict: Verdict,
    /// The row that the bits are of, or that says why there are none.
    pub row: &'a Measurement,
    /// The row that holds the time.
    pub timed: Option<&'a Measurement>,
    /// Time over that of the fastest way of the same engine and function.
    pub tax: Option<Ratio>,
    /// Time over that of the baseline.
    pub ratio: Option<Ratio>,
    /// The toolkits that compiled its kernels again, as variants name them: `nvrtc=13.5`.
    pub toolkits: BTreeSet<&'a str>,
    /// Whether a claim was seen broken here, in whichever row.
    pub is_broken: bool,
    /// By run, how many rows this rests on.
    pub runs: BTreeMap<&'a str, usize>,
    /// Rows that newer ones stand for.
    pub superseded: usize,
    /// Two rows of the same inputs and program whose first executions had different bits.
    pub unstable: Option<(&'a Measurement, &'a Measurement)>,
}

impl<'a> Cell<'a> {
    /// What `rows` of one way and column say about the inputs `chosen`. The mark is not a letter yet:
    /// see [`Cell::bits`].
    pub fn of(rows: &[&'a Measurement], chosen: Option<Input<'a>>) -> Option<Self> {
        let rows = rows.iter().copied().filter(|row| input(row).is_none_or(|own| Some(own) == chosen));
        let rows: Vec<&Measurement> = rows.collect();
        let mut newest: BTreeMap<(Perturbation, &str), &Measurement> = BTreeMap::new();
        for &row in &rows {
            let best = newest.entry((row.perturbation, &row.variant)).or_insert(row);
            if row.timestamp >= best.timestamp {
                *best = row;
            }
        }
        let newest: Vec<&Measurement> = newest.into_values().collect();
        let with = |verdict| newest.iter().copied().find(|row| row.verdict == verdict);
        let worst = [Verdict::Failed, Verdict::Differs, Verdict::Same, Verdict::Skipped];
        let verdict = worst.into_iter().find(|verdict| with(*verdict).is_some())?;
        let observed = || newest.iter().copied().filter(|row| row.is_observed());
        let row = with(Verdict::Failed).or_else(|| observed().next()).or_else(|| with(verdict))?;
        let unstable = other_bits(row, &rows).map(|other| (row, other));
        let varies = |row: &Measurement| row.verdict == Verdict::Differs && is_run_to_run(row.perturbation);
        let mark = match verdict {
            Verdict::Failed => Mark::Failed,
            Verdict::Skipped => Mark::Skipped,
            _ if observed().any(varies) || unstable.is_some() => Mark::Varies,
            _ => Mark::Unknown,
        };
        let mut runs = BTreeMap::new();
        for row in &newest {
            *runs.entry(row.run_id.as_str()).or_default() += 1;
        }
        let timed = observed().find(|row| row.median_ns.is_some_and(|ns| ns > 0));
        let superseded = rows.len() - newest.len();
        let is_broken = rows.iter().any(|row| row.breaks_claim())
            || (unstable.is_some() && row.guarantee >= Guarantee::RunToRun);
        let (tax, ratio) = (None, None);
        let recompiled = observed().filter(|row| row.perturbation == Perturbation::ReloadRecompile);
        let toolkits = recompiled.filter_map(|row| row.variant.split(';').next()).collect();
        Some(Self { mark, verdict, row, timed, tax, ratio, toolkits, is_broken, runs, superseded, unstable })
    }

    /// The bits, where these are the same in every run.
    pub fn bits(&self) -> Option<Bits<'a>> {
        let is_steady = !matches!(self.mark, Mark::Varies | Mark::Skipped | Mark::Failed);
        bits(self.row).filter(|_| is_steady)
    }

    /// Work per time, if it is a number that can be one.
    pub fn throughput(&self) -> Option<f64> {
        self.timed?.throughput.filter(|throughput| throughput.is_finite() && *throughput >= 0.0)
    }

    /// The unit of that.
    pub fn unit(&self) -> Option<&'a str> {
        self.throughput()?;
        self.timed.map(|timed| timed.throughput_unit.as_str())
    }

    /// Share of what the device can do, in percent.
    pub fn percent_of_limit(&self) -> Option<f64> {
        self.timed?.percent_of_limit.filter(|percent| percent.is_finite() && *percent >= 0.0)
    }
}

/// The bits of a row's first execution.
pub fn bits(row: &Measurement) -> Option<Bits<'_>> {
    let is_kept = row.is_observed() && !row.digest.is_empty();
    is_kept.then_some((row.digest.as_str(), row.accumulator_digest.as_str()))
}

/// A row of the same program, whatever run it is of, whose first execution had other bits than `row`'s.
/// What changes between them is covered by every claim.
fn other_bits<'a>(row: &Measurement, rows: &[&'a Measurement]) -> Option<&'a Measurement> {
    let own = bits(row)?;
    rows.iter().copied().find(|other| {
        is_run_to_run(other.perturbation)
            && (&other.kernel, &other.cubin) == (&row.kernel, &row.cubin)
            && bits(other).is_some_and(|bits| bits != own)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_go_on_behind_z() {
        let told = [0, 1, 25, 26, 27, 51, 52, 701, 702].map(letter);
        assert_eq!(told, ["A", "B", "Z", "AA", "AB", "AZ", "BA", "ZZ", "AAA"]);
    }
}
