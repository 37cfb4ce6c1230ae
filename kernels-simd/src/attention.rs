//! Attention over a paged cache, in one pass with an online softmax (Milakov and Gimelshein 2018; Dao et
//! al. 2022), so that nothing of the context's length is ever stored.
//!
//! A query is one head of one row. Queries that read the same key head are computed together: a block of
//! the cache is read, and where it is packed unpacked, once for up to [`QUERIES`] of them, and each of its
//! vectors is used for four queries while it is in a register.
//!
//! Strict: whatever a query is computed beside, its numbers pass through one sequence of operations that
//! its own history decides. Blocks come in the order of positions; a score is one chain over the head's
//! dimensions, an output one chain over positions, interrupted only where the largest score grows and what
//! was added so far is scaled down. Positions that a query must not see are not added at all: they may
//! hold another sequence's numbers.

use crate::kv::{Cache, BLOCK, F16, F32, MAX_HEAD_DIM, PANEL, Q8_0};
use crate::math::exp;
use crate::simd::*;
use core::mem::MaybeUninit;

/// Queries that share a reading of the cache: what is kept of them between blocks, and their weights
/// within one, is some 8 KiB of stack.
const QUERIES: usize = 64;

/// Bytes of a layer's cache from which on it has to come from memory, so that asking early pays.
const FAR: usize = 1 << 19;

/// A score that no real one comes near, yet finite, so that differences of two are not NaN.
const MASKED: f32 = -1e30;

/// Below every real score and far above [`MASKED`]: e^(MASKED - NOTHING) is 0.
const NOTHING: f32 = -1e20;

/// Rows of a tile: with a few heads to a key head enough queries for one reading of the cache.
const TILE: usize = 16;

/// Rows of one sequence, the first at `position`; out and q are [rows, heads, head_dim], `blocks` the
/// sequence's cache blocks of [`BLOCK`] positions.
#[repr(C)]
pub struct AttentionArgs {
    out: *mut f32,
    q: *const f32,
    cache: Bytes,
    blocks: *const u32,
    position: usize,
    rows: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    /// Positions a row sees, itself included; 0 for all.
    window: usize,
    /// 1: a row sees the later ones of its sequence too, and there is no window.
    bidirectional: usize,
    scale: f32,
}

macro_rules! exports {
    ($($cache:ty, $attention:ident;)*) => { $(
        /// Units `first..last`. Unit tile · heads + head is one query head of rows 16 · tile to 16 · tile + 15;
        /// consecutive heads of a range read the cache together.
        #[no_mangle]
        pub unsafe extern "C" fn $attention(args: &AttentionArgs, first: usize, last: usize) {
            attention::<$cache>(args, first, last);
        }
    )* };
}

exports! {
    F32, attention_f32;
    F16, attention_f16;
    Q8_0, attention_q8_0;
}

#[inline(always)]
unsafe fn attention<C: Cache>(a: &AttentionArgs, first: usize, last: usize) {
    let group = a.heads / a.kv_heads;
    let mut unit = first;
    while unit < last {
        let (tile, head) = (unit / a.heads, unit % a.heads);
        let (mut row, stop) = (tile * TILE, least(tile * TILE + TILE, a.rows));
        // As many whole groups as there is room for, so that a block is read in one go; else part of one.
        let groups = QUERIES / ((stop - row) * group);
        let end = (head / group + if groups > 0 { groups } else { 1 }) * group;
        let end = least(least(end, head + QUERIES), least(a.heads, head + last - unit));
        let step = QUERIES / (end - head);
        while row < stop {
            attend::<C>(a, (head, end), (row, least(row + step, stop)));
            row += step;
        }
        unit += end - head;
    }
}

/// What is kept of a query from block to block. Its output so far is in `out`, not yet divided by the sum.
#[derive(Clone, Copy)]
struct Query {
    q: *const f32,
    out: *mut f32,
    /// The first and the last position it sees.
    from: usize,
    here: usize,
    /// The largest score so far, in all lanes.
    most: v128,
    /// Weights so far, added up lane by lane.
    sum: v128,
}

impl Query {
    /// Which positions of the block that starts at `base` it sees: `low..high`, empty where low ≥ high.
    #[inline(always)]
    fn sees(&self, base: usize) -> (usize, usize) {
        let low = if self.from > base { self.from - base } else { 0 };
        let high = if self.here >= base { least(self.here + 1 - base, BLOCK) } else { 0 };
        (low, high)
    }
}

