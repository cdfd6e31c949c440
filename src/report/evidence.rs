//! What rows say of a requirement: of one way to compute one problem, on one device and on all of them.
//!
//! Evidence only counts for what it is evidence of: rows of one device say nothing of another, rows of an older
//! kernel nothing of a newer one, and a row that was found twice counts once. One difference is enough to
//! contradict; agreement counts as often as it was seen.

use std::collections::{BTreeMap, HashSet};

use crate::measurement::Measurement;
use crate::perturbation::Perturbation;
use crate::report::compare::cell::{Bits, bits};
use crate::report::compare::collect::{Input, input};
use crate::report::group::is_run_to_run;
use crate::requirement::Requirement;
use crate::statistics::p_upper_95;
use crate::verdict::Verdict;

/// How a way stands to a requirement on one device, or across all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Standing<'a> {
    /// It does not claim it.
    Unclaimed,
    /// Rows show that it is not so.
    Contradicted(Contradiction<'a>),
    /// Rows do not tell.
    Open(Missing<'a>),
    /// It claims it, nothing contradicts it, and it was tried often enough.
    Met(Support),
}

/// What speaks against a way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Contradiction<'a> {
    /// Bits differed.
    Differs(&'a Measurement),
    /// It failed.
    Failed(&'a Measurement),
    /// Two rows of the same inputs whose first executions had different bits: of two runs or of two devices.
    OtherBits(&'a Measurement, &'a Measurement),
}

/// What is not known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Missing<'a> {
    /// No row compares bits under that perturbation; a row that was skipped says why.
    Unmeasured(Perturbation, Option<&'a Measurement>),
    /// Too few comparisons.
    Weak(Perturbation, Support),
    /// No second device has the same inputs.
    OneDevice,
}

/// How much agreement was seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Support {
    /// Comparisons, none of which found a difference; across devices, the devices.
    pub comparisons: u64,
    /// With 95 % confidence, the probability that a later execution differs is below this under the
    /// perturbation that was tried least; 0 across devices, where nothing is repeated.
    pub p: f64,
}

/// The rows of one way on one device that count: those of its newest kernel.
#[derive(Debug, Clone)]
pub struct Evidence<'a> {
    rows: Vec<&'a Measurement>,
}

impl<'a> Evidence<'a> {
    /// What counts of `rows`, which must be of one way, problem and device.
    pub fn of(rows: &[&'a Measurement]) -> Self {
        let newest = rows.iter().filter(|row| row.is_observed()).max_by_key(|row| &row.timestamp);
        let is_current =
            |row: &&Measurement| !row.is_observed() || newest.is_some_and(|newest| code(newest) == code(row));
        let mut seen = HashSet::new();
        let mut current: Vec<&Measurement> = Vec::new();
        for row in rows.iter().copied().filter(is_current) {
            // Of two copies of a row the worse one counts, should they not be alike.
            if seen.insert((&row.run_id, &row.row_id, &row.timestamp, row.verdict)) {
                current.push(row);
            }
        }
        Self { rows: current }
    }

    /// The rows that count.
    pub fn rows(&self) -> &[&'a Measurement] {
        &self.rows
    }

    /// How the way stands to `requirement` on this device: agreement counts if it bounds the probability of a
    /// difference by `max_p`.
    pub fn standing(&self, requirement: Requirement, max_p: f64) -> Standing<'a> {
        let claims = |row: &Measurement| requirement.is_claimed(row.guarantee, row.batch_invariant);
        if !self.rows.iter().all(|row| claims(row)) {
            return Standing::Unclaimed;
        }
        if let Some(contradiction) = self.contradiction(requirement) {
            return Standing::Contradicted(contradiction);
        }
        let mut all = Support { comparisons: 0, p: 0.0 };
        let mut weakest = None;
        let mut is_reloaded = false;
        let here =
            self.rows.first().map_or(&Perturbation::ON_GPU[..], |row| Perturbation::on_device(&row.device));
        let is_asked = |under: &Perturbation| requirement != Requirement::Reload || here.contains(under);
        for under in requirement.kinds().into_iter().filter(is_asked) {
            match self.under(under) {
                Standing::Met(support) => {
                    all.comparisons += support.comparisons;
                    is_reloaded |= under.starts_processes();
                    if support.p > all.p {
                        all.p = support.p;
                        weakest = Some((under, support));
                    }
                }
                // It could not be tried there; a process always can.
                Standing::Open(Missing::Unmeasured(_, Some(_))) if requirement == Requirement::Reload => {}
                other => return other,
            }
        }
        match weakest {
            Some((under, support)) if support.p > max_p => Standing::Open(Missing::Weak(under, support)),
            _ if requirement == Requirement::Reload && !is_reloaded => {
                let process = Perturbation::ReloadProcess;
                Standing::Open(Missing::Unmeasured(process, self.skipped(process)))
            }
            _ => Standing::Met(all),
        }
    }

