//! Threads that wait for others. No schedule may starve the one that is waited for.

use crate::device::{always, each_schedule, numbers, wide};

const TEXTS: &[&str] = texts!("locks");

/// Blocks, and threads of a block: one warp, and four times a warp and a part of one.
const CROWDS: [(u32, u32); 2] = [(1, 32), (4, 40)];

fn locked_sums(entry: &str) {
    for (blocks, threads) in CROWDS {
        let expected = (0, blocks * threads * (threads + 1) / 2);
        always(TEXTS, &expected, |device| {
            let (lock, y) = (device.put(&[0u32]), device.put(&[0u32]));
            device.launch(entry, blocks, threads, &[lock.clone(), y.clone()]);
            (device.get(&lock, 1)[0], device.get(&y, 1)[0])
        });
    }
}

#[test]
fn a_lock_that_all_lanes_of_a_warp_want() {
    locked_sums("spin_lock");
}

/// The lane that holds the lock stands behind the loop in which the others wait, so a warp that always runs
/// the lowest position never ends.
#[test]
fn a_lock_whose_holder_stands_behind_the_waiting_loop() {
    locked_sums("spin_lock_outside");
}

#[test]
fn a_lock_with_tickets() {
    for orders in each_schedule(TEXTS, |device| {
        let (lock, y) = (device.put(&[0u32, 0]), device.put(&[0u32; 13]));
        device.launch("ticket_lock", 12, 32, &[lock.clone(), y.clone()]);
        assert_eq!(device.get::<u32>(&lock, 2), [12, 12]);
        device.get::<u32>(&y, 13)
    }) {
        for order in &orders {
            let mut blocks = order[1..].to_vec();
            blocks.sort_unstable();
            assert_eq!((order[0], blocks), (12, (0..12).collect()));
        }
        assert!(orders[1..].iter().any(|order| *order != orders[1]), "no two seeds differ");
    }
}

#[test]
fn a_running_sum_along_a_chain_of_blocks() {
    let x = numbers(64 * 12, 1000);
    let mut sum = 0;
    let expected: Vec<u32> = x
        .iter()
        .map(|v| {
            sum += v;
            sum
        })
        .collect();
    always(TEXTS, &expected, |device| {
        let (x, y, number) = (device.put(&x), device.room::<u32>(64 * 12), device.put(&[0u32]));
        let (flags, sums) = (device.put(&[0u32; 12]), device.room::<u32>(12));
        device.launch("chained_scan", 12, 64, &[x, y.clone(), number, flags, sums]);
        device.get(&y, 64 * 12)
    });
}

#[test]
fn the_last_block_sums_in_the_order_of_blocks() {
    let x = wide(64 * 10);
    let part = |part: &[f32]| {
        let mut sums = part.to_vec();
        for step in [32, 16, 8, 4, 2, 1] {
            (0..step).for_each(|i| sums[i] += sums[i + step]);
        }
        sums[0]
    };
    let expected = x.chunks(64).map(part).fold(0f32, |s, p| s + p).to_bits();
    always(TEXTS, &(expected, 0), |device| {
        let (x, parts) = (device.put(&x), device.room::<f32>(10));
        let (ticket, y) = (device.put(&[0u32]), device.room::<f32>(1));
        device.launch("last_block", 10, 64, &[x, parts, ticket.clone(), y.clone()]);
        (device.get::<f32>(&y, 1)[0].to_bits(), device.get::<u32>(&ticket, 1)[0])
    });
}

#[test]
fn a_sum_that_begins_with_the_last_block_depends_on_the_schedule() {
    const BLOCKS: usize = 60;
    let x = wide(BLOCKS);
    let from = |first: usize| {
        let rest = (0..BLOCKS).filter(|k| *k != first).map(|k| x[k]);
        rest.fold(x[first], |s, v| s + v).to_bits()
    };
    let legal: Vec<_> = (0..BLOCKS).map(from).collect();
    for sums in each_schedule(TEXTS, |device| {
        let (x, parts) = (device.put(&x), device.room::<f32>(BLOCKS));
        let (ticket, y) = (device.put(&[0u32]), device.room::<f32>(1));
        device.launch("last_block_first", BLOCKS as u32, 32, &[x, parts, ticket, y.clone()]);
        device.get::<f32>(&y, 1)[0].to_bits()
    }) {
        assert!(sums.iter().all(|sum| legal.contains(sum)));
        assert!(sums[1..].iter().any(|sum| *sum != sums[1]), "no two seeds differ");
    }
}
