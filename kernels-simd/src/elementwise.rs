//! Norms, rotations, gates, biases and sums over rows of f32. Row lengths are multiples of 4 or have a scalar tail.

use crate::math::{exp, normal};
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

/// out[rows, d] = x[rows, d] / sqrt(mean(x²) + eps) · weight[d]
#[repr(C)]
pub struct NormArgs {
    out: *mut f32,
    x: *const f32,
    weight: *const f32,
    d: usize,
    eps: f32,
}

/// Rows `first..last`.
#[no_mangle]
pub unsafe extern "C" fn rms_norm(args: &NormArgs, first: usize, last: usize) {
    let NormArgs { out, x, weight, d, eps } = *args;
    for row in first..last {
        let (x, out) = (x.add(row * d), out.add(row * d));
        let (mut s0, mut s1) = (f32x4_splat(0.0), f32x4_splat(0.0));
        let (mut s2, mut s3) = (s0, s0);
        let mut i = 0;
        // Four chains, whose additions need not wait for each other.
        while i + 16 <= d {
            let (a, b, c, d) = (at(x, i), at(x, i + 4), at(x, i + 8), at(x, i + 12));
            s0 = mul_add(a, a, s0);
            s1 = mul_add(b, b, s1);
            s2 = mul_add(c, c, s2);
            s3 = mul_add(d, d, s3);
            i += 16;
        }
        while i + 4 <= d {
            s0 = mul_add(at(x, i), at(x, i), s0);
            i += 4;
        }
        let mut sum = horizontal(f32x4_add(f32x4_add(s0, s1), f32x4_add(s2, s3)));
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

/// out[rows, d] = (x[rows, d] - mean) / sqrt(variance + eps) · weight[d] + bias[d]
#[repr(C)]
pub struct LayerNormArgs {
    out: *mut f32,
    x: *const f32,
    weight: *const f32,
    bias: *const f32,
    d: usize,
    eps: f32,
}

/// Rows `first..last`.
#[no_mangle]
pub unsafe extern "C" fn layer_norm(args: &LayerNormArgs, first: usize, last: usize) {
    let LayerNormArgs { out, x, weight, bias, d, eps } = *args;
    for row in first..last {
        let (x, out) = (x.add(row * d), out.add(row * d));
        let mean = sum(x, d, |v| v) / d as f32;
        let means = f32x4_splat(mean);
        let variance = sum(x, d, |v| {
            let apart = f32x4_sub(v, means);
            f32x4_mul(apart, apart)
        }) / d as f32;
        let scales = f32x4_splat(1.0 / sqrt(variance + eps));
        each(d, |i, part| {
            let apart = f32x4_mul(f32x4_sub(part.get(x, i), means), scales);
            part.put(out, i, mul_add(apart, part.get(weight, i), part.get(bias, i)));
        });
    }
}

/// Σ f(x[0..d]): two chains of four lanes, then what is left over.
#[inline(always)]
unsafe fn sum(x: *const f32, d: usize, f: impl Fn(v128) -> v128) -> f32 {
    let (mut s0, mut s1) = (f32x4_splat(0.0), f32x4_splat(0.0));
    let mut i = 0;
    while i + 8 <= d {
        s0 = f32x4_add(s0, f(at(x, i)));
        s1 = f32x4_add(s1, f(at(x, i + 4)));
        i += 8;
    }
    let mut sum = horizontal(f32x4_add(s0, s1));
    while i < d {
        sum += f32x4_extract_lane::<0>(f(f32x4_splat(*x.add(i))));
        i += 1;
    }
    sum
}

/// How many values a turn of [`each`] takes.
#[derive(Clone, Copy)]
enum Part {
    Four,
    One,
}

impl Part {
    #[inline(always)]
    unsafe fn get(self, p: *const f32, i: usize) -> v128 {
        match self {
            Part::Four => at(p, i),
            Part::One => f32x4_splat(*p.add(i)),
        }
    }

    #[inline(always)]
    unsafe fn put(self, p: *mut f32, i: usize, v: v128) {
        match self {
            Part::Four => put(p, i, v),
            Part::One => *p.add(i) = f32x4_extract_lane::<0>(v),
        }
    }
}

/// Call `f` with every index of `0..d`, four at a time as long as there are four. Lanes know nothing of each
/// other, so a value's bits do not depend on how it comes.
#[inline(always)]
unsafe fn each(d: usize, f: impl Fn(usize, Part)) {
    let mut i = 0;
    while i + 4 <= d {
        f(i, Part::Four);
        i += 4;
    }
    while i < d {
        f(i, Part::One);
        i += 1;
    }
}

/// IEEE square root through the vector unit: `f32::sqrt` needs std.
#[inline(always)]
fn sqrt(x: f32) -> f32 {
    f32x4_extract_lane::<0>(f32x4_sqrt(f32x4_splat(x)))
}

/// Heads of x[rows, heads, head_dim], rotated by rotation[rows, pairs, 2] = (cos, sin).
#[repr(C)]
pub struct RopeArgs {
    x: *mut f32,
    rotation: *const f32,
    heads: usize,
    head_dim: usize,
    pairs: usize,
}

/// Rotate elements (2i, 2i + 1) in rows `first..last`.
#[no_mangle]
pub unsafe extern "C" fn rope_norm(args: &RopeArgs, first: usize, last: usize) {
    let RopeArgs { x, rotation, heads, head_dim, pairs } = *args;
    let flip = f32x4(-0.0, 0.0, -0.0, 0.0);
    for row in first..last {
        let (x, turn) = (x.add(row * heads * head_dim), rotation.add(row * pairs * 2));
        let mut i = 0;
        // Two pairs a vector, all heads with the same cosines and sines.
        while i + 2 <= pairs {
            let t = at(turn, 2 * i);
            let cos = i32x4_shuffle::<0, 0, 2, 2>(t, t);
            let sin = v128_xor(i32x4_shuffle::<1, 1, 3, 3>(t, t), flip);
            for head in 0..heads {
                let p = x.add(head * head_dim + 2 * i);
                let v = at(p, 0);
                let swapped = i32x4_shuffle::<1, 0, 3, 2>(v, v);
                put(p, 0, f32x4_add(f32x4_mul(v, cos), f32x4_mul(swapped, sin)));
            }
            i += 2;
        }
        if i < pairs {
            for head in 0..heads {
                let p = x.add(head * head_dim + 2 * i);
                rotate(p, p.add(1), turn.add(2 * i));
            }
        }
    }
}

/// Rotate elements (i, i + pairs) in rows `first..last`.
#[no_mangle]
pub unsafe extern "C" fn rope_neox(args: &RopeArgs, first: usize, last: usize) {
    let RopeArgs { x, rotation, heads, head_dim, pairs } = *args;
    for row in first..last {
        let (x, turn) = (x.add(row * heads * head_dim), rotation.add(row * pairs * 2));
        let mut i = 0;
        while i + 4 <= pairs {
            let (t, u) = (at(turn, 2 * i), at(turn, 2 * i + 4));
            let cos = i32x4_shuffle::<0, 2, 4, 6>(t, u);
            let sin = i32x4_shuffle::<1, 3, 5, 7>(t, u);
            for head in 0..heads {
                let p = x.add(head * head_dim + i);
                let (a, b) = (at(p, 0), at(p, pairs));
                put(p, 0, f32x4_sub(f32x4_mul(a, cos), f32x4_mul(b, sin)));
                put(p, pairs, f32x4_add(f32x4_mul(a, sin), f32x4_mul(b, cos)));
            }
            i += 4;
        }
        while i < pairs {
            for head in 0..heads {
                let p = x.add(head * head_dim + i);
                rotate(p, p.add(pairs), turn.add(2 * i));
            }
            i += 1;
        }
    }
}

#[inline(always)]
unsafe fn rotate(p: *mut f32, q: *mut f32, turn: *const f32) {
    let (a, b, c, s) = (*p, *q, *turn, *turn.add(1));
    *p = a * c - b * s;
    *q = a * s + b * c;
}

/// out[n, d] = activation(gate) · up; `out` may be `gate`.
#[repr(C)]
pub struct GateArgs {
    out: *mut f32,
    gate: *const f32,
    up: *const f32,
    n: usize,
    d: usize,
}

/// Columns of a unit of [`swiglu`], [`geglu`] and [`add_row`]: those of a panel, so that whoever multiplied can go on.
const UNIT: usize = 8;

/// Columns `8 · first .. 8 · last` of all rows: gate / (1 + e^-gate) · up.
#[no_mangle]
pub unsafe extern "C" fn swiglu(args: &GateArgs, first: usize, last: usize) {
    gate(args, first, last, |gate| gate);
}

/// Columns `8 · first .. 8 · last` of all rows: GELU of the gate, by its approximation with tanh, · up.
#[no_mangle]
pub unsafe extern "C" fn geglu(args: &GateArgs, first: usize, last: usize) {
    // (1 + tanh u) / 2 = 1 / (1 + e^-2u), u = √(2/π) (v + 0.044715 v³).
    gate(args, first, last, |v| {
        let cube = f32x4_mul(f32x4_mul(v, v), v);
        let u = mul_add(cube, f32x4_splat(0.044_715), v);
        f32x4_mul(u, f32x4_splat(1.595_769_1))
    });
}

/// gate / (1 + e^-steep(gate)) · up
#[inline(always)]
unsafe fn gate(args: &GateArgs, first: usize, last: usize, steep: impl Fn(v128) -> v128) {
    let GateArgs { out, gate, up, n, d } = *args;
    let end = if last * UNIT < d { last * UNIT } else { d };
    let gated = |gate: v128, up: v128| {
        let part = f32x4_div(gate, f32x4_add(f32x4_splat(1.0), exp(f32x4_neg(steep(gate)))));
        f32x4_mul(part, up)
    };
    for row in 0..n {
        let from = row * d + first * UNIT;
        let (out, gate, up) = (out.add(from), gate.add(from), up.add(from));
        each(end - first * UNIT, |i, part| part.put(out, i, gated(part.get(gate, i), part.get(up, i))));
    }
}

/// x[n, d] += y[d]
#[repr(C)]
pub struct AddRowArgs {
    x: *mut f32,
    y: *const f32,
    n: usize,
    d: usize,
}

/// Columns `8 · first .. 8 · last` of all rows.
#[no_mangle]
pub unsafe extern "C" fn add_row(args: &AddRowArgs, first: usize, last: usize) {
    let AddRowArgs { x, y, n, d } = *args;
    let end = if last * UNIT < d { last * UNIT } else { d };
    let y = y.add(first * UNIT);
    for row in 0..n {
        let x = x.add(row * d + first * UNIT);
        each(end - first * UNIT, |i, part| part.put(x, i, f32x4_add(part.get(x, i), part.get(y, i))));
    }
}

/// x[rows, d], changed in place; `factor` is for [`scale`].
#[repr(C)]
pub struct ChangeArgs {
    x: *mut f32,
    d: usize,
    factor: f32,
}

/// x · factor in rows `first..last`.
#[no_mangle]
pub unsafe extern "C" fn scale(args: &ChangeArgs, first: usize, last: usize) {
    let factor = f32x4_splat(args.factor);
    change(args, first, last, |v| f32x4_mul(v, factor));
}

/// x · Φ(x) in rows `first..last`.
#[no_mangle]
pub unsafe extern "C" fn gelu(args: &ChangeArgs, first: usize, last: usize) {
    change(args, first, last, |v| f32x4_mul(v, normal(v)));
}

#[inline(always)]
unsafe fn change(args: &ChangeArgs, first: usize, last: usize, f: impl Fn(v128) -> v128) {
    let x = args.x.add(first * args.d);
    each((last - first) * args.d, |i, part| part.put(x, i, f(part.get(x, i))));
}

/// out[rows, d] = Σ shares[row, i] · y[places[row, i], d] over i < used, in ascending order
#[repr(C)]
pub struct CombineArgs {
    out: *mut f32,
    y: *const f32,
    places: *const u32,
    shares: *const f32,
    used: usize,
    d: usize,
}

/// Rows `first..last`.
#[no_mangle]
pub unsafe extern "C" fn combine(args: &CombineArgs, first: usize, last: usize) {
    let CombineArgs { out, y, places, shares, used, d } = *args;
    for row in first..last {
        let out = out.add(row * d);
        for i in row * used..(row + 1) * used {
            let y = y.add(*places.add(i) as usize * d);
            let share = f32x4_splat(*shares.add(i));
            if i == row * used {
                each(d, |c, part| part.put(out, c, f32x4_mul(part.get(y, c), share)));
            } else {
                each(d, |c, part| part.put(out, c, mul_add(part.get(y, c), share, part.get(out, c))));
            }
        }
    }
}

/// x[rows, d] += y[rows, d]
#[repr(C)]
pub struct AddArgs {
    x: *mut f32,
    y: *const f32,
    d: usize,
}

/// Rows `first..last`.
#[no_mangle]
pub unsafe extern "C" fn add_to(args: &AddArgs, first: usize, last: usize) {
    let AddArgs { x, y, d } = *args;
    let (mut i, end) = (first * d, last * d);
    while i + 4 <= end {
        put(x, i, f32x4_add(at(x, i), at(y, i)));
        i += 4;
    }
    while i < end {
        *x.add(i) += *y.add(i);
        i += 1;
    }
}
