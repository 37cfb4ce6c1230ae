//! F32, F16 and BF16 weights: panels of eight rows, column by column, times f32 activations.
//!
//! Each output is the plain sum over ascending columns, one chain an output: two vectors of four rows and
//! up to four tokens give eight independent chains. Record: one column of eight rows.

use crate::activation::tile_tokens;
use crate::matmul::{store, EmbedArgs, MatmulArgs, RepackArgs};
use crate::quant::pack::store_words;
use crate::quant::{Tile, ROWS};
use crate::simd::*;

/// Columns that `Float::square` takes.
const COLUMNS_AT_ONCE: usize = 8;

/// How a column of eight rows is stored.
trait Float {
    const SIZE: usize;
    /// Transpose eight rows × eight columns, rows `stride` bytes apart.
    unsafe fn square(out: *mut u8, rows: Bytes, stride: usize);
    unsafe fn column(p: Bytes) -> (v128, v128);
    unsafe fn value(p: Bytes) -> f32;
}

struct F32;
impl Float for F32 {
    const SIZE: usize = 4;
    #[inline(always)]
    unsafe fn square(out: *mut u8, rows: Bytes, stride: usize) {
        square32(out, rows, stride);
    }
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
    unsafe fn square(out: *mut u8, rows: Bytes, stride: usize) {
        square16(out, rows, stride);
    }
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
    unsafe fn square(out: *mut u8, rows: Bytes, stride: usize) {
        square16(out, rows, stride);
    }
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
    for panel in first..last {
        let o = out.add(panel * k * ROWS * F::SIZE);
        let live = if rows - panel * ROWS < ROWS { rows - panel * ROWS } else { ROWS };
        let w = raw.add(panel * ROWS * k * F::SIZE);
        // Whole squares of eight rows by vectors, what is left of a panel by bytes.
        let whole = if live == ROWS { k / COLUMNS_AT_ONCE * COLUMNS_AT_ONCE } else { 0 };
        for c in (0..whole).step_by(COLUMNS_AT_ONCE) {
            F::square(o.add(c * ROWS * F::SIZE), w.add(c * F::SIZE), k * F::SIZE);
        }
        for c in whole..k {
            for r in 0..ROWS {
                for b in 0..F::SIZE {
                    let byte = if r < live { *w.add((r * k + c) * F::SIZE + b) } else { 0 };
                    *o.add((c * ROWS + r) * F::SIZE + b) = byte;
                }
            }
        }
    }
}

/// Transpose eight rows × eight columns of two bytes, rows `stride` bytes apart.
unsafe fn square16(out: *mut u8, rows: Bytes, stride: usize) {
    // Rows r and r + 4, their columns in turns.
    let pair = |r: usize| {
        let (a, b) = (load(rows, r * stride), load(rows, (r + 4) * stride));
        (
            u16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(a, b),
            u16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(a, b),
        )
    };
    let (p0, p1, p2, p3) = (pair(0), pair(1), pair(2), pair(3));
    let four = |out: *mut u8, a: v128, b: v128, c: v128, d: v128| {
        let low = |a, b| u16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(a, b);
        let high = |a, b| u16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(a, b);
        let (ac, bd) = (low(a, c), low(b, d));
        v128_store(out as *mut v128, low(ac, bd));
        v128_store(out.add(16) as *mut v128, high(ac, bd));
        let (ac, bd) = (high(a, c), high(b, d));
        v128_store(out.add(32) as *mut v128, low(ac, bd));
        v128_store(out.add(48) as *mut v128, high(ac, bd));
    };
    four(out, p0.0, p1.0, p2.0, p3.0);
    four(out.add(64), p0.1, p1.1, p2.1, p3.1);
}

/// Transpose eight rows × eight columns of four bytes.
unsafe fn square32(out: *mut u8, rows: Bytes, stride: usize) {
    for r in [0, 4] {
        for c in [0, 4] {
            let w = rows.add(r * stride + 4 * c);
            store_words(out.add(4 * (c * ROWS + r)), 4 * ROWS, load(w, 0), load(w, stride), load(w, 2 * stride), load(w, 3 * stride));
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
            let tokens = tile_tokens(n - t);
            match tokens {
                4 => tile::<F, 4>(o, w, x, m, k, rows),
                3 => tile::<F, 3>(o, w, x, m, k, rows),
                2 => tile::<F, 2>(o, w, x, m, k, rows),
                _ => tile::<F, 1>(o, w, x, m, k, rows),
            }
            t += tokens;
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
        }
        if N > 2 {
            let a = splat32(x.add(2 * k + c) as Bytes, 0);
            x2 = mul_add(u, a, x2);
            y2 = mul_add(v, a, y2);
        }
        if N > 3 {
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
