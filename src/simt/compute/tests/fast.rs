//! The functions for vectors give what `evaluate` gives.

use super::{decode, for_operands};
use crate::simt::compute::fast;
use crate::simt::ptx::ast::Type;

#[test]
fn fast_functions_equal_evaluate() {
    type Case = (&'static str, fn(u32, u32) -> u32);
    let pairs: [Case; 8] = [
        ("add.f32", fast::add_f32),
        ("sub.f32", fast::sub_f32),
        ("mul.f32", fast::mul_f32),
        ("min.f32", fast::min_f32),
        ("max.f32", fast::max_f32),
        ("setp.eq.f32", |a, b| fast::eq_f32(a, b).into()),
        ("setp.lt.f32", |a, b| fast::lt_f32(a, b).into()),
        ("setp.le.f32", |a, b| fast::le_f32(a, b).into()),
    ];
    for (name, function) in pairs {
        super::agree(name, 2, 50_000, |[a, b, ..]| function(a as u32, b as u32).into());
    }
    super::agree("fma.rn.f32", 3, 50_000, |[a, b, c, _]| fast::fma_f32(a as u32, b as u32, c as u32).into());
    super::agree("cvt.rn.f32.u32", 1, 50_000, |[a, ..]| fast::u32_to_f32(a as u32).into());
    super::agree("cvt.rn.f32.u64", 1, 50_000, |[a, ..]| fast::u64_to_f32(a).into());
    super::agree("cvt.rn.f16.f32", 1, 500_000, |[a, ..]| fast::f32_to_f16(a as u32).into());
    let widen = decode("cvt.f32.f16", 1);
    let narrow = decode("cvt.rn.f16.f32", 1);
    for half in 0..=u16::MAX {
        let single = fast::f16_to_f32(half);
        assert_eq!(u64::from(single), widen.evaluate([half.into(), 0, 0, 0]).value, "{half:#x}");
        // Every f16, and what lies around the middle between it and the next one.
        for near in [single, single ^ 0x1000, single ^ 0x0fff, single ^ 0x1001] {
            let expected = narrow.evaluate([near.into(), 0, 0, 0]).value;
            assert_eq!(u64::from(fast::f32_to_f16(near)), expected, "{near:#x}");
        }
    }
    for_operands(&[Type::F32], 10_000, |[a, ..]| {
        assert_eq!(u64::from(fast::f32_to_f16(a as u32)), narrow.evaluate([a, 0, 0, 0]).value);
    });
}
