//! Attention over a paged cache, in one pass with an online softmax (Milakov and Gimelshein 2018; Dao et
//! al. 2022), so that nothing of the context's length is ever stored.
//!
//! A cache block holds 16 positions of one layer: keys transposed, [kv head, head_dim, 16], so that 16
//! scores are four vectors without horizontal sums, then values as they come, [kv head, 16, head_dim].
//! Blocks are visited in the order of positions and always whole, with what a row must not see masked:
//! the result of a row depends on its history alone, never on how rows came together in a step.

use crate::math::exp;
use crate::simd::*;

/// Positions of a cache block; the host's `blockSize`.
pub const BLOCK: usize = 16;

/// Limit of query heads per key head × head size: their accumulators live on the stack (32 of 64 KiB).
pub const MAX_GROUP: usize = 8192;

/// Limit of query heads per key head.
pub const MAX_GROUP_HEADS: usize = 128;

/// A score that no real one comes near, yet finite, so that differences of two are not NaN.
const MASKED: f32 = -1e30;

/// `n` rows of keys and values [n, kv_heads, head_dim], to be written to their slots of the cache.
#[repr(C)]
pub struct StoreArgs {
    cache_k: *mut f32,
    cache_v: *mut f32,
    k: *const f32,
    v: *const f32,
    slots: *const u32,
    n: usize,
    kv_heads: usize,
    head_dim: usize,
}

/// Rows of one sequence, the first at `position`; out and q are [rows, heads, head_dim], `blocks` are the
/// sequence's cache blocks.
#[repr(C)]
pub struct AttentionArgs {
    out: *mut f32,
    q: *const f32,
    cache_k: *const f32,
    cache_v: *const f32,
    blocks: *const u32,
    position: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    /// Positions a row sees, itself included; 0 for all.
    window: usize,
    scale: f32,
}

/// Store key heads `first..last` of all rows.
#[no_mangle]
pub unsafe extern "C" fn kv_store(args: &StoreArgs, first: usize, last: usize) {
    let StoreArgs { cache_k, cache_v, k, v, slots, n, kv_heads, head_dim } = *args;
    let width = kv_heads * head_dim;
    for row in 0..n {
        let slot = *slots.add(row) as usize;
        let (block, at) = (slot / BLOCK * BLOCK * width, slot % BLOCK);
        for c in first * head_dim..last * head_dim {
            *cache_k.add(block + c * BLOCK + at) = *k.add(row * width + c);
        }
        for head in first..last {
            let to = cache_v.add(block + (head * BLOCK + at) * head_dim);
            core::ptr::copy_nonoverlapping(v.add(row * width + head * head_dim), to, head_dim);
        }
    }
}

/// Units `first..last`: unit row · kv_heads + kv is a row's query heads that share key head kv.
#[no_mangle]
pub unsafe extern "C" fn attention(args: &AttentionArgs, first: usize, last: usize) {
    let width = args.heads * args.head_dim;
    for unit in first..last {
        let (row, kv) = (unit / args.kv_heads, unit % args.kv_heads);
        let here = args.position + row;
        let from = if args.window > 0 && here + 1 > args.window { here + 1 - args.window } else { 0 };
        group(args.out.add(row * width), args.q.add(row * width), (from, here), kv, args);
    }
}

/// One row of the query heads that share key head `kv`, over positions `from..=here`. Blocks are the outer
/// loop, so that a block is read from memory once for all heads of the group.
#[inline(always)]
unsafe fn group(
    out: *mut f32,
    q: *const f32,
    (from, here): (usize, usize),
    kv: usize,
    args: &AttentionArgs,
) {
    let AttentionArgs { cache_k, cache_v, blocks, head_dim, kv_heads, scale, .. } = *args;
    let heads = args.heads / kv_heads;
    let (q, out) = (q.add(kv * heads * head_dim), out.add(kv * heads * head_dim));
    let mut room = [core::mem::MaybeUninit::<f32>::uninit(); MAX_GROUP];
    let mut most = [core::mem::MaybeUninit::<f32>::uninit(); MAX_GROUP_HEADS];
    let mut sums = [core::mem::MaybeUninit::<v128>::uninit(); MAX_GROUP_HEADS];
    let acc = room.as_mut_ptr() as *mut f32;
    let most = most.as_mut_ptr() as *mut f32;
    let sums = sums.as_mut_ptr() as *mut v128;
    let mut fresh = true;
    let mut b = from / BLOCK;
    while b <= here / BLOCK {
        let block = (*blocks.add(b) as usize * kv_heads + kv) * head_dim * BLOCK;
        // Masked positions may hold another sequence's numbers: skip them rather than weigh them by 0.
        let low = if from > b * BLOCK { from - b * BLOCK } else { 0 };
        let high = if here < b * BLOCK + BLOCK { here - b * BLOCK + 1 } else { BLOCK };
        let mut h = 0;
        while h < heads {
            let s = scores(q.add(h * head_dim), cache_k.add(block), head_dim, scale);
            let s = mask(s, b * BLOCK, from, here);
            let top = largest(f32x4_pmax(f32x4_pmax(s.0, s.1), f32x4_pmax(s.2, s.3)));
            let before = if fresh { MASKED } else { *most.add(h) };
            let next = if top > before { top } else { before };
            let shrink = exp(f32x4_splat(before - next));
            *most.add(h) = next;
            let weigh = |v| exp(f32x4_sub(v, f32x4_splat(next)));
            let p = [weigh(s.0), weigh(s.1), weigh(s.2), weigh(s.3)];
            let sum = f32x4_add(f32x4_add(p[0], p[1]), f32x4_add(p[2], p[3]));
            *sums.add(h) = if fresh { sum } else { f32x4_add(f32x4_mul(*sums.add(h), shrink), sum) };
            let shrink = if fresh { None } else { Some(shrink) };
            accumulate(acc.add(h * head_dim), cache_v.add(block), p.as_ptr() as *const f32, (low, high), head_dim, shrink);
            h += 1;
        }
        fresh = false;
        b += 1;
    }
    let mut h = 0;
    while h < heads {
        let inverse = f32x4_splat(1.0 / crate::elementwise::horizontal(*sums.add(h)));
        let mut c = h * head_dim;
        while c < (h + 1) * head_dim {
            v128_store(out.add(c) as *mut v128, f32x4_mul(load(acc.add(c) as Bytes, 0), inverse));
            c += 4;
        }
        h += 1;
    }
}

