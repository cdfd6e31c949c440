//! What offends, from made-up rows: each requirement broken one by one.

use super::*;
use crate::perturbation::Perturbation;
use crate::policy::SCHEMA;
use crate::report::tests::rows::{at, ladder, typical, under};
use crate::statistics::p_upper_95;

fn demand(require: &str) -> Demand {
    Demand { require: Requirement::parse_list(require).unwrap(), max_tax: None, max_p: 0.01 }
}

/// The whole ladder on a GPU, as often executed as told.
fn rows(kind: &str, comparisons: u64) -> Vec<Measurement> {
    let mut rows = at(ladder(), "cuda:0", kind);
    for row in &mut rows {
        row.environment = kind.to_owned();
        row.row_id = row.id();
        row.input_digest = "inputs".to_owned();
        if row.is_observed() {
            row.comparisons = Some(comparisons);
            row.p_upper_95 = row.differing.map(|differing| p_upper_95(differing, comparisons));
        }
    }
    rows
}

fn checked(rows: &[Measurement], require: &str) -> Checked {
    Checked::new(rows, &[], demand(require), Scope::Claims)
}

fn severities(checked: &Checked) -> Vec<Severity> {
    let mut all: Vec<Severity> = checked.offences.iter().map(|offence| offence.severity).collect();
    all.dedup();
    all
}

fn policy(algorithm: &str, require: &str, max_tax: Option<f64>) -> Policy {
    let row = &rows("GPU", 299)[0];
    let on = On {
        operation: row.operation.clone(),
        function: String::new(),
        workload: row.workload.clone(),
        shape: row.shape.clone(),
        dtype: row.dtype,
        input: row.input,
        setting: String::new(),
    };
    let used = Use {
        algorithm: algorithm.to_owned(),
        algorithm_setting: String::new(),
        comparisons: 1,
        p_upper_95: 1.0,
        cost: None,
        rows: Vec::new(),
        on,
    };
    Policy {
        schema: SCHEMA,
        samebits: "0".to_owned(),
        require: demand(require).require,
        max_p: 0.01,
        max_tax,
        uses: vec![used],
        undecided: Vec::new(),
    }
}

fn against(rows: &[Measurement], policy: &Policy) -> Checked {
    let demand = Demand { require: policy.require.clone(), max_tax: policy.max_tax, max_p: policy.max_p };
    Checked::new(rows, &[], demand, Scope::Policy(policy))
}

#[test]
fn what_keeps_its_word_passes_and_what_claims_nothing_is_not_asked() {
    let checked = checked(&rows("GPU", 299), "repeat,load,launch,batch,reload");
    assert!(checked.is_met(), "{:?}", checked.offences);
    // ticket claims three of the five, fixed_tree all; atomic_block nothing.
    assert_eq!(checked.required, 3 + 5);
}

#[test]
fn every_requirement_is_noticed_when_it_is_not_met() {
    let good = rows("GPU", 299);
    let requirements: [(&str, Perturbation); 5] = [
        ("repeat", Perturbation::Repeat),
        ("load", Perturbation::Load),
        ("launch", Perturbation::Launch),
        ("batch", Perturbation::Batch),
        ("reload", Perturbation::ReloadProcess),
    ];
    for (require, perturbation) in requirements {
        let mut broken = good.clone();
        let row = under(&mut broken, "fixed_tree", perturbation);
        (row.verdict, row.differing) = (Verdict::Differs, Some(1));
        assert_eq!(severities(&checked(&broken, require)), [Severity::Contradicted], "{require}");
        let mut failed = good.clone();
        let row = under(&mut failed, "fixed_tree", perturbation);
        (row.verdict, row.note) = (Verdict::Failed, "wrong".to_owned());
        assert_eq!(severities(&checked(&failed, require)), [Severity::Contradicted], "{require}");
        let mut without = good.clone();
        without.retain(|row| row.perturbation != perturbation);
        assert_eq!(severities(&checked(&without, require)), [Severity::Unmeasured], "{require}");
    }
    assert_eq!(severities(&checked(&rows("GPU", 31), "repeat")), [Severity::Weak]);
    assert_eq!(severities(&checked(&good, "device")), [Severity::Unmeasured]);
    let mut other = rows("another GPU", 299);
    assert!(checked(&[good.clone(), other.clone()].concat(), "device").is_met());
    other.iter_mut().for_each(|row| row.digest = "other bits".to_owned());
    assert_eq!(severities(&checked(&[good, other].concat(), "device")), [Severity::Contradicted]);
}

