//! Norms, rotations, gates and sums over rows of f32. Row lengths are multiples of 4 or have a scalar tail.

use crate::math::exp;
use crate::simd::*;

#[inline(always)]
unsafe fn at(p: *const f32, i: usize) -> v128 {
    v128_load(p.add(i) as *const v128)
}

#[inline(always)]
unsafe fn put(p: *mut f32, i: usize, v: v128) {
    v128_store(p.add(i) as *mut v128, v);
}

/// The sum of four lanes, in one order.
#[inline(always)]
pub fn horizontal(v: v128) -> f32 {
    (f32x4_extract_lane::<0>(v) + f32x4_extract_lane::<1>(v))
        + (f32x4_extract_lane::<2>(v) + f32x4_extract_lane::<3>(v))
}

/// out[n, d] = x[n, d] / sqrt(mean(x²) + eps) · weight[d]
#[no_mangle]
pub unsafe extern "C" fn rms_norm(out: *mut f32, x: *const f32, weight: *const f32, n: usize, d: usize, eps: f32) {
    for row in 0..n {
        let (x, out) = (x.add(row * d), out.add(row * d));
        let mut squares = f32x4_splat(0.0);
        let mut i = 0;
        while i + 4 <= d {
            let v = at(x, i);
            squares = mul_add(v, v, squares);
            i += 4;
        }
        let mut sum = horizontal(squares);
        while i < d {
            sum += *x.add(i) * *x.add(i);
            i += 1;
        }
        let scale = 1.0 / sqrt(sum / d as f32 + eps);
        let scales = f32x4_splat(scale);
        i = 0;
        while i + 4 <= d {
            put(out, i, f32x4_mul(f32x4_mul(at(x, i), scales), at(weight, i)));
            i += 4;
        }
        while i < d {
            *out.add(i) = *x.add(i) * scale * *weight.add(i);
            i += 1;
        }
    }
}

/// IEEE square root through the vector unit: `f32::sqrt` needs std.
#[inline(always)]
fn sqrt(x: f32) -> f32 {
    f32x4_extract_lane::<0>(f32x4_sqrt(f32x4_splat(x)))
}

/// Rotate heads of x[n, heads, head_dim] by rotation[n, pairs, 2] = (cos, sin): elements (2i, 2i + 1).
#[no_mangle]
pub unsafe extern "C" fn rope_norm(x: *mut f32, rotation: *const f32, n: usize, heads: usize, head_dim: usize, pairs: usize) {
    for row in 0..n {
        let turn = rotation.add(row * pairs * 2);
        for head in 0..heads {
            let x = x.add((row * heads + head) * head_dim);
            for i in 0..pairs {
                rotate(x.add(2 * i), x.add(2 * i + 1), turn.add(2 * i));
            }
        }
    }
}

/// As [`rope_norm`] for elements (i, i + pairs).
#[no_mangle]
pub unsafe extern "C" fn rope_neox(x: *mut f32, rotation: *const f32, n: usize, heads: usize, head_dim: usize, pairs: usize) {
    for row in 0..n {
        let turn = rotation.add(row * pairs * 2);
        for head in 0..heads {
            let x = x.add((row * heads + head) * head_dim);
            for i in 0..pairs {
                rotate(x.add(i), x.add(i + pairs), turn.add(2 * i));
            }
        }
    }
}

#[inline(always)]
unsafe fn rotate(p: *mut f32, q: *mut f32, turn: *const f32) {
    let (a, b, c, s) = (*p, *q, *turn, *turn.add(1));
    *p = a * c - b * s;
    *q = a * s + b * c;
}

/// out = gate / (1 + e^-gate) · up, over `count` values; `out` may be `gate`. Buffers reach past `count`
/// to a multiple of four.
#[no_mangle]
pub unsafe extern "C" fn swiglu(out: *mut f32, gate: *const f32, up: *const f32, count: usize) {
    let one = f32x4_splat(1.0);
    let mut i = 0;
    while i < count {
        let g = at(gate, i);
        let silu = f32x4_div(g, f32x4_add(one, exp(f32x4_neg(g))));
        put(out, i, f32x4_mul(silu, at(up, i)));
        i += 4;
    }
}

/// x += y over `count` values, as [`swiglu`] has it.
#[no_mangle]
pub unsafe extern "C" fn add_to(x: *mut f32, y: *const f32, count: usize) {
    let mut i = 0;
    while i < count {
        put(x, i, f32x4_add(at(x, i), at(y, i)));
        i += 4;
    }
}