/// acc = acc · shrink + Σ weights[i] · values[i] over positions low..high; without `shrink`, acc starts at 0.
/// Sixteen dimensions at a time stay in registers.
#[inline(always)]
unsafe fn accumulate(
    acc: *mut f32,
    values: *const f32,
    weights: *const f32,
    (low, high): (usize, usize),
    head_dim: usize,
    shrink: Option<v128>,
) {
    let z = f32x4_splat(0.0);
    let mut c = 0;
    while c + 16 <= head_dim {
        let at = acc.add(c) as *mut u8;
        let (mut x, mut y, mut u, mut v) = match shrink {
            None => (z, z, z, z),
            Some(s) => (
                f32x4_mul(load(at, 0), s),
                f32x4_mul(load(at, 16), s),
                f32x4_mul(load(at, 32), s),
                f32x4_mul(load(at, 48), s),
            ),
        };
        let mut p = values.add(low * head_dim + c) as Bytes;
        let mut i = low;
        while i < high {
            let w = splat32(weights.add(i) as Bytes, 0);
            x = mul_add(load(p, 0), w, x);
            y = mul_add(load(p, 16), w, y);
            u = mul_add(load(p, 32), w, u);
            v = mul_add(load(p, 48), w, v);
            p = p.add(4 * head_dim);
            i += 1;
        }
        v128_store(at as *mut v128, x);
        v128_store(at.add(16) as *mut v128, y);
        v128_store(at.add(32) as *mut v128, u);
        v128_store(at.add(48) as *mut v128, v);
        c += 16;
    }
    while c < head_dim {
        let at = acc.add(c) as *mut u8;
        let mut x = match shrink {
            None => z,
            Some(s) => f32x4_mul(load(at, 0), s),
        };
        let mut i = low;
        while i < high {
            let w = splat32(weights.add(i) as Bytes, 0);
            x = mul_add(load(values.add(i * head_dim + c) as Bytes, 0), w, x);
            i += 1;
        }
        v128_store(at as *mut v128, x);
        c += 4;
    }
}

/// Four vectors of four positions.
type Scores = (v128, v128, v128, v128);

/// q · k for the 16 positions of a block.
#[inline(always)]
unsafe fn scores(q: *const f32, keys: *const f32, head_dim: usize, scale: f32) -> Scores {
    let z = f32x4_splat(0.0);
    let (mut a, mut b, mut c, mut d) = (z, z, z, z);
    let mut k = keys as Bytes;
    let mut i = 0;
    while i < head_dim {
        let x = splat32(q.add(i) as Bytes, 0);
        a = mul_add(load(k, 0), x, a);
        b = mul_add(load(k, 16), x, b);
        c = mul_add(load(k, 32), x, c);
        d = mul_add(load(k, 48), x, d);
        k = k.add(4 * BLOCK);
        i += 1;
    }
    let s = f32x4_splat(scale);
    (f32x4_mul(a, s), f32x4_mul(b, s), f32x4_mul(c, s), f32x4_mul(d, s))
}

/// Hide the positions of a block outside `from..=here`.
#[inline(always)]
fn mask(s: Scores, base: usize, from: usize, here: usize) -> Scores {
    if base >= from && base + BLOCK <= here + 1 {
        return s;
    }
    let hide = |v: v128, i: usize| {
        let at = i32x4_add(i32x4_splat((base + i) as i32), i32x4(0, 1, 2, 3));
        let seen = v128_and(i32x4_ge(at, i32x4_splat(from as i32)), i32x4_le(at, i32x4_splat(here as i32)));
        v128_bitselect(v, f32x4_splat(MASKED), seen)
    };
    (hide(s.0, 0), hide(s.1, 4), hide(s.2, 8), hide(s.3, 12))
}
