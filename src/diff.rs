//! What changed between two checkpoints, and the likely cause.
//!
//! [`compare_all`] compares tensor by tensor; [`diff`] puts them in order, sums them up and asks for causes:
//! [`cause`] for plain checkpoints, [`capture`] for two captures.

pub mod capture;
pub mod cause;
pub mod model;
pub mod threshold;

mod block;
mod common;
mod compare;
mod extent;
mod special;
mod widen;
mod window;

use std::collections::BTreeSet;
use std::path::Path;

use rayon::prelude::*;

use crate::checkpoint::element::{Kind, kind, name};
use crate::checkpoint::{Checkpoint, View};
use crate::diff::capture::Pair;
use crate::diff::model::{Diff, SCHEMA, Side, Status, Summary, TensorDiff};
use crate::error::{Error, Result};

/// Compares two checkpoints. `read` is told of bytes that were compared, from any thread.
///
/// # Errors
/// If one holds no tensor, or they have no tensor's name in common; and what [`Pair::read`] refuses.
pub fn diff(before: &Checkpoint, after: &Checkpoint, read: &(dyn Fn(u64) + Sync)) -> Result<Diff> {
    let captures = Pair::read(before, after)?;
    let mut tensors = compare_all(before, after, read)?;
    let summary = Summary::of(&tensors);
    let (likely_cause, causes, capture) = match captures {
        None => {
            let (likely_cause, causes) = cause::find(before, after, &mut tensors, &summary);
            (likely_cause, causes, None)
        }
        Some(pair) => {
            let told = pair.explain(&mut tensors);
            (told.likely_cause, told.causes, Some(told.capture))
        }
    };
    if capture.is_some() {
        capture::sort(&mut tensors)
    } else {
        sort(&mut tensors)
    }
    let (before, after) = (Side::of(before), Side::of(after));
    Ok(Diff { schema: SCHEMA, before, after, summary, likely_cause, causes, capture, tensors })
}

/// Compares every tensor that either side has, by name.
///
/// # Errors
/// If one holds no tensor, or they have no tensor's name in common.
pub fn compare_all(
    before: &Checkpoint,
    after: &Checkpoint,
    read: &(dyn Fn(u64) + Sync),
) -> Result<Vec<TensorDiff>> {
    for side in [before, after] {
        if side.is_empty() {
            return Err(Error::input(format!(
                "{}: holds no tensors; give a checkpoint that does",
                side.path().display()
            )));
        }
    }
    if !before.tensors().any(|tensor| after.get(tensor.name).is_some()) {
        return Err(unrelated(before, after));
    }
    let names: BTreeSet<&str> = before.tensors().chain(after.tensors()).map(|tensor| tensor.name).collect();
    let names: Vec<&str> = names.into_iter().collect();
    Ok(names.par_iter().map(|name| one(name, before.get(name), after.get(name), read)).collect())
}

fn unrelated(before: &Checkpoint, after: &Checkpoint) -> Error {
    let example = |side: &Checkpoint| {
        let name = side.tensors().next().map(|tensor| tensor.name.to_owned()).unwrap_or_default();
        format!("{} tensors such as \"{}\"", side.len(), crate::checkpoint::shown(&name))
    };
    let remedy = prefixed(before, after).or_else(|| prefixed(after, before)).map_or_else(
        || "give two of the same model".to_owned(),
        |(side, prefix)| {
            format!(
                "names in {} begin with \"{prefix}\": save both sides with it, or without",
                side.display()
            )
        },
    );
    Error::input(format!(
        "unrelated checkpoints: {} has {}, {} has {}, and no name is on both sides; {remedy}",
        before.path().display(),
        example(before),
        after.path().display(),
        example(after)
    ))
}

/// What wrappers of models put in front of every name: data-parallel ones, compiled ones, and libraries that hold
/// the model as a part.
const PREFIXES: [&str; 3] = ["module.", "_orig_mod.", "model."];

/// The side of which all names begin with a wrapper's prefix, if some of the other side's lie behind it.
fn prefixed<'a>(wrapped: &'a Checkpoint, plain: &Checkpoint) -> Option<(&'a Path, &'static str)> {
    let is_prefix = |prefix: &&'static str| {
        wrapped.tensors().all(|tensor| tensor.name.starts_with(prefix))
            && wrapped.tensors().any(|tensor| plain.get(&tensor.name[prefix.len()..]).is_some())
    };
    Some((wrapped.path(), PREFIXES.into_iter().find(is_prefix)?))
}

