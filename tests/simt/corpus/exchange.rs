//! Exchanges between the lanes of a warp.

use samebits::simt::Argument;

use super::{gives, words};
use crate::device::{always, each_schedule, numbers};

const TEXTS: &[&str] = texts!("exchange");

/// shfl.sync as the PTX ISA's pseudocode has it, in signed numbers: the source lane and whether it is inside.
fn source(mode: usize, lane: i32, b: u32, c: u32) -> (usize, bool) {
    let (b, clamp, mask) = ((b & 31) as i32, (c & 31) as i32, (c >> 8 & 31) as i32);
    let most = (lane & mask) | (clamp & !mask);
    let least = lane & mask;
    let (from, inside) = match mode {
        0 => (lane - b, lane - b >= most),
        1 => (lane + b, lane + b <= most),
        2 => (lane ^ b, lane ^ b <= most),
        _ => (least | b & !mask, least | b & !mask <= most),
    };
    (if inside { from } else { lane } as usize, inside)
}

#[test]
fn shuffles() {
    let mut x = numbers(64, u32::MAX);
    x[32..].iter_mut().for_each(|b| *b %= 40);
    let mut expected = Vec::new();
    for (k, control) in [0, 16 << 8, 24 << 8, 20].into_iter().enumerate() {
        for mode in 0..4 {
            let c = if mode == 0 || k == 3 { control } else { control | 31 };
            expected.extend((0..32).map(|lane| {
                let (from, inside) = source(mode, lane, x[32 + lane as usize], c);
                x[from] & 0x7fff_ffff | u32::from(inside) << 31
            }));
        }
    }
    gives(TEXTS, "shuffles", (1, 32), &x, &[], &expected);
}

#[test]
fn shuffles_of_some_lanes() {
    let x = numbers(32, u32::MAX);
    for members in [0x0000_000fu32, 0xf0f0_0ff0, u32::MAX] {
        let one = |lane: usize| {
            let four = &x[lane / 4 * 4..][..4];
            if members >> lane & 1 == 1 { four.iter().fold(0, |s, v| v.wrapping_add(s)) } else { x[lane] }
        };
        let expected: Vec<_> = (0..32).map(one).collect();
        gives(TEXTS, "partial_shuffle", (1, 32), &x, &[Argument::U32(members)], &expected);
    }
}

#[test]
fn votes() {
    // Blocks of only odd, only even, and mixed numbers.
    let noise = numbers(96, 12);
    let x: Vec<_> =
        (0..96).map(|i| if i < 64 { noise[i] & !1 | u32::from(i < 32) } else { noise[i] }).collect();
    let mut expected = Vec::new();
    for warp in x.chunks(32) {
        let odd = warp.iter().filter(|v| *v & 1 == 1).count();
        let (any, all) = (u32::from(odd > 0), u32::from(odd == 32));
        let uniform = u32::from(odd == 0 || odd == 32);
        let voting =
            (0..32).filter(|lane| lane & 1 == 1 && warp[*lane] > 7).fold(0, |m, lane| m | 1u32 << lane);
        for lane in 0..32 {
            expected.extend([any | all << 1 | uniform << 2, if lane & 1 == 1 { voting } else { 0 }]);
        }
    }
    gives(TEXTS, "votes", (3, 32), &x, &[], &expected);
}

#[test]
fn matches() {
    let x: Vec<_> = numbers(32, 6).iter().map(|v| v + 512).collect();
    let equal = |key: &dyn Fn(u32) -> u32| -> Vec<u32> {
        let among = |v: &u32| (0..32).filter(|l| key(x[*l]) == key(*v)).fold(0, |m, l| m | 1u32 << l);
        x.iter().map(among).collect()
    };
    let mut expected = [equal(&|v| v), equal(&|v| v & 3)].concat();
    expected.extend([u32::MAX; 32]);
    expected.extend([0; 32]);
    gives(TEXTS, "matches", (1, 32), &x, &[], &expected);
}

