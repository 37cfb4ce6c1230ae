//! Activations as int8: blocks of 32 columns with a scale of their own (as GGML's Q8_1, Q8_0 with sums).
//!
//! A record is 128 bytes: one cache line for the builds that read int8, one more for those that read i16.
//!
//! | offset | content |
//! |---|---|
//! | 0 | 32 × i8, q = round(x / d), ties to even |
//! | 32 | f32 d · 2^112 (the partner of f16 scales, see `simd::half_low`) |
//! | 36 | f32 d = max |x| / 127 |
//! | 40 | i32 sum of q; 44 its first half, 48 its second half |
//! | 52 | f32 d · sum: what a minimum of the weights is multiplied with |
//! | 64 | 32 × i16, q again, each four in the order 0 2 1 3 |

use crate::simd::*;

/// Bytes of one record.
pub const RECORD: usize = 128;
pub const FOLDED: usize = 32;
pub const SCALE: usize = 36;
pub const SUM: usize = 40;
pub const SUM_LOW: usize = 44;
pub const SUM_HIGH: usize = 48;
pub const SCALED_SUM: usize = 52;

/// Rows of `k` f32 (k a multiple of 32) to rows of k/32 records.
#[repr(C)]
pub struct QuantizeArgs {
    out: *mut u8,
    x: *const f32,
    k: usize,
}

/// Quantise rows `first..last`.
#[no_mangle]
pub unsafe extern "C" fn quantize_activations(args: &QuantizeArgs, first: usize, last: usize) {
    let blocks = args.k / 32;
    for block in first * blocks..last * blocks {
        quantize_block(args.out.add(block * RECORD), args.x.add(block * 32));
    }
}

#[inline(always)]
unsafe fn quantize_block(out: *mut u8, x: *const f32) {
    let at = |i: usize| v128_load(x.add(4 * i) as *const v128);
    let size = |i: usize| f32x4_abs(at(i));
    let most = f32x4_pmax(
        f32x4_pmax(f32x4_pmax(size(0), size(1)), f32x4_pmax(size(2), size(3))),
        f32x4_pmax(f32x4_pmax(size(4), size(5)), f32x4_pmax(size(6), size(7))),
    );
    let most = largest(most);
    let scale = most / 127.0;
    let inverse = f32x4_splat(if most > 0.0 { 127.0 / most } else { 0.0 });
    let quantized = |i: usize| i32x4_trunc_sat_f32x4(f32x4_nearest(f32x4_mul(at(i), inverse)));
    let half = |h: usize| {
        let (a, b) = (quantized(4 * h), quantized(4 * h + 1));
        let (c, d) = (quantized(4 * h + 2), quantized(4 * h + 3));
        let total = i32x4_add(i32x4_add(a, b), i32x4_add(c, d));
        let (ab, cd) = (i16x8_narrow_i32x4(a, b), i16x8_narrow_i32x4(c, d));
        v128_store(out.add(16 * h) as *mut v128, i8x16_narrow_i16x8(ab, cd));
        let order = |v| i16x8_shuffle::<0, 2, 1, 3, 4, 6, 5, 7>(v, v);
        v128_store(out.add(64 + 32 * h) as *mut v128, order(ab));
        v128_store(out.add(80 + 32 * h) as *mut v128, order(cd));
        i32x4_extract_lane::<0>(total)
            + i32x4_extract_lane::<1>(total)
            + i32x4_extract_lane::<2>(total)
            + i32x4_extract_lane::<3>(total)
    };
    let sums = [half(0), half(1)];
    let put = |offset: usize, value: u32| *(out.add(offset) as *mut u32) = value;
    put(FOLDED, (scale * HALF_SCALE).to_bits());
    put(SCALE, scale.to_bits());
    put(SUM, (sums[0] + sums[1]) as u32);
    put(SUM_LOW, sums[0] as u32);
    put(SUM_HIGH, sums[1] as u32);
    put(SCALED_SUM, (scale * (sums[0] + sums[1]) as f32).to_bits());
}
