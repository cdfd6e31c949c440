//! The steps of training between products and sums: every element by itself, or a row of few. Each is an operation with
//! kernel and twin, which a device prepares and executes as it does the suite's; but no row of the suite, so it stands in no
//! list of operations.

pub mod functions;
mod plan;
mod reference;
mod table;
#[cfg(test)]
mod tests;
mod twin;

use std::str::FromStr;

use crate::device::plan::{Argument, ELEMENTWISE, Plan};
use crate::error::{Error, Result};
use crate::guarantee::Guarantee;
use crate::input::{InputSpec, Values};
use crate::operation::{Algorithm, Form, Operation, OutputSpec, Reference, ReferenceOutput, Target, Work};
use crate::tensor::{Data, Dtype, Tensor};
use crate::workload::{Setting, Shape, Workload};

pub use table::*;

/// How many elements there are of a tensor, or threads of a launch, with matrices of rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// One per element.
    Elements,
    /// One per row.
    Rows,
    /// One per column.
    Columns,
    /// One per four elements, the last for what is left.
    Fours,
}

impl Extent {
    fn of(self, [rows, columns]: [u64; 2]) -> u64 {
        match self {
            Self::Elements => rows * columns,
            Self::Rows => rows,
            Self::Columns => columns,
            Self::Fours => (rows * columns).div_ceil(4),
        }
    }
}

/// An input.
#[derive(Debug)]
struct Input {
    name: &'static str,
    extent: Extent,
    /// What tests fill it with.
    values: InputValues,
}

/// Values of an input in tests.
#[derive(Debug, Clone, Copy)]
enum InputValues {
    /// The workload's distribution.
    Any,
    /// Even over an interval.
    Between(f32, f32),
    /// Numbers of columns.
    Column,
}

/// A step of training.
pub struct Elementwise {
    /// Its name: its kernel is `elementwise_<name>`.
    pub name: &'static str,
    inputs: &'static [Input],
    outputs: &'static [(&'static str, Extent)],
    /// Numbers that it takes beside tensors, with what they are where nothing is set.
    floats: &'static [(&'static str, f32)],
    /// Whole ones.
    integers: &'static [(&'static str, u64)],
    /// A thread per what.
    threads: Extent,
    twin: fn(&Call, &mut [&mut [f32]]),
    reference: fn(&Call) -> Vec<ReferenceOutput>,
    ways: [Algorithm; 1],
}

/// Everything that a step is computed from.
struct Call<'a> {
    rows: usize,
    columns: usize,
    /// In the order of the step's table.
    floats: Vec<f32>,
    /// In the order of the step's table.
    integers: Vec<u64>,
    inputs: Vec<&'a [f32]>,
}

impl Elementwise {
    /// The step's one way: `plan` and `twin` name the step itself.
    const fn way(
        plan: fn(&Workload, &Target) -> Plan,
        twin: fn(&Workload, &Target, &[Tensor], &mut [Tensor]),
    ) -> [Algorithm; 1] {
        [Algorithm {
            name: "elementwise",
            setting: "",
            guarantee: Guarantee::GpuToGpu,
            // Some divide by the number of rows, and dropout counts elements.
            batch_invariant: false,
            order: "nothing: each element is computed by itself",
            dtypes: &[Dtype::F32],
            contended: false,
            module: &ELEMENTWISE,
            plan,
            twin,
            depth: |_, _| 0,
        }]
    }

    /// Its one algorithm.
    pub fn algorithm(&'static self) -> &'static Algorithm {
        &self.ways[0]
    }

    /// The names of its inputs, in their order.
    pub fn input_names(&self) -> impl Iterator<Item = &'static str> {
        self.inputs.iter().map(|input| input.name)
    }

    /// The arguments behind the tensors: extents, then what is set.
    fn scalars(&self, workload: &Workload) -> impl Iterator<Item = Argument> {
        let extents = extents(&workload.shape).into_iter().map(Argument::U64);
        let floats = set(self.floats, &workload.setting).into_iter().map(Argument::F32);
        let integers = set(self.integers, &workload.setting).into_iter().map(Argument::U64);
        extents.chain(floats).chain(integers)
    }

    fn call<'a>(&self, workload: &Workload, inputs: &'a [Tensor]) -> Call<'a> {
        let [rows, columns] = extents(&workload.shape).map(|extent| extent as usize);
        Call {
            rows,
            columns,
            floats: set(self.floats, &workload.setting),
            integers: set(self.integers, &workload.setting),
            inputs: inputs.iter().map(values).collect(),
        }
    }

    /// Executes the twin.
    fn execute(&self, workload: &Workload, inputs: &[Tensor], outputs: &mut [Tensor]) {
        let mut to: Vec<&mut [f32]> = outputs
            .iter_mut()
            .map(|output| match &mut output.data {
                Data::F32(values) => values.as_mut_slice(),
                Data::F16(_) => &mut [],
            })
            .collect();
        (self.twin)(&self.call(workload, inputs), &mut to);
    }
}

