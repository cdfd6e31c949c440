//! Batches against what is said of them; every algorithm's twin in all of them; and faults that were planted,
//! which only some batch can show.

use std::collections::HashSet;

use half::f16;
use proptest::prelude::*;

use super::*;
use crate::input::{Distribution, generate};
use crate::operation::{Algorithm, Form, OPERATIONS, Operation, OutputSpec, Target, find};
use crate::tensor::Dtype;

const TARGETS: [Target; 2] = [Target { sm_count: 16 }, Target { sm_count: 132 }];
/// As many rows as the largest threshold, and some of the drawn sizes.
const MOST_ROWS: u64 = 300;

fn problem(operation: &'static dyn Operation, shape: &str, dtype: Dtype) -> Problem {
    let shape = operation.shape(shape).unwrap();
    let workload = Workload { seed: 3, ..Workload::new("test", operation, shape, dtype, Distribution::Wide) };
    let inputs = generate(&operation.inputs(&workload), workload.input, workload.seed);
    Problem { workload, inputs }
}

fn algorithm(operation: &dyn Operation, name: &str) -> &'static Algorithm {
    operation.algorithms().iter().find(|algorithm| algorithm.name == name).unwrap()
}

fn run(algorithm: &Algorithm, problem: &Problem, target: &Target) -> Vec<Tensor> {
    let specs = problem.workload.operation.outputs(Form::Own(algorithm), &problem.workload);
    let mut outputs: Vec<Tensor> = specs.iter().map(OutputSpec::tensor).collect();
    outputs.iter_mut().for_each(|output| output.bytes_mut().fill(0xff));
    (algorithm.twin)(&problem.workload, target, &problem.inputs, &mut outputs);
    outputs
}

fn same_bits(some: &[Tensor], others: &[Tensor]) -> bool {
    let parts = |tensors: &[Tensor]| -> Vec<_> {
        tensors.iter().map(|tensor| (tensor.name, tensor.dtype(), tensor.bytes().to_vec())).collect()
    };
    parts(some) == parts(others)
}

/// The sizes of the batches in which a row has other bits than in the whole problem.
fn differing(algorithm: &Algorithm, problem: &Problem, target: &Target) -> Vec<usize> {
    let operation = problem.workload.operation;
    let count = operation.batch_rows(Form::Own(algorithm), &problem.workload).unwrap();
    let whole = run(algorithm, problem, target);
    let differs = |batch: &Batch| {
        let outputs = run(algorithm, &operation.rebatch(problem, &batch.rows), target);
        !same_bits(&outputs, &operation.gather(Form::Own(algorithm), problem, &whole, &batch.rows))
    };
    let batches = batches(count, MOST_ROWS, 1);
    assert!(batches.len() > 20, "{} batches are few", batches.len());
    batches.iter().filter(|batch| differs(batch)).map(|batch| batch.rows.len()).collect()
}

/// Shapes whose rows span tiles, chunks and vectors, and end inside of them.
fn shapes(operation: &str) -> &'static [&'static str] {
    match operation {
        "reduce" => &["r=7;c=1025", "r=64;c=256", "r=3;c=16385", "n=4099", "r=129;c=33"],
        "matmul" => &[
            "m=16;n=32;k=64",
            "m=131;n=7;k=9",
            "m=5;n=3;k=1031",
            "m=33;n=31;k=17;ta=1",
            "m=6;n=9;k=521;tb=1",
            "m=130;n=5;k=65;ta=1;tb=1",
            "a=64x12;b=64x16;ta=1",
            "m=1;n=8;k=0",
        ],
        "batch_norm" => &["n=4;c=3;h=8;w=8", "n=7;c=5;h=3;w=3", "n=130;c=2;h=1;w=1", "n=1;c=3;h=5;w=7"],
        _ => panic!("name shapes for {operation}"),
    }
}

#[test]
fn batch_invariant_algorithms_keep_a_rows_bits_in_every_batch() {
    for operation in OPERATIONS.iter().filter(|operation| !operation.algorithms().is_empty()) {
        let mut claimants = 0;
        for algorithm in operation.algorithms().iter().filter(|algorithm| algorithm.batch_invariant) {
            claimants += 1;
            for (place, shape) in shapes(operation.name()).iter().enumerate() {
                for dtype in Dtype::ALL {
                    let problem = problem(*operation, shape, dtype);
                    let found = differing(algorithm, &problem, &TARGETS[place % 2]);
                    assert!(
                        found.is_empty(),
                        "{algorithm:?} {shape} {dtype} differs in batches of {found:?}"
                    );
                }
            }
        }
        assert!(claimants > 0, "{}", operation.name());
    }
}

