//! Atomic operations.

use half::f16;

use crate::device::{Device, always, each_schedule, numbers, wide};

const TEXTS: &[&str] = texts!("atomics");
/// Blocks and threads of most launches here.
const SHAPE: (u32, u32) = (5, 48);
const THREADS: usize = 240;

fn launch(device: &mut Device, entry: &str, arguments: &[samebits::simt::Argument]) {
    device.launch(entry, SHAPE.0, SHAPE.1, arguments);
}

fn sorted(mut values: Vec<u32>) -> Vec<u32> {
    values.sort_unstable();
    values
}

#[test]
fn tickets_are_a_permutation() {
    for orders in each_schedule(TEXTS, |device| {
        let (counter, y) = (device.put(&[0u32]), device.room::<u32>(THREADS));
        launch(device, "tickets", &[counter.clone(), y.clone()]);
        assert_eq!(device.get::<u32>(&counter, 1), [THREADS as u32]);
        device.get::<u32>(&y, THREADS)
    }) {
        for order in &orders {
            assert_eq!(sorted(order.clone()), (0..THREADS as u32).collect::<Vec<_>>());
        }
        assert!(orders[0].is_sorted() || orders[0] != orders[1]);
        assert!(orders[1..].iter().any(|order| *order != orders[1]), "no two seeds differ");
    }
}

/// Add, min, max, signed min and max, and, or, xor, subtract.
fn folds(x: &[u32], start: [u32; 9]) -> [u32; 9] {
    let mut words = start;
    for v in x {
        words[0] = words[0].wrapping_add(*v);
        words[1] = words[1].min(*v);
        words[2] = words[2].max(*v);
        words[3] = (words[3] as i32).min(*v as i32) as u32;
        words[4] = (words[4] as i32).max(*v as i32) as u32;
        words[5] &= v | 0x1001_0000;
        words[6] |= v & 0x0ff0;
        words[7] ^= v;
        words[8] = words[8].wrapping_sub(*v);
    }
    words
}

#[test]
fn integer_classes_in_global_memory() {
    let x = numbers(THREADS, u32::MAX);
    let start = [5, u32::MAX, 0, 0, 0, u32::MAX, 0, 0, 9];
    let start_wide = [5, u64::MAX, i64::MIN as u64, u64::MAX, 0, 0];
    let mut wide = start_wide;
    for v in x.iter().map(|v| u64::from(*v) * 0x1_0000_0001) {
        wide[0] = wide[0].wrapping_add(v);
        wide[1] = wide[1].min(v);
        wide[2] = (wide[2] as i64).max(v as i64) as u64;
        wide[3] &= v | 0x1001_0000;
        wide[4] |= v & 0xf0f0;
        wide[5] ^= v;
    }
    always(TEXTS, &(folds(&x, start).to_vec(), wide.to_vec()), |device| {
        let (x, words, wide) = (device.put(&x), device.put(&start), device.put(&start_wide));
        launch(device, "classes", &[x, words.clone(), wide.clone()]);
        (device.get::<u32>(&words, 9), device.get::<u64>(&wide, 6))
    });
}

#[test]
fn integer_classes_in_shared_memory() {
    let x = numbers(100, u32::MAX);
    let expected = folds(&x, [0, u32::MAX, 0, 0, 0, u32::MAX, 0, 0, 0])[..8].to_vec();
    super::gives(TEXTS, "classes_shared", (1, 100), &x, &[], &expected);
}

#[test]
fn counters_that_wrap() {
    // PTX ISA, atom: inc is old >= limit ? 0 : old + 1; dec is old == 0 or old > limit ? limit : old - 1.
    let all = |first: u32, next: &dyn Fn(u32) -> u32| {
        let values =
            std::iter::successors(Some(first), |v| Some(next(*v))).take(THREADS + 1).collect::<Vec<_>>();
        (sorted(values[..THREADS].to_vec()), values[THREADS])
    };
    let (up, last_up) = all(3, &|v| if v >= 9 { 0 } else { v + 1 });
    let (down, last_down) = all(100, &|v| if v == 0 || v > 6 { 6 } else { v - 1 });
    always(TEXTS, &(up, down, vec![last_up, last_down]), |device| {
        let (counters, y) = (device.put(&[3u32, 100]), device.room::<u32>(THREADS));
        let z = device.room::<u32>(THREADS);
        launch(device, "wrapping", &[counters.clone(), y.clone(), z.clone()]);
        (sorted(device.get(&y, THREADS)), sorted(device.get(&z, THREADS)), device.get(&counters, 2))
    });
}

