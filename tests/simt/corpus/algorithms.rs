//! Small whole algorithms, and what special registers say.

use samebits::simt::Argument;

use super::gives;
use crate::device::{always, each_schedule, numbers, wide};

const TEXTS: &[&str] = texts!("algorithms");

#[test]
fn histograms() {
    let x: Vec<u8> = numbers(1500, 256).iter().map(|v| *v as u8).collect();
    let mut expected = vec![0u32; 64];
    x.iter().for_each(|v| expected[usize::from(v % 64)] += 1);
    always(TEXTS, &expected, |device| {
        let (x, y) = (device.put(&x), device.put(&[0u32; 64]));
        device.launch("histogram", 5, 96, &[x, y.clone(), Argument::U32(1500)]);
        device.get(&y, 64)
    });
}

#[test]
fn running_sums() {
    let x = numbers(256, u32::MAX);
    let mut sum = 0u32;
    let mut add = |v: &u32| {
        sum = sum.wrapping_add(*v);
        sum
    };
    let expected: Vec<_> = x.iter().map(&mut add).collect();
    gives(TEXTS, "scan", (1, 256), &x, &[], &expected);
}

#[test]
fn compaction_keeps_the_set() {
    let n = 333;
    let x = numbers(n, 1 << 20);
    let mut expected: Vec<_> = x.iter().copied().filter(|v| v & 1 == 1).collect();
    expected.sort_unstable();
    for results in each_schedule(TEXTS, |device| {
        let (x, y) = (device.put(&x), device.room::<u32>(n));
        let count = device.put(&[0u32]);
        device.launch("compact", 6, 64, &[x, y.clone(), count.clone(), Argument::U32(n as u32)]);
        let count = device.get::<u32>(&count, 1)[0] as usize;
        device.get::<u32>(&y, count)
    }) {
        assert!(results[1..].iter().any(|y| *y != results[1]), "no two seeds differ");
        for mut kept in results {
            kept.sort_unstable();
            assert_eq!(kept, expected);
        }
    }
}

#[test]
fn softmax() {
    let (rows, columns) = (3, 150);
    let x: Vec<_> = wide(rows * columns).iter().map(|v| v.clamp(-8.0, 8.0)).collect();
    for results in each_schedule(TEXTS, |device| {
        let (x, y) = (device.put(&x), device.room::<f32>(rows * columns));
        device.launch("softmax", rows as u32, 128, &[x, y.clone(), Argument::U32(columns as u32)]);
        device.get::<u32>(&y, rows * columns)
    }) {
        assert!(results.iter().all(|y| *y == results[0]), "its order is fixed");
        for (row, y) in x.chunks(columns).zip(results[0].chunks(columns)) {
            let most = row.iter().fold(f64::MIN, |m, v| m.max(f64::from(*v)));
            let sum: f64 = row.iter().map(|v| (f64::from(*v) - most).exp()).sum();
            for (v, y) in row.iter().zip(y) {
                let (y, exact) = (f64::from(f32::from_bits(*y)), (f64::from(*v) - most).exp() / sum);
                assert!((y - exact).abs() <= 4e-6 * exact, "{y} {exact}");
            }
        }
    }
}

#[test]
fn special_registers_in_three_dimensions() {
    let (grid, block) = ([2, 3, 2], [5, 3, 3]);
    let coordinates = |[x, y, z]: [u32; 3]| (0..x * y * z).map(move |i| [i % x, i / x % y, i / x / y]);
    let mut expected = Vec::new();
    for b in coordinates(grid) {
        for (linear, t) in coordinates(block).enumerate() {
            expected.extend([t, block, b, grid].concat());
            let lane = linear as u32 % 32;
            let (equal, below) = (1u32 << lane, (1u32 << lane) - 1);
            expected.extend([lane, equal, equal | below, below, !below, !below & !equal, 1, 1]);
        }
    }
    always(TEXTS, &expected, |device| {
        let y = device.room::<u32>(expected.len());
        device.launch_3d("specials", grid, block, std::slice::from_ref(&y));
        device.get(&y, expected.len())
    });
}

#[test]
fn clocks_go_forward() {
    for results in each_schedule(TEXTS, |device| {
        let y = device.room::<i64>(160);
        device.launch("clocks", 2, 40, std::slice::from_ref(&y));
        device.get::<i64>(&y, 160)
    }) {
        assert!(results.iter().flatten().all(|elapsed| *elapsed >= 0));
        assert!(
            results.iter().all(|y| y.iter().step_by(2).all(|clocks| *clocks > 0)),
            "a clock stands still"
        );
    }
}
