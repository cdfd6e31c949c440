//! `mma`: matrices put into registers by the formulas of the PTX ISA 8.5 ("Matrix Fragments for mma"),
//! written here shape by shape as the ISA has them, give the plain product.

use super::*;

/// Row and column of element `i` of a lane: of `ai`, `bi`, `ci`.
type Place = fn(usize, usize) -> (usize, usize);

struct Case {
    shape: (usize, usize, usize),
    types: &'static [(&'static str, &'static str)],
    a: Place,
    b: Place,
}

const CASES: &[Case] = &[
    Case {
        shape: (16, 8, 8),
        types: &[("f16", "f16"), ("bf16", "bf16")],
        a: |lane, i| (lane / 4 + if i < 2 { 0 } else { 8 }, lane % 4 * 2 + i % 2),
        b: |lane, i| (lane % 4 * 2 + i, lane / 4),
    },
    Case {
        shape: (16, 8, 16),
        types: &[("f16", "f16"), ("bf16", "bf16")],
        a: |lane, i| {
            let row = lane / 4 + if i < 2 || (4..6).contains(&i) { 0 } else { 8 };
            (row, lane % 4 * 2 + i % 2 + if i < 4 { 0 } else { 8 })
        },
        b: |lane, i| (lane % 4 * 2 + i % 2 + if i < 2 { 0 } else { 8 }, lane / 4),
    },
    Case {
        shape: (16, 8, 4),
        types: &[("tf32", "tf32"), ("f64", "f64")],
        a: |lane, i| (lane / 4 + 8 * i, lane % 4),
        b: |lane, _| (lane % 4, lane / 4),
    },
    Case {
        shape: (16, 8, 8),
        types: &[("tf32", "tf32"), ("f64", "f64")],
        a: |lane, i| {
            let row = lane / 4 + if i == 0 || i == 2 { 0 } else { 8 };
            (row, lane % 4 + if i < 2 { 0 } else { 4 })
        },
        b: |lane, i| (lane % 4 + 4 * i, lane / 4),
    },
    Case {
        shape: (8, 8, 4),
        types: &[("f64", "f64")],
        a: |lane, _| (lane / 4, lane % 4),
        b: |lane, _| (lane % 4, lane / 4),
    },
    Case {
        shape: (16, 8, 16),
        types: &[("f64", "f64")],
        a: |lane, i| {
            if i % 2 == 0 { (lane / 4, i * 2 + lane % 4) } else { (lane / 4 + 8, i * 2 - 2 + lane % 4) }
        },
        b: |lane, i| (lane % 4 + i * 4, lane / 4),
    },
    Case {
        shape: (8, 8, 16),
        types: &[("s8", "s8"), ("u8", "s8")],
        a: |lane, i| (lane / 4, lane % 4 * 4 + i),
        b: |lane, i| (lane % 4 * 4 + i, lane / 4),
    },
    Case {
        shape: (16, 8, 16),
        types: &[("s8", "s8"), ("s8", "u8"), ("e4m3", "e4m3"), ("e5m2", "e4m3")],
        a: |lane, i| (lane / 4 + if i < 4 { 0 } else { 8 }, lane % 4 * 4 + (i & 3)),
        b: |lane, i| (lane % 4 * 4 + i, lane / 4),
    },
    Case {
        shape: (16, 8, 32),
        types: &[("s8", "s8"), ("u8", "u8"), ("e4m3", "e5m2"), ("e5m2", "e5m2")],
        a: |lane, i| {
            let row = lane / 4 + if i < 4 || (8..12).contains(&i) { 0 } else { 8 };
            (row, lane % 4 * 4 + (i & 3) + if i < 8 { 0 } else { 16 })
        },
        b: |lane, i| (lane % 4 * 4 + (i & 3) + if i < 4 { 0 } else { 16 }, lane / 4),
    },
    Case {
        shape: (8, 8, 32),
        types: &[("s4", "s4"), ("u4", "s4")],
        a: |lane, i| (lane / 4, lane % 4 * 8 + i),
        b: |lane, i| (lane % 4 * 8 + i, lane / 4),
    },
    Case {
        shape: (16, 8, 32),
        types: &[("s4", "u4"), ("u4", "u4")],
        a: |lane, i| (lane / 4 + if i < 8 { 0 } else { 8 }, lane % 4 * 8 + (i & 7)),
        b: |lane, i| (lane % 4 * 8 + i, lane / 4),
    },
    Case {
        shape: (16, 8, 64),
        types: &[("s4", "s4")],
        a: |lane, i| {
            let row = lane / 4 + if i < 8 || (16..24).contains(&i) { 0 } else { 8 };
            (row, lane % 4 * 8 + (i & 7) + if i < 16 { 0 } else { 32 })
        },
        b: |lane, i| (lane % 4 * 8 + (i & 7) + if i < 8 { 0 } else { 32 }, lane / 4),
    },
    Case {
        shape: (8, 8, 128),
        types: &[("b1", "b1")],
        a: |lane, i| (lane / 4, lane % 4 * 32 + i),
        b: |lane, i| (lane % 4 * 32 + i, lane / 4),
    },
    Case {
        shape: (16, 8, 128),
        types: &[("b1", "b1")],
        a: |lane, i| (lane / 4 + if i < 32 { 0 } else { 8 }, lane % 4 * 32 + (i & 31)),
        b: |lane, i| (lane % 4 * 32 + i, lane / 4),
    },
    Case {
        shape: (16, 8, 256),
        types: &[("b1", "b1")],
        a: |lane, i| {
            let row = lane / 4 + if i < 32 || (64..96).contains(&i) { 0 } else { 8 };
            (row, lane % 4 * 32 + (i & 31) + if i < 64 { 0 } else { 128 })
        },
        b: |lane, i| (lane % 4 * 32 + (i & 31) + if i < 32 { 0 } else { 128 }, lane / 4),
    },
];