    /// Rows under one perturbation, none of which differs.
    fn under(&self, under: Perturbation) -> Standing<'a> {
        let rows = || self.rows.iter().filter(|row| row.perturbation == under && row.is_observed());
        if rows().next().is_none() {
            return Standing::Open(Missing::Unmeasured(under, self.skipped(under)));
        }
        let comparisons = rows().filter_map(|row| row.comparisons).sum();
        Standing::Met(Support { comparisons, p: p_upper_95(0, comparisons) })
    }

    fn skipped(&self, under: Perturbation) -> Option<&'a Measurement> {
        let is_its = |row: &&Measurement| row.perturbation == under && row.verdict == Verdict::Skipped;
        self.rows.iter().copied().find(is_its)
    }

    /// The first thing that speaks against the way: a claim that is broken anywhere, or what is required.
    pub fn contradiction(&self, requirement: Requirement) -> Option<Contradiction<'a>> {
        let speaks = |row: &&Measurement| {
            row.breaks_claim() || (row.verdict == Verdict::Differs && requirement.is_tried_by(row))
        };
        if let Some(row) = self.rows.iter().copied().find(speaks) {
            return Some(Contradiction::Differs(row));
        }
        let failed = self.rows.iter().copied().find(|row| self.is_failing(row));
        failed.map(Contradiction::Failed).or_else(|| self.other_bits())
    }

    /// Whether a row failed, and none was measured again since.
    fn is_failing(&self, row: &Measurement) -> bool {
        let is_later = |other: &Measurement| {
            other.is_observed()
                && (other.perturbation, &other.variant) == (row.perturbation, &row.variant)
                && other.timestamp > row.timestamp
        };
        row.verdict == Verdict::Failed && !self.rows.iter().any(|other| is_later(other))
    }

    fn other_bits(&self) -> Option<Contradiction<'a>> {
        let mut known: BTreeMap<Input, &Measurement> = BTreeMap::new();
        for row in self.steady() {
            if let (Some(input), Some(own)) = (input(row), bits(row)) {
                let first = *known.entry(input).or_insert(row);
                if bits(first) != Some(own) {
                    return Some(Contradiction::OtherBits(first, row));
                }
            }
        }
        None
    }

    /// Whether a row has bits that can be compared with another device's.
    pub fn has_bits(&self) -> bool {
        self.steady().any(|row| bits(row).is_some() && input(row).is_some())
    }

    /// Rows whose first execution must have the way's own bits.
    fn steady(&self) -> impl Iterator<Item = &'a Measurement> {
        self.rows.iter().copied().filter(|row| row.is_observed() && is_run_to_run(row.perturbation))
    }
}

/// What program made the row's bits.
fn code(row: &Measurement) -> (&str, &str) {
    (&row.kernel, &row.cubin)
}

/// How a way stands to the requirement that all devices have its bits.
pub fn across<'a>(devices: &[&Evidence<'a>]) -> Standing<'a> {
    let claims = |row: &Measurement| Requirement::Device.is_claimed(row.guarantee, row.batch_invariant);
    if !devices.iter().flat_map(|device| device.rows()).all(|row| claims(row)) {
        return Standing::Unclaimed;
    }
    let mut sides: BTreeMap<Input, Vec<(Bits, &'a Measurement)>> = BTreeMap::new();
    for device in devices {
        let mut inputs = HashSet::new();
        for row in device.steady() {
            if let (Some(input), Some(bits)) = (input(row), bits(row))
                && inputs.insert(input)
            {
                sides.entry(input).or_default().push((bits, row));
            }
        }
    }
    for side in sides.values() {
        if let [(first, row), others @ ..] = side.as_slice()
            && let Some((_, other)) = others.iter().find(|(bits, _)| bits != first)
        {
            return Standing::Contradicted(Contradiction::OtherBits(row, other));
        }
    }
    match sides.values().map(Vec::len).max() {
        Some(devices) if devices >= 2 => Standing::Met(Support { comparisons: devices as u64, p: 0.0 }),
        _ => Standing::Open(Missing::OneDevice),
    }
}