/// Heads `head..end` of rows `row..until`: at most [`QUERIES`] together.
#[inline(always)]
unsafe fn attend<C: Cache>(a: &AttentionArgs, (head, end): (usize, usize), (row, until): (usize, usize)) {
    let AttentionArgs { kv_heads, head_dim, .. } = *a;
    let group = a.heads / kv_heads;
    let mut queries = [MaybeUninit::<Query>::uninit(); QUERIES];
    let mut weights = [MaybeUninit::<[f32; BLOCK]>::uninit(); QUERIES];
    let mut room = [MaybeUninit::<f32>::uninit(); MAX_HEAD_DIM * BLOCK];
    let queries = queries.as_mut_ptr() as *mut Query;
    let weights = weights.as_mut_ptr() as *mut f32;
    let room = room.as_mut_ptr() as *mut f32;

    // Those that share a key head lie together, row by row.
    let mut next = queries;
    let mut h = head;
    while h < end {
        let stop = least(end, (h / group + 1) * group);
        for r in row..until {
            for of in h..stop {
                *next = start(a, r, of);
                next = next.add(1);
            }
        }
        h = stop;
    }

    let bytes = C::bytes(head_dim);
    let head_of = |b: usize, h: usize| a.cache.add((*a.blocks.add(b) as usize * kv_heads + h / group) * 2 * bytes);
    let mut b = (*queries).from / BLOCK;
    let last = here(a, until - 1) / BLOCK;
    let far = C::STREAMS && (last - b) * kv_heads * 2 * bytes > FAR;
    while b <= last {
        let mut q = queries;
        h = head;
        while h < end {
            let keys = head_of(b, h);
            let stop = least(end, (h / group + 1) * group);
            let count = (stop - h) * (until - row);
            if far {
                touch(keys.add(bytes), bytes);
            }
            visit(q, count, weights, C::keys(keys, head_dim, room), b * BLOCK, head_dim, a.scale);
            if far && stop < end {
                touch(keys.add(2 * bytes), bytes);
            } else if far && b < last {
                touch(head_of(b + 1, head), bytes);
            }
            let values = C::values(keys.add(bytes), head_dim, room);
            add(q, count, weights, values, b * BLOCK, head_dim);
            q = q.add(count);
            h = stop;
        }
        b += 1;
    }

    let mut q = queries;
    while q < next {
        scale((*q).out, head_dim, f32x4_splat(1.0 / crate::elementwise::horizontal((*q).sum)));
        q = q.add(1);
    }
}

/// Ask for memory that is needed next: loads whose results nobody waits for.
#[inline(always)]
unsafe fn touch(p: Bytes, bytes: usize) {
    let mut i = 0;
    while i < bytes {
        core::ptr::read_volatile(p.add(i) as *const u32);
        i += 64;
    }
}

/// The last position that a row sees.
#[inline(always)]
fn here(a: &AttentionArgs, row: usize) -> usize {
    a.position + if a.bidirectional == 1 { a.rows - 1 } else { row }
}

/// A query that has seen nothing yet.
#[inline(always)]
unsafe fn start(a: &AttentionArgs, row: usize, head: usize) -> Query {
    let at = (row * a.heads + head) * a.head_dim;
    let here = here(a, row);
    let from = if a.window > 0 && here + 1 > a.window { here + 1 - a.window } else { 0 };
    let sum = f32x4_splat(0.0);
    let mut c = 0;
    while c < a.head_dim {
        v128_store(a.out.add(at + c) as *mut v128, sum);
        c += 4;
    }
    Query { q: a.q.add(at), out: a.out.add(at), from, here, most: f32x4_splat(NOTHING), sum }
}

/// [`weigh`] for `count` queries.
#[inline(always)]
unsafe fn visit(q: *mut Query, count: usize, weights: *mut f32, keys: *const f32, base: usize, head_dim: usize, factor: f32) {
    each_four(count, |i, n| {
        let (q, w) = (q.add(i), weights.add(i * BLOCK));
        match n {
            4 => weigh::<4>(q, w, keys, base, head_dim, factor),
            3 => weigh::<3>(q, w, keys, base, head_dim, factor),
            2 => weigh::<2>(q, w, keys, base, head_dim, factor),
            _ => weigh::<1>(q, w, keys, base, head_dim, factor),
        }
    });
}

/// [`mix`] for `count` queries.
#[inline(always)]
unsafe fn add(q: *const Query, count: usize, weights: *const f32, values: *const f32, base: usize, head_dim: usize) {
    each_four(count, |i, n| {
        let (q, w) = (q.add(i), weights.add(i * BLOCK));
        match n {
            4 => mix::<4>(q, w, values, base, head_dim),
            3 => mix::<3>(q, w, values, base, head_dim),
            2 => mix::<2>(q, w, values, base, head_dim),
            _ => mix::<1>(q, w, values, base, head_dim),
        }
    });
}