/// C and D of all those shapes.
fn sum_place(lane: usize, i: usize) -> (usize, usize) {
    (lane / 4 + if i < 2 { 0 } else { 8 }, lane % 4 * 2 + (i & 1))
}

/// Puts a matrix whose element is `at(row, column)` into registers.
fn spread(
    list: RegisterList,
    ty: &str,
    place: impl Fn(usize, usize) -> (usize, usize),
    at: impl Fn(usize, usize) -> i64,
) -> Vec<Fragment> {
    let mut fragments = fragments(list);
    let shared = if ty == "f64" { 1 } else { 32 / bits(ty) as usize };
    for (register, fragment) in fragments.iter_mut().enumerate() {
        for (lane, word) in fragment.iter_mut().enumerate() {
            for position in 0..shared {
                let (row, column) = place(lane, register * shared + position);
                *word |= encode(ty, at(row, column)) << (position * bits(ty) as usize);
            }
        }
    }
    fragments
}

#[test]
fn every_shape_gives_the_plain_product() {
    let mut products = 0;
    for case in CASES {
        let (m, n, k) = case.shape;
        for (a_type, b_type) in case.types {
            let sums: &[&str] = match *a_type {
                "f16" | "e4m3" | "e5m2" => &["f16", "f32"],
                "f64" => &["f64"],
                "tf32" | "bf16" => &["f32"],
                _ => &["s32"],
            };
            for sum in sums {
                let operator = if *a_type == "b1" { ".and.popc" } else { "" };
                let name =
                    format!("mma.sync.aligned.m{m}n{n}k{k}.row.col.{sum}.{a_type}.{b_type}.{sum}{operator}");
                let mma = product(&name);
                let a = integers(m * k, 1, range(a_type));
                let b = integers(k * n, 2, range(b_type));
                let c = integers(m * n, 3, (-99, 99));
                let lists = mma.registers();
                let mut d = fragments(lists.d);
                mma.execute(
                    &spread(lists.a, a_type, case.a, |row, column| a[row * k + column]),
                    &spread(lists.b, b_type, case.b, |row, column| b[row * n + column]),
                    &spread(lists.c, sum, sum_place, |row, column| c[row * n + column]),
                    &mut d,
                );
                let expected = plain(&a, &b, &c, case.shape);
                let expected = spread(lists.d, sum, sum_place, |row, column| expected[row * n + column]);
                assert_eq!(d, expected, "{name}");
                products += 1;
            }
        }
    }
    assert_eq!(products, 34);
}

