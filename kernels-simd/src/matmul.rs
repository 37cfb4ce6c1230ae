//! out[n, m] = x[n, k] · W[m, k]ᵀ for weights in panels, one export per type and role.
//!
//! Work is divided by panels: whoever owns a panel computes all its outputs, so the result does not
//! depend on how many share the work. Tokens go four at a time, the last ones together, through the same sequence of
//! additions, so it does not depend on the batch either.

use crate::activation;
use crate::quant::k_quants::*;
use crate::quant::legacy::{Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};
use crate::quant::table::*;
use crate::quant::*;
use crate::simd::*;

/// `rows` GGUF rows of `k` columns at `raw`, to be interleaved into panels at `out`.
#[repr(C)]
pub struct RepackArgs {
    pub out: *mut u8,
    pub raw: Bytes,
    pub rows: usize,
    pub k: usize,
}

/// Rows `tokens[i]` of a matrix in panels, to be written to out[i, k].
#[repr(C)]
pub struct EmbedArgs {
    pub out: *mut f32,
    pub panels: Bytes,
    pub tokens: *const u32,
    pub k: usize,
}

/// out[n, m] = x[n, k] · W[m, k]ᵀ; x is activation records for quantised weights, else f32.
#[repr(C)]
pub struct MatmulArgs {
    pub out: *mut f32,
    pub panels: Bytes,
    pub x: Bytes,
    pub n: usize,
    pub m: usize,
    pub k: usize,
}

/// Interleave panels `first..last`.
unsafe fn repack<Q: Quant>(args: &RepackArgs, first: usize, last: usize) {
    let blocks = args.k / Q::COLUMNS;
    let stride = blocks * Q::BLOCK;
    let mut record = args.out.add(first * blocks * Q::RECORD);
    for panel in first..last {
        let row = panel * ROWS;
        let live = if args.rows - row < ROWS { args.rows - row } else { ROWS };
        for b in 0..blocks {
            Q::repack(record, args.raw.add(row * stride + b * Q::BLOCK), stride, live);
            record = record.add(Q::RECORD);
        }
    }
}

/// Write the rows of tokens `first..last`.
unsafe fn embed<Q: Quant>(args: &EmbedArgs, first: usize, last: usize) {
    let blocks = args.k / Q::COLUMNS;
    for i in first..last {
        let row = *args.tokens.add(i) as usize;
        let panel = args.panels.add(row / ROWS * blocks * Q::RECORD);
        let out = args.out.add(i * args.k);
        for b in 0..blocks {
            Q::row(out.add(b * Q::COLUMNS), panel.add(b * Q::RECORD), row % ROWS);
        }
    }
}

/// Bytes of activation records that are multiplied with all panels before the next ones are: half of an
/// L2 cache of 512 KiB, so that they stay there while the panels stream by.
const RECORDS_AT_ONCE: usize = 256 * 1024;

/// Panels `first..last` of W.
#[inline(always)]
unsafe fn matmul<Q: Quant>(args: &MatmulArgs, first: usize, last: usize) {
    let MatmulArgs { out, panels, x: acts, n, m, k } = *args;
    let stride = k / 32 * activation::RECORD;
    let panel = k / Q::COLUMNS * Q::RECORD;
    let at_once = RECORDS_AT_ONCE / stride / 4 * 4 + 4;
    let mut start = 0;
    while start < n {
        let end = if n - start < at_once { n } else { start + at_once };
        for p in first..last {
            let w = panels.add(p * panel);
            let rows = if m - p * ROWS < ROWS { m - p * ROWS } else { ROWS };
            let mut t = start;
            while t < end {
                let a = acts.add(t * stride);
                let o = out.add(t * m + p * ROWS);
                let tokens = activation::tile_tokens(end - t);
                match tokens {
                    4 => tile::<Q, 4>(o, w, a, m, k, rows),
                    3 => tile::<Q, 3>(o, w, a, m, k, rows),
                    2 => tile::<Q, 2>(o, w, a, m, k, rows),
                    _ => tile::<Q, 1>(o, w, a, m, k, rows),
                }
                t += tokens;
            }
        }
        start = end;
    }
}

/// One panel with `N` tokens.
#[inline(always)]
unsafe fn tile<Q: Quant, const N: usize>(out: *mut f32, w: Bytes, a: Bytes, m: usize, k: usize, rows: usize) {
    let mut tile = Tile::zero();
    let (mut record, mut a) = (w, a);
    for _ in 0..k / Q::COLUMNS {
        Q::multiply::<N>(&mut tile, record, a);
        record = record.add(Q::RECORD);
        a = a.add(Q::COLUMNS / 32 * N * activation::RECORD);
    }
    store::<N>(&tile, out, m, rows);
}

/// Write the tile's live rows.
#[inline(always)]
pub unsafe fn store<const N: usize>(tile: &Tile, out: *mut f32, m: usize, rows: usize) {
    store_token(out, tile.x0, tile.y0, rows);
    if N > 1 {
        store_token(out.add(m), tile.x1, tile.y1, rows);
    }
    if N > 2 {
        store_token(out.add(2 * m), tile.x2, tile.y2, rows);
    }
    if N > 3 {
        store_token(out.add(3 * m), tile.x3, tile.y3, rows);
    }
}

#[inline(always)]
unsafe fn store_token(out: *mut f32, x: v128, y: v128, rows: usize) {
    if rows == ROWS {
        v128_store(out as *mut v128, x);
        v128_store(out.add(4) as *mut v128, y);
    } else {
        let mut eight = [0f32; ROWS];
        v128_store(eight.as_mut_ptr() as *mut v128, x);
        v128_store(eight.as_mut_ptr().add(4) as *mut v128, y);
        core::ptr::copy_nonoverlapping(eight.as_ptr(), out, rows);
    }
}

macro_rules! exports {
    ($($quant:ty, $repack:ident, $embed:ident, $matmul:ident;)*) => { $(
        #[no_mangle]
        pub unsafe extern "C" fn $repack(args: &RepackArgs, first: usize, last: usize) {
            repack::<$quant>(args, first, last);
        }
        #[no_mangle]
        pub unsafe extern "C" fn $embed(args: &EmbedArgs, first: usize, last: usize) {
            embed::<$quant>(args, first, last);
        }
        #[no_mangle]
        pub unsafe extern "C" fn $matmul(args: &MatmulArgs, first: usize, last: usize) {
            matmul::<$quant>(args, first, last);
        }
    )* };
}

exports! {
    Q4_0, repack_q4_0, embed_q4_0, matmul_q4_0;
    Q4_1, repack_q4_1, embed_q4_1, matmul_q4_1;
    Q5_0, repack_q5_0, embed_q5_0, matmul_q5_0;
    Q5_1, repack_q5_1, embed_q5_1, matmul_q5_1;
    Q8_0, repack_q8_0, embed_q8_0, matmul_q8_0;
    Q2K, repack_q2_k, embed_q2_k, matmul_q2_k;
    Q3K, repack_q3_k, embed_q3_k, matmul_q3_k;
    Q4K, repack_q4_k, embed_q4_k, matmul_q4_k;
    Q5K, repack_q5_k, embed_q5_k, matmul_q5_k;
    Q6K, repack_q6_k, embed_q6_k, matmul_q6_k;
    IQ4NL, repack_iq4_nl, embed_iq4_nl, matmul_iq4_nl;
    IQ4XS, repack_iq4_xs, embed_iq4_xs, matmul_iq4_xs;
    Mxfp4, repack_mxfp4, embed_mxfp4, matmul_mxfp4;
}
