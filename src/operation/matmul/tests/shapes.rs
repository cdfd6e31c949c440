//! Shapes: both forms, transposes, and what is refused by name.

use super::*;

#[test]
fn both_forms_become_one() {
    let cases = [
        ("m=128;n=512;k=4096", "m=128;n=512;k=4096", "128×4096 by 4096×512"),
        ("k=3; n=2; m=1", "m=1;n=2;k=3", "1×3 by 3×2"),
        ("a=128x4096;b=4096x512", "m=128;n=512;k=4096", "128×4096 by 4096×512"),
        ("a=128×4096;b=512×4096;tb=1", "m=128;n=512;k=4096;tb=1", "128×4096 by 4096×512, b transposed"),
        ("ta=1;a=4096x128;b=4096x512", "m=128;n=512;k=4096;ta=1", "128×4096 by 4096×512, a transposed"),
        ("m=1;n=2;k=3;tb=1;ta=1", "m=1;n=2;k=3;ta=1;tb=1", "1×3 by 3×2, both transposed"),
    ];
    for (text, canonical, words) in cases {
        let shape = Matmul.shape(text).unwrap();
        assert_eq!(shape.to_string(), canonical);
        assert_eq!(Matmul.describe(&shape), words);
        assert_eq!(Matmul.shape(canonical).unwrap(), shape);
    }
}

#[test]
fn what_does_not_fit_is_refused_in_one_line() {
    let cases = [
        ("a=128x4096;b=4095x512", "inner dimensions differ: a is 128×4096, b is 4095×512"),
        ("a=128x4096;b=4096x512;ta=1", "inner dimensions differ: a is 128×4096 transposed, b is 4096×512"),
        ("m=1;n=2;k=2147483648", "k=2147483648 is no extent below 2^31"),
        ("m=1;n=2;k=-3", "k=-3 is no extent"),
        ("a=4294967296x1;b=1x1", "a=4294967296 is no extent below 2^31"),
        ("m=1;n=2;k=3;ta=0", "ta=0: give ta=1"),
        ("m=1;n=2;k=3;tb=2", "tb=2: give tb=1"),
        ("m=1;m=1;n=2;k=3", "has m twice"),
        ("a=12;b=3x4", "a=12 is not of the form ROWSxCOLUMNS"),
        ("m=1;n=2", "does not fit matmul"),
        ("m=1;n=2;k=3;a=1x3;b=3x2", "does not fit matmul"),
        ("n=8", "does not fit matmul"),
        ("", "does not fit matmul"),
    ];
    for (text, said) in cases {
        let error = Matmul.shape(text).unwrap_err().to_string();
        assert!(error.contains(said) && error.lines().count() == 1, "{text}: {error}");
    }
}

#[test]
fn cancelling_products_cancel_in_either_layout() {
    for shape in ["m=5;n=4;k=200", "m=5;n=4;k=201;ta=1", "m=5;n=4;k=200;tb=1", "m=5;n=4;k=201;ta=1;tb=1"] {
        for dtype in Dtype::ALL {
            let workload = workload(shape, dtype, Distribution::Cancelling, 1);
            let inputs = inputs(&workload);
            let mut factors = Factors::of(&workload, &inputs);
            // An odd K's last step has no partner.
            factors.rows.iter_mut().for_each(|row| row.truncate(200));
            let each = |dot: fn(f64, f64) -> f64| -> Vec<f64> {
                let dots = factors.rows.iter().flat_map(|row| {
                    factors.columns.iter().map(move |column| {
                        row.iter().zip(column).map(|(a, b)| dot(f64::from(*a), f64::from(*b))).sum()
                    })
                });
                dots.collect()
            };
            for (sum, magnitude) in each(|a, b| a * b).iter().zip(each(|a, b| (a * b).abs())) {
                assert!(sum.abs() < magnitude / 250.0, "{shape} {dtype}: {sum} of {magnitude}");
            }
        }
    }
}
