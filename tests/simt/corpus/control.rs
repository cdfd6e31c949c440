//! Lanes that go different ways.

use samebits::simt::Argument;

use super::gives;
use crate::device::{always, numbers};

const TEXTS: &[&str] = texts!("control");

#[test]
fn arms_of_a_branch() {
    let x = numbers(96, 1000);
    let arm = |(i, v): (u32, &u32)| match v {
        v if v & 1 == 1 => 3 * v + 1,
        v if v & 2 == 2 => (v / 2) ^ i,
        v => v / 2,
    };
    let expected: Vec<_> = (0..).zip(&x).map(arm).collect();
    gives(TEXTS, "branch", (2, 48), &x, &[], &expected);
}

#[test]
fn loops_with_trip_counts_of_their_own() {
    let one = |i: u32| {
        let mut sum = i;
        for a in 0..i % 7 {
            for b in 0..a + i % 3 {
                sum = sum.wrapping_mul(31).wrapping_add(b);
            }
            sum ^= a;
        }
        sum
    };
    let expected: Vec<_> = (0..120).map(one).collect();
    always(TEXTS, &expected, |device| {
        let y = device.room::<u32>(120);
        device.launch("nested_loops", 3, 40, std::slice::from_ref(&y));
        device.get(&y, 120)
    });
}

#[test]
fn lanes_that_return_early() {
    let mut x = numbers(70, 300);
    x.iter_mut().step_by(5).for_each(|v| *v = 0u32.wrapping_sub(*v));
    let steps = |v: &u32| {
        if (*v as i32) <= 0 {
            return u32::MAX;
        }
        let next = |v: &u32| Some(if v % 2 == 1 { 3 * v + 1 } else { v / 2 });
        std::iter::successors(Some(*v), next).position(|v| v == 1).unwrap() as u32
    };
    let expected: Vec<_> = x.iter().map(steps).collect();
    gives(TEXTS, "early_return", (2, 48), &x, &[Argument::U32(70)], &expected);
}

#[test]
fn breaks_and_continues() {
    let (n, x) = (64, numbers(64, 10_000));
    let one = |i: usize| {
        let rest = (0..n).map(|k| x[(i + k) % n]).filter(|v| v % 5 != 0);
        rest.take_while(|v| v % 11 != 0).fold(0, u32::wrapping_add)
    };
    let expected: Vec<_> = (0..n).map(one).collect();
    gives(TEXTS, "break_and_continue", (1, 64), &x, &[Argument::U32(64)], &expected);
}

#[test]
fn loops_that_lanes_leave_one_by_one() {
    let x: Vec<_> = numbers(128, 5000).iter().map(|v| v * 6).collect();
    fn divisor(a: u32, b: u32) -> u32 {
        if b == 0 { a } else { divisor(b, a % b) }
    }
    let expected: Vec<_> = x.chunks(2).map(|pair| divisor(pair[0], pair[1])).collect();
    gives(TEXTS, "divisors", (2, 32), &x, &[], &expected);
}

#[test]
fn switches() {
    let x = numbers(64, u32::MAX);
    let one = |v: &u32| match v % 9 {
        0 => v.wrapping_add(17),
        1 => v.reverse_bits(),
        2 => v.wrapping_mul(5) ^ 0x55,
        3 => v ^ 0x55,
        4 => v.count_ones(),
        5 => v.rotate_left(3),
        6 => 6,
        7 => !v,
        _ => v.wrapping_sub(1),
    };
    let expected: Vec<_> = x.iter().map(one).collect();
    gives(TEXTS, "choose", (2, 32), &x, &[], &expected);
}
