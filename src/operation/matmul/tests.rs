//! Twins against a second, plain reading of their definition, under other thread counts, in other batches
//! and on special values; plans against the signatures in the PTX. Bounds are in `tests/bounds.rs`, shapes
//! in `tests/shapes.rs`.

mod bounds;
mod shapes;

use half::f16;
use proptest::prelude::*;

use super::plan::Splits;
use super::*;
use crate::device::plan::{MATMUL, Step};
use crate::digest::digest;
use crate::input::generate;
use crate::operation::plan_tests::check_plan;
use crate::tensor::Data;

const TARGET: Target = Target { sm_count: 16 };

fn workload(shape: &str, dtype: Dtype, input: Distribution, seed: u64) -> Workload {
    Workload { seed, ..Workload::new("test", &Matmul, Matmul.shape(shape).unwrap(), dtype, input) }
}

fn inputs(workload: &Workload) -> Vec<Tensor> {
    generate(&Matmul.inputs(workload), workload.input, workload.seed)
}

fn algorithm(name: &str, setting: &str) -> &'static Algorithm {
    ALGORITHMS.iter().find(|found| found.name == name && found.setting == setting).unwrap()
}

/// The outputs of an algorithm's twin, poisoned before.
fn run(algorithm: &Algorithm, workload: &Workload, inputs: &[Tensor]) -> Vec<Tensor> {
    let mut outputs: Vec<Tensor> =
        Matmul.outputs(Form::Own(algorithm), workload).iter().map(OutputSpec::tensor).collect();
    outputs.iter_mut().for_each(|output| output.bytes_mut().fill(0xff));
    (algorithm.twin)(workload, &TARGET, inputs, &mut outputs);
    outputs
}