#[test]
fn a_container_without_its_gpu_does_not_pass() {
    let on_cpu = at(rows("GPU", 299), "cpu", "CPU");
    let checked = Checked::new(&[], &on_cpu, demand("repeat"), Scope::Claims);
    assert_eq!(checked.offences[0].severity, Severity::NoRows);
    assert!(checked.offences[0].what.contains("--gpus all"), "{:?}", checked.offences);
    assert!(!counts(&on_cpu[0], false) && counts(&on_cpu[0], true));
    assert!(Checked::new(&on_cpu, &[], demand("repeat"), Scope::Claims).is_met());
    assert!(!Checked::new(&[], &[], demand("repeat"), Scope::Claims).is_met());
    // What is broken on the CPU offends, though it is no evidence for the GPU.
    let mut broken = on_cpu;
    let row = under(&mut broken, "fixed_tree", Perturbation::Load);
    (row.verdict, row.differing) = (Verdict::Differs, Some(1));
    let checked = Checked::new(&rows("GPU", 299), &broken, demand("repeat"), Scope::Claims);
    assert_eq!(severities(&checked), [Severity::Contradicted]);
}

#[test]
fn a_policy_is_held_against_other_rows() {
    let rows = rows("GPU", 299);
    assert!(against(&rows, &policy("fixed_tree", "repeat,launch", None)).is_met());
    assert!(against(&rows, &policy("fixed_tree", "repeat", Some(0.1))).is_met());
    for (policy, severity) in [
        (policy("atomic_block", "repeat", None), Severity::Contradicted),
        (policy("ticket", "launch", None), Severity::Contradicted),
        (policy("fixed_tree", "repeat", Some(0.0)), Severity::TooSlow),
        (policy("unheard_of", "repeat", None), Severity::Unmeasured),
        (Policy { uses: Vec::new(), ..policy("fixed_tree", "repeat", None) }, Severity::NoRows),
    ] {
        assert_eq!(severities(&against(&rows, &policy)), [severity], "{policy:?}");
    }
    let mut open = policy("fixed_tree", "repeat", None);
    open.undecided.push(open.uses[0].on.clone());
    assert_eq!(severities(&against(&rows, &open)), [Severity::Unmeasured]);
}

#[test]
fn the_screen_says_what_offends_first() {
    let mut mixed = rows("GPU \x1b[2J", 31);
    let row = under(&mut mixed, "ticket", Perturbation::ReloadProcess);
    (row.verdict, row.differing) = (Verdict::Differs, Some(2));
    mixed.retain(|row| row.perturbation != Perturbation::Load);
    let text = render(&checked(&mixed, "repeat,load,reload"), false, 110, false);
    insta::assert_snapshot!(text);
    assert!(!text.contains('\x1b'));
    insta::assert_snapshot!("met", render(&checked(&rows("GPU", 299), "repeat"), false, 110, false));
    let many = at(typical(), "cuda:0", "GPU");
    let many: Vec<Measurement> = (0..60)
        .flat_map(|n| {
            many.clone().into_iter().map(move |mut row| {
                row.workload = format!("w{n}");
                row.row_id = row.id();
                row
            })
        })
        .collect();
    let all = checked(&many, "repeat");
    let (short, long) = (render(&all, false, 110, false), render(&all, true, 110, false));
    assert!(short.contains("more; --all shows them") && long.lines().count() > short.lines().count());
}
