//! Activations as int8: blocks of 32 columns with a scale of their own (as GGML's Q8_1, Q8_0 with sums).
//!
//! A record is one token's block: first the quants q = round(x / d), ties to even, in the form that the
//! build multiplies, 32 × i8 or, in `simd128`, 32 × i16, each four in the order 0 2 1 3; then the fields
//! below.
//!
//! Records of up to four tokens lie block by block side by side, as a tile of the product reads them: one
//! ascending stream, and the tokens at constant distances. See [`tile_tokens`] for the grouping.

use crate::simd::*;

/// Bytes of a record's quants.
const QUANTS: usize = 8 * FOUR;

/// f32 d · 2^112, the partner of f16 scales (see `simd::half_low`).
pub const FOLDED: usize = QUANTS;
/// f32 d = max |x| / 127.
pub const SCALE: usize = QUANTS + 4;
/// f32 d · Σq, what a minimum of the weights is multiplied with; then of the first and the second half.
pub const SCALED_SUM: usize = QUANTS + 8;
pub const SCALED_LOW: usize = QUANTS + 12;
pub const SCALED_HIGH: usize = QUANTS + 16;
/// i32 -8 Σq, and -4 Σq of the first and the second half: what the zero points of weights come to.
pub const OFFSET: usize = QUANTS + 20;
pub const OFFSET_LOW: usize = QUANTS + 24;
pub const OFFSET_HIGH: usize = QUANTS + 28;
/// Bytes of one record: 64, in `simd128` 96. The host reckons with the larger.
pub const RECORD: usize = QUANTS + 32;

/// Tokens of the tile that starts with `left` tokens to go: four, or all that are left.
#[inline(always)]
pub fn tile_tokens(left: usize) -> usize {
    if left < 4 { left } else { 4 }
}

/// Rows x[n, k] (k a multiple of 32) to n × k/32 records.
#[repr(C)]
pub struct QuantizeArgs {
    out: *mut u8,
    x: *const f32,
    k: usize,
    n: usize,
}

/// Quantise rows `first..last`.
#[no_mangle]
pub unsafe extern "C" fn quantize_activations(args: &QuantizeArgs, first: usize, last: usize) {
    let QuantizeArgs { out, x, k, n } = *args;
    let blocks = k / 32;
    for row in first..last {
        let tile = row - row % 4;
        let tokens = tile_tokens(n - tile);
        let records = out.add((tile * blocks + row - tile) * RECORD);
        for b in 0..blocks {
            quantize_block(records.add(b * tokens * RECORD), x.add(row * k + b * 32));
        }
    }
}

#[inline(always)]
unsafe fn quantize_block(out: *mut u8, x: *const f32) {
    let at = |i: usize| v128_load(x.add(4 * i) as *const v128);
    let size = |i: usize| f32x4_abs(at(i));
    let most = larger(
        larger(larger(size(0), size(1)), larger(size(2), size(3))),
        larger(larger(size(4), size(5)), larger(size(6), size(7))),
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
        if FOUR == 4 {
            v128_store(out.add(16 * h) as *mut v128, i8x16_narrow_i16x8(ab, cd));
        } else {
            let order = |v| i16x8_shuffle::<0, 2, 1, 3, 4, 6, 5, 7>(v, v);
            v128_store(out.add(32 * h) as *mut v128, order(ab));
            v128_store(out.add(32 * h + 16) as *mut v128, order(cd));
        }
        i32x4_extract_lane::<0>(total)
            + i32x4_extract_lane::<1>(total)
            + i32x4_extract_lane::<2>(total)
            + i32x4_extract_lane::<3>(total)
    };
    let (low, high) = (half(0), half(1));
    let float = |offset: usize, value: f32| *(out.add(offset) as *mut f32) = value;
    float(FOLDED, scale * HALF_SCALE);
    float(SCALE, scale);
    float(SCALED_SUM, scale * (low + high) as f32);
    float(SCALED_LOW, scale * low as f32);
    float(SCALED_HIGH, scale * high as f32);
    let int = |offset: usize, value: i32| *(out.add(offset) as *mut i32) = value;
    int(OFFSET, -8 * (low + high));
    int(OFFSET_LOW, -4 * low);
    int(OFFSET_HIGH, -4 * high);
}
