//! The commonest operations as scalar functions without branches, so that loops over the lanes of a
//! warp become vector instructions. Each equals what `evaluate` gives for its instruction.

#[inline(always)]
fn canonical(value: f32) -> u32 {
    if value.is_nan() { 0x7fff_ffff } else { value.to_bits() }
}

/// `add.rn.f32`
#[inline(always)]
pub fn add_f32(a: u32, b: u32) -> u32 {
    canonical(f32::from_bits(a) + f32::from_bits(b))
}

/// `sub.rn.f32`
#[inline(always)]
pub fn sub_f32(a: u32, b: u32) -> u32 {
    canonical(f32::from_bits(a) - f32::from_bits(b))
}

/// `mul.rn.f32`
#[inline(always)]
pub fn mul_f32(a: u32, b: u32) -> u32 {
    canonical(f32::from_bits(a) * f32::from_bits(b))
}

/// `fma.rn.f32`; slow unless the caller is compiled for a processor that has the instruction.
#[inline(always)]
pub fn fma_f32(a: u32, b: u32, c: u32) -> u32 {
    canonical(f32::from_bits(a).mul_add(f32::from_bits(b), f32::from_bits(c)))
}

/// Orders the bits of numbers as signed integers, −0 below +0.
#[inline(always)]
fn key(bits: u32) -> i32 {
    let signed = bits as i32;
    signed ^ ((signed >> 31) as u32 >> 1) as i32
}

#[inline(always)]
fn is_nan(bits: u32) -> bool {
    bits & 0x7fff_ffff > 0x7f80_0000
}

/// `min.f32`
#[inline(always)]
pub fn min_f32(a: u32, b: u32) -> u32 {
    extreme(a, b, key(a) <= key(b))
}

/// `max.f32`
#[inline(always)]
pub fn max_f32(a: u32, b: u32) -> u32 {
    extreme(a, b, key(a) >= key(b))
}

#[inline(always)]
fn extreme(a: u32, b: u32, first: bool) -> u32 {
    let winner = if (first & !is_nan(a)) | is_nan(b) { a } else { b };
    if is_nan(winner) { 0x7fff_ffff } else { winner }
}

/// `setp.eq.f32`
#[inline(always)]
pub fn eq_f32(a: u32, b: u32) -> bool {
    f32::from_bits(a) == f32::from_bits(b)
}

/// `setp.lt.f32`; the other relations are its operands exchanged or its complement.
#[inline(always)]
pub fn lt_f32(a: u32, b: u32) -> bool {
    f32::from_bits(a) < f32::from_bits(b)
}

/// `setp.le.f32`
#[inline(always)]
pub fn le_f32(a: u32, b: u32) -> bool {
    f32::from_bits(a) <= f32::from_bits(b)
}

/// `cvt.f32.f16`
#[inline(always)]
pub fn f16_to_f32(half: u16) -> u32 {
    let half = u32::from(half);
    let (sign, magnitude) = ((half & 0x8000) << 16, half & 0x7fff);
    // The exponent's bias grows by 112; a product with 2^112 sees to subnormal numbers too.
    let scaled = f32::from_bits(magnitude << 13) * f32::from_bits(0x7780_0000);
    let finite = sign | scaled.to_bits();
    let infinite = sign | 0x7f80_0000;
    let value = if magnitude == 0x7c00 { infinite } else { finite };
    if magnitude > 0x7c00 { 0x7fff_ffff } else { value }
}

/// `cvt.rn.f16.f32`
#[inline(always)]
pub fn f32_to_f16(single: u32) -> u16 {
    let (sign, magnitude) = (single >> 16 & 0x8000, single & 0x7fff_ffff);
    // Rounds to even at bit 13; the carry runs into the exponent.
    let normal = (magnitude.wrapping_add(0x0fff + (magnitude >> 13 & 1)) >> 13).wrapping_sub(112 << 10);
    // 0.5 has units of 2^-24 in its last place, as a subnormal f16 does: the addition rounds.
    let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0x3f00_0000);
    let finite = if magnitude < 0x3880_0000 { subnormal } else { normal };
    let finite = if magnitude >= 0x4780_0000 { 0x7c00 } else { finite };
    let value = sign | finite;
    (if magnitude > 0x7f80_0000 { 0x7fff } else { value }) as u16
}

/// `cvt.rn.f32.u32`
#[inline(always)]
pub fn u32_to_f32(value: u32) -> u32 {
    (value as f32).to_bits()
}

/// `cvt.rn.f32.u64`
#[inline(always)]
pub fn u64_to_f32(value: u64) -> u32 {
    (value as f32).to_bits()
}