#[test]
fn a_grid_that_follows_the_number_of_rows_is_seen() {
    let reduce = find("reduce").unwrap();
    for name in ["two_pass", "ticket"] {
        for (shape, target) in [("r=7;c=40001", &TARGETS[0]), ("n=400003", &TARGETS[1])] {
            let found = differing(algorithm(reduce, name), &problem(reduce, shape, Dtype::F32), target);
            assert!(!found.is_empty(), "{name} {shape}");
        }
    }
}

/// `fixed_tree`, but for the last bit of each row in batches of `SIZE` rows.
fn faulty_at<const SIZE: u64>(
    workload: &Workload,
    target: &Target,
    inputs: &[Tensor],
    outputs: &mut [Tensor],
) {
    (algorithm(workload.operation, "fixed_tree").twin)(workload, target, inputs, outputs);
    if workload.shape.extents(["r", "c"]).is_some_and(|[rows, _]| rows == SIZE) {
        flip(&mut outputs[0], |_| true);
    }
}

/// `fixed_tree`, but for the last bit of the row that stands first.
fn faulty_by_place(workload: &Workload, target: &Target, inputs: &[Tensor], outputs: &mut [Tensor]) {
    (algorithm(workload.operation, "fixed_tree").twin)(workload, target, inputs, outputs);
    flip(&mut outputs[0], |place| place == 0);
}

fn flip(sums: &mut Tensor, at: impl Fn(usize) -> bool) {
    let Data::F32(sums) = &mut sums.data else { panic!("sums are f32") };
    for (_, sum) in sums.iter_mut().enumerate().filter(|(place, _)| at(*place)) {
        *sum = f32::from_bits(sum.to_bits() ^ 1);
    }
}

#[test]
fn a_fault_at_a_single_size_is_found_and_named() {
    type Twin = fn(&Workload, &Target, &[Tensor], &mut [Tensor]);
    let reduce = find("reduce").unwrap();
    let problem = problem(reduce, "r=6;c=50", Dtype::F32);
    let faults: [(u64, Twin); 8] = [
        (1, faulty_at::<1>),
        (5, faulty_at::<5>),
        (127, faulty_at::<127>),
        (128, faulty_at::<128>),
        (129, faulty_at::<129>),
        (255, faulty_at::<255>),
        (256, faulty_at::<256>),
        (257, faulty_at::<257>),
    ];
    for (size, twin) in faults {
        let faulty = Algorithm { twin, ..reduce.algorithms()[0] };
        assert_eq!(differing(&faulty, &problem, &TARGETS[0]), [size as usize]);
    }
}

#[test]
fn a_fault_that_follows_a_rows_place_is_found() {
    let reduce = find("reduce").unwrap();
    let faulty = Algorithm { twin: faulty_by_place, ..reduce.algorithms()[0] };
    for shape in ["r=6;c=50", "r=7;c=50", "r=128;c=5"] {
        let problem = problem(reduce, shape, Dtype::F32);
        let count = reduce.batch_rows(Form::Own(&faulty), &problem.workload).unwrap();
        // Row 0 stands first in none.
        let found = differing(&faulty, &problem, &TARGETS[0]);
        assert_eq!(found.len(), batches(count, MOST_ROWS, 1).len(), "{shape}: {found:?}");
    }
}

#[test]
fn what_has_no_rows_says_why() {
    let reason = |operation: &str, name: &str, shape: &str| {
        let operation = find(operation).unwrap();
        operation.batch_rows(
            Form::Own(algorithm(operation, name)),
            &problem(operation, shape, Dtype::F32).workload,
        )
    };
    assert_eq!(reason("reduce", "ticket", "n=9"), Ok(1));
    assert_eq!(reason("reduce", "ticket", "r=5;c=9"), Ok(5));
    assert_eq!(reason("matmul", "tiled", "a=3x4;b=5x4;tb=1"), Ok(3));
    assert_eq!(reason("matmul", "tiled", "a=3x4;b=5x3;ta=1;tb=1"), Ok(4));
    assert_eq!(reason("batch_norm", "inference", "n=6;c=2;h=1;w=3"), Ok(6));
    for (operation, name, shape) in [
        ("reduce", "ticket", "r=0;c=9"),
        ("matmul", "tiled", "m=0;n=2;k=3"),
        ("batch_norm", "inference", "n=0;c=2;h=1;w=3"),
    ] {
        assert!(reason(operation, name, shape).unwrap_err().contains("no rows"), "{operation}");
    }
    for training in ["split_tree", "channel_tree", "atomic"] {
        let why = reason("batch_norm", training, "n=6;c=2;h=1;w=3").unwrap_err();
        assert_eq!(why, "training normalises over the whole batch: another batch is another computation");
    }
}

