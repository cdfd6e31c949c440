//! Asynchronous copies.

use samebits::simt::Argument;

use super::gives;
use crate::device::{always, numbers};

const TEXTS: &[&str] = texts!("copies");

#[test]
fn a_pipeline_of_three_stages() {
    for rounds in [1usize, 2, 7] {
        let x = numbers(128 * rounds, u32::MAX);
        let one = |i: usize| {
            x.chunks(128).fold(0u32, |sum, stage| {
                let pair = stage[127 - 4 * i].wrapping_add(stage[(4 * i + 5) % 128]);
                sum.wrapping_mul(3).wrapping_add(pair)
            })
        };
        let expected: Vec<_> = (0..32).map(one).collect();
        gives(TEXTS, "pipeline", (1, 32), &x, &[Argument::U32(rounds as u32)], &expected);
    }
}

#[test]
fn copies_of_every_width() {
    let x: Vec<u8> = numbers(512, 255).iter().map(|v| *v as u8 + 1).collect();
    let mut expected: Vec<u8> = (0..128).map(|at| x[(at + 4) % 128]).collect();
    expected.extend((0..256).map(|at| x[8 * (31 - at / 8) + at % 8]));
    // The i-th copy of 16 bytes takes i modulo 17 of them, and zeros.
    expected.extend((0..512).map(|at| if at % 16 < at / 16 % 17 { x[at] } else { 0 }));
    always(TEXTS, &expected, |device| {
        let (x, y) = (device.put(&x), device.room::<u8>(896));
        device.launch("copies", 1, 32, &[x, y.clone()]);
        device.get(&y, 896)
    });
}
