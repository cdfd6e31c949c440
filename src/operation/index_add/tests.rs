//! Added rows against their definition, and what their bound must see.

use super::*;
use crate::input::{Distribution, generate};
use crate::operation::Precision;

fn workload(shape: &str, dtype: Dtype) -> Workload {
    let shape = IndexAdd.shape(shape).unwrap();
    Workload { seed: 5, ..Workload::new("test", &IndexAdd, shape, dtype, Distribution::Normal) }
}

fn inputs(workload: &Workload) -> Vec<Tensor> {
    generate(&IndexAdd.inputs(workload), workload.input, workload.seed)
}

/// In f32, row after row; in the order of the index, or without the last row.
fn sums(workload: &Workload, inputs: &[Tensor], rows: usize) -> Vec<f32> {
    let [r, c, _] = extents(&workload.shape).map(|extent| extent as usize);
    let mut sums = vec![0f32; r * c];
    for row in 0..rows {
        let to = inputs[1].value(row) as usize;
        for column in 0..c {
            sums[to * c + column] += inputs[0].value(row * c + column) as f32;
        }
    }
    sums
}

#[test]
fn indices_are_whole_and_name_every_row() {
    let inputs = inputs(&workload("r=7;c=1;n=1000", Dtype::F16));
    let mut seen = [0; 7];
    for place in 0..1000 {
        let index = inputs[1].value(place);
        assert!(index.fract() == 0.0 && index < 7.0);
        seen[index as usize] += 1;
    }
    assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
}

#[test]
fn the_bound_lets_any_order_pass_and_no_lost_row() {
    let workload = workload("r=7;c=5;n=301", Dtype::F32);
    let inputs = inputs(&workload);
    let reference = IndexAdd.reference(&workload, &inputs);
    let form = Form::Foreign(&PEERS[0], Precision::F32);
    let bound = IndexAdd.bound(form, &workload, &Target { sm_count: 1 }, &inputs, &reference).remove(0);
    for (rows, fits) in [(301, true), (300, false)] {
        let sums = sums(&workload, &inputs, rows);
        let off =
            |place: usize| (f64::from(sums[place]) - reference.outputs[0].values[place]).abs() / bound[place];
        let coverage = (0..sums.len()).map(off).fold(0.0, f64::max);
        assert_eq!(coverage <= 1.0, fits, "κ = {coverage}");
    }
}

#[test]
fn a_row_that_nothing_is_added_to_is_exactly_zero() {
    let workload = workload("r=50;c=2;n=3", Dtype::F16);
    let inputs = inputs(&workload);
    let reference = IndexAdd.reference(&workload, &inputs);
    let form = Form::Foreign(&PEERS[0], Precision::F32);
    let bound = IndexAdd.bound(form, &workload, &Target { sm_count: 1 }, &inputs, &reference).remove(0);
    let untouched = reference.outputs[0].magnitudes.iter().zip(&bound).filter(|(sum, _)| **sum == 0.0);
    assert!(untouched.clone().count() >= 94 && untouched.clone().all(|(_, bound)| *bound == 0.0));
}

#[test]
fn shapes_that_do_not_fit_are_refused_by_name() {
    for (shape, said) in [
        ("n=5", "takes r=…;c=…;n=…"),
        ("r=16777217;c=1;n=1", "at most 2^24"),
        ("r=0;c=1;n=1", "no row to add to"),
    ] {
        let error = IndexAdd.shape(shape).unwrap_err().to_string();
        assert!(error.contains(said) && error.lines().count() == 1, "{error}");
    }
}
