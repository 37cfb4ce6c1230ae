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

/// Bytes of four activations as [`dot`] reads them: int8 in the relaxed builds, else i16.
pub const FOUR: usize = if cfg!(any(feature = "relaxed-dot32", feature = "relaxed-dot16")) { 4 } else { 8 };

/// Adds four rows' products of four columns to an accumulator. `w` holds bytes, four rows of four
/// columns, 0..=127 in the relaxed builds and 0..=255 in `simd128`; `a` is where the four activations are,
/// as i16 in the order 0 2 1 3.
///
/// `relaxed16` has i16 accumulators that begin at zero: pass them through [`widen`] before use, and no
/// later than after the number of products that the bytes allow (see `quant::Unpack::CHAIN`).
#[inline(always)]
pub unsafe fn dot(acc: v128, w: v128, a: Bytes) -> v128 {
    #[cfg(feature = "relaxed-dot32")]
    return i32x4_relaxed_dot_i8x16_i7x16_add(splat32(a, 0), w, acc);
    #[cfg(feature = "relaxed-dot16")]
    return i16x8_add(acc, i16x8_relaxed_dot_i8x16_i7x16(splat32(a, 0), w));
    #[cfg(not(any(feature = "relaxed-dot32", feature = "relaxed-dot16")))]
    {
        let acc = i32x4_add(acc, i32x4_dot_i16x8(v128_and(w, u16x8_splat(0x00ff)), splat32(a, 0)));
        i32x4_add(acc, i32x4_dot_i16x8(u16x8_shr(w, 8), splat32(a, 4)))
    }
}

/// As [`dot`] of the relaxed builds for bytes 0..=127 and activations in a vector, with an i32 accumulator.
#[inline(always)]
pub fn dot_once(acc: v128, w: v128, a: v128) -> v128 {
    #[cfg(feature = "relaxed-dot32")]
    return i32x4_relaxed_dot_i8x16_i7x16_add(a, w, acc);
    #[cfg(feature = "relaxed-dot16")]
    return widen(i16x8_relaxed_dot_i8x16_i7x16(a, w), acc);
    #[cfg(not(any(feature = "relaxed-dot32", feature = "relaxed-dot16")))]
    {
        let _ = (w, a);
        acc
    }
}

/// The i32 sums of an i16 accumulator of [`dot`], and `start`.
#[inline(always)]
pub fn widen(acc: v128, start: v128) -> v128 {
    i32x4_add(start, i32x4_dot_i16x8(acc, i16x8_splat(1)))
}

/// The larger of each two lanes, `a` where either is NaN. Not `f32x4_pmax`: in relaxed builds LLVM makes
/// `relaxed_max` of it, whose result for NaN and for zeros of two signs is the engine's to choose.
#[inline(always)]
pub fn larger(a: v128, b: v128) -> v128 {
    v128_bitselect(b, a, f32x4_gt(b, a))
}

/// The smaller of each two lanes, `a` where either is NaN.
#[inline(always)]
pub fn smaller(a: v128, b: v128) -> v128 {
    v128_bitselect(b, a, f32x4_lt(b, a))
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
