//! Operations on one lane, written so that a loop over lanes becomes vector instructions.
//! Words are bit patterns; a NaN result is PTX's canonical one.

/// The NaN that PTX arithmetic on f32 gives.
const NAN_F32: u32 = 0x7fff_ffff;

#[inline(always)]
fn canonical(value: f32) -> u32 {
    if value.is_nan() { NAN_F32 } else { value.to_bits() }
}

/// `add.rn.f32`.
#[inline(always)]
pub fn add_f32(a: u32, b: u32) -> u32 {
    canonical(f32::from_bits(a) + f32::from_bits(b))
}

/// `sub.rn.f32`.
#[inline(always)]
pub fn sub_f32(a: u32, b: u32) -> u32 {
    canonical(f32::from_bits(a) - f32::from_bits(b))
}

/// `mul.rn.f32`.
#[inline(always)]
pub fn mul_f32(a: u32, b: u32) -> u32 {
    canonical(f32::from_bits(a) * f32::from_bits(b))
}

/// `fma.rn.f32`.
#[inline(always)]
pub fn fma_f32(a: u32, b: u32, c: u32) -> u32 {
    canonical(f32::from_bits(a).mul_add(f32::from_bits(b), f32::from_bits(c)))
}

/// `cvt.f32.f16` of the low half: exact, a NaN becomes the canonical one.
#[inline(always)]
pub fn f32_from_f16(word: u32) -> u32 {
    let sign = (word & 0x8000) << 16;
    let magnitude = word & 0x7fff;
    // 2^112 times what these bits are as an f32, which is exact: subnormals included.
    let scaled = f32::from_bits(magnitude << 13) * f32::from_bits(0x7780_0000);
    let finite = sign | scaled.to_bits();
    let special = if magnitude == 0x7c00 { sign | 0x7f80_0000 } else { NAN_F32 };
    if magnitude < 0x7c00 { finite } else { special }
}

/// `cvt.rn.f16.f32` into the low half.
#[inline(always)]
pub fn f16_from_f32(word: u32) -> u32 {
    let sign = word >> 16 & 0x8000;
    let magnitude = word & 0x7fff_ffff;
    // Normal results: the mantissa is rounded to nearest even in integers; a carry reaches the exponent.
    let odd = magnitude >> 13 & 1;
    let normal = magnitude.wrapping_sub(0x3800_0000).wrapping_add(0xfff + odd) >> 13;
    // Subnormal results: adding 0.5 puts the last bit of an f16 at the last bit of an f32.
    let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0x3f00_0000);
    let finite = if magnitude < 0x3880_0000 { subnormal } else { normal };
    // From 65520 on, everything rounds to infinity.
    let large = if magnitude > 0x7f80_0000 { nan_f16() } else { sign | 0x7c00 };
    if magnitude < 0x477f_f000 { sign | finite } else { large }
}

/// The NaN that PTX arithmetic on f16 gives.
#[inline(always)]
fn nan_f16() -> u32 {
    0x7fff
}
