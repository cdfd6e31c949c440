//! Twins against a second, plain reading of their definition, against the reference, and under other
//! thread counts; plans against the signatures in the PTX.

use half::f16;
use proptest::prelude::*;

use super::plan::Geometry;
use super::*;
use crate::device::plan::Step;
use crate::digest::digest;
use crate::input::{Distribution, generate};
use crate::operation::plan_tests::check_plan;
use crate::tensor::Data;

fn workload(shape: &str, dtype: Dtype, input: Distribution, seed: u64) -> Workload {
    Workload { seed, ..Workload::new("test", &Reduce, Reduce.shape(shape).unwrap(), dtype, input) }
}

fn inputs(workload: &Workload) -> Vec<Tensor> {
    generate(&Reduce.inputs(workload), workload.input, workload.seed)
}

fn algorithm(name: &str) -> &'static Algorithm {
    ALGORITHMS.iter().find(|algorithm| algorithm.name == name).unwrap()
}

const TARGET: Target = Target { sm_count: 16 };

fn run(name: &str, workload: &Workload, target: &Target, inputs: &[Tensor]) -> Vec<f32> {
    let rows = extents(&workload.shape).0 as usize;
    let mut outputs = vec![Tensor::f32("sum", vec![f32::NAN; rows])];
    (algorithm(name).twin)(workload, target, inputs, &mut outputs);
    match outputs.remove(0).data {
        Data::F32(values) => values,
        Data::F16(_) => panic!("sums are f32"),
    }
}

/// The definition in `plan.rs`, element by element: no tiles, no vectors, no threads.
fn plainly(geometry: &Geometry, x: &[f32]) -> Vec<f32> {
    let row_sum = |row: &[f32]| {
        let partials: Vec<f32> = (0..geometry.blocks).map(|b| plain_block(geometry, row, b)).collect();
        if geometry.blocks == 1 { partials[0] } else { plain_block(&geometry.combine(), &partials, 0) }
    };
    (0..geometry.rows as usize)
        .map(|row| row_sum(&x[row * geometry.columns as usize..(row + 1) * geometry.columns as usize]))
        .collect()
}

fn plain_block(geometry: &Geometry, row: &[f32], block: u64) -> f32 {
    let width = geometry.width as usize;
    let mut lanes = vec![0f32; width];
    for (element, value) in row.iter().enumerate() {
        let tile = (element / width) as u64;
        let owner = match geometry.tiles_per_chunk {
            Some(chunk) => tile / chunk,
            None => tile % geometry.blocks,
        };
        if owner == block {
            lanes[element % width] += value;
        }
    }
    while lanes.len() > 1 {
        lanes = lanes.chunks(2).map(|pair| pair[0] + pair[1]).collect();
    }
    lanes[0]
}

fn widened(x: &Tensor) -> Vec<f32> {
    (0..x.len()).map(|index| x.value(index) as f32).collect()
}

#[test]
fn deterministic_twins_follow_their_definition_bit_by_bit() {
    for shape in Reduce.check_shapes() {
        let elements = Shape::parse(&shape).unwrap().elements().unwrap();
        if elements > 1 << 21 {
            continue;
        }
        for dtype in Dtype::ALL {
            let workload = workload(&shape, dtype, Distribution::Wide, elements);
            let inputs = inputs(&workload);
            let x = widened(&inputs[0]);
            for target in [TARGET, Target { sm_count: 1 }, Target { sm_count: 132 }] {
                let bits = |sums: Vec<f32>| sums.into_iter().map(f32::to_bits).collect::<Vec<_>>();
                let fixed = bits(plainly(&Geometry::fixed(&workload), &x));
                let grid = bits(plainly(&Geometry::grid(&workload, &target), &x));
                assert_eq!(bits(run("fixed_tree", &workload, &target, &inputs)), fixed, "{shape} {dtype}");
                assert_eq!(bits(run("two_pass", &workload, &target, &inputs)), grid, "{shape} {dtype}");
                assert_eq!(bits(run("ticket", &workload, &target, &inputs)), grid, "{shape} {dtype}");
            }
        }
    }
}

