//! PTX that was written by hand.

use super::{gives, words};
use crate::device::{always, numbers};

const TEXTS: &[&str] = &[include_str!("../kernels/hand.ptx")];

#[test]
fn instructions_under_a_predicate() {
    let x = numbers(32, 90);
    let one = |i: usize| {
        let v = x[i];
        if i >= 20 {
            return v;
        }
        let odd = v & 1 == 1;
        let r = if odd { 7 + v } else { (7 * v) ^ 0xff };
        if r > 40 && !odd { 0x8000 } else { r }
    };
    let expected: Vec<_> = (0..32).map(one).collect();
    gives(TEXTS, "predicated", (1, 32), &x, &[], &expected);
}

#[test]
fn a_table_of_targets() {
    let x = numbers(64, 190);
    let one = |v: &u32| {
        let (mut v, mut sum) = (*v, 0u32);
        loop {
            match v % 5 {
                0 | 3 => sum = sum.wrapping_add(5),
                1 => sum = sum.wrapping_shl(1),
                2 => sum ^= 0x3f,
                _ => return sum,
            }
            v += 7;
            if v >= 200 {
                return sum;
            }
        }
    };
    let expected: Vec<_> = x.iter().map(one).collect();
    gives(TEXTS, "jump_table", (1, 64), &x, &[], &expected);
}

#[test]
fn a_loop_with_two_entrances() {
    let one = |i: u32| {
        let (mut v, mut round) = (i, 0);
        if i.is_multiple_of(2) {
            v = v.wrapping_mul(5).wrapping_add(1);
        }
        loop {
            v ^= round;
            round += 1;
            if round > i {
                return v;
            }
            v = v.wrapping_mul(5).wrapping_add(1);
        }
    };
    let expected: Vec<_> = (0..50).map(one).collect();
    always(TEXTS, &expected, |device| {
        let y = device.room::<u32>(50);
        device.launch("two_entrances", 1, 50, std::slice::from_ref(&y));
        device.get(&y, 50)
    });
}

#[test]
fn groups_that_reduce_at_barriers_of_their_own() {
    let mut x = numbers(128, 100);
    x[64..].iter_mut().for_each(|v| *v += 51);
    let group = |part: &[u32]| {
        let above = part.iter().filter(|v| **v > 50).count() as u32;
        let (all, any_not) = (u32::from(above == 64), u32::from(above < 64));
        [above | (64 - above) << 8 | all << 16 | any_not << 17; 64]
    };
    let expected: Vec<_> = x.chunks(64).flat_map(group).collect();
    gives(TEXTS, "group_reductions", (1, 128), &x, &[], &expected);
}

#[test]
fn functions() {
    let step = |a: u32, b: u32| if a < b { a.wrapping_mul(b) } else { a - b };
    let mut expected = Vec::new();
    for i in 0..40u32 {
        let first = if i > 9 { step(i, 16) } else { 1000 };
        let second = step(first, i);
        let inverted = !u64::from(second);
        expected.extend([second.wrapping_add(i), first, inverted as u32, (inverted >> 32) as u32]);
    }
    always(TEXTS, &expected, |device| {
        let y = device.room::<u32>(160);
        device.launch("functions", 1, 40, std::slice::from_ref(&y));
        device.get(&y, 160)
    });
}

#[test]
fn sinks_and_scopes() {
    let x = numbers(4 * 32, u32::MAX);
    let one = |i: usize| {
        let (low, high) = (x[4 * i + 1] & 0xffff, x[4 * i + 3] >> 16);
        let sum = (high | low << 16).wrapping_add(100 + 64);
        // Lanes whose shuffle stays within the warp add one.
        sum.wrapping_add(u32::from(i + 3 < 32))
    };
    let expected: Vec<_> = (0..32).map(one).collect();
    always(TEXTS, &expected, |device| words(device, "sinks_and_scopes", (1, 32), &x, &[], 32));
}

#[test]
fn arms_that_exchange_with_each_other() {
    let own = |i: u32| i * i + if i < 16 { 5 } else { 3 };
    let got = |i: u32| own(i ^ 16);
    let votes = |i: u32| got(i) > if i < 16 { 700 } else { 100 };
    let ballot = (0..32).filter(|i| votes(*i)).fold(0, |m, i| m | 1u32 << i);
    let sum: u32 = (0..32).map(own).sum();
    let expected: Vec<_> = (0..32).map(|i| got(i).wrapping_add(ballot).wrapping_add(sum)).collect();
    always(TEXTS, &expected, |device| {
        let y = device.room::<u32>(32);
        device.launch("exchange_across_arms", 1, 32, std::slice::from_ref(&y));
        device.get(&y, 32)
    });
}

#[test]
fn sums_of_subnormal_numbers() {
    // PTX ISA, atom: .f32 in global memory flushes subnormal inputs and results, in shared memory it does not.
    always(TEXTS, &vec![0u32, 0, 8, 2, 3], |device| {
        let y = device.put(&[3u32, 3, 9, 9, 9]);
        device.launch("subnormal_sums", 1, 1, std::slice::from_ref(&y));
        device.get(&y, 5)
    });
}

#[test]
fn lanes_that_exit_while_others_wait_for_them() {
    let x = numbers(64, 100);
    let one = |i: usize| {
        if i % 32 >= 12 {
            return i as u32;
        }
        let warp = i / 32 * 32;
        let ballot = (0..12).filter(|lane| x[warp + (lane ^ 1)] > 50).fold(0, |m, lane| m | 1u32 << lane);
        x[i ^ 1] + ballot
    };
    let expected: Vec<_> = (0..64).map(one).collect();
    gives(TEXTS, "late_exits", (1, 64), &x, &[], &expected);
}