/// The four products of `.m8n8k4` of f16, by the ISA's formulas, in all layouts and types of sums.
#[test]
fn quads_give_four_plain_products() {
    for (layouts, c_type, d_type) in [
        ("row.col", "f16", "f16"),
        ("row.row", "f32", "f32"),
        ("col.col", "f16", "f32"),
        ("col.row", "f32", "f32"),
    ] {
        let mma = product(&format!("mma.sync.aligned.m8n8k4.{layouts}.{d_type}.f16.f16.{c_type}"));
        let low = |lane: usize| lane % 4 + if lane < 16 { 0 } else { 4 };
        let upper = |lane: usize| if lane < 16 { 0 } else { 4 };
        let a_place = |lane: usize, i: usize| match &layouts[..3] {
            "row" => (low(lane), i),
            _ => (i + upper(lane), lane % 4),
        };
        let b_place = |lane: usize, i: usize| match &layouts[4..] {
            "row" => (lane % 4, i + upper(lane)),
            _ => (i, low(lane)),
        };
        let sum_place = |ty: &str| {
            let halves = ty == "f16";
            move |lane: usize, i: usize| {
                if halves {
                    (low(lane), i)
                } else {
                    ((lane & 1) + (i & 2) + upper(lane), (i & 4) + (lane & 2) + (i & 1))
                }
            }
        };
        // A lane's quad tells the product; rows are made distinct by it.
        let quad = |place: &dyn Fn(usize, usize) -> (usize, usize), lane: usize, i: usize, rows: usize| {
            let (row, column) = place(lane, i);
            (lane / 4 % 4 * rows + row, column)
        };
        let a = integers(4 * 8 * 4, 4, (-4, 4));
        let b = integers(4 * 4 * 8, 5, (-4, 4));
        let c = integers(4 * 8 * 8, 6, (-99, 99));
        let lists = mma.registers();
        assert_eq!((lists.a.count, lists.b.count), (2, 2));
        assert_eq!(lists.d, if d_type == "f16" { list(4, Type::F16x2) } else { list(8, Type::F32) });
        let mut d = fragments(lists.d);
        let (c_place, d_place) = (sum_place(c_type), sum_place(d_type));
        mma.execute(
            &spread(lists.a, "f16", |lane, i| quad(&a_place, lane, i, 8), |row, column| a[row * 4 + column]),
            &spread(lists.b, "f16", |lane, i| quad(&b_place, lane, i, 4), |row, column| b[row * 8 + column]),
            &spread(lists.c, c_type, |lane, i| quad(&c_place, lane, i, 8), |row, column| c[row * 8 + column]),
            &mut d,
        );
        let expected: Vec<i64> =
            (0..4).flat_map(|q| plain(&a[q * 32..], &b[q * 32..], &c[q * 64..], (8, 8, 4))).collect();
        let place = |lane, i| quad(&d_place, lane, i, 8);
        assert_eq!(d, spread(lists.d, d_type, place, |row, column| expected[row * 8 + column]), "{layouts}");
    }
}

#[test]
fn integers_wrap_or_are_clamped() {
    for (words, expected) in [("row.col", i32::MIN + 15), ("row.col.satfinite", i32::MAX)] {
        let mma = product(&format!("mma.sync.aligned.m8n8k16.{words}.s32.s8.s8.s32"));
        let ones = [[0x0101_0101; 32]];
        let mut d = [[0; 32]; 2];
        mma.execute(&ones, &ones, &[[i32::MAX as u64; 32]; 2], &mut d);
        assert_eq!(d, [[u64::from(expected as u32); 32]; 2]);
        let minus = [[0xffff_ffff; 32]];
        mma.execute(&ones, &minus, &[[u64::from(i32::MIN as u32); 32]; 2], &mut d);
        let expected = if words == "row.col" { i32::MAX - 15 } else { i32::MIN };
        assert_eq!(d, [[u64::from(expected as u32); 32]; 2]);
    }
}

#[test]
fn xor_counts_the_bits_that_differ() {
    let mma = product("mma.sync.aligned.m8n8k128.row.col.s32.b1.b1.s32.xor.popc");
    let mut d = [[0; 32]; 2];
    mma.execute(&[[0x0f0f_0f0f; 32]], &[[0x00ff_00ff; 32]], &[[3; 32]; 2], &mut d);
    assert_eq!(d, [[3 + 4 * 16; 32]; 2]);
}

#[test]
fn doubles_are_one_chain_of_fma() {
    let mma = product("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64");
    let mut next = integers(32 * 4, 7, (-1 << 30, 1 << 30)).into_iter().map(|i| i as f64 * 1.1e-7);
    let mut fragment = || std::array::from_fn(|_| next.next().unwrap().to_bits());
    let (a, b, c): (Fragment, Fragment, [Fragment; 2]) = (fragment(), fragment(), [fragment(), fragment()]);
    let mut d = [[0; 32]; 2];
    mma.execute(&[a], &[b], &c, &mut d);
    for lane in 0..32 {
        for i in 0..2 {
            let (row, column) = (lane / 4, lane % 4 * 2 + i);
            let mut sum = f64::from_bits(c[i][lane]);
            for k in 0..4 {
                sum = f64::from_bits(a[row * 4 + k]).mul_add(f64::from_bits(b[column * 4 + k]), sum);
            }
            assert_eq!(d[i][lane], sum.to_bits());
        }
    }
    mma.execute(&[[f64::NAN.to_bits() | 1 << 63; 32]], &[b], &c, &mut d);
    assert_eq!(d, [[0x7fff_ffff_ffff_ffff; 32]; 2]);
}