#[test]
fn every_geometry_adds_every_tile_once() {
    for n in [0u64, 1, 1023, 1024, 1025, 4096, 4097, 1 << 20, (1 << 25) + 1, 1 << 28] {
        let workload = workload(&format!("n={n}"), Dtype::F32, Distribution::Wide, 1);
        for geometry in [Geometry::fixed(&workload), Geometry::grid(&workload, &TARGET)] {
            let mut seen = vec![0u8; n.div_ceil(geometry.width) as usize];
            for block in 0..geometry.blocks {
                let tiles = geometry.tiles(block);
                for index in 0..tiles.count {
                    seen[(tiles.first + index * tiles.step) as usize] += 1;
                }
            }
            assert!(seen.iter().all(|count| *count == 1), "{n} {geometry:?}");
        }
    }
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    let workload = workload("r=3;c=300007", Dtype::F32, Distribution::Wide, 5);
    let inputs = inputs(&workload);
    for name in ["fixed_tree", "two_pass", "ticket"] {
        let with_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(name, &workload, &TARGET, &inputs))
        };
        let one = with_threads(1);
        for threads in [2, 3, 7] {
            assert_eq!(
                digest([&Tensor::f32("s", one.clone())]),
                digest([&Tensor::f32("s", with_threads(threads))])
            );
        }
    }
}

#[test]
fn fixed_tree_ignores_the_multiprocessor_count_and_the_batch_and_two_pass_does_not() {
    let alone = workload("n=100003", Dtype::F32, Distribution::Wide, 9);
    let x = inputs(&alone);
    let batch = workload("r=5;c=100003", Dtype::F32, Distribution::Wide, 9);
    let row = widened(&x[0]);
    let rows = [Tensor::f32("x", row.repeat(5))];
    let small = Target { sm_count: 1 };
    let fixed = run("fixed_tree", &alone, &TARGET, &x)[0].to_bits();
    assert_eq!(run("fixed_tree", &alone, &small, &x)[0].to_bits(), fixed);
    assert!(run("fixed_tree", &batch, &TARGET, &rows).iter().all(|sum| sum.to_bits() == fixed));
    // That it claims run_to_run alone is no modesty: its grid changes the order.
    assert_ne!(run("two_pass", &alone, &TARGET, &x)[0], run("two_pass", &alone, &small, &x)[0]);
}

#[test]
fn small_integers_are_summed_exactly_by_every_algorithm() {
    for (shape, rows, columns) in [("n=5003", 1, 5003), ("r=7;c=1025", 7, 1025)] {
        let workload = workload(shape, Dtype::F32, Distribution::Wide, 1);
        let x: Vec<f32> = (0..rows * columns).map(|i| (i % 11) as f32 - 4.0).collect();
        let wanted: Vec<f32> = x.chunks(columns).map(|row| row.iter().sum()).collect();
        for algorithm in &ALGORITHMS {
            let sums = run(algorithm.name, &workload, &TARGET, &[Tensor::f32("x", x.clone())]);
            assert_eq!(sums, wanted, "{}", algorithm.name);
        }
    }
}

#[test]
fn special_values_come_out_as_on_a_gpu() {
    let workload = workload("n=3", Dtype::F32, Distribution::Wide, 1);
    let bits =
        |name: &str, x: [f32; 3]| run(name, &workload, &TARGET, &[Tensor::f32("x", x.to_vec())])[0].to_bits();
    for algorithm in &ALGORITHMS {
        let name = algorithm.name;
        let payload = f32::from_bits(0xffc1_2345);
        assert_eq!(bits(name, [1.0, payload, 2.0]), 0x7fff_ffff, "{name}: NaN is canonical");
        assert_eq!(bits(name, [f32::INFINITY, f32::NEG_INFINITY, 0.0]), 0x7fff_ffff, "{name}: ∞ − ∞");
        assert_eq!(bits(name, [f32::INFINITY, 1.0, 2.0]), f32::INFINITY.to_bits(), "{name}");
        assert_eq!(bits(name, [-0.0, -0.0, -0.0]), 0, "{name}: a sum starts at +0");
        let tiny = f32::from_bits(1);
        assert_eq!(bits(name, [tiny, tiny, tiny]), 3, "{name}: subnormals are kept");
    }
}

#[test]
fn empty_sums_are_zero_and_no_rows_are_no_outputs() {
    for algorithm in &ALGORITHMS {
        for dtype in Dtype::ALL {
            let empty = workload("r=3;c=0", dtype, Distribution::Wide, 1);
            assert_eq!(run(algorithm.name, &empty, &TARGET, &inputs(&empty)), [0.0; 3]);
            let none = workload("r=0;c=5", dtype, Distribution::Wide, 1);
            assert!(run(algorithm.name, &none, &TARGET, &inputs(&none)).is_empty());
        }
    }
}

