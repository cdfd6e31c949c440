//! Buffers that no other rule explains, such as positions, masks and tables.

use std::collections::HashSet;

use crate::diff::capture::facts::{Facts, Section};
use crate::diff::capture::rule::{Finding, some};
use crate::diff::model::TensorDiff;

pub fn find(facts: &Facts, explained: &HashSet<String>) -> Option<Finding> {
    let mut differing: Vec<(&str, &TensorDiff)> = facts.differing(Section::Buffer);
    differing.retain(|(_, tensor)| !explained.contains(&tensor.name));
    let names: Vec<&str> = differing.iter().map(|(name, _)| *name).collect();
    (!names.is_empty()).then(|| Finding {
        kind: "buffers",
        what: format!("buffers differ: {}", some(&names)),
        evidence: vec![
            "buffers that are not persistent are made anew, and no checkpoint holds them".to_owned(),
        ],
        tensors: differing.iter().map(|(_, tensor)| tensor.name.clone()).collect(),
        reach: facts.reach(names.iter().map(|name| facts.owner(name))),
    })
}
