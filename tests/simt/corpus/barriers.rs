//! Barriers of a block.

use samebits::simt::Argument;

use super::gives;
use crate::device::{always, numbers};

const TEXTS: &[&str] = texts!("barriers");

#[test]
fn block_sums() {
    let x = numbers(3 * 256, u32::MAX);
    let expected: Vec<_> = x.chunks(256).map(|part| part.iter().fold(0, |s, v| v.wrapping_add(s))).collect();
    gives(TEXTS, "block_sum", (3, 256), &x, &[], &expected);
}

#[test]
fn a_transposition_of_an_odd_shape() {
    let (rows, columns) = (37usize, 21usize);
    let x: Vec<_> = (0..rows * columns).map(|index| index as f32 * 0.5).collect();
    let expected: Vec<_> = (0..rows * columns).map(|at| x[at % rows * columns + at / rows]).collect();
    always(TEXTS, &expected, |device| {
        let (x, y) = (device.put(&x), device.room::<f32>(rows * columns));
        let sizes = [Argument::U32(rows as u32), Argument::U32(columns as u32)];
        let arguments = [&[x, y.clone()], &sizes[..]].concat();
        device.launch_3d("transpose", [2, 3, 1], [16, 16, 1], &arguments);
        device.get(&y, rows * columns)
    });
}

#[test]
fn two_buffers_and_one_barrier_a_step() {
    let (n, steps) = (96, 11);
    let x = numbers(n, 1000);
    let mut line = x.clone();
    for _ in 0..steps {
        let at = |i: usize, factor: u32| line[i % n].wrapping_mul(factor);
        line = (0..n).map(|i| at(i + n - 1, 1).wrapping_add(at(i, 3)).wrapping_add(at(i + 1, 5))).collect();
    }
    gives(TEXTS, "double_buffer", (1, 96), &x, &[Argument::U32(steps)], &line);
}

#[test]
fn a_producer_and_a_consumer() {
    let x = numbers(7 * 32, u32::MAX);
    let sum =
        |lane: usize| x.chunks(32).fold(0u32, |s, round| s.wrapping_mul(7).wrapping_add(round[31 - lane]));
    let expected: Vec<_> = (0..32).map(sum).collect();
    gives(TEXTS, "producer_consumer", (1, 64), &x, &[Argument::U32(7)], &expected);
}

#[test]
fn reductions_at_a_barrier() {
    for bound in [1000, 5, 2000] {
        // The last warp is not full.
        let x: Vec<_> = numbers(75, bound).iter().map(|v| v + 1).collect();
        let count = x.iter().filter(|v| *v & 1 == 1).count() as u32;
        let all = |limit: u32| u32::from(x.iter().all(|v| *v > limit));
        let any = |test: &dyn Fn(&u32) -> bool| u32::from(x.iter().any(test));
        let flags = all(0) << 16 | all(3) << 17 | any(&|v| *v > 1000) << 18 | any(&|v| *v == 3) << 19;
        gives(TEXTS, "barrier_reductions", (1, 75), &x, &[], &vec![count | flags; 75]);
    }
}

#[test]
fn arms_that_meet_at_one_barrier() {
    let place = |i: u32| if i.is_multiple_of(3) { 100 + i } else { 200 + i };
    let one = |i: u32| place(63 - i) + if i.is_multiple_of(3) { 0 } else { 1000 };
    let expected: Vec<_> = (0..64).map(one).collect();
    always(TEXTS, &expected, |device| {
        let y = device.room::<u32>(64);
        device.launch("barrier_in_arms", 1, 64, std::slice::from_ref(&y));
        device.get(&y, 64)
    });
}
