//! The batch: the same rows in another order, other constants or another formula of normalisation, an index
//! map, an augmentation that is still on, or other data.

use crate::diff::capture::facts::{Facts, Reach, Section};
use crate::diff::capture::model::{Change, Part};
use crate::diff::capture::relation::{Axis, Relation, relation};
use crate::diff::capture::rule::{Finding, some};
use crate::diff::capture::values::Affine;
use crate::diff::model::{Status, TensorDiff};
use crate::report::words::significant;

/// Generators that are the user's own, or that data is ordered with; the names of the others are fixed.
const OF_MODULES: [&str; 1] = ["torch_cuda"];

pub fn find(facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    let differing = facts.differing(Section::Input);
    let (lone, changed): (Vec<_>, Vec<_>) = differing
        .into_iter()
        .partition(|(_, tensor)| matches!(tensor.status, Status::Missing | Status::Extra));
    for (name, tensor) in changed {
        let Some((before, after)) = facts.pair(&tensor.name) else { continue };
        let next = finding(facts, name, tensor, &relation(before, after));
        // Two inputs in the same other order are one cause.
        match found.iter_mut().find(|other| other.kind == next.kind && other.kind == "data_order") {
            Some(other) => {
                other.tensors.extend(next.tensors);
                other.evidence.push(next.what);
            }
            None => found.push(next),
        }
    }
    if !lone.is_empty() {
        let names: Vec<&str> = lone.iter().map(|(name, _)| *name).collect();
        found.push(Finding {
            kind: "inputs_missing",
            what: format!("inputs that only one side has: {}", some(&names)),
            evidence: Vec::new(),
            tensors: lone.iter().map(|(_, tensor)| tensor.name.clone()).collect(),
            reach: if facts.activations_equal() { Reach::Aside } else { Reach::Perhaps },
        });
    }
    found
}

fn finding(facts: &Facts, name: &str, tensor: &TensorDiff, relation: &Relation) -> Finding {
    let mut evidence = Vec::new();
    let (kind, what) = words(facts, name, relation, &mut evidence);
    let reach = if facts.activations_equal() {
        evidence.push(format!(
            "no activation differs: not the model reads `{name}`, but what follows, as a loss reads labels"
        ));
        Reach::Later
    } else {
        Reach::First
    };
    Finding { kind, what, evidence, tensors: vec![tensor.name.clone()], reach }
}

fn words(
    facts: &Facts,
    name: &str,
    relation: &Relation,
    evidence: &mut Vec<String>,
) -> (&'static str, String) {
    let formula = "mean or deviation computed anew, or another formula";
    match relation {
        Relation::OtherType(before, after) => (
            "input_type",
            format!("`{name}` is {before} before and {after} after, with the same values but for rounding"),
        ),
        Relation::OtherShape => {
            ("input_shape", format!("`{name}` has another shape: other data, or another way to cut it"))
        }
        Relation::OtherOrder(order) => {
            let moved = order.iter().enumerate().filter(|(place, from)| place != *from).count();
            evidence.push(format!(
                "{moved} of {} rows stand at another place, row 0 is row {} before",
                order.len(),
                order[0]
            ));
            evidence.extend(loaders(facts));
            ("data_order", format!("`{name}` holds the same rows in another order"))
        }
        Relation::IndexMap { changed, distinct, examples } => {
            let examples: Vec<String> = examples.iter().map(|(a, b)| format!("{a} → {b}")).collect();
            evidence.push(format!(
                "{changed} of {distinct} indices are others, the same wherever they stand: {}",
                examples.join(", ")
            ));
            (
                "index_map",
                format!(
                    "the index map is another one: in `{name}` every index stands for what another one \
                     stood for, as after a vocabulary or label list in another order"
                ),
            )
        }
        Relation::Affine(by) => {
            ("normalisation", format!("`{name}` is normalised otherwise: after = {} ({formula})", line(*by)))
        }
        Relation::AffineBy(Axis::Row, by) => {
            evidence.push(format!("row 0 after = {}", line(*by)));
            (
                "normalisation_per_row",
                format!(
                    "`{name}` is normalised row by row on one side: each row has a scale and a shift of \
                     its own"
                ),
            )
        }
        Relation::AffineBy(axis, by) => {
            let axis = if *axis == Axis::Channel {
                "channel or column (second axis)"
            } else {
                "place on the last axis"
            };
            evidence.push(format!("the first that changed: after = {}", line(*by)));
            (
                "normalisation",
                format!(
                    "`{name}` is normalised otherwise: a scale and a shift for each {axis} explain it \
                     ({formula})"
                ),
            )
        }
        Relation::Mirrored(mirrored, rows) => {
            evidence.push(format!(
                "{mirrored} of {rows} rows are mirrored along the last axis, the others are equal"
            ));
            ("augmentation", format!("an augmentation is on: rows of `{name}` are mirrored at random"))
        }
        Relation::SomeRows(equal, rows) => {
            evidence.push(format!("{equal} of {rows} rows are equal, in place"));
            evidence.extend(loaders(facts));
            (
                "augmentation",
                format!(
                    "some rows of `{name}` are changed and others are not, as an augmentation does at random"
                ),
            )
        }
        Relation::SharedRows(shared, rows) => {
            evidence.push(format!("{shared} of {rows} rows are among those of the other side"));
            evidence.extend(loaders(facts));
            (
                "other_rows",
                format!(
                    "`{name}` holds other rows of the same data: shuffled from another seed or state, or \
                     at another place of the epoch"
                ),
            )
        }
        Relation::Near(found, apart) => {
            evidence.push(format!(
                "correlation {found:.4}, the largest difference is {apart:.1e} of the largest value"
            ));
            (
                "input_near",
                format!(
                    "`{name}` is close to what it was, and no formula that is known makes one from the \
                     other: noise, an augmentation or another resampling"
                ),
            )
        }
        Relation::Unknown => {
            let loaders = loaders(facts);
            let shuffled = if loaders.is_some() {
                ": shuffled from another seed or state, or other data"
            } else {
                "; cannot tell how one comes from the other"
            };
            evidence.extend(loaders);
            ("other_inputs", format!("`{name}` holds other values{shuffled}"))
        }
    }
}

/// Generators that may order data, and differ.
fn loaders(facts: &Facts) -> Option<String> {
    let changes: Vec<&Change> = facts.of_part(Part::Generator).collect();
    let names: Vec<&str> = changes
        .iter()
        .map(|change| change.name.as_str())
        .filter(|name| !OF_MODULES.iter().any(|module| name.starts_with(module)))
        .collect();
    (!names.is_empty()).then(|| format!("generators that differ: {}", some(&names)))
}

fn line(by: Affine) -> String {
    let sign = if by.shift < 0.0 { "−" } else { "+" };
    format!("{} · before {sign} {}", significant(by.scale, 5), significant(by.shift.abs(), 5))
}
