//! From what was observed to the columns of a row.

use crate::divergence::Divergence;
use crate::error::Error;
use crate::measurement::{Measurement, SCHEMA};
use crate::operation::Work;
use crate::perturbation::Perturbation;
use crate::statistics::{Median, p_upper_95};
use crate::suite::observe::{Observation, Outcome, YARDSTICK_SEED};
use crate::suite::way::Way;
use crate::tensor::Dtype;
use crate::timing::Samples;
use crate::verdict::Verdict;
use crate::workload::Workload;

/// A row with its key and nothing observed; of a perturbation with values, `variant` is the one tried.
pub fn blank(
    device: &str,
    workload: &Workload,
    way: &Way,
    perturbation: Perturbation,
    variant: &str,
) -> Measurement {
    let outputs = way.outputs(workload);
    Measurement {
        schema: SCHEMA,
        row_id: String::new(),
        run_id: String::new(),
        timestamp: String::new(),
        environment: String::new(),
        device: device.to_owned(),
        device_kind: String::new(),
        engine: way.engine.to_owned(),
        setting: workload.setting.and(&way.setting),
        operation: workload.operation.name().to_owned(),
        algorithm: way.name.to_owned(),
        guarantee: way.guarantee,
        batch_invariant: way.batch_invariant,
        workload: workload.name.clone(),
        shape: workload.shape.to_string(),
        dtype: workload.dtype,
        accumulate: Dtype::F32,
        output_dtype: outputs.first().map_or(workload.dtype, |spec| spec.dtype),
        input: workload.input,
        input_digest: String::new(),
        seed: workload.seed,
        perturbation,
        variant: variant.to_owned(),
        verdict: Verdict::Skipped,
        comparisons: None,
        differing: None,
        distinct: None,
        p_upper_95: None,
        v_c: None,
        v_ermv: None,
        v_ermv_excluded: None,
        max_ulp: None,
        p99_ulp: None,
        worst_output: String::new(),
        first_difference: None,
        reference_max_ulp: None,
        reference_rel_err: None,
        bound_coverage: None,
        digest: String::new(),
        accumulator_digest: String::new(),
        samples: None,
        median_ns: None,
        ci95_low_ns: None,
        ci95_high_ns: None,
        hot_median_ns: None,
        throughput: None,
        throughput_unit: String::new(),
        percent_of_limit: None,
        clock_mhz: None,
        throttled: None,
        kernel: String::new(),
        cubin: String::new(),
        note: String::new(),
    }
}

/// Puts the verdict and what it rests on into `row`.
pub fn fill(row: &mut Measurement, outcome: &Outcome) {
    row.verdict = outcome.verdict();
    match outcome {
        Outcome::Skipped(reason) => row.remark(reason),
        Outcome::Failed(error) => row.remark(error),
        Outcome::Observed(observation) => fill_observed(row, observation),
    }
}

fn fill_observed(row: &mut Measurement, observation: &Observation) {
    row.comparisons = Some(observation.comparisons);
    row.differing = Some(observation.differing);
    row.distinct = Some(observation.distinct);
    row.p_upper_95 = Some(p_upper_95(observation.differing, observation.comparisons));
    row.digest = observation.digest.to_string();
    row.accumulator_digest =
        observation.accumulator_digest.map(|digest| digest.to_string()).unwrap_or_default();
    row.reference_max_ulp = Some(observation.accuracy.max_ulp);
    row.reference_rel_err = observation.accuracy.relative_error;
    row.bound_coverage = Some(observation.accuracy.coverage);
    if let (Perturbation::Schedule, Some(execution)) = (row.perturbation, observation.first_differing) {
        let seed = YARDSTICK_SEED;
        row.remark(&format!("schedules of seeds {seed} and {} differ", seed + execution));
    }
    observation.remarks.iter().for_each(|remark| row.remark(remark));
    if let Some(instructions) = observation.instructions {
        row.remark(&format!("{instructions} thread instructions"));
    }
    if let Some(worst) = observation.worst() {
        fill_divergence(row, worst);
    }
}

/// Puts how far one output is from the yardstick's into `row`.
pub fn fill_divergence(row: &mut Measurement, found: &Divergence) {
    row.v_c = Some(found.v_c());
    row.v_ermv = found.v_ermv;
    row.v_ermv_excluded = Some(found.v_ermv_excluded);
    row.max_ulp = found.max_ulp;
    row.p99_ulp = found.p99_ulp;
    row.worst_output = found.output.to_owned();
    row.first_difference = found.first_difference;
}

/// An algorithm's samples beside those of the probe of the device's limit.
#[derive(Debug, Clone)]
pub struct Timed {
    /// The samples.
    pub samples: Samples,
    /// The probe's work per nanosecond.
    limit: Option<f64>,
    error: Option<String>,
}

impl Timed {
    /// Samples of an algorithm and of the probe, which did `work`, taken in the same rounds.
    pub fn new(samples: Samples, probe: &Samples, work: Work) -> Self {
        let limit = Median::of(&probe.ns).map(|median| work.throughput(median.value).0);
        Self { samples, limit, error: None }
    }

    /// Timing that did not succeed: a remark, since the verdict stands.
    pub fn failed(error: &Error) -> Self {
        Self { samples: Samples::default(), limit: None, error: Some(error.to_string()) }
    }

    /// Fills the timing columns.
    pub fn fill(&self, row: &mut Measurement, work: Work) {
        if let Some(error) = &self.error {
            row.remark(&format!("timing failed: {error}"));
        }
        row.throttled = Some(self.samples.throttled);
        row.clock_mhz = self.samples.clock_mhz;
        row.samples = Some(self.samples.ns.len() as u64);
        let Some(median) = Median::of(&self.samples.ns) else { return };
        row.median_ns = Some(median.value.round() as u64);
        row.ci95_low_ns = Some(median.low.round() as u64);
        row.ci95_high_ns = Some(median.high.round() as u64);
        row.hot_median_ns = Median::of(&self.samples.hot_ns).map(|hot| hot.value.round() as u64);
        let (throughput, unit) = work.throughput(median.value);
        row.throughput = Some(throughput);
        row.throughput_unit = unit.to_owned();
        row.percent_of_limit =
            self.limit.filter(|limit| *limit > 0.0).map(|limit| 100.0 * throughput / limit);
        if self.samples.noisy {
            row.remark("noisy");
        }
    }
}
