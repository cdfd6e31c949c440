//! What `samebits diff` found, as data: the terminal's text is made from it, and `--json` prints it as it is.
//! Field names are part of the command line's contract; [`SCHEMA`] is raised when one changes its meaning.

use serde::Serialize;

use crate::diff::capture::model::CaptureDiff;
use crate::diff::cause::Cause;

/// The version of the field names.
pub const SCHEMA: u32 = 1;

/// The difference of two checkpoints.
#[derive(Debug, Clone, Serialize)]
pub struct Diff {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What was compared with.
    pub before: Side,
    /// What was compared.
    pub after: Side,
    /// Counts over tensors.
    pub summary: Summary,
    /// The likely causes in one sentence.
    pub likely_cause: String,
    /// The likely causes, the one that explains most tensors first. Empty if all tensors are equal.
    pub causes: Vec<Cause>,
    /// What differs beside tensors, if both are captures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<CaptureDiff>,
    /// All tensors of both sides, those that matter most first.
    pub tensors: Vec<TensorDiff>,
}

/// One of the two checkpoints.
#[derive(Debug, Clone, Serialize)]
pub struct Side {
    /// As the command line named it.
    pub path: String,
    /// How many files it consists of.
    pub files: usize,
    /// How many tensors it has.
    pub tensors: usize,
    /// Bytes of all tensors.
    pub bytes: u64,
}

/// Counts over tensors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Names on either side.
    pub tensors: usize,
    /// Tensors with the same type, shape and bits.
    pub equal: usize,
    /// Tensors that are not equal, those included that only one side has.
    pub different: usize,
    /// Tensors that only BEFORE has.
    pub missing: usize,
    /// Tensors that only AFTER has.
    pub extra: usize,
    /// Tensors on both sides that cannot be compared element by element.
    pub incomparable: usize,
    /// Tensors with another shape, comparable or not.
    pub reshaped: usize,
    /// Tensors with another type, comparable or not.
    pub retyped: usize,
    /// Tensors with more NaN or infinities in AFTER than in BEFORE.
    pub not_finite: usize,
}

/// What there is to say of a tensor in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Only BEFORE has it.
    Missing,
    /// Only AFTER has it.
    Extra,
    /// Both have it, and elements cannot be paired, or no type holds both exactly.
    Incomparable,
    /// Type, shape or bits differ.
    Different,
    /// Type, shape and bits are the same.
    Equal,
}

/// A tensor on both sides.
#[derive(Debug, Clone, Serialize)]
pub struct TensorDiff {
    /// Its name.
    pub name: String,
    /// What there is to say in one word.
    pub status: Status,
    /// Type of the elements in BEFORE, as `f32`.
    pub dtype_before: Option<String>,
    /// Type of the elements in AFTER.
    pub dtype_after: Option<String>,
    /// Extents in BEFORE.
    pub shape_before: Option<Vec<u64>>,
    /// Extents in AFTER.
    pub shape_after: Option<Vec<u64>>,
    /// How far the elements are apart, where they can be compared.
    pub distance: Option<Distance>,
    /// What else there is to say, as "reshaped: compared in order of memory".
    pub remarks: Vec<String>,
    /// The `kind` of the cause that explains it.
    pub cause: Option<&'static str>,
}

impl TensorDiff {
    /// Whether AFTER has a NaN or an infinity more.
    pub fn is_not_finite(&self) -> bool {
        self.distance.as_ref().is_some_and(|distance| {
            distance.nan_after > distance.nan_before || distance.infinite_after > distance.infinite_before
        })
    }

    /// Whether the shape is another one; false if one side has no such tensor.
    pub fn is_reshaped(&self) -> bool {
        self.shape_before.is_some() && self.shape_after.is_some() && self.shape_before != self.shape_after
    }

    /// Whether the type is another one; false if one side has no such tensor.
    pub fn is_retyped(&self) -> bool {
        self.dtype_before.is_some() && self.dtype_after.is_some() && self.dtype_before != self.dtype_after
    }
}

/// How far the elements of a tensor are apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Distance {
    /// The type that they were compared in, as `f32`; `bytes` where nothing is computed with them.
    pub compared_as: String,
    /// Elements; bytes if compared as `bytes`.
    pub elements: u64,
    /// Elements whose bits differ in that type.
    pub differing: u64,
    /// The fraction of elements that differ.
    pub v_c: f64,
    /// Mean of |A−B|/|A| over elements with finite A ≠ 0 and finite B; null without any.
    pub v_ermv: Option<f64>,
    /// Elements that `v_ermv` leaves out.
    pub v_ermv_excluded: u64,
    /// The largest |A−B|; null without a finite one.
    pub max_difference: Option<f64>,
    /// The largest distance in units in the last place of that type, or of integers the largest absolute
    /// difference; null where a NaN meets another value, or for `bytes`.
    pub max_ulp: Option<u64>,
    /// The 99th percentile of the distance over all elements; null like `max_ulp`.
    pub p99_ulp: Option<u64>,
    /// The index of the first element that differs, in order of memory.
    pub first_difference: Option<u64>,
    /// The same as coordinates, where both shapes are the same.
    pub first_coordinates: Option<Vec<u64>>,
    /// NaN in BEFORE.
    pub nan_before: u64,
    /// NaN in AFTER.
    pub nan_after: u64,
    /// Infinities in BEFORE.
    pub infinite_before: u64,
    /// Infinities in AFTER.
    pub infinite_after: u64,
    /// What causes are looked for with.
    #[serde(skip)]
    pub facts: Facts,
}

/// What the comparison saw on its way, for rules that would have to read everything again.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Facts {
    /// The largest |A| near elements that differ.
    pub max_magnitude: f64,
    /// Whether both hold the same elements in some order, as far as sums over their bits can tell.
    pub may_be_permuted: bool,
}
