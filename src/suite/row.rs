//! From what was observed to the columns of a row.

use crate::error::Error;
use crate::measurement::{Measurement, SCHEMA};
use crate::operation::{Algorithm, Work};
use crate::perturbation::Perturbation;
use crate::statistics::{Median, p_upper_95};
use crate::suite::observe::{Observation, Outcome};
use crate::tensor::Dtype;
use crate::timing::Samples;
use crate::verdict::Verdict;
use crate::workload::Workload;

/// A row with its key and nothing observed.
pub fn blank(
    device: &str,
    workload: &Workload,
    algorithm: &Algorithm,
    perturbation: Perturbation,
) -> Measurement {
    let outputs = workload.operation.outputs(workload);
    Measurement {
        schema: SCHEMA,
        row_id: String::new(),
        run_id: String::new(),
        timestamp: String::new(),
        environment: String::new(),
        device: device.to_owned(),
        device_kind: String::new(),
        engine: "samebits".to_owned(),
        setting: String::new(),
        operation: workload.operation.name().to_owned(),
        algorithm: algorithm.name.to_owned(),
        guarantee: algorithm.guarantee,
        batch_invariant: algorithm.batch_invariant,
        workload: workload.name.clone(),
        shape: workload.shape.to_string(),
        dtype: workload.dtype,
        accumulate: Dtype::F32,
        output_dtype: outputs.first().map_or(workload.dtype, |spec| spec.dtype),
        input: workload.input,
        input_digest: String::new(),
        seed: workload.seed,
        perturbation,
        variant: String::new(),
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
    let Some(worst) = observation.worst() else { return };
    row.v_c = Some(worst.v_c());
    row.v_ermv = worst.v_ermv;
    row.v_ermv_excluded = Some(worst.v_ermv_excluded);
    row.max_ulp = worst.max_ulp;
    row.p99_ulp = worst.p99_ulp;
    row.worst_output = worst.output.to_owned();
    row.first_difference = worst.first_difference;
}

/// An algorithm's samples beside those of the read probe.
#[derive(Debug, Clone)]
pub struct Timed {
    /// The samples.
    pub samples: Samples,
    probe_ns: Option<f64>,
    error: Option<String>,
}

impl Timed {
    /// Samples of an algorithm and of the probe that reads the same bytes, taken in the same rounds.
    pub fn new(samples: Samples, probe: &Samples) -> Self {
        let probe_ns = Median::of(&probe.ns).map(|median| median.value);
        Self { samples, probe_ns, error: None }
    }

    /// Timing that did not succeed: a remark, since the verdict stands.
    pub fn failed(error: &Error) -> Self {
        Self { samples: Samples::default(), probe_ns: None, error: Some(error.to_string()) }
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
        if let (Work::Bytes(_), Some(probe_ns)) = (work, self.probe_ns) {
            row.percent_of_limit = Some(100.0 * probe_ns / median.value);
        }
        if self.samples.noisy {
            row.remark("noisy");
        }
    }
}
