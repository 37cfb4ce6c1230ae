//! The vector vocabulary of the kernels: loads, splats, and the one integer dot product that differs
//! between builds. All forms are exact, so they agree bit for bit.

pub use core::arch::wasm32::*;

/// A byte offset into linear memory.
pub type Bytes = *const u8;

/// Load 16 bytes.
#[inline(always)]
pub unsafe fn load(p: Bytes, offset: usize) -> v128 {
    v128_load(p.add(offset) as *const v128)
}

/// Load 4 bytes into every lane.
#[inline(always)]
pub unsafe fn splat32(p: Bytes, offset: usize) -> v128 {
    v128_load32_splat(p.add(offset) as *const u32)
}

/// Load 8 bytes into both halves.
#[inline(always)]
pub unsafe fn load_low(p: Bytes, offset: usize) -> v128 {
    v128_load64_zero(p.add(offset) as *const u64)
}

/// x·y + z, rounded twice: fused forms differ between engines.
#[inline(always)]
pub fn mul_add(x: v128, y: v128, z: v128) -> v128 {
    f32x4_add(f32x4_mul(x, y), z)
}

/// The low four of eight f16 as f32, scaled by 2^-112: shifting the bits across leaves the exponent
/// biased by 15 instead of 127. Exact for subnormals too; the factor is folded into its partner.
#[inline(always)]
pub fn half_low(h: v128) -> v128 {
    v128_and(i32x4_shl(i32x4_extend_low_i16x8(h), 13), u32x4_splat(0x8fff_e000))
}

/// The high four of eight f16, as [`half_low`].
#[inline(always)]
pub fn half_high(h: v128) -> v128 {
    v128_and(i32x4_shl(i32x4_extend_high_i16x8(h), 13), u32x4_splat(0x8fff_e000))
}

/// 2^112, the factor that [`half_low`] leaves out.
pub const HALF_SCALE: f32 = f32::from_bits((127 + 112) << 23);

/// One f16 as f32, exactly; infinities and NaN become large finite values.
#[inline(always)]
pub fn half(h: u16) -> f32 {
    f32::from_bits((((h as i16) as i32) << 13) as u32 & 0x8fff_e000) * HALF_SCALE
}

/// Adds four rows' products of four columns to an accumulator. `w` holds bytes 0..=127, four rows of
/// four columns; `a8` four int8 activations, splat; `a16` the same as i16 in the order 0 2 1 3.
///
/// The accumulator's form is the build's own: pass it through [`widen`] before use, and no later than
/// after the number of products that its values allow (see `quant::Unpack::CHAIN`).
#[inline(always)]
pub unsafe fn dot7(acc: v128, w: v128, a: Bytes, column: usize) -> v128 {
    #[cfg(feature = "relaxed-dot32")]
    return i32x4_relaxed_dot_i8x16_i7x16_add(splat32(a, column), w, acc);
    #[cfg(feature = "relaxed-dot16")]
    return i16x8_add(acc, i16x8_relaxed_dot_i8x16_i7x16(splat32(a, column), w));
    #[cfg(not(any(feature = "relaxed-dot32", feature = "relaxed-dot16")))]
    return dot8(acc, w, a, column);
}

/// The i32 sums of a [`dot7`] accumulator.
#[inline(always)]
pub fn widen(acc: v128) -> v128 {
    #[cfg(feature = "relaxed-dot16")]
    return i32x4_dot_i16x8(acc, i16x8_splat(1));
    #[cfg(not(feature = "relaxed-dot16"))]
    return acc;
}

/// As [`dot7`] for bytes 0..=255, with an i32 accumulator in every build.
#[inline(always)]
pub unsafe fn dot8(acc: v128, w: v128, a: Bytes, column: usize) -> v128 {
    let even = v128_and(w, u16x8_splat(0x00ff));
    let odd = u16x8_shr(w, 8);
    let acc = i32x4_add(acc, i32x4_dot_i16x8(even, splat32(a, 64 + 2 * column)));
    i32x4_add(acc, i32x4_dot_i16x8(odd, splat32(a, 68 + 2 * column)))
}

/// The largest of four lanes.
#[inline(always)]
pub fn largest(v: v128) -> f32 {
    let a = f32x4_extract_lane::<0>(v);
    let b = f32x4_extract_lane::<1>(v);
    let c = f32x4_extract_lane::<2>(v);
    let d = f32x4_extract_lane::<3>(v);
    let ab = if a > b { a } else { b };
    let cd = if c > d { c } else { d };
    if ab > cd { ab } else { cd }
}
