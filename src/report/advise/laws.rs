//! Laws of advice, over many made-up runs: what is recommended is checked again from the rows alone, by code that shares
//! nothing with the decision.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::guarantee::Guarantee;
use crate::measurement::Measurement;
use crate::perturbation::Perturbation;
use crate::report::advise::model::{Advice, Candidate, Decision, Demand, Fitness};
use crate::report::tests::rows::row;
use crate::requirement::{RELOAD, Requirement};
use crate::statistics::p_upper_95;
use crate::verdict::Verdict;

const WAYS: [(&str, Guarantee, bool); 4] = [
    ("atomic_block", Guarantee::NotGuaranteed, false),
    ("ticket", Guarantee::RunToRun, false),
    ("two_pass", Guarantee::RunToRun, false),
    ("fixed_tree", Guarantee::GpuToGpu, true),
];

const UNDER: [Perturbation; 9] = [
    Perturbation::Repeat,
    Perturbation::Load,
    Perturbation::Launch,
    Perturbation::Batch,
    Perturbation::ReloadModule,
    Perturbation::ReloadAllocation,
    Perturbation::ReloadContext,
    Perturbation::ReloadProcess,
    Perturbation::ReloadCheckpoint,
];

/// What a row is made of: whether it is there, what came of it, which of few bits its first execution had, its time.
type Ingredients = (bool, u8, u64, bool, u64, u64);

fn ingredients() -> impl Strategy<Value = Ingredients> {
    (
        prop::bool::weighted(0.85),
        prop_oneof![12 => Just(0u8), 1 => Just(1), 1 => Just(2)],
        prop_oneof![Just(31u64), Just(299), Just(400), Just(8)],
        prop::bool::weighted(0.9),
        900u64..1100,
        0u64..60,
    )
}

/// A row that nothing was observed in; made once, for it is read from the workloads.
fn blank(name: &str, guarantee: Guarantee, under: Perturbation) -> Measurement {
    static BLANK: LazyLock<Measurement> =
        LazyLock::new(|| row("ticket", Guarantee::RunToRun, Perturbation::Repeat));
    Measurement { algorithm: name.to_owned(), guarantee, perturbation: under, ..BLANK.clone() }
}

/// Rows of up to three devices; the device has, or has not, what some kinds of reload need.
fn rows() -> impl Strategy<Value = Vec<Measurement>> {
    let all = WAYS.len() * UNDER.len();
    vec((vec(ingredients(), all), any::<bool>()), 1..=3).prop_map(|devices| {
        let mut rows = Vec::new();
        for (device, (ingredients, has_modules)) in devices.into_iter().enumerate() {
            let mut ingredients = ingredients.into_iter();
            for (name, guarantee, batch_invariant) in WAYS {
                for under in UNDER {
                    let Some(of) = ingredients.next() else { continue };
                    let mut row = Measurement { batch_invariant, ..blank(name, guarantee, under) };
                    row.device = format!("cuda:{device}");
                    row.environment = format!("environment {device}");
                    row.run_id = format!("run {device}");
                    let is_lacking =
                        matches!(under, Perturbation::ReloadModule | Perturbation::ReloadContext);
                    if is_lacking && !has_modules {
                        row.remark("none is loaded here");
                    } else if of.0 || name == "atomic_block" {
                        fill(&mut row, of);
                    } else {
                        continue;
                    }
                    row.row_id = row.id();
                    rows.push(row);
                }
            }
        }
        rows
    })
}

fn fill(row: &mut Measurement, (_, fate, comparisons, own_bits, ns, spread): Ingredients) {
    row.verdict = [Verdict::Same, Verdict::Differs, Verdict::Failed][usize::from(fate)];
    if fate == 2 {
        row.remark("wrong");
        return;
    }
    row.comparisons = Some(comparisons);
    row.differing = Some(u64::from(fate));
    row.p_upper_95 = Some(p_upper_95(u64::from(fate), comparisons));
    row.input_digest = "inputs".to_owned();
    row.digest = if own_bits { row.algorithm.clone() } else { "others".to_owned() };
    if row.perturbation == Perturbation::Repeat {
        (row.median_ns, row.ci95_low_ns, row.ci95_high_ns) = (Some(ns), Some(ns - spread), Some(ns + spread));
    }
}

fn demands() -> impl Strategy<Value = Demand> {
    let requirement = prop_oneof![
        Just(Requirement::Under(Perturbation::Repeat)),
        Just(Requirement::Under(Perturbation::Load)),
        Just(Requirement::Under(Perturbation::Launch)),
        Just(Requirement::Under(Perturbation::Batch)),
        Just(Requirement::Reload),
        Just(Requirement::Device),
    ];
    let tax = prop_oneof![Just(None), Just(Some(0.0)), Just(Some(0.05)), Just(Some(0.3))];
    (vec(requirement, 1..4), tax, prop_oneof![Just(0.01), Just(0.1), Just(0.4)]).prop_map(
        |(mut require, max_tax, max_p)| {
            require.sort();
            require.dedup();
            Demand { require, max_tax, max_p }
        },
    )
}