#[test]
fn all_rows_in_their_order_are_the_problem_itself() {
    for operation in OPERATIONS.iter().filter(|operation| !operation.algorithms().is_empty()) {
        let algorithm = operation.algorithms().iter().find(|algorithm| algorithm.batch_invariant).unwrap();
        for shape in shapes(operation.name()) {
            for dtype in Dtype::ALL {
                let problem = problem(*operation, shape, dtype);
                let count = operation.batch_rows(Form::Own(algorithm), &problem.workload).unwrap();
                let rows: Vec<u64> = (0..count).collect();
                let again = operation.rebatch(&problem, &rows);
                assert!(same_bits(&again.inputs, &problem.inputs), "{shape} {dtype}");
                let outputs = run(algorithm, &problem, &TARGETS[0]);
                let gathered = operation.gather(Form::Own(algorithm), &problem, &outputs, &rows);
                assert!(same_bits(&gathered, &outputs), "{shape} {dtype}");
            }
        }
    }
}

#[test]
fn a_batch_of_a_problem_is_a_problem_of_the_operation() {
    let said = |operation: &str, shape: &str| {
        let problem = problem(find(operation).unwrap(), shape, Dtype::F16);
        let batch = problem.workload.operation.rebatch(&problem, &[1, 0, 1, 1]);
        let (was, is) = (&problem.workload, &batch.workload);
        assert_eq!((&is.name, is.dtype, is.input, is.seed), (&was.name, was.dtype, was.input, was.seed));
        assert_eq!(is.operation.shape(&is.shape.to_string()).unwrap(), is.shape);
        let lens: Vec<usize> = batch.inputs.iter().map(Tensor::len).collect();
        let wanted: Vec<usize> = is.operation.inputs(is).iter().map(|spec| spec.len).collect();
        assert_eq!(lens, wanted);
        is.shape.to_string()
    };
    assert_eq!(said("reduce", "r=2;c=3"), "r=4;c=3");
    assert_eq!(said("matmul", "a=2x3;b=3x5"), "m=4;n=5;k=3");
    assert_eq!(said("matmul", "a=3x2;b=5x3;ta=1;tb=1"), "m=4;n=5;k=3;ta=1;tb=1");
    assert_eq!(said("batch_norm", "n=2;c=3;h=4;w=5"), "n=4;c=3;h=4;w=5");
    let one = problem(find("reduce").unwrap(), "n=3", Dtype::F32);
    assert_eq!(one.workload.operation.rebatch(&one, &[0, 0]).workload.shape.to_string(), "r=2;c=3");
}

#[test]
fn rows_along_any_axis_are_gathered() {
    let tensor = Tensor::f32("x", (0..12).map(|value| value as f32).collect());
    let gather =
        |before, rows, after, which: &[u64]| match (Axis { before, rows, after }).gather(&tensor, which).data
        {
            Data::F32(values) => values,
            Data::F16(_) => panic!("still f32"),
        };
    assert_eq!(gather(1, 4, 3, &[2, 0]), [6.0, 7.0, 8.0, 0.0, 1.0, 2.0]);
    assert_eq!(gather(4, 3, 1, &[2, 2]), [2.0, 2.0, 5.0, 5.0, 8.0, 8.0, 11.0, 11.0]);
    assert_eq!(gather(2, 3, 2, &[1]), [2.0, 3.0, 8.0, 9.0]);
    assert!(gather(1, 4, 3, &[]).is_empty());
    let halves = Tensor { name: "h", data: Data::F16(vec![f16::ONE, f16::NAN]) };
    assert!(Axis::first(2, 1).gather(&halves, &[1, 0]).value(0).is_nan());
}

