//! F32, F16 and BF16 weights: panels of eight rows, column by column, times f32 activations.
//!
//! Each output is the plain sum over ascending columns, one chain an output: two vectors of four rows and
//! up to four tokens give eight independent chains. Record: one column of eight rows.

use crate::matmul::store;
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

unsafe fn repack<F: Float>(out: *mut u8, raw: Bytes, rows: usize, k: usize) {
    let mut row = 0;
    let mut o = out;
    while row < rows {
        for c in 0..k {
            for r in 0..ROWS {
                for b in 0..F::SIZE {
                    *o = if row + r < rows { *raw.add(((row + r) * k + c) * F::SIZE + b) } else { 0 };
                    o = o.add(1);
                }
            }
        }
        row += ROWS;
    }
}

unsafe fn row<F: Float>(out: *mut f32, panels: Bytes, row: usize, k: usize) {
    let panel = panels.add(row / ROWS * k * ROWS * F::SIZE);
    for c in 0..k {
        *out.add(c) = F::value(panel.add((c * ROWS + row % ROWS) * F::SIZE));
    }
}

#[inline(always)]
unsafe fn matmul<F: Float>(
    out: *mut f32,
    panels: Bytes,
    x: *const f32,
    shape: (usize, usize, usize),
    first: usize,
    last: usize,
) {
    let (n, m, k) = shape;
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
    ($($float:ty, $repack:ident, $row:ident, $matmul:ident;)*) => { $(
        #[no_mangle]
        pub unsafe extern "C" fn $repack(out: *mut u8, raw: *const u8, rows: usize, k: usize) {
            repack::<$float>(out, raw, rows, k);
        }
        #[no_mangle]
        pub unsafe extern "C" fn $row(out: *mut f32, panels: *const u8, index: usize, k: usize) {
            row::<$float>(out, panels, index, k);
        }
        #[no_mangle]
        pub unsafe extern "C" fn $matmul(
            out: *mut f32, panels: *const u8, x: *const f32,
            n: usize, m: usize, k: usize, first: usize, last: usize,
        ) {
            matmul::<$float>(out, panels, x, (n, m, k), first, last);
        }
    )* };
}

exports! {
    F32, repack_f32, row_f32, matmul_f32;
    F16, repack_f16, row_f16, matmul_f16;
    Bf16, repack_bf16, row_bf16, matmul_bf16;
}