/// The f32 sums of an algorithm's twin: the only output, or the accumulator.
fn sums(algorithm: &Algorithm, workload: &Workload, inputs: &[Tensor]) -> Vec<f32> {
    match run(algorithm, workload, inputs).pop().unwrap().data {
        Data::F32(values) => values,
        Data::F16(_) => panic!("the last output is f32"),
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn widened(x: &Tensor) -> Vec<f32> {
    (0..x.len()).map(|index| x.value(index) as f32).collect()
}

/// Row i of A and column j of B, as lists of K elements each.
struct Factors {
    rows: Vec<Vec<f32>>,
    columns: Vec<Vec<f32>>,
}

impl Factors {
    fn of(workload: &Workload, inputs: &[Tensor]) -> Self {
        let Extents { m, n, k, ta, tb } = Extents::of(&workload.shape);
        let (m, n, k) = (m as usize, n as usize, k as usize);
        let (a, b) = (widened(&inputs[0]), widened(&inputs[1]));
        let row = |i: usize| (0..k).map(|p| if ta { a[p * m + i] } else { a[i * k + p] }).collect();
        let column = |j: usize| (0..k).map(|p| if tb { b[j * k + p] } else { b[p * n + j] }).collect();
        Self { rows: (0..m).map(row).collect(), columns: (0..n).map(column).collect() }
    }

    /// Every output, as `dot` of its row and column.
    fn each(&self, dot: impl Fn(&[f32], &[f32]) -> f32) -> Vec<f32> {
        self.rows.iter().flat_map(|row| self.columns.iter().map(|column| dot(row, column))).collect()
    }
}

/// The definition of `tiled`: no tiles, no vectors, no threads.
fn plain_chain(row: &[f32], column: &[f32]) -> f32 {
    row.iter().zip(column).fold(0.0, |sum, (a, b)| a.mul_add(*b, sum))
}

fn plain_rounded(row: &[f32], column: &[f32]) -> f32 {
    row.iter().zip(column).fold(0.0, |sum, (a, b)| sum + a * b)
}

/// That of `split_k_ordered`: chunks of 512 steps, or of a 32nd of K in whole eights where that is more.
fn plain_ordered(row: &[f32], column: &[f32]) -> f32 {
    let chunk = 512.max(row.len().div_ceil(32).div_ceil(8) * 8);
    let mut parts = row.chunks(chunk).zip(column.chunks(chunk)).map(|(row, column)| plain_chain(row, column));
    let first = parts.next().unwrap_or(0.0);
    parts.fold(first, |sum, part| sum + part)
}

#[test]
fn deterministic_twins_follow_their_definition_bit_by_bit() {
    let more =
        ["m=13;n=33;k=17", "m=11;n=31;k=257;ta=1", "m=24;n=64;k=256;tb=1", "m=25;n=65;k=511;ta=1;tb=1"];
    for (place, shape) in Matmul.check_shapes().iter().map(String::as_str).chain(more).enumerate() {
        for dtype in Dtype::ALL {
            let workload = workload(shape, dtype, Distribution::ALL[place % 4], place as u64);
            let inputs = inputs(&workload);
            let factors = Factors::of(&workload, &inputs);
            let check = |algorithm: &Algorithm, wanted: Vec<f32>| {
                let outputs = run(algorithm, &workload, &inputs);
                let Data::F32(sums) = &outputs.last().unwrap().data else { panic!("sums are f32") };
                assert_eq!(bits(sums), bits(&wanted), "{} {shape} {dtype}", algorithm.name);
                if let [Tensor { data: Data::F16(c), .. }, _] = &outputs[..] {
                    let wanted: Vec<f16> = wanted.iter().map(|sum| f16::from_f32(*sum)).collect();
                    assert_eq!(c, &wanted, "{} {shape}", algorithm.name);
                }
            };
            let chains = factors.each(plain_chain);
            check(algorithm("tiled", ""), chains.clone());
            check(algorithm("contractible", "fmad=1"), chains);
            check(algorithm("contractible", "fmad=0"), factors.each(plain_rounded));
            check(algorithm("split_k_ordered", ""), factors.each(plain_ordered));
        }
    }
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    for (shape, dtype) in [("m=61;n=197;k=1601", Dtype::F32), ("m=250;n=70;k=1030;ta=1", Dtype::F16)] {
        let workload = workload(shape, dtype, Distribution::Wide, 5);
        let inputs = inputs(&workload);
        for algorithm in ALGORITHMS.iter().filter(|found| found.guarantee > Guarantee::NotGuaranteed) {
            let with_threads = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                digest(&pool.install(|| run(algorithm, &workload, &inputs)))
            };
            let one = with_threads(1);
            for threads in [2, 3, 7] {
                assert_eq!(with_threads(threads), one, "{algorithm:?} {threads}");
            }
        }
    }
}

/// The first rows and columns of a product, from a workload of that size on the same elements.
fn corner(name: &str, dtype: Dtype, whole: (usize, usize), part: (usize, usize), k: usize) -> [Vec<u32>; 2] {
    let shape = |(m, n): (usize, usize)| format!("m={m};n={n};k={k};tb=1");
    let all = workload(&shape(whole), dtype, Distribution::Wide, 3);
    let small = workload(&shape(part), dtype, Distribution::Wide, 3);
    let operands = inputs(&all);
    // Both operands lie line by line, so that the first lines are the smaller operand.
    let cut = |operand: &Tensor, lines: usize| match &operand.data {
        Data::F32(values) => Tensor { name: operand.name, data: Data::F32(values[..lines * k].to_vec()) },
        Data::F16(values) => Tensor { name: operand.name, data: Data::F16(values[..lines * k].to_vec()) },
    };
    let alone = sums(algorithm(name, ""), &small, &[cut(&operands[0], part.0), cut(&operands[1], part.1)]);
    let together = sums(algorithm(name, ""), &all, &operands);
    let rows = together.chunks(whole.1).take(part.0).flat_map(|row| row[..part.1].to_vec());
    [bits(&alone), bits(&rows.collect::<Vec<_>>())]
}

#[test]
fn rows_do_not_depend_on_how_many_rows_and_columns_there_are() {
    for name in ["tiled", "split_k_ordered"] {
        assert!(algorithm(name, "").batch_invariant);
        for dtype in Dtype::ALL {
            for part in [(1, 1), (1, 130), (129, 1), (7, 5), (128, 128)] {
                let [alone, together] = corner(name, dtype, (260, 270), part, 1100);
                assert_eq!(alone, together, "{name} {dtype} {part:?}");
            }
        }
    }
}

#[test]
fn ordered_splits_are_a_function_of_k_and_atomic_ones_of_the_device_too() {
    let of = |shape: &str| Extents::of(&Matmul.shape(shape).unwrap());
    let [small, large] = ["m=1;n=1;k=8192", "m=4096;n=4096;k=8192"].map(of);
    assert_eq!(Splits::ordered(&small), Splits::ordered(&large));
    assert_eq!((Splits::ordered(&small).count, Splits::ordered(&small).chunk), (16, 512));
    let counts = [1, 132].map(|sm_count| Splits::atomic(&small, &Target { sm_count }).count);
    assert!(counts[0] >= 4 && counts[1] > counts[0], "{counts:?}");
    for k in [0, 1, 7, 8, 9, 511, 512, 513, 16384, 16385, 1 << 20, (1 << 31) - 1] {
        let extents = of(&format!("m=3;n=3;k={k}"));
        for splits in [Splits::ordered(&extents), Splits::atomic(&extents, &TARGET), Splits::none(&extents)] {
            let mut next = 0;
            for split in 0..splits.count {
                let range = splits.range(split);
                assert_eq!(range.start, next, "{k} {splits:?}");
                assert!(split == 0 || !range.is_empty(), "{k} {splits:?}");
                next = range.end;
            }
            assert_eq!(next as u64, k, "{splits:?}");
        }
    }
}

#[test]
fn atomic_sums_are_right_where_every_order_is() {
    // Small integers: exact in any order.
    let workload = workload("m=37;n=45;k=1000", Dtype::F32, Distribution::Wide, 1);
    let integers = |len: usize, by: usize| (0..len).map(|i| (i * by % 11) as f32 - 5.0).collect::<Vec<_>>();
    let inputs = [Tensor::f32("a", integers(37 * 1000, 7)), Tensor::f32("b", integers(1000 * 45, 3))];
    let wanted = Factors::of(&workload, &inputs).each(plain_chain);
    for algorithm in &ALGORITHMS {
        assert_eq!(sums(algorithm, &workload, &inputs), wanted, "{algorithm:?}");
    }
}

#[test]
fn contraction_shows_in_f32_and_never_in_f16_whose_products_are_exact() {
    for (dtype, differs) in [(Dtype::F32, true), (Dtype::F16, false)] {
        let workload = workload("m=64;n=64;k=64", dtype, Distribution::Wide, 2);
        let inputs = inputs(&workload);
        let of = |setting| bits(&sums(algorithm("contractible", setting), &workload, &inputs));
        assert_eq!(of("fmad=1"), bits(&sums(algorithm("tiled", ""), &workload, &inputs)));
        assert_eq!(of("fmad=0") != of("fmad=1"), differs, "{dtype}");
    }
}

#[test]
fn special_values_come_out_as_on_a_gpu() {
    let workload = workload("m=1;n=1;k=3", Dtype::F32, Distribution::Wide, 1);
    let dot = |algorithm: &Algorithm, a: [f32; 3], b: [f32; 3]| {
        sums(algorithm, &workload, &[Tensor::f32("a", a.to_vec()), Tensor::f32("b", b.to_vec())])[0].to_bits()
    };
    let nan = 0x7fff_ffff;
    for algorithm in &ALGORITHMS {
        let payload = f32::from_bits(0xffc1_2345);
        assert_eq!(dot(algorithm, [1.0, payload, 2.0], [1.0; 3]), nan, "{algorithm:?}: NaN is canonical");
        assert_eq!(dot(algorithm, [f32::INFINITY, 0.0, 0.0], [0.0, 1.0, 1.0]), nan, "{algorithm:?}: ∞·0");
        assert_eq!(dot(algorithm, [f32::INFINITY, f32::NEG_INFINITY, 0.0], [1.0; 3]), nan, "{algorithm:?}");
        let infinite = dot(algorithm, [f32::NEG_INFINITY, 1.0, 0.0], [1.0; 3]);
        assert_eq!(infinite, f32::NEG_INFINITY.to_bits(), "{algorithm:?}");
        assert_eq!(dot(algorithm, [-0.0; 3], [1.0; 3]), 0, "{algorithm:?}: a sum starts at +0");
        let tiny = f32::from_bits(1);
        assert_eq!(dot(algorithm, [tiny; 3], [1.0; 3]), 3, "{algorithm:?}: subnormals are kept");
    }
    // A fused step that underflows below zero is −0: no step that adds +0 may follow it.
    let small = [-f32::MIN_POSITIVE, 0.0, 0.0];
    assert_eq!(dot(algorithm("tiled", ""), small, [f32::MIN_POSITIVE, -1.0, -1.0]), (-0.0f32).to_bits());
}

#[test]
fn halves_are_rounded_once_and_their_nan_is_canonical() {
    let workload = workload("m=1;n=3;k=1", Dtype::F16, Distribution::Wide, 1);
    let half = |values: &[f32]| {
        let data = Data::F16(values.iter().map(|value| f16::from_f32(*value)).collect());
        Tensor { name: "x", data }
    };
    for algorithm in &ALGORITHMS {
        let outputs = run(algorithm, &workload, &[half(&[255.0]), half(&[f32::NAN, 257.0, 300.0])]);
        let [Tensor { data: Data::F16(c), .. }, Tensor { data: Data::F32(c32), .. }] = &outputs[..] else {
            panic!("f16 with f32 beside it");
        };
        assert_eq!(
            c.iter().map(|c| c.to_bits()).collect::<Vec<_>>(),
            [0x7fff, 0x7c00, 0x7c00],
            "{algorithm:?}"
        );
        assert_eq!(bits(c32), bits(&[f32::from_bits(0x7fff_ffff), 65535.0, 76500.0]), "{algorithm:?}");
    }
}

#[test]
fn an_absent_accumulator_is_left_alone() {
    let workload = workload("m=20;n=20;k=600", Dtype::F16, Distribution::Wide, 1);
    let inputs = inputs(&workload);
    for algorithm in ALGORITHMS.iter().filter(|found| found.guarantee > Guarantee::NotGuaranteed) {
        let both = run(algorithm, &workload, &inputs);
        let mut one = vec![Tensor::zeros("c", Dtype::F16, 400), Tensor::zeros("c32", Dtype::F32, 0)];
        (algorithm.twin)(&workload, &TARGET, &inputs, &mut one);
        assert_eq!((&one[0], one[1].len()), (&both[0], 0), "{algorithm:?}");
    }
}

#[test]
fn plans_fit_the_signatures_in_the_ptx() {
    let large = ["m=2147483647;n=3;k=5", "m=100000;n=100000;k=100000;ta=1", "m=4096;n=14336;k=4096;tb=1"];
    for shape in Matmul.check_shapes().iter().map(String::as_str).chain(large) {
        for dtype in Dtype::ALL {
            for target in [Target { sm_count: 1 }, Target { sm_count: 132 }] {
                let workload = workload(shape, dtype, Distribution::Wide, 1);
                let Extents { m, n, .. } = Extents::of(&workload.shape);
                for algorithm in &ALGORITHMS {
                    let what = format!("{algorithm:?} {shape} {dtype} {target:?}");
                    let plan = (algorithm.plan)(&workload, &target);
                    let outputs = Matmul.outputs(Form::Own(algorithm), &workload).len();
                    check_plan(&plan, algorithm.module.ptx, 2, outputs, &what);
                    let launches = plan.steps.iter().any(|step| matches!(step, Step::Launch(_)));
                    assert_eq!(launches, m * n > 0, "{what}");
                }
            }
        }
    }
}

#[test]
fn partial_sums_take_bounded_memory_and_cover_every_row() {
    let workload = workload("m=4096;n=14336;k=4096", Dtype::F32, Distribution::Wide, 1);
    let plan = plan::split_k_ordered(&workload, &TARGET);
    assert!(plan.workspaces[0].bytes <= 256 << 20, "{}", plan.workspaces[0].bytes);
    assert!(plan.steps.len() > 2);
    let number = |argument: &crate::device::plan::Argument| match argument {
        crate::device::plan::Argument::U32(number) => u64::from(*number),
        other => panic!("{other:?}"),
    };
    let mut next = 0;
    for pair in plan.steps.chunks(2) {
        let [Step::Launch(products), Step::Launch(finish)] = pair else { panic!("{pair:?}") };
        let (first, rows) = (number(&products.arguments[3]), number(&products.arguments[4]));
        assert_eq!((number(&finish.arguments[2]), number(&finish.arguments[3])), (first, rows));
        assert_eq!(first, next);
        next += rows;
    }
    assert_eq!(next, 4096);
}

#[test]
fn the_ptx_loads_sixteen_bytes_at_once_and_contracts_where_it_is_told_to() {
    let body = |module: &crate::device::plan::Module, entry: &str| {
        let start = module.ptx.find(&format!(".entry {entry}(")).unwrap();
        let text = &module.ptx[start..];
        text[..text.find("\n}").unwrap()].to_owned()
    };
    assert!(body(&MATMUL, "matmul_tiled_128x256_f32").contains("ld.global.nc.v4"));
    assert!(body(&MATMUL, "matmul_tiled_128x256_f16").contains("ld.global.nc.v2"));
    let fused = body(&CONTRACTIBLE_FMAD1, "contractible_fmad1_f32");
    let rounded = body(&CONTRACTIBLE_FMAD0, "contractible_fmad0_f32");
    assert!(fused.contains("fma.rn.f32") && !fused.contains("mul.rn.f32"));
    assert!(!rounded.contains("fma.") && rounded.contains("mul.rn.f32") && rounded.contains("add.rn.f32"));
}