/// Call `f` with the first index and the number of each four of `count`, the last of which may be fewer.
#[inline(always)]
unsafe fn each_four(count: usize, f: impl Fn(usize, usize)) {
    let mut i = 0;
    while i < count {
        f(i, least(4, count - i));
        i += 4;
    }
}

/// Scores of `N` queries with a block's keys [head_dim, 16], made into weights e^(score - largest so far).
/// One copy serves all types of cache.
#[inline(never)]
unsafe fn weigh<const N: usize>(
    queries: *mut Query,
    weights: *mut f32,
    keys: *const f32,
    base: usize,
    head_dim: usize,
    factor: f32,
) {
    let at = |i: usize| (*queries.add(if i < N { i } else { 0 })).q;
    let to = |i: usize| weights.add(if i < N { i * BLOCK } else { 0 });
    let q = Four(at(0), at(1), at(2), at(3));
    product::<N, true>(Four(to(0), to(1), to(2), to(3)), q, keys, (0, head_dim), head_dim, BLOCK);
    let mut i = 0;
    while i < N {
        let query = &mut *queries.add(i);
        let (low, high) = query.sees(base);
        if low < high {
            soften(query, weights.add(i * BLOCK), (low, high), head_dim, factor);
        }
        i += 1;
    }
}

/// Make one query's dot products with a block's keys into weights.
#[inline(always)]
unsafe fn soften(query: &mut Query, weights: *mut f32, (low, high): (usize, usize), head_dim: usize, factor: f32) {
    let at = |i: usize| weights.add(4 * i) as *mut v128;
    let factor = f32x4_splat(factor);
    let mut s = [*at(0), *at(1), *at(2), *at(3)];
    s = [f32x4_mul(s[0], factor), f32x4_mul(s[1], factor), f32x4_mul(s[2], factor), f32x4_mul(s[3], factor)];
    if low > 0 || high < BLOCK {
        let (low, high) = (i32x4_splat(low as i32), i32x4_splat(high as i32));
        let hide = |v: v128, i: i32| {
            let at = i32x4_add(i32x4_splat(i), i32x4(0, 1, 2, 3));
            v128_bitselect(v, f32x4_splat(MASKED), v128_and(i32x4_ge(at, low), i32x4_lt(at, high)))
        };
        s = [hide(s[0], 0), hide(s[1], 4), hide(s[2], 8), hide(s[3], 12)];
    }
    let most = larger(larger(s[0], s[1]), larger(s[2], s[3]));
    let most = larger(most, i32x4_shuffle::<2, 3, 0, 1>(most, most));
    let most = larger(most, i32x4_shuffle::<1, 0, 3, 2>(most, most));
    if v128_any_true(f32x4_gt(most, query.most)) {
        // Else the factor would be e^0 = 1.
        let shrink = exp(f32x4_sub(query.most, most));
        query.most = most;
        query.sum = f32x4_mul(query.sum, shrink);
        scale(query.out, head_dim, shrink);
    }
    let weight = |v| exp(f32x4_sub(v, query.most));
    let p = [weight(s[0]), weight(s[1]), weight(s[2]), weight(s[3])];
    query.sum = f32x4_add(query.sum, f32x4_add(f32x4_add(p[0], p[1]), f32x4_add(p[2], p[3])));
    *at(0) = p[0];
    *at(1) = p[1];
    *at(2) = p[2];
    *at(3) = p[3];
}

/// Add a block's values [16, head_dim] to the outputs of `N` queries, by their weights.
#[inline(never)]
unsafe fn mix<const N: usize>(
    queries: *const Query,
    weights: *const f32,
    values: *const f32,
    base: usize,
    head_dim: usize,
) {
    let query = |i: usize| &*queries.add(if i < N { i } else { 0 });
    let of = |i: usize| weights.add(if i < N { i * BLOCK } else { 0 });
    // What all of them see; what only some do comes one by one before and after, in the same order.
    let (mut low, mut high) = (0, BLOCK);
    for i in 0..N {
        let (l, h) = query(i).sees(base);
        low = if l > low { l } else { low };
        high = least(h, high);
    }
    if low > 0 || high < BLOCK {
        if low >= high {
            (low, high) = (BLOCK, BLOCK);
        }
        for i in 0..N {
            let (l, h) = query(i).sees(base);
            one(query(i).out, of(i), values, (l, least(low, h)), head_dim);
        }
    }
    let out = Four(query(0).out, query(1).out, query(2).out, query(3).out);
    product::<N, false>(out, Four(of(0), of(1), of(2), of(3)), values, (low, high), BLOCK, head_dim);
    if high < BLOCK {
        for i in 0..N {
            let (_, h) = query(i).sees(base);
            one(query(i).out, of(i), values, (high, h), head_dim);
        }
    }
}

