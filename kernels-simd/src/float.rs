//! F32, F16 and BF16 weights: panels of eight rows, column by column, times f32 activations.
//!
//! Each output is the plain sum over ascending columns, one chain an output: two vectors of four rows and
//! up to four tokens give eight independent chains. Record: one column of eight rows.

use crate::matmul::{store, EmbedArgs, MatmulArgs, RepackArgs};
use crate::quant::{Tile, ROWS};
use crate::simd::*;

/// How a column of eight rows is stored.
trait Float {
    const SIZE: usize;
    unsafe fn column(p: Bytes) -> (v128, v128);
    unsafe fn value(p: Bytes) -> f32;
}

struct F32;
impl Float for F32 {
    const SIZE: usize = 4;
    #[inline(always)]
    unsafe fn column(p: Bytes) -> (v128, v128) {
        (load(p, 0), load(p, 16))
    }
    #[inline(always)]
    unsafe fn value(p: Bytes) -> f32 {
        core::ptr::read_unaligned(p as *const f32)
    }
}

struct F16;
impl Float for F16 {
    const SIZE: usize = 2;
    #[inline(always)]
    unsafe fn column(p: Bytes) -> (v128, v128) {
        let scale = f32x4_splat(HALF_SCALE);
        let h = load(p, 0);
        (f32x4_mul(half_low(h), scale), f32x4_mul(half_high(h), scale))
    }
    #[inline(always)]
    unsafe fn value(p: Bytes) -> f32 {
        half(core::ptr::read_unaligned(p as *const u16))
    }
}

struct Bf16;
impl Float for Bf16 {
    const SIZE: usize = 2;
    #[inline(always)]
    unsafe fn column(p: Bytes) -> (v128, v128) {
        let h = load(p, 0);
        (i32x4_shl(i32x4_extend_low_i16x8(h), 16), i32x4_shl(i32x4_extend_high_i16x8(h), 16))
    }
    #[inline(always)]
    unsafe fn value(p: Bytes) -> f32 {
        f32::from_bits((core::ptr::read_unaligned(p as *const u16) as u32) << 16)
    }
}

/// Interleave panels `first..last`.
unsafe fn repack<F: Float>(args: &RepackArgs, first: usize, last: usize) {
    let RepackArgs { out, raw, rows, k } = *args;
    let mut o = out.add(first * k * ROWS * F::SIZE);
    for row in (first * ROWS..last * ROWS).step_by(ROWS) {
        for c in 0..k {
            for r in 0..ROWS {
                for b in 0..F::SIZE {
                    *o = if row + r < rows { *raw.add(((row + r) * k + c) * F::SIZE + b) } else { 0 };
                    o = o.add(1);
                }
            }
        }
    }
}

/// Write the rows of tokens `first..last`.
unsafe fn embed<F: Float>(args: &EmbedArgs, first: usize, last: usize) {
    let k = args.k;
    for i in first..last {
        let row = *args.tokens.add(i) as usize;
        let panel = args.panels.add(row / ROWS * k * ROWS * F::SIZE);
        for c in 0..k {
            *args.out.add(i * k + c) = F::value(panel.add((c * ROWS + row % ROWS) * F::SIZE));
        }
    }
}

/// Panels `first..last` of W.
#[inline(always)]
unsafe fn matmul<F: Float>(args: &MatmulArgs, first: usize, last: usize) {
    let MatmulArgs { out, panels, n, m, k, .. } = *args;
    let x = args.x as *const f32;
    for p in first..last {
        let w = panels.add(p * k * ROWS * F::SIZE);
        let rows = if m - p * ROWS < ROWS { m - p * ROWS } else { ROWS };
        let mut t = 0;
        while t < n {
            let (x, o) = (x.add(t * k), out.add(t * m + p * ROWS));
            if n - t >= 4 {
                tile::<F, 4>(o, w, x, m, k, rows);
                t += 4;
            } else {
                tile::<F, 1>(o, w, x, m, k, rows);
                t += 1;
            }
        }
    }
}

#[inline(always)]
unsafe fn tile<F: Float, const N: usize>(out: *mut f32, w: Bytes, x: *const f32, m: usize, k: usize, rows: usize) {
    let z = f32x4_splat(0.0);
    let (mut x0, mut x1, mut x2, mut x3) = (z, z, z, z);
    let (mut y0, mut y1, mut y2, mut y3) = (z, z, z, z);
    let mut p = w;
    for c in 0..k {
        let (u, v) = F::column(p);
        let a = splat32(x.add(c) as Bytes, 0);
        x0 = mul_add(u, a, x0);
        y0 = mul_add(v, a, y0);
        if N > 1 {
            let a = splat32(x.add(k + c) as Bytes, 0);
            x1 = mul_add(u, a, x1);
            y1 = mul_add(v, a, y1);
            let a = splat32(x.add(2 * k + c) as Bytes, 0);
            x2 = mul_add(u, a, x2);
            y2 = mul_add(v, a, y2);
            let a = splat32(x.add(3 * k + c) as Bytes, 0);
            x3 = mul_add(u, a, x3);
            y3 = mul_add(v, a, y3);
        }
        p = p.add(ROWS * F::SIZE);
    }
    store::<N>(&Tile { x0, x1, x2, x3, y0, y1, y2, y3 }, out, m, rows);
}

macro_rules! exports {
    ($($float:ty, $repack:ident, $embed:ident, $matmul:ident;)*) => { $(
        #[no_mangle]
        pub unsafe extern "C" fn $repack(args: &RepackArgs, first: usize, last: usize) {
            repack::<$float>(args, first, last);
        }
        #[no_mangle]
        pub unsafe extern "C" fn $embed(args: &EmbedArgs, first: usize, last: usize) {
            embed::<$float>(args, first, last);
        }
        #[no_mangle]
        pub unsafe extern "C" fn $matmul(args: &MatmulArgs, first: usize, last: usize) {
            matmul::<$float>(args, first, last);
        }
    )* };
}

exports! {
    F32, repack_f32, embed_f32, matmul_f32;
    F16, repack_f16, embed_f16, matmul_f16;
    Bf16, repack_bf16, embed_bf16, matmul_bf16;
}