#[test]
fn exchanges_make_one_chain() {
    const END: u32 = 5555;
    let walk = |last: u32, before: &dyn Fn(u32) -> u32| {
        let chain = std::iter::successors(Some(last), |v| Some(before(*v)).filter(|v| *v != END));
        sorted(chain.take(THREADS + 1).collect())
    };
    let expected = (0..THREADS as u32).collect::<Vec<_>>();
    always(TEXTS, &(expected.clone(), expected), |device| {
        let (head, y) = (device.put(&[END]), device.room::<u32>(THREADS));
        let (wide, z) = (device.put(&[u64::from(END)]), device.room::<u64>(THREADS));
        launch(device, "chain", &[head.clone(), y.clone(), wide.clone(), z.clone()]);
        let (y, z) = (device.get::<u32>(&y, THREADS), device.get::<u64>(&z, THREADS));
        let (last, last_wide) = (device.get::<u32>(&head, 1)[0], device.get::<u64>(&wide, 1)[0]);
        (walk(last, &|v| y[v as usize]), walk(last_wide as u32, &|v| z[v as usize] as u32))
    });
}

#[test]
fn loops_of_compare_and_swap() {
    let x: Vec<f32> = wide(THREADS).iter().map(|v| v.abs()).collect();
    let most = x.iter().copied().fold(0.0, f32::max).to_bits();
    let product = (0..THREADS as u64).fold(1u64, |p, i| p.wrapping_mul(2 * i + 3));
    always(TEXTS, &(most, product), |device| {
        let (x, most, product) = (device.put(&x), device.put(&[0u32]), device.put(&[1u64]));
        launch(device, "swap_loops", &[x, most.clone(), product.clone()]);
        (device.get(&most, 1)[0], device.get(&product, 1)[0])
    });
}

#[test]
fn swaps_of_half_words_leave_their_neighbours() {
    let x: Vec<u16> = numbers(THREADS, 65536).iter().map(|v| *v as u16).collect();
    let expected = vec![11, *x.iter().max().unwrap(), 22];
    always(TEXTS, &expected, |device| {
        let (places, x) = (device.put(&[11u16, 0, 22]), device.put(&x));
        let middle = samebits::simt::Argument::U64(crate::device::address(&places) + 2);
        launch(device, "half_word_swaps", &[middle, x]);
        device.get::<u16>(&places, 3)
    });
}

#[test]
fn float_sums_depend_on_their_order() {
    let x = wide(THREADS);
    let exact: f64 = x.iter().map(|v| f64::from(*v)).sum();
    let bound = THREADS as f64 * 2f64.powi(-24) * x.iter().map(|v| f64::from(v.abs())).sum::<f64>();
    for sums in each_schedule(TEXTS, |device| {
        let (x, y) = (device.put(&x), device.put(&[0f32]));
        launch(device, "float_sum", &[x, y.clone()]);
        device.get::<f32>(&y, 1)[0].to_bits()
    }) {
        assert!(sums.iter().all(|bits| (f64::from(f32::from_bits(*bits)) - exact).abs() <= bound));
        assert!(sums[1..].iter().any(|bits| *bits != sums[1]), "no two seeds differ");
    }
}

#[test]
fn double_sums_depend_on_their_order() {
    // Sums of 24-bit numbers over 40 binades round in f64, too, once they are tripled.
    let x: Vec<f64> = wide(THREADS).iter().map(|v| f64::from(*v) / 3.0).collect();
    let bound = THREADS as f64 * 2f64.powi(-52) * x.iter().map(|v| v.abs()).sum::<f64>();
    for sums in each_schedule(TEXTS, |device| {
        let (x, y) = (device.put(&x), device.put(&[0f64]));
        launch(device, "double_sum", &[x, y.clone()]);
        device.get::<f64>(&y, 1)[0].to_bits()
    }) {
        let exact: f64 = x.iter().sum();
        assert!(sums.iter().all(|bits| (f64::from_bits(*bits) - exact).abs() <= bound));
        assert!(sums[1..].iter().any(|bits| *bits != sums[1]), "no two seeds differ");
    }
}

#[test]
fn sums_of_pairs_of_halves() {
    // Small integers: exact in any order.
    let pairs: Vec<[f16; 2]> = numbers(THREADS, 16)
        .iter()
        .map(|v| [f16::from_f32(*v as f32 - 8.0), f16::from_f32((v % 3) as f32)])
        .collect();
    let sum = |part: usize| f16::from_f32(pairs.iter().map(|pair| pair[part].to_f32()).sum());
    always(TEXTS, &vec![sum(0).to_bits(), sum(1).to_bits()], |device| {
        let bits: Vec<u16> = pairs.iter().flatten().map(|v| v.to_bits()).collect();
        let (x, y) = (device.put(&bits), device.put(&[0u16; 2]));
        launch(device, "half_sum", &[x, y.clone()]);
        device.get::<u16>(&y, 2)
    });
}

#[test]
fn the_last_store_is_one_of_those_that_were_made() {
    for results in each_schedule(TEXTS, |device| {
        let y = device.room::<u32>(4);
        launch(device, "racing_stores", std::slice::from_ref(&y));
        device.get::<u32>(&y, 4)
    }) {
        for (place, writer) in results.iter().flat_map(|y| y.iter().enumerate()) {
            assert!((*writer as usize) < THREADS && writer % SHAPE.1 % 4 == place as u32);
        }
        assert!(results[1..].iter().any(|y| *y != results[1]), "no two seeds differ");
    }
}
