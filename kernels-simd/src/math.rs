//! exp and the normal distribution in f32 vectors: the same bits on every engine.

use crate::simd::*;

/// e^x for four lanes. |relative error| ≤ 2^-22 for -87.3 ≤ x ≤ 88.3; 0 below, the largest result above.
///
/// Cody and Waite's reduction x = n ln 2 + r, |r| ≤ ln 2 / 2, in two parts so that r is exact to the
/// last bits, then the Taylor polynomial of degree 7 (its rest, r^8 / 8!, is below 2^-27), then n goes
/// into the exponent.
#[inline(always)]
pub fn exp(x: v128) -> v128 {
    v128_andnot(series(smaller(x, f32x4_splat(88.37))), f32x4_lt(x, f32x4_splat(LEAST)))
}

/// [`exp`], where x ≤ 0; 0 for NaN.
#[inline(always)]
pub fn exp_below_zero(x: v128) -> v128 {
    v128_and(series(x), f32x4_ge(x, f32x4_splat(LEAST)))
}

/// e^x is taken for 0 below: soon it would be no normal number.
pub const LEAST: f32 = -87.33;

/// e^x for four lanes between [`LEAST`] and 88.37; beyond that anything.
#[inline(always)]
fn series(x: v128) -> v128 {
    // Beside 1.5 · 2^23 the step of f32 is one: adding it rounds to an integer, which the low bits then hold.
    let shift = f32x4_splat(12_582_912.0);
    let shifted = mul_add(x, f32x4_splat(core::f32::consts::LOG2_E), shift);
    let n = f32x4_sub(shifted, shift);
    // 355/512 has nine significant bits, so n · 355/512 is exact.
    let r = f32x4_sub(x, f32x4_mul(n, f32x4_splat(0.693_359_4)));
    let r = f32x4_sub(r, f32x4_mul(n, f32x4_splat(-2.121_944_4e-4)));
    let step = |p, c| mul_add(p, r, f32x4_splat(c));
    let p = step(f32x4_splat(1.0 / 5040.0), 1.0 / 720.0);
    let p = step(step(p, 1.0 / 120.0), 1.0 / 24.0);
    let p = step(step(p, 1.0 / 6.0), 0.5);
    let p = step(step(p, 1.0), 1.0);
    let power = i32x4_add(i32x4_shl(shifted, 23), i32x4_splat(127 << 23));
    f32x4_mul(p, power)
}

/// Φ(x) for four lanes, the share of a normal distribution below x; |error| ≤ 3e-7.
///
/// Half the complementary error function of |x| / √2 by Abramowitz and Stegun, 7.1.26, whose terms all keep
/// their sign's size: below zero nothing cancels.
#[inline(always)]
pub fn normal(x: v128) -> v128 {
    let size = f32x4_mul(f32x4_abs(x), f32x4_splat(core::f32::consts::FRAC_1_SQRT_2));
    let one = f32x4_splat(1.0);
    let t = f32x4_div(one, mul_add(size, f32x4_splat(0.327_591_1), one));
    let step = |p, c| mul_add(p, t, f32x4_splat(c));
    let p = step(f32x4_splat(1.061_405_4), -1.453_152);
    let p = step(step(step(p, 1.421_413_7), -0.284_496_74), 0.254_829_6);
    let tail = f32x4_mul(f32x4_mul(p, t), exp(f32x4_neg(f32x4_mul(size, size))));
    let tail = f32x4_mul(tail, f32x4_splat(0.5));
    v128_bitselect(tail, f32x4_sub(one, tail), f32x4_lt(x, f32x4_splat(0.0)))
}