#[test]
fn reductions() {
    let x = numbers(32, u32::MAX);
    for members in [u32::MAX, 0x8421_0ff1] {
        let of: Vec<_> = (0..32).filter(|lane| members >> lane & 1 == 1).map(|lane| x[lane]).collect();
        let signed = of.iter().map(|v| *v as i32);
        let results = [
            of.iter().fold(0, |s, v| v.wrapping_add(s)),
            *of.iter().min().unwrap(),
            *of.iter().max().unwrap(),
            signed.clone().min().unwrap() as u32,
            signed.max().unwrap() as u32,
            of.iter().fold(u32::MAX, |s, v| s & v),
            of.iter().fold(0, |s, v| s | v),
            of.iter().fold(0, |s, v| s ^ v),
        ];
        // Lanes that do not take part leave what was there.
        let value = |result: u32, lane: usize| if members >> lane & 1 == 1 { result } else { 77 };
        let expected: Vec<_> = results.iter().flat_map(|r| (0..32).map(|lane| value(*r, lane))).collect();
        always(TEXTS, &expected, |device| {
            let (x, y) = (device.put(&x), device.put(&[77u32; 256]));
            device.launch("reductions", 1, 32, &[x, y.clone(), Argument::U32(members)]);
            device.get(&y, 256)
        });
    }
}

#[test]
fn arms_that_wait_for_each_other() {
    let one = |lane: u32| {
        let place = |lane: u32| (0..5).map(|k| ((lane - 12) % 12 * 10 + k) * 3).sum::<u32>();
        if lane < 12 { place(12 + lane) } else { place(lane) }
    };
    let expected: Vec<_> = (0..32).map(one).collect();
    always(TEXTS, &expected, |device| {
        let y = device.room::<u32>(32);
        device.launch("arms_in_turn", 1, 32, std::slice::from_ref(&y));
        device.get(&y, 32)
    });
}

#[test]
fn arms_that_shuffle_apart() {
    let mut v: Vec<u32> = (0..32).map(|lane| lane * lane).collect();
    for k in 0..4 {
        let one = |lane: usize| match lane % 2 {
            1 if k < 3 => v[lane] + v[lane ^ 2],
            1 => v[lane],
            _ => v[lane] * 3 + v[lane ^ 4],
        };
        v = (0..32).map(one).collect();
    }
    always(TEXTS, &v, |device| {
        let y = device.room::<u32>(32);
        device.launch("arms_apart", 1, 32, std::slice::from_ref(&y));
        device.get(&y, 32)
    });
}

#[test]
fn active_lanes_are_of_the_same_arm() {
    let arm = |one: bool| (0..32).filter(|lane| (lane % 3 == 1) == one).fold(0, |m, lane| m | 1u32 << lane);
    for results in each_schedule(TEXTS, |device| {
        let y = device.room::<u32>(32);
        device.launch("active", 1, 32, std::slice::from_ref(&y));
        device.get::<u32>(&y, 32)
    }) {
        for (lane, mask) in results.iter().flat_map(|masks| masks.iter().enumerate()) {
            assert_eq!(mask >> lane & 1, 1);
            assert_eq!(mask & !arm(lane % 3 == 1), 0, "lane {lane}: {mask:#x}");
        }
    }
}

#[test]
fn a_warp_that_is_not_full_exchanges_among_its_lanes() {
    // Members that do not exist are not waited for.
    let x = numbers(8, 12);
    for result in
        each_schedule(TEXTS, |device| words(device, "partial_shuffle", (1, 8), &x, &[Argument::U32(255)], 8))
    {
        let sums = |lane: usize| x[lane / 4 * 4..][..4].iter().sum::<u32>();
        assert!(result.iter().flat_map(|y| y.iter().enumerate()).all(|(lane, v)| *v == sums(lane)));
    }
}