#[test]
fn every_f16_is_widened_exactly() {
    for bits in 0..=u16::MAX {
        let (half, wide) = (f16::from_bits(bits), twin::widen(f16::from_bits(bits)));
        assert_eq!(half.is_nan(), wide.is_nan(), "{bits:04x}");
        assert!(half.is_nan() || wide.to_bits() == half.to_f32().to_bits(), "{bits:04x}");
    }
}

#[test]
fn a_sum_beyond_f32_is_out_of_range() {
    let x = Tensor::f32("x", vec![f32::MAX, -f32::MAX, 1.0]);
    assert!(reference::sums(&x, 1, 3).range.unwrap().contains("beyond f32"));
    assert_eq!(reference::sums(&Tensor::f32("x", vec![1e30; 3]), 1, 3).range, None);
}

#[test]
fn the_reference_is_accurate() {
    // 2^24 + 1 ones: f32 chains stop counting at 2^24.
    let ones = Tensor { name: "x", data: Data::F16(vec![f16::ONE; (1 << 24) + 1]) };
    let reference = reference::sums(&ones, 1, (1 << 24) + 1);
    assert_eq!(reference.outputs[0].values, [16_777_217.0]);
    assert_eq!(reference.outputs[0].magnitudes, [16_777_217.0]);
}

/// κ of one algorithm on one workload.
fn coverage(algorithm: &Algorithm, workload: &Workload, inputs: &[Tensor], sums: &[f32]) -> f64 {
    let reference = Reduce.reference(workload, inputs);
    let bounds = Reduce.bound(Form::Own(algorithm), workload, &TARGET, inputs, &reference).remove(0);
    let values = &reference.outputs[0].values;
    let each = values.iter().zip(bounds).zip(sums).map(|((value, bound), sum)| {
        let error = (f64::from(*sum) - value).abs();
        if error == 0.0 { 0.0 } else { error / bound }
    });
    each.fold(0.0, f64::max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn the_bound_covers_correct_sums_and_uncovers_wrong_ones(
        rows in 1u64..4,
        columns in 1u64..6000,
        seed: u64,
        half: bool,
        input in prop::sample::select(Distribution::ALL.to_vec()),
    ) {
        let dtype = if half { Dtype::F16 } else { Dtype::F32 };
        let workload = workload(&format!("r={rows};c={columns}"), dtype, input, seed);
        let inputs = inputs(&workload);
        for algorithm in &ALGORITHMS {
            let sums = run(algorithm.name, &workload, &TARGET, &inputs);
            let kappa = coverage(algorithm, &workload, &inputs, &sums);
            prop_assert!(kappa <= 1.0, "{} κ = {kappa}", algorithm.name);
        }
        // Planted: the element of largest magnitude is left out of the first row.
        let tree = algorithm("fixed_tree");
        let mut sums = run("fixed_tree", &workload, &TARGET, &inputs);
        let x = widened(&inputs[0]);
        let largest = x[..columns as usize].iter().copied().fold(0f32, |m, v| if v.abs() > m.abs() { v } else { m });
        sums[0] -= largest;
        prop_assert!(coverage(tree, &workload, &inputs, &sums) > 1.0);
    }
}

#[test]
fn plans_fit_the_signatures_in_the_ptx() {
    for shape in Reduce.check_shapes().iter().map(String::as_str).chain(["n=17179869184", "r=4294967297;c=3"])
    {
        for dtype in Dtype::ALL {
            for target in [Target { sm_count: 1 }, Target { sm_count: 132 }] {
                let workload = workload(shape, dtype, Distribution::Wide, 1);
                for algorithm in &ALGORITHMS {
                    let what = format!("{} {shape} {dtype} {target:?}", algorithm.name);
                    let plan = (algorithm.plan)(&workload, &target);
                    check_plan(&plan, algorithm.module.ptx, 1, 1, &what);
                    let launches = plan.steps.iter().any(|step| matches!(step, Step::Launch(_)));
                    assert_eq!(launches, extents(&workload.shape).0 > 0, "{what}");
                }
            }
        }
    }
}
