//! State spaces, structures and functions.

use samebits::simt::Argument;

use super::gives;
use crate::device::{address, always, numbers};

const TEXTS: &[&str] = texts!("spaces");

#[test]
fn static_and_dynamic_shared_memory() {
    let x = numbers(64, 100_000);
    let dynamic = |at: usize| if at % 2 == 1 { x[at / 2] * 3 } else { at as u32 / 2 };
    let one = |i: usize| x[63 - i] + dynamic(127 - 2 * i) + dynamic(2 * i) * 1000 + x[i % 33] % 256;
    let expected: Vec<_> = (0..64).map(one).collect();
    always(TEXTS, &expected, |device| {
        device.shared_bytes = 512;
        super::words(device, "shared_both", (1, 64), &x, &[], 64)
    });
}

#[test]
fn one_load_of_three_spaces() {
    let x = numbers(32, 1000);
    let one = |i: usize| {
        let at = i * 5 % 8;
        match i % 3 {
            0 => (x[at] + 1) | 1 << 28,
            1 => (x[at] + 101) | 2 << 28,
            _ => (x[i] * at as u32 + 1) | 4 << 28,
        }
    };
    let expected: Vec<_> = (0..32).map(one).collect();
    gives(TEXTS, "generic", (1, 32), &x, &[], &expected);
}

#[test]
fn arrays_on_the_stack() {
    let x = numbers(64, 1000);
    let one = |i: usize| {
        let n = i % 24 + 1;
        let mut list: Vec<_> = (0..n).map(|k| x[(i * 7 + k) % 64]).collect();
        list.sort_unstable();
        list[n / 2]
    };
    let expected: Vec<_> = (0..64).map(one).collect();
    gives(TEXTS, "stack", (1, 64), &x, &[], &expected);
}

#[test]
fn variables_with_initial_values() {
    let (table, halves) = ([3, -1, 4, -1, 5, -9], [-2, 300, 7, 0, 0]);
    let seeds = [0x0012_3456_789a_bcdeu64, 0, u64::MAX >> 4];
    let one = |i: usize| {
        let product = f64::from(table[i % 6] as f32 * 0.375);
        product + seeds[i % 3] as f64 + f64::from(halves[i % 5]) + if i == 0 { 41.0 } else { 0.0 }
    };
    let expected: Vec<_> = (0..40).map(one).collect();
    always(TEXTS, &expected, |device| {
        let y = device.room::<f64>(40);
        device.launch("initialised", 1, 40, std::slice::from_ref(&y));
        device.get(&y, 40)
    });
}

#[test]
fn a_structure_as_parameter() {
    // int at 0, short at 4, char at 6, double at 8, float4 at 16, int[5] at 32, ushort2 at 52; 64 bytes.
    let mut bytes = vec![0u8; 64];
    let mut put = |at: usize, value: &[u8]| bytes[at..][..value.len()].copy_from_slice(value);
    put(0, &(-7i32).to_le_bytes());
    put(4, &(-300i16).to_le_bytes());
    put(6, &(-5i8).to_le_bytes());
    put(8, &2.5f64.to_le_bytes());
    put(16, bytemuck::cast_slice(&[1f32, 2.0, 3.0, 4.0]));
    put(32, bytemuck::cast_slice(&[10i32, 20, -30, 40, 50]));
    put(52, bytemuck::cast_slice(&[7u16, 65535]));
    for (k, listed) in [10.0, 20.0, -30.0, 40.0, 50.0].into_iter().enumerate() {
        let expected = vec![-7.0, -300.0, -5.0, 2.5, 4321.0, listed, 7.0 - 65535.0];
        always(TEXTS, &expected, |device| {
            let y = device.room::<f64>(7);
            let arguments = [Argument::Bytes(bytes.clone()), y.clone(), Argument::U8(k as u8)];
            device.launch("structure", 1, 1, &arguments);
            device.get(&y, 7)
        });
    }
}

#[test]
fn functions_with_structures() {
    let x = numbers(50, 1 << 24);
    let divide = |a: u32, b: u32| (a % b, f64::from(a) / f64::from(b), a.to_le_bytes());
    let one = |i: usize| {
        let mut p = divide(x[i], i as u32 + 3);
        if i & 1 == 1 {
            p = divide(x[i] / 2, p.0 + 1);
        }
        p.0 + p.1 as u32 * 3 + u32::from(p.2[i % 3])
    };
    let expected: Vec<_> = (0..50).map(one).collect();
    gives(TEXTS, "calls", (1, 50), &x, &[], &expected);
}

#[test]
fn vectors_of_every_width() {
    let x: Vec<u8> = numbers(4608, 256).iter().map(|v| *v as u8).collect();
    let mut expected = Vec::new();
    let parts =
        [(0, 2, 1), (128, 4, 1), (256, 4, 2), (512, 8, 2), (1024, 8, 4), (2048, 16, 4), (4096, 16, 8)];
    // Bytes of a vector and of its elements, of which the first two are swapped.
    for (start, size, element) in parts {
        for i in 0..32 {
            let vector = &x[start + i * size..][..size];
            let (first, rest) = vector.split_at(element);
            let (second, rest) = rest.split_at(element);
            expected.extend([second, first, rest].concat());
        }
    }
    always(TEXTS, &expected, |device| {
        let (x, y) = (device.put(&x), device.room::<u8>(4608));
        device.launch("vectors", 1, 32, &[x, y.clone()]);
        let start_of_all = address(&y);
        let part =
            |(start, size, _)| device.get::<u8>(&Argument::U64(start_of_all + start as u64), size * 32);
        parts.map(part).concat()
    });
}

#[test]
fn bytes_and_half_words() {
    let x: Vec<i8> = numbers(64, 256).iter().map(|v| *v as u8 as i8).collect();
    let y: Vec<i16> = x.iter().map(|v| (i32::from(*v) * 300) as i16).collect();
    let z: Vec<u16> = x.iter().map(|v| u16::from(*v as u8) << 7).collect();
    let w: Vec<u8> = x.iter().zip(&z).map(|(v, z)| (z >> 3).wrapping_sub(*v as u16) as u8).collect();
    always(TEXTS, &(y, z, w), |device| {
        let (x, y) = (device.put(&x), device.room::<i16>(64));
        let (z, w) = (device.room::<u16>(64), device.room::<u8>(64));
        device.launch("sub_words", 1, 64, &[x, y.clone(), z.clone(), w.clone()]);
        (device.get(&y, 64), device.get(&z, 64), device.get(&w, 64))
    });
}