/// One query's part of [`mix`]; not inlined, for it stands at the edges only.
#[inline(never)]
unsafe fn one(out: *mut f32, weights: *const f32, values: *const f32, (low, high): (usize, usize), head_dim: usize) {
    if low < high {
        let (out, weights) = (Four(out, out, out, out), Four(weights, weights, weights, weights));
        product::<1, false>(out, weights, values, (low, high), BLOCK, head_dim);
    }
}

/// Four of something, by name: an index that is not a constant would put them into memory.
#[derive(Clone, Copy)]
struct Four<T>(T, T, T, T);

/// out[N, columns] = (FRESH ? 0 : out) + Σ a[N, i] · b[i, columns] for i in `from..to`, in ascending order.
/// Columns are a multiple of four; b has `rows` rows and lies in panels of eight columns (see `kv.rs`).
/// Eight sums at a time stay in registers.
#[inline(always)]
unsafe fn product<const N: usize, const FRESH: bool>(
    out: Four<*mut f32>,
    a: Four<*const f32>,
    b: *const f32,
    (from, to): (usize, usize),
    rows: usize,
    columns: usize,
) {
    let mut c = 0;
    if N <= 2 {
        while c + 2 * PANEL <= columns {
            strip::<N, 4, FRESH>(out, a, b.add(c * rows), (from, to), rows, c);
            c += 2 * PANEL;
        }
    }
    while c + PANEL <= columns {
        strip::<N, 2, FRESH>(out, a, b.add(c * rows), (from, to), rows, c);
        c += PANEL;
    }
    if c < columns {
        strip::<N, 1, FRESH>(out, a, b.add(c * rows), (from, to), rows, c);
    }
}

/// `V` vectors of columns, from column `c` on, of a [`product`]: two panels, one, or the last half of one.
#[inline(always)]
unsafe fn strip<const N: usize, const V: usize, const FRESH: bool>(
    out: Four<*mut f32>,
    a: Four<*const f32>,
    b: *const f32,
    (from, to): (usize, usize),
    rows: usize,
    c: usize,
) {
    let start = |row: *mut f32, v: usize| {
        if FRESH || v >= V { f32x4_splat(0.0) } else { load(row.add(c) as Bytes, 16 * v) }
    };
    let line = |row: *mut f32| Four(start(row, 0), start(row, 1), start(row, 2), start(row, 3));
    let (mut x0, mut x1, mut x2, mut x3) = (line(out.0), line(out.1), line(out.2), line(out.3));
    let width = if V == 1 { 4 } else { PANEL };
    let mut p = b.add(from * width) as Bytes;
    let next = 4 * PANEL * rows;
    let mut i = from;
    while i < to {
        let b0 = load(p, 0);
        let b1 = if V > 1 { load(p, 16) } else { b0 };
        let (b2, b3) = if V > 2 { (load(p.add(next), 0), load(p.add(next), 16)) } else { (b0, b0) };
        let b = Four(b0, b1, b2, b3);
        macro_rules! row {
            ($x:ident, $a:expr) => {
                let w = splat32($a.add(i) as Bytes, 0);
                $x.0 = mul_add(b.0, w, $x.0);
                if V > 1 {
                    $x.1 = mul_add(b.1, w, $x.1);
                }
                if V > 2 {
                    $x.2 = mul_add(b.2, w, $x.2);
                    $x.3 = mul_add(b.3, w, $x.3);
                }
            };
        }
        row!(x0, a.0);
        if N > 1 {
            row!(x1, a.1);
        }
        if N > 2 {
            row!(x2, a.2);
        }
        if N > 3 {
            row!(x3, a.3);
        }
        p = p.add(4 * width);
        i += 1;
    }
    let put = |row: *mut f32, x: Four<v128>| {
        let at = row.add(c) as *mut v128;
        v128_store(at, x.0);
        if V > 1 {
            v128_store(at.add(1), x.1);
        }
        if V > 2 {
            v128_store(at.add(2), x.2);
            v128_store(at.add(3), x.3);
        }
    };
    put(out.0, x0);
    if N > 1 {
        put(out.1, x1);
    }
    if N > 2 {
        put(out.2, x2);
    }
    if N > 3 {
        put(out.3, x3);
    }
}

#[inline(always)]
unsafe fn scale(out: *mut f32, n: usize, factor: v128) {
    let mut i = 0;
    while i < n {
        v128_store(out.add(i) as *mut v128, f32x4_mul(load(out.add(i) as Bytes, 0), factor));
        i += 4;
    }
}

#[inline(always)]
fn least(a: usize, b: usize) -> usize {
    if a < b { a } else { b }
}