/// Whether rows let `name` be taken, told from the rows alone. Costs are left to the caller.
fn is_fit(rows: &[Measurement], name: &str, demand: &Demand) -> bool {
    let devices: std::collections::BTreeSet<&str> = rows.iter().map(|row| row.device.as_str()).collect();
    let (_, guarantee, batch_invariant) = *WAYS.iter().find(|way| way.0 == name).unwrap();
    let own = |device: &str| -> Vec<&Measurement> {
        rows.iter().filter(|row| row.algorithm == name && row.device == device).collect()
    };
    let enough = |rows: &[&Measurement], under: Perturbation| {
        let seen: u64 =
            rows.iter().filter(|row| row.perturbation == under).filter_map(|row| row.comparisons).sum();
        seen > 0 && p_upper_95(0, seen) <= demand.max_p
    };
    let mut digests = Vec::new();
    for device in &devices {
        let own = own(device);
        let run_to_run = |row: &&&Measurement| {
            !matches!(row.perturbation, Perturbation::Launch | Perturbation::Batch) && !row.digest.is_empty()
        };
        let mut of_device: Vec<&str> = own.iter().filter(run_to_run).map(|row| row.digest.as_str()).collect();
        of_device.dedup();
        if own.iter().any(|row| row.verdict == Verdict::Failed || row.breaks_claim()) || of_device.len() > 1 {
            return false;
        }
        digests.extend(of_device);
        for requirement in &demand.require {
            let met = match requirement {
                Requirement::Under(Perturbation::Batch) => {
                    batch_invariant && enough(&own, Perturbation::Batch)
                }
                Requirement::Under(under) => guarantee.covers(*under, "") && enough(&own, *under),
                Requirement::Device => true,
                Requirement::Reload => {
                    let is_skipped = |under| {
                        own.iter().any(|row| row.perturbation == under && row.verdict == Verdict::Skipped)
                    };
                    guarantee >= Guarantee::RunToRun
                        && RELOAD.iter().all(|under| is_skipped(*under) || enough(&own, *under))
                }
            };
            if !met {
                return false;
            }
        }
    }
    if demand.require.contains(&Requirement::Device) {
        let count = digests.len();
        digests.dedup();
        return guarantee == Guarantee::GpuToGpu && count >= 2 && digests.len() == 1;
    }
    true
}

/// The highest time over the fastest of the device's, by device; `None` if one has no time.
fn taxes(rows: &[Measurement], name: &str) -> Option<Vec<f64>> {
    let devices: std::collections::BTreeSet<&str> = rows.iter().map(|row| row.device.as_str()).collect();
    let tax = |device: &&str| {
        let times = || rows.iter().filter(|row| row.device == **device && row.median_ns.is_some());
        let own = times().find(|row| row.algorithm == name)?;
        let fastest = times().min_by_key(|row| row.median_ns)?;
        if times().count() < 2 {
            return None;
        }
        let is_fastest = own.median_ns == fastest.median_ns;
        // The upper end of the interval of a ratio.
        let high = own.ci95_high_ns? as f64 / fastest.ci95_low_ns? as f64;
        // Of two that are equally fast, either is the fastest.
        Some(if is_fastest { 1.0 } else { high })
    };
    devices.iter().map(tax).collect()
}

fn find<'c, 'a>(advice: &'c Advice<'a>, name: &str) -> Option<&'c Candidate<'a>> {
    advice.choices.iter().flat_map(|choice| &choice.candidates).find(|c| c.way.algorithm == name)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn nothing_is_recommended_that_rows_contradict(rows in rows(), demand in demands()) {
        let advice = Advice::new(&rows, demand.clone());
        for choice in &advice.choices {
            for candidate in &choice.candidates {
                let is_expected = is_fit(&rows, candidate.way.algorithm, &demand);
                if candidate.fitness == Fitness::Fit {
                    prop_assert!(is_expected, "{}", candidate.way.algorithm);
                    if let Some(most) = demand.max_tax {
                        let taxes = taxes(&rows, candidate.way.algorithm);
                        prop_assert!(
                            taxes.as_ref().is_some_and(|all| all.iter().all(|tax| *tax <= 1.0 + most)),
                            "{} {taxes:?}", candidate.way.algorithm
                        );
                    }
                } else if demand.max_tax.is_none() {
                    prop_assert!(!is_expected, "{} is not told to be fit", candidate.way.algorithm);
                }
            }
        }
    }

    #[test]
    fn no_other_that_qualifies_is_cheaper(rows in rows(), demand in demands()) {
        let advice = Advice::new(&rows, demand);
        for choice in &advice.choices {
            let Decision::Use(best) = choice.decision() else {
                prop_assert!(choice.candidates.iter().all(|candidate| candidate.fitness != Fitness::Fit));
                continue;
            };
            for other in choice.candidates.iter().filter(|candidate| candidate.fitness == Fitness::Fit) {
                if let Some(cost) = other.mean_cost() {
                    prop_assert!(best.mean_cost().is_some_and(|own| own <= cost));
                }
            }
        }
    }

    #[test]
    fn less_evidence_never_makes_more_certain(
        rows in rows(),
        demand in demands(),
        dropped in vec(prop::bool::weighted(0.2), WAYS.len() * UNDER.len() * 3),
    ) {
        // What contradicts stays; and every device stays, by the rows of the algorithm that is no candidate.
        let stays = |(row, dropped): &(&Measurement, &bool)| {
            !**dropped || row.algorithm == "atomic_block" || row.verdict != Verdict::Same
        };
        let fewer: Vec<Measurement> =
            rows.iter().zip(&dropped).filter(stays).map(|(row, _)| row.clone()).collect();
        let demand = Demand { max_tax: None, ..demand };
        let (before, after) = (Advice::new(&rows, demand.clone()), Advice::new(&fewer, demand));
        for (name, ..) in WAYS {
            let (Some(before), Some(after)) = (find(&before, name), find(&after, name)) else { continue };
            prop_assert!(before.fitness != Fitness::Open || after.fitness != Fitness::Fit, "{name}");
            if (before.fitness, after.fitness) == (Fitness::Fit, Fitness::Fit) {
                prop_assert!(after.support().p >= before.support().p, "{name}");
                prop_assert!(after.support().comparisons <= before.support().comparisons, "{name}");
            }
        }
    }
}
