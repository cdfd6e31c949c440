//! Checks of one execution each: a device's outputs against the reference, and against the bits of the
//! twin that follows the device's own plan.

use std::sync::Arc;

use crate::device::{Device, Series};
use crate::digest::digest;
use crate::error::{Error, Result};
use crate::guarantee::Guarantee;
use crate::input::Distribution;
use crate::operation::{Algorithm, Form, OPERATIONS, Operation};
use crate::poison::Poison;
use crate::suite::case::{self, Case};
use crate::suite::observe;
use crate::suite::way::Way;
use crate::tensor::{Dtype, Tensor};
use crate::workload::{Profile, Workload};

/// One check.
#[derive(Debug, Clone)]
pub struct Check {
    workload: Workload,
    algorithm: &'static Algorithm,
}

/// Every check, the most valuable first: ordinary shapes of every algorithm and dtype, then odd ones.
///
/// # Errors
/// Never for a released program: a test makes them all.
pub fn checks() -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for operation in OPERATIONS {
        for (place, text) in operation.check_shapes().iter().enumerate() {
            for dtype in [Dtype::F32, Dtype::F16] {
                // Inputs take turns, so that each meets every kind of shape sooner or later.
                let input = Distribution::ALL[(place + 2) % Distribution::ALL.len()];
                let workload = workload(*operation, text, dtype, input)?;
                for algorithm in operation.algorithms() {
                    checks.push(Check { workload: workload.clone(), algorithm });
                }
            }
        }
    }
    Ok(checks)
}

fn workload(
    operation: &'static dyn Operation,
    shape: &str,
    dtype: Dtype,
    input: Distribution,
) -> Result<Workload> {
    let name = format!("check-{}-{shape}-{dtype}-{}", operation.name(), input.name());
    Ok(Workload { seed: 1, ..Workload::new(name, operation, operation.shape(shape)?, dtype, input) })
}

impl Check {
    /// What tells checks apart.
    pub fn id(&self) -> String {
        let Workload { operation, shape, dtype, input, .. } = &self.workload;
        let setting = self.algorithm.setting;
        let setting = if setting.is_empty() { String::new() } else { format!(" [{setting}]") };
        format!("{}/{}{setting} {shape} {dtype} {}", operation.name(), self.algorithm.name, input.name())
    }

    /// What is checked.
    pub fn algorithm(&self) -> &'static Algorithm {
        self.algorithm
    }

    /// How many elements it goes through.
    pub fn elements(&self) -> u64 {
        self.workload.shape.elements().unwrap_or(u64::MAX)
    }

    /// Executes twice under different poison, and schedules where there are any, and says what agreed.
    ///
    /// # Errors
    /// Says what does not agree, in one line.
    pub fn run(&self, device: &dyn Device) -> std::result::Result<String, String> {
        if let Some(reason) = case::reason_to_skip(device, &self.workload, Profile::Full) {
            return Ok(format!("skipped: {reason}"));
        }
        let case = Case::new(&self.workload);
        if let Some(reason) = case.reason_to_skip(device, &Way::own(self.algorithm), Profile::Full) {
            return Ok(format!("skipped: {reason}"));
        }
        self.execute(device, &case).map_err(|error| error.to_string())
    }

    fn execute(&self, device: &dyn Device, case: &Case) -> Result<String> {
        let staged = device.stage(Arc::clone(&case.problem))?;
        let mut prepared = staged.prepare(self.algorithm)?;
        let checker = case.checker(Form::Own(self.algorithm), &device.target());
        let mut coverage = 0f64;
        let series = Series { executions: 2, seed: observe::YARDSTICK_SEED, varies: true };
        prepared.expect(series);
        for execution in 0..series.executions {
            if let Some(simulation) = device.simulation() {
                simulation.set_schedule(series.execution(execution).seed);
            }
            let outputs = observe::execute(&mut *prepared, execution)?;
            coverage = coverage.max(checker.check(outputs).map_err(Error::Device)?.coverage);
            if self.algorithm.guarantee > Guarantee::NotGuaranteed {
                self.compare_with_twin(device, case, outputs, Poison::of_execution(execution))?;
            }
        }
        let twin = if self.algorithm.guarantee > Guarantee::NotGuaranteed { "twin: same bits, " } else { "" };
        Ok(format!("{twin}κ = {coverage:.3e}"))
    }

    fn compare_with_twin(
        &self,
        device: &dyn Device,
        case: &Case,
        outputs: &[Tensor],
        poison: Poison,
    ) -> Result<()> {
        let inputs = &case.problem.inputs;
        let mut twin: Vec<Tensor> = outputs.to_vec();
        poison.prepare(
            &mut twin,
            &self.workload.operation.outputs(Form::Own(self.algorithm), &self.workload),
            inputs,
        );
        (self.algorithm.twin)(&self.workload, &device.target(), inputs, &mut twin);
        if digest(&twin) == digest(outputs) {
            return Ok(());
        }
        for (ours, theirs) in outputs.iter().zip(&twin) {
            let found = crate::divergence::divergence(theirs, ours);
            if let Some(first) = found.first_difference {
                return Err(Error::device(format!(
                    "differs from its twin in {} of {} elements of {}, first at [{first}]: {} against {}",
                    found.differing,
                    found.elements,
                    found.output,
                    ours.value(first as usize),
                    theirs.value(first as usize)
                )));
            }
        }
        Err(Error::device("differs from its twin"))
    }
}
