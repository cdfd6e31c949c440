//! Running sums against their definition, and what their bound must see.

use half::f16;

use super::*;
use crate::input::{Distribution, generate};
use crate::operation::Precision;

/// κ of running sums that `step` takes from one element to the next.
fn coverage(dtype: Dtype, step: impl Fn(f32, f32) -> f32) -> f64 {
    let shape = CumSum.shape("r=3;c=1031").unwrap();
    let workload = Workload { seed: 7, ..Workload::new("test", &CumSum, shape, dtype, Distribution::Normal) };
    let inputs = generate(&CumSum.inputs(&workload), workload.input, workload.seed);
    let reference = CumSum.reference(&workload, &inputs);
    let form = Form::Foreign(&PEERS[0], Precision::F32);
    let bound = CumSum.bound(form, &workload, &Target { sm_count: 1 }, &inputs, &reference).remove(0);
    let (mut worst, mut sum) = (0f64, 0f32);
    for (place, bound) in bound.iter().enumerate() {
        let x = inputs[0].value(place) as f32;
        sum = if place % 1031 == 0 { x } else { step(sum, x) };
        let stored = if dtype == Dtype::F16 { f16::from_f32(sum).to_f64() } else { f64::from(sum) };
        let error = (stored - reference.outputs[0].values[place]).abs();
        worst = worst.max(if error == 0.0 { 0.0 } else { error / bound });
    }
    worst
}

#[test]
fn the_bound_lets_sums_of_either_type_pass_and_no_wrong_step() {
    let plain = |sum: f32, x: f32| sum + x;
    let rounded = |sum: f32, x: f32| f16::from_f32(sum + x).to_f32();
    for kappa in [coverage(Dtype::F32, plain), coverage(Dtype::F16, plain), coverage(Dtype::F16, rounded)] {
        assert!(kappa > 0.0 && kappa <= 1.0, "κ = {kappa}");
    }
    // Each element counted twice, or an f32 sum that rounds as f16.
    assert!(coverage(Dtype::F32, |sum, x| sum + x + x) > 1.0);
    assert!(coverage(Dtype::F32, rounded) > 1.0);
}

#[test]
fn shapes_that_do_not_fit_are_refused_by_name() {
    let error = CumSum.shape("n=5").unwrap_err().to_string();
    assert!(error.contains("takes r=…;c=…") && error.lines().count() == 1, "{error}");
}