fn one(name: &str, before: Option<View>, after: Option<View>, read: &(dyn Fn(u64) + Sync)) -> TensorDiff {
    let mut tensor = TensorDiff {
        name: name.to_owned(),
        status: Status::Equal,
        dtype_before: before.map(|view| self::name(view.element)),
        dtype_after: after.map(|view| self::name(view.element)),
        shape_before: before.map(|view| view.shape.to_vec()),
        shape_after: after.map(|view| view.shape.to_vec()),
        distance: None,
        remarks: Vec::new(),
        cause: None,
    };
    let (before, after) = match (before, after) {
        (Some(before), Some(after)) => (before, after),
        (None, _) => {
            tensor.status = Status::Extra;
            return tensor;
        }
        (_, None) => {
            tensor.status = Status::Missing;
            return tensor;
        }
    };
    tensor.distance = compare::compare(before, after, read);
    let is_other = tensor.is_retyped() || tensor.is_reshaped();
    tensor.status = match &tensor.distance {
        None => Status::Incomparable,
        Some(distance) if distance.differing > 0 || is_other => Status::Different,
        Some(_) => Status::Equal,
    };
    tensor.remarks = remarks(&tensor, before, after);
    tensor
}

fn remarks(tensor: &TensorDiff, before: View, after: View) -> Vec<String> {
    let mut remarks = Vec::new();
    if tensor.is_reshaped() {
        remarks.push(if before.elements() == after.elements() {
            "reshaped: compared in order of memory".to_owned()
        } else {
            format!("{} elements against {}: not comparable", before.elements(), after.elements())
        });
    }
    if before.elements() == after.elements() {
        match &tensor.distance {
            None => remarks.push(format!(
                "no type holds all values of {} and of {}: not comparable",
                self::name(before.element),
                self::name(after.element)
            )),
            Some(distance) if tensor.is_retyped() => {
                remarks.push(format!("compared as {}", distance.compared_as));
            }
            Some(_) if kind(before.element) == Kind::Opaque => {
                remarks.push(format!("{} is compared byte by byte", self::name(before.element)));
            }
            Some(_) => {}
        }
    }
    for (side, view) in [("before", before), ("after", after)] {
        if kind(view.element) == Kind::Bool {
            let odd = view.bytes.par_iter().filter(|byte| **byte > 1).count();
            if odd > 0 {
                remarks.push(format!("{odd} bytes {side} are neither 0 nor 1"));
            }
        }
    }
    remarks
}

impl Side {
    fn of(side: &Checkpoint) -> Self {
        Self {
            path: side.path().display().to_string(),
            files: side.files().count(),
            tensors: side.len(),
            bytes: side.bytes(),
        }
    }
}

impl Summary {
    fn of(tensors: &[TensorDiff]) -> Self {
        let count = |of: &dyn Fn(&TensorDiff) -> bool| tensors.iter().filter(|tensor| of(tensor)).count();
        let having = |status| count(&|tensor| tensor.status == status);
        Self {
            tensors: tensors.len(),
            equal: having(Status::Equal),
            different: tensors.len() - having(Status::Equal),
            missing: having(Status::Missing),
            extra: having(Status::Extra),
            incomparable: having(Status::Incomparable),
            reshaped: count(&TensorDiff::is_reshaped),
            retyped: count(&TensorDiff::is_retyped),
            not_finite: count(&TensorDiff::is_not_finite),
        }
    }
}

/// What one side lacks and what cannot be compared first, then NaN and infinities that appeared, then by how
/// far; equal ones last. Among equals by name.
fn sort(tensors: &mut [TensorDiff]) {
    let far = |tensor: &TensorDiff| {
        let distance = tensor.distance.as_ref();
        let relative = distance.and_then(|distance| distance.v_ermv).unwrap_or(0.0);
        let ulp = distance.map_or(0, |distance| distance.max_ulp.unwrap_or(u64::MAX));
        (relative, ulp)
    };
    let rank = |tensor: &TensorDiff| {
        let is_mild = tensor.status == Status::Different && !tensor.is_reshaped();
        (
            if is_mild || tensor.status == Status::Equal { Status::Different } else { tensor.status },
            tensor.status == Status::Equal,
            !tensor.is_reshaped(),
            !tensor.is_not_finite(),
        )
    };
    tensors.sort_by(|a, b| {
        let ((relative_a, ulp_a), (relative_b, ulp_b)) = (far(a), far(b));
        rank(a)
            .cmp(&rank(b))
            .then(relative_b.total_cmp(&relative_a))
            .then(ulp_b.cmp(&ulp_a))
            .then_with(|| a.name.cmp(&b.name))
    });
}

#[cfg(test)]
mod tests;
