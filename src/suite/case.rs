//! A workload made ready: inputs, their digest, the accurate answer; and why it may be skipped.

use std::sync::Arc;

use crate::device::{Device, Problem};
use crate::digest::{Digest, digest};
use crate::input::generate;
use crate::operation::{Form, OutputSpec, Precision, Reference, Target, Work};
use crate::suite::check::Checker;
use crate::suite::way::Way;
use crate::workload::{Profile, Workload};

/// A workload with inputs and reference.
pub struct Case {
    /// The workload and its inputs.
    pub problem: Arc<Problem>,
    /// Digest of the inputs.
    pub input_digest: Digest,
    reference: Reference,
}

impl Case {
    /// Generates the inputs and computes the reference.
    pub fn new(workload: &Workload) -> Self {
        let specs = workload.operation.inputs(workload);
        let mut inputs = generate(&specs, workload.input, workload.seed);
        if let Some(given) = &workload.given {
            inputs[given.input].data = given.tensor.data.clone();
        }
        let reference = workload.operation.reference(workload, &inputs);
        let input_digest = digest(&inputs);
        Self { problem: Arc::new(Problem { workload: workload.clone(), inputs }), input_digest, reference }
    }

    /// What a way's outputs are held against.
    pub fn checker(&self, form: Form, target: &Target) -> Checker<'_> {
        let workload = &self.problem.workload;
        let operation = workload.operation;
        let bounds = operation.bound(form, workload, target, &self.problem.inputs, &self.reference);
        Checker::new(&self.reference, operation.outputs(form, workload), bounds)
    }

    /// Why `way` is not executed on this workload, if so.
    pub fn reason_to_skip(&self, device: &dyn Device, way: &Way, profile: Profile) -> Option<String> {
        let workload = &self.problem.workload;
        if !way.dtypes().contains(&workload.dtype) {
            return Some(format!("takes no {}", workload.dtype));
        }
        if let Some(range) = &self.reference.range {
            return Some(format!("range: {range}"));
        }
        if let Some(reason) = workload.operation.reason_to_skip(way.form(workload), workload) {
            return Some(reason);
        }
        let elements = workload.shape.elements().unwrap_or(u64::MAX);
        let limit = device.limits(profile).contended_elements;
        let contended = way.own_algorithm().is_some_and(|algorithm| algorithm.contended);
        (contended && elements > limit).then(|| {
            format!("contended: more than {limit} elements take too long in profile {}", profile.name())
        })
    }
}

/// Why no algorithm is executed on `workload`, if so: it takes too long, or does not fit into memory.
/// Asked before anything is allocated.
pub fn reason_to_skip(device: &dyn Device, workload: &Workload, profile: Profile) -> Option<String> {
    let limit = device.limits(profile).flops;
    if let Work::Flops(flops) = workload.operation.work(workload)
        && flops > limit
    {
        let gflop = |flops: u64| flops as f64 / 1e9;
        return Some(format!(
            "work: {:.1} GFLOP per execution, at most {:.1} on {} in profile {}",
            gflop(flops),
            gflop(limit),
            device.name(),
            profile.name()
        ));
    }
    // Who does not tell what is free refuses later, as an error of the row.
    let host = crate::device::memory::available().unwrap_or(u64::MAX);
    let on_device = device.free_bytes().unwrap_or(u64::MAX);
    let (needed, free) = (bytes_needed(workload, &device.target()), host.min(on_device));
    let where_ = if host <= on_device { "on the host" } else { "on the device" };
    (needed > free).then(|| {
        let gib = |bytes: u64| bytes as f64 / (1u64 << 30) as f64;
        format!("memory: needs {:.1} GiB, {:.1} GiB are free {where_}", gib(needed), gib(free))
    })
}

/// Why `way` is not executed on a simulated device: it takes too many instructions. Asked before anything is
/// allocated.
pub fn reason_too_large(device: &dyn Device, workload: &Workload, way: &Way) -> Option<String> {
    let (simulation, algorithm) = (device.simulation()?, way.own_algorithm()?);
    let skipped_anyway = !way.dtypes().contains(&workload.dtype)
        || workload.operation.reason_to_skip(Form::Own(algorithm), workload).is_some();
    if skipped_anyway {
        return None;
    }
    let most = simulation.most_instructions();
    let estimate = simulation.estimate(algorithm, workload);
    (estimate > most).then(|| {
        format!(
            "work: more than {most} thread instructions per execution on {}, raise it with \
             --max-instructions (about {estimate} are needed)",
            device.name()
        )
    })
}

/// Inputs once; every way's latest outputs; one's first outputs, with reference, magnitudes and
/// bounds; every plan's workspaces. A tenth more for what was not counted.
fn bytes_needed(workload: &Workload, target: &Target) -> u64 {
    let operation = workload.operation;
    let inputs: u64 =
        operation.inputs(workload).iter().map(|spec| spec.len as u64 * spec.dtype.size() as u64).sum();
    let of_algorithms = |each: fn(&OutputSpec) -> u64| {
        let sum = move |form| operation.outputs(form, workload).iter().map(each).sum::<u64>();
        let foreign = operation.peers().iter().map(|way| Form::Foreign(way, Precision::F32));
        operation.algorithms().iter().map(Form::Own).chain(foreign).map(sum)
    };
    let workspaces: u64 = operation
        .algorithms()
        .iter()
        .flat_map(|algorithm| (algorithm.plan)(workload, target).workspaces)
        .map(|workspace| workspace.bytes)
        .sum();
    let latest: u64 = of_algorithms(|spec| spec.len as u64 * spec.dtype.size() as u64).sum();
    let compared = of_algorithms(|spec| spec.len as u64 * (spec.dtype.size() as u64 + 32)).max();
    (inputs + workspaces + latest + compared.unwrap_or(0)) / 10 * 11
}
