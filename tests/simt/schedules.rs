//! What a seed fixes, and what it leaves open: schedules replay exactly, and differ from each other.

use std::sync::Arc;

use samebits::simt::{Executed, Module, Schedule};

use crate::device::{Device, wide};

/// The bits of a sum in the order of arrival, and what was executed.
fn sum(module: &Arc<Module>, schedule: Schedule, blocks: Option<Vec<u64>>) -> (u32, Executed) {
    let mut device = Device::new(module, schedule);
    device.options.blocks = blocks;
    let (x, y) = (device.put(&wide(8 * 64)), device.put(&[0f32]));
    let executed = device.launch("float_sum", 8, 64, &[x, y.clone()]);
    (device.get::<f32>(&y, 1)[0].to_bits(), executed)
}

fn module() -> Arc<Module> {
    Arc::new(Module::new(include_str!("kernels/atomics.ptx")).unwrap())
}

#[test]
fn seeds_replay_and_differ() {
    let module = module();
    let of = |seed| sum(&module, Schedule::Random { seed }, None);
    let seeds: Vec<_> = (0..40).chain([u64::MAX]).collect();
    let sums: Vec<_> = seeds.iter().map(|seed| of(*seed)).collect();
    assert_eq!(sums, seeds.iter().map(|seed| of(*seed)).collect::<Vec<_>>());
    let mut distinct: Vec<_> = sums.iter().map(|(bits, _)| *bits).collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() > 10, "{} sums of {}", distinct.len(), sums.len());
    // The work is the same, only its order is not: there are no loops here.
    assert!(sums.iter().all(|(_, executed)| executed.thread_instructions == sums[0].1.thread_instructions));
}

#[test]
fn round_robin_is_one_schedule() {
    let module = module();
    let first = sum(&module, Schedule::RoundRobin, None);
    assert_eq!(first, sum(&module, Schedule::RoundRobin, None));
    // Ascending warps, and lanes within them.
    let in_order = wide(8 * 64).iter().fold(0f32, |s, v| s + v).to_bits();
    assert_eq!(first.0, in_order);
}

#[test]
fn a_part_of_the_grid() {
    let module = module();
    let all = sum(&module, Schedule::RoundRobin, None).1;
    let some = sum(&module, Schedule::RoundRobin, Some(vec![6, 1])).1;
    assert_eq!(some.thread_instructions * 4, all.thread_instructions);
    assert_eq!(sum(&module, Schedule::RoundRobin, Some(vec![])), (0, Executed::default()));
    let x = wide(8 * 64);
    let expected = x[64..128].iter().fold(0f32, |s, v| s + v).to_bits();
    assert_eq!(sum(&module, Schedule::RoundRobin, Some(vec![1])).0, expected);
}

#[test]
fn instructions_are_counted_as_threads_and_as_warps() {
    let module = module();
    let executed = sum(&module, Schedule::RoundRobin, None).1;
    assert_eq!(executed.thread_instructions, 32 * executed.warp_instructions);
    assert_eq!(executed.warp_instructions % 16, 0, "all warps execute the same");
}