/// The numbers of `table` as they are set, or as they usually are.
fn set<T: FromStr + Copy>(table: &[(&str, T)], setting: &Setting) -> Vec<T> {
    let set = |name| setting.get(name).and_then(|text| text.parse().ok());
    table.iter().map(|(name, usual)| set(name).unwrap_or(*usual)).collect()
}

/// Rows and columns.
fn extents(shape: &Shape) -> [u64; 2] {
    shape.extents(["r", "c"]).unwrap_or_default()
}

/// The elements of an f32 tensor.
fn values(tensor: &Tensor) -> &[f32] {
    match &tensor.data {
        Data::F32(values) => values,
        Data::F16(_) => &[],
    }
}

impl Operation for Elementwise {
    fn name(&self) -> &'static str {
        self.name
    }

    fn ways(&self) -> &'static str {
        "ways to take a step"
    }

    fn algorithms(&self) -> &'static [Algorithm] {
        // Each step is a static.
        ALL.iter().find(|step| step.name == self.name).map_or(&[], |step| &step.ways)
    }

    fn shape(&self, text: &str) -> Result<Shape> {
        let shape = Shape::parse(text)?;
        match shape.extents(["r", "c"]) {
            Some(_) => Ok(shape),
            None => Err(Error::input(format!(
                "shape \"{shape}\" does not fit {}, which takes r=…;c=…",
                self.name
            ))),
        }
    }

    fn describe(&self, shape: &Shape) -> String {
        let [rows, columns] = extents(shape);
        format!("{} of {rows}×{columns}", self.name)
    }

    fn inputs(&self, workload: &Workload) -> Vec<InputSpec> {
        let extents = extents(&workload.shape);
        let spec = |input: &Input| InputSpec {
            name: input.name,
            len: input.extent.of(extents) as usize,
            period: (extents[1] as usize).max(1),
            dtype: Dtype::F32,
            values: match input.values {
                InputValues::Any => Values::Workload { scale: 1.0 },
                InputValues::Between(low, high) => Values::Between(low, high),
                InputValues::Column => Values::Below(extents[1]),
            },
        };
        self.inputs.iter().map(spec).collect()
    }

    fn check_setting(&self, setting: &Setting) -> Result<()> {
        let floats = self.floats.iter().map(|(name, _)| *name);
        let names: Vec<_> = floats.chain(self.integers.iter().map(|(name, _)| *name)).collect();
        setting.only(&names).map_err(|error| Error::input(format!("{} {error}", self.name)))?;
        names.iter().try_for_each(|name| setting.number(name).map(drop))
    }

    fn outputs(&self, _: Form, workload: &Workload) -> Vec<OutputSpec> {
        let extents = extents(&workload.shape);
        let outputs = self.outputs.iter().enumerate();
        outputs
            .map(|(place, (name, extent))| {
                OutputSpec::new(name, extent.of(extents) as usize, Dtype::F32, place)
            })
            .collect()
    }

    fn is_small(&self) -> bool {
        true
    }

    fn check_shapes(&self) -> Vec<String> {
        let shapes = [
            [128, 128],
            [128, 10],
            [1, 1280],
            [0, 3],
            [1, 1],
            [2, 3],
            [3, 2],
            [7, 9],
            [37, 10],
            [5, 129],
            [1, 1023],
            [359, 10],
            [257, 1],
        ];
        shapes.iter().map(|[rows, columns]| format!("r={rows};c={columns}")).collect()
    }

    fn work(&self, workload: &Workload) -> Work {
        let extents = extents(&workload.shape);
        let tensors = self.inputs.iter().map(|input| input.extent);
        let tensors = tensors.chain(self.outputs.iter().map(|(_, extent)| *extent));
        Work::Bytes(tensors.map(|extent| extent.of(extents) * Dtype::F32.size() as u64).sum())
    }

    fn reference(&self, workload: &Workload, inputs: &[Tensor]) -> Reference {
        Reference { outputs: (self.reference)(&self.call(workload, inputs)), range: None }
    }

    fn bound(&self, _: Form, _: &Workload, _: &Target, _: &[Tensor], reference: &Reference) -> Vec<Vec<f64>> {
        reference.outputs.iter().map(reference::bounds).collect()
    }
}
