//! The reference against a plain one, and bounds: every twin within, every planted fault beyond.

use super::*;

/// κ of outputs of one algorithm.
fn coverage(algorithm: &Algorithm, workload: &Workload, inputs: &[Tensor], outputs: &[Tensor]) -> f64 {
    let reference = Matmul.reference(workload, inputs);
    let bounds = Matmul.bound(Form::Own(algorithm), workload, &TARGET, inputs, &reference);
    let values = &reference.outputs[0].values;
    let of_output = |(output, bounds): (&Tensor, &Vec<f64>)| {
        assert_eq!((output.len(), bounds.len()), (values.len(), values.len()));
        let each = values.iter().zip(bounds).enumerate().map(|(index, (value, bound))| {
            let error = (output.value(index) - value).abs();
            if error == 0.0 { 0.0 } else { error / bound }
        });
        each.fold(0.0, f64::max)
    };
    outputs.iter().zip(&bounds).map(of_output).fold(0.0, f64::max)
}

/// What a kernel with a fault would store.
fn faulty(workload: &Workload, sums: Vec<f32>) -> Vec<Tensor> {
    let c32 = Tensor::f32("c32", sums.clone());
    match workload.dtype {
        Dtype::F32 => vec![c32],
        Dtype::F16 => {
            let c = sums.iter().map(|sum| f16::from_f32(*sum)).collect();
            vec![Tensor { name: "c", data: Data::F16(c) }, c32]
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_bound_covers_correct_products_and_uncovers_wrong_ones(
        m in 1u64..20,
        n in 2u64..40,
        k in 1u64..700,
        ta: bool,
        tb: bool,
        seed: u64,
        half: bool,
        input in prop::sample::select(Distribution::ALL.to_vec()),
    ) {
        let (ta, tb) = (if ta { ";ta=1" } else { "" }, if tb { ";tb=1" } else { "" });
        let dtype = if half { Dtype::F16 } else { Dtype::F32 };
        let workload = workload(&format!("m={m};n={n};k={k}{ta}{tb}"), dtype, input, seed);
        let inputs = inputs(&workload);
        prop_assert_eq!(Matmul.reference(&workload, &inputs).range, None);
        for algorithm in &ALGORITHMS {
            let kappa = coverage(algorithm, &workload, &inputs, &run(algorithm, &workload, &inputs));
            prop_assert!(kappa <= 1.0, "{:?} κ = {}", algorithm, kappa);
        }
        let tiled = algorithm("tiled", "");
        let factors = Factors::of(&workload, &inputs);
        // Planted: a step is not summed, that of the first output's largest product.
        let products = factors.rows[0].iter().zip(&factors.columns[0]).map(|(a, b)| (a * b).abs());
        let (dropped, _) = products.enumerate().fold((0, 0.0), |m, p| if p.1 > m.1 { p } else { m });
        let without = |list: &[f32]| [&list[..dropped], &list[dropped + 1..]].concat();
        let short = factors.each(|row, column| plain_chain(&without(row), &without(column)));
        prop_assert!(coverage(tiled, &workload, &inputs, &faulty(&workload, short)) > 1.0, "dropped step");
        // Planted: an operand's line is taken for its neighbour, as where a tile is off by one.
        let right = sums(tiled, &workload, &inputs);
        let shifted: Vec<f32> = right.chunks(n as usize).flat_map(|row| [&row[1..], &row[..1]].concat()).collect();
        // Columns of `cancelling` are alike by construction.
        if input != Distribution::Cancelling {
            let kappa = coverage(tiled, &workload, &inputs, &faulty(&workload, shifted));
            prop_assert!(kappa > 1.0, "off by one: κ = {}", kappa);
        }
        if m > 1 {
            let mut rotated = right.clone();
            rotated.rotate_left(n as usize);
            let kappa = coverage(tiled, &workload, &inputs, &faulty(&workload, rotated));
            prop_assert!(kappa > 1.0, "row off by one: κ = {}", kappa);
        }
    }
}

#[test]
fn a_skipped_split_is_beyond_the_bound() {
    for dtype in Dtype::ALL {
        for input in Distribution::ALL {
            let workload = workload("m=3;n=5;k=2500", dtype, input, 1);
            let inputs = inputs(&workload);
            let factors = Factors::of(&workload, &inputs);
            let without_last = factors.each(|row, column| plain_ordered(&row[..2048], &column[..2048]));
            for name in ["split_k_ordered", "split_k_atomic"] {
                let algorithm = algorithm(name, "");
                let right = run(algorithm, &workload, &inputs);
                assert!(coverage(algorithm, &workload, &inputs, &right) <= 1.0, "{name} {dtype} {input:?}");
                let wrong = faulty(&workload, without_last.clone());
                assert!(coverage(algorithm, &workload, &inputs, &wrong) > 1.0, "{name} {dtype} {input:?}");
            }
        }
    }
}

#[test]
fn the_reference_is_the_product_and_magnitudes_are_upper_bounds() {
    for shape in Matmul.check_shapes() {
        for dtype in Dtype::ALL {
            let workload = workload(&shape, dtype, Distribution::Wide, 4);
            let inputs = inputs(&workload);
            let reference = Matmul.reference(&workload, &inputs);
            let Extents { m, n, k, .. } = Extents::of(&workload.shape);
            let output = &reference.outputs[0];
            assert_eq!((output.values.len(), output.magnitudes.len()), ((m * n) as usize, (m * n) as usize));
            let factors = Factors::of(&workload, &inputs);
            let each =
                factors.rows.iter().flat_map(|row| factors.columns.iter().map(move |column| (row, column)));
            for ((row, column), (value, magnitude)) in each.zip(output.values.iter().zip(&output.magnitudes))
            {
                let products = || row.iter().zip(column).map(|(a, b)| f64::from(*a) * f64::from(*b));
                let (sum, size) = (products().sum::<f64>(), products().map(f64::abs).sum::<f64>());
                assert!((value - sum).abs() <= 2.0 * k as f64 * 2f64.powi(-53) * size, "{shape} {dtype}");
                assert!((size * (1.0 - 1e-12)..=size * 1.01 + 1e-30).contains(magnitude), "{shape} {dtype}");
            }
        }
    }
}

#[test]
fn what_leaves_the_range_is_named() {
    let wide = |dtype, value: f32| {
        let workload = workload("m=1;n=1;k=2", dtype, Distribution::Wide, 1);
        let data = || match dtype {
            Dtype::F32 => Data::F32(vec![value, -value]),
            Dtype::F16 => Data::F16(vec![f16::from_f32(value); 2]),
        };
        let inputs = [Tensor { name: "a", data: data() }, Tensor { name: "b", data: data() }];
        Matmul.reference(&workload, &inputs).range
    };
    assert!(wide(Dtype::F32, 1e20).unwrap().contains("beyond f32"));
    assert_eq!(wide(Dtype::F32, 1e18), None);
    assert!(wide(Dtype::F16, 181.1).unwrap().contains("beyond f16"));
    assert_eq!(wide(Dtype::F16, 180.0), None);
    assert!(wide(Dtype::F32, f32::NAN).unwrap().contains("NaN"));
}