#[test]
fn sizes_stand_around_every_threshold() {
    for count in [1, 2, 5, 128, 1000, 1 << 40] {
        let sizes: Vec<usize> = batches(count, 512, 9).iter().map(|batch| batch.rows.len()).collect();
        for wanted in [2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257] {
            assert!(sizes.contains(&wanted), "{count}: {wanted}");
        }
        assert_eq!(sizes.contains(&1), count > 1);
        assert_eq!(sizes.contains(&(count as usize)), count > 1 && count <= 512);
        assert!(sizes.len() >= 22 + DRAWN, "{count}: {sizes:?}");
    }
}

#[test]
fn where_nothing_can_be_changed_there_is_no_batch() {
    assert!(batches(0, 100, 1).is_empty());
    assert!(batches(100, 0, 1).is_empty());
    assert!(batches(1, 1, 1).is_empty());
    assert_eq!(batches(1, 2, 1), [Batch { rows: vec![0, 0] }]);
}

#[test]
fn a_batch_is_named_by_its_size_and_its_first_row() {
    assert_eq!(Batch { rows: vec![17, 3, 0] }.to_string(), "batch=3;first=17");
    assert_eq!(Batch { rows: Vec::new() }.to_string(), "batch=0");
    let names: Vec<String> = batches(1000, 300, 7).iter().map(Batch::to_string).collect();
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    assert_ne!(batches(1000, 300, 7), batches(1000, 300, 8));
}

proptest! {
    #[test]
    fn batches_are_as_said(
        count in prop_oneof![1u64..600, 1u64..u64::MAX],
        most_rows in 0u64..600,
        seed: u64,
    ) {
        let batches = batches(count, most_rows, seed);
        prop_assert_eq!(&batches, &super::batches(count, most_rows, seed));
        prop_assert!(batches.is_sorted_by(|some, next| some.rows.len() < next.rows.len()));
        for Batch { rows } in &batches {
            prop_assert!(!rows.is_empty() && rows.len() as u64 <= most_rows);
            prop_assert!(rows.iter().all(|row| *row < count));
            // Each row once before any comes again.
            for round in rows.chunks(count.min(600) as usize) {
                prop_assert_eq!(round.iter().collect::<HashSet<_>>().len(), round.len());
            }
            if rows.len() as u64 == count {
                prop_assert!(rows.iter().enumerate().all(|(place, row)| *row != place as u64));
            }
        }
    }

    #[test]
    fn a_batch_of_a_batch_is_a_batch(
        (before, rows, after) in (0usize..4, 1usize..9, 0usize..4),
        picks in proptest::collection::vec((any::<u64>(), any::<u64>()), 1..20),
    ) {
        let axis = Axis { before, rows, after };
        let values = (0..before * rows * after).map(|value| value as f32).collect();
        let tensor = Tensor::f32("x", values);
        let some: Vec<u64> = picks.iter().map(|(pick, _)| pick % rows as u64).collect();
        let of_these: Vec<u64> = picks.iter().map(|(_, pick)| pick % some.len() as u64).collect();
        let at_once: Vec<u64> = of_these.iter().map(|place| some[*place as usize]).collect();
        let first = axis.gather(&tensor, &some);
        let second = Axis { rows: some.len(), ..axis }.gather(&first, &of_these);
        prop_assert_eq!(second, axis.gather(&tensor, &at_once));
    }

    /// Row by row through the kernels' own addressing: A is m×k, or k×m where it is stored transposed.
    #[test]
    fn rows_of_a_product_are_rows_of_its_first_factor(
        (m, k, ta) in (1u64..7, 0u64..7, any::<bool>()),
        picks in proptest::collection::vec(any::<u64>(), 1..9),
    ) {
        let transposed = if ta { ";ta=1" } else { "" };
        let problem = problem(find("matmul").unwrap(), &format!("m={m};n=3;k={k}{transposed}"), Dtype::F32);
        let rows: Vec<u64> = picks.iter().map(|pick| pick % m).collect();
        let batch = problem.workload.operation.rebatch(&problem, &rows);
        let element = |problem: &Problem, m: usize, row: u64, step: u64| {
            let (row, step) = (row as usize, step as usize);
            problem.inputs[0].value(if ta { step * m + row } else { row * k as usize + step })
        };
        for (place, row) in rows.iter().enumerate() {
            for step in 0..k {
                let there = element(&batch, rows.len(), place as u64, step);
                prop_assert_eq!(there, element(&problem, m as usize, *row, step));
            }
        }
        prop_assert_eq!(&batch.inputs[1], &problem.inputs[1]);
    }
}
