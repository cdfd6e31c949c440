//! The activations of two captures side by side, in the order in which modules finished: the first one that
//! differs, and which modules cannot have been the cause of it.
//!
//! An activation's number counts the calls before it, so that one module more moves all numbers behind it.
//! Pairs are made by module, path and how often the module had run, not by number.

use std::collections::{HashMap, HashSet};

use crate::checkpoint::{Checkpoint, View};
use crate::diff::capture::metadata::{Activation, Capture};
use crate::diff::capture::model::FirstActivation;
use crate::diff::compare::compare;

/// What the activations say.
#[derive(Debug, Default)]
pub struct Activations {
    /// How many both sides have.
    pub paired: usize,
    /// How many only one side has.
    pub unpaired: usize,
    /// The first that differs.
    pub first: Option<FirstActivation>,
    /// The name of its tensor in AFTER, whose number may be another one.
    pub key_after: String,
    /// Modules that gave equal activations before it: what is inside of them had no effect.
    equal: HashSet<String>,
    /// Modules whose first activation comes behind it.
    later: HashSet<String>,
    /// Whether both ran the paired modules in the same order.
    pub same_order: bool,
}

/// An activation's module, path behind its name, and the number of the call among those with both.
type Identity = (String, String, usize);

impl Activations {
    /// Pairs and compares; `None` where a side has no forward pass.
    pub fn of(before: (&Checkpoint, &Capture), after: (&Checkpoint, &Capture)) -> Option<Self> {
        let (list_before, list_after) = (before.1.activations.as_ref()?, after.1.activations.as_ref()?);
        let (ours, theirs) = (identified(list_before), identified(list_after));
        let places: HashMap<&Identity, usize> =
            theirs.iter().enumerate().map(|(place, identity)| (identity, place)).collect();
        let pairs: Vec<(usize, usize)> = ours
            .iter()
            .enumerate()
            .filter_map(|(place, identity)| places.get(identity).map(|other| (place, *other)))
            .collect();
        let mut found = Self {
            paired: pairs.len(),
            unpaired: ours.len() + theirs.len() - 2 * pairs.len(),
            same_order: pairs.is_sorted_by_key(|(_, other)| *other),
            ..Self::default()
        };
        for (equal_before, (place, other)) in pairs.into_iter().enumerate() {
            let (ours, theirs) = (&list_before[place], &list_after[other]);
            let module = ours.module.clone();
            if found.first.is_some() {
                if !found.equal.contains(&module) {
                    found.later.insert(module);
                }
                continue;
            }
            let (Some(a), Some(b)) = (before.0.get(&ours.key), after.0.get(&theirs.key)) else {
                continue;
            };
            if is_same(a, b) {
                found.equal.insert(module);
                continue;
            }
            // A module that ran twice may differ the second time: it is where to look.
            found.equal.remove(&module);
            found.key_after.clone_from(&theirs.key);
            found.first = Some(FirstActivation {
                key: ours.key.clone(),
                module,
                class: ours.class.clone(),
                equal_before,
                distance: compare(a, b, &|_| ()),
            });
        }
        Some(found)
    }

    /// Whether the state of `module` can have made the first activation differ: it is that module's, or one's
    /// around it, or one's that ran unseen before it. Those that gave equal activations had no effect.
    pub fn can_come_from(&self, module: &str) -> bool {
        let Some(first) = &self.first else { return false };
        first.module == module
            || is_around(module, &first.module)
            || (!self.equal.contains(module) && !self.later.contains(module))
    }

    /// Whether `module` gave equal activations before the first that differs.
    pub fn gave_equal(&self, module: &str) -> bool {
        self.equal.contains(module)
    }
}

/// Whether `inner` is a part of `outer`; every module is one of the root.
pub fn is_around(outer: &str, inner: &str) -> bool {
    inner != outer
        && (outer.is_empty() || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.')))
}

fn is_same(a: View, b: View) -> bool {
    a.element == b.element && a.shape == b.shape && a.bytes == b.bytes
}

fn identified(activations: &[Activation]) -> Vec<Identity> {
    let mut calls: HashMap<(String, String), usize> = HashMap::new();
    let identity = |activation: &Activation| {
        let name = if activation.module.is_empty() { "(model)" } else { &activation.module };
        // Behind `activation/NNNNNN/MODULE`.
        let path = activation.key.splitn(3, '/').nth(2).and_then(|rest| rest.strip_prefix(name));
        let key = (activation.module.clone(), path.unwrap_or_default().to_owned());
        let call = calls.entry(key.clone()).or_default();
        *call += 1;
        (key.0, key.1, *call)
    };
    activations.iter().map(identity).collect()
}
