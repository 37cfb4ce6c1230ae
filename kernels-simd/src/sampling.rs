//! What sampling needs of a row of logits, so that the vocabulary stays here: the best tokens in order,
//! the sum of all weights, and a token drawn by weight.
//!
//! A row falls into groups of [`GROUP`] tokens, whose maxima and sums are found independently of each
//! other; only they are gone through afterwards. So threads may share the groups as they like. The one
//! order of tokens is that of `core/tensor/order.ts`: higher logit first, then lower id; NaN counts as
//! minus infinity. Oracle: `core/tensor/reduce-logits.ts`.

use crate::math::{exp, exp_below_zero, LEAST};
use crate::simd::*;

/// Tokens whose weights are added in f32 before the sum goes on in f64: eight in each of 16 lanes, so
/// that rounding stays below that of the weights themselves.
pub const GROUP: usize = 128;

#[repr(C)]
pub struct LogitArgs {
    /// Where in 0..1 a draw lands.
    random: f64,
    /// [count]
    logits: *const f32,
    count: usize,
    /// [groups]
    maxima: *mut f32,
    /// [groups]
    masses: *mut f32,
    /// [k], working memory
    keys: *mut u64,
    /// [k], out: the best tokens in order
    ids: *mut u32,
    /// [k], out: their logits
    best: *mut f32,
    /// Best tokens wanted, at most `count`.
    k: usize,
    /// 1 / temperature of the weights.
    scale: f32,
    /// Out, of `logit_best`: the largest logit, minus infinity where there is no number.
    max: f32,
    /// Out, of `logit_draw`: the sum of all weights.
    mass: f64,
    /// Out, of `logit_draw`: the token drawn; 0 where none is possible.
    drawn: u32,
}

/// Four logits; what lies beyond the row is NaN, which neither is a maximum nor has a weight.
#[inline(always)]
unsafe fn fetch<const FULL: bool>(x: *const f32, i: usize, n: usize) -> v128 {
    if FULL || i + 4 <= n {
        return load(x as Bytes, i * 4);
    }
    let lane = |j: usize| if i + j < n { *x.add(i + j) } else { f32::NAN };
    f32x4(lane(0), lane(1), lane(2), lane(3))
}

/// The largest of a group's `n` logits.
#[inline(always)]
unsafe fn maximum<const FULL: bool>(x: *const f32, n: usize) -> f32 {
    let least = f32x4_splat(f32::NEG_INFINITY);
    let (mut a, mut b, mut c, mut d) = (least, least, least, least);
    let mut i = 0;
    while i < GROUP {
        a = larger(a, fetch::<FULL>(x, i, n));
        b = larger(b, fetch::<FULL>(x, i + 4, n));
        c = larger(c, fetch::<FULL>(x, i + 8, n));
        d = larger(d, fetch::<FULL>(x, i + 12, n));
        i += 16;
    }
    largest(larger(larger(a, b), larger(c, d)))
}

/// e^((x - max) · scale): 1 for the maximum, also where that is infinite; 0 for NaN.
#[inline(always)]
fn weight(x: v128, max: v128, scale: v128) -> v128 {
    let d = f32x4_mul(f32x4_sub(x, max), scale);
    let w = v128_and(exp(d), f32x4_le(d, f32x4_splat(0.0)));
    v128_bitselect(f32x4_splat(1.0), w, f32x4_eq(x, max))
}

/// [`weight`], where `max` and `scale` are finite: then that of the maximum comes out as e^0.
#[inline(always)]
fn usual_weight(x: v128, max: v128, scale: v128) -> v128 {
    exp_below_zero(f32x4_mul(f32x4_sub(x, max), scale))
}

/// The sum of a group's weights.
#[inline(always)]
unsafe fn mass<const FULL: bool>(
    x: *const f32,
    n: usize,
    (max, scale): (v128, v128),
    weight: impl Fn(v128, v128, v128) -> v128,
) -> f32 {
    let zero = f32x4_splat(0.0);
    let (mut a, mut b, mut c, mut d) = (zero, zero, zero, zero);
    let mut i = 0;
    while i < GROUP {
        a = f32x4_add(a, weight(fetch::<FULL>(x, i, n), max, scale));
        b = f32x4_add(b, weight(fetch::<FULL>(x, i + 4, n), max, scale));
        c = f32x4_add(c, weight(fetch::<FULL>(x, i + 8, n), max, scale));
        d = f32x4_add(d, weight(fetch::<FULL>(x, i + 12, n), max, scale));
        i += 16;
    }
    let sum = f32x4_add(f32x4_add(a, b), f32x4_add(c, d));
    (f32x4_extract_lane::<0>(sum) + f32x4_extract_lane::<1>(sum))
        + (f32x4_extract_lane::<2>(sum) + f32x4_extract_lane::<3>(sum))
}

/// `maxima` of groups `first..last`.
#[no_mangle]
pub unsafe extern "C" fn logit_maxima(args: &LogitArgs, first: usize, last: usize) {
    for g in first..last {
        let x = args.logits.add(g * GROUP);
        let n = args.count - g * GROUP;
        *args.maxima.add(g) = if n >= GROUP { maximum::<true>(x, n) } else { maximum::<false>(x, n) };
    }
}

/// `masses` of groups `first..last`, after [`logit_best`] has found the maximum.
#[no_mangle]
pub unsafe extern "C" fn logit_masses(args: &LogitArgs, first: usize, last: usize) {
    let with = (f32x4_splat(args.max), f32x4_splat(args.scale));
    let usual = args.max.is_finite() && args.scale.is_finite();
    for g in first..last {
        let x = args.logits.add(g * GROUP);
        let n = args.count - g * GROUP;
        *args.masses.add(g) = if usual && (*args.maxima.add(g) - args.max) * args.scale < LEAST {
            // Nor has any other token of the group a weight.
            0.0
        } else if usual && n >= GROUP {
            mass::<true>(x, n, with, usual_weight)
        } else {
            mass::<false>(x, n, with, weight)
        };
    }
}

/// A sort key: ascending keys are tokens in order.
#[inline(always)]
fn key(logit: f32, id: usize) -> u64 {
    // Adding 0 turns -0 into 0, which is no less.
    let value = if logit.is_nan() { f32::NEG_INFINITY } else { logit + 0.0 };
    let raw = value.to_bits();
    let high = if raw >> 31 == 1 { raw } else { 0x7fff_ffff - raw };
    (high as u64) << 32 | id as u64
}

/// The logit of a key.
#[inline(always)]
fn logit_of(key: u64) -> f32 {
    let high = (key >> 32) as u32;
    f32::from_bits(if high >> 31 == 1 { high } else { 0x7fff_ffff - high })
}

/// The `room` smallest keys offered, the largest of them at the root.
struct Heap {
    keys: *mut u64,
    len: usize,
    room: usize,
}

impl Heap {
    #[inline(always)]
    unsafe fn offer(&mut self, key: u64) {
        if self.len < self.room {
            let mut i = self.len;
            self.len += 1;
            while i > 0 {
                let parent = (i - 1) / 2;
                let above = *self.keys.add(parent);
                if above >= key {
                    break;
                }
                *self.keys.add(i) = above;
                i = parent;
            }
            *self.keys.add(i) = key;
        } else if key < *self.keys {
            self.settle(key);
        }
    }

    /// Put `key` in the root's place, and where it belongs from there.
    unsafe fn settle(&mut self, key: u64) {
        let mut i = 0;
        loop {
            let mut child = 2 * i + 1;
            if child >= self.len {
                break;
            }
            if child + 1 < self.len && *self.keys.add(child + 1) > *self.keys.add(child) {
                child += 1;
            }
            let below = *self.keys.add(child);
            if below <= key {
                break;
            }
            *self.keys.add(i) = below;
            i = child;
        }
        *self.keys.add(i) = key;
    }

    /// Sort the keys in place, ascending.
    unsafe fn sort(&mut self) {
        while self.len > 1 {
            self.len -= 1;
            let last = *self.keys.add(self.len);
            *self.keys.add(self.len) = *self.keys;
            self.settle(last);
        }
    }
}

/// The maximum and the `k` best tokens, from the groups' maxima; one unit.
///
/// The k largest maxima are k tokens, so no token below the least of them is among the k best: most
/// groups are passed over.
#[no_mangle]
pub unsafe extern "C" fn logit_best(args: &mut LogitArgs, _: usize, _: usize) {
    let groups = args.count.div_ceil(GROUP);
    let mut max = f32::NEG_INFINITY;
    for g in 0..groups {
        let m = *args.maxima.add(g);
        max = if m > max { m } else { max };
    }
    // -0 is 0, whichever of them came first.
    args.max = max + 0.0;
    if args.k == 0 {
        return;
    }
    let mut heap = Heap { keys: args.keys, len: 0, room: args.k };
    let mut floor = f32::NEG_INFINITY;
    if groups > args.k {
        for g in 0..groups {
            heap.offer(key(*args.maxima.add(g), g));
        }
        floor = logit_of(*heap.keys);
        heap.len = 0;
    }
    for g in 0..groups {
        if *args.maxima.add(g) < floor {
            continue;
        }
        let x = args.logits.add(g * GROUP);
        let n = if args.count - g * GROUP < GROUP { args.count - g * GROUP } else { GROUP };
        let mut i = 0;
        while i < n {
            let below = f32x4_lt(fetch::<false>(x, i, n), f32x4_splat(floor));
            // Not below, rather than above: NaN must take its turn where nothing else is left.
            if !i32x4_all_true(below) {
                let end = if i + 4 < n { i + 4 } else { n };
                for j in i..end {
                    heap.offer(key(*x.add(j), g * GROUP + j));
                }
                if heap.len == heap.room {
                    let worst = logit_of(*heap.keys);
                    floor = if worst > floor { worst } else { floor };
                }
            }
            i += 4;
        }
    }
    heap.sort();
    for i in 0..args.k {
        let id = *args.keys.add(i) as u32;
        *args.ids.add(i) = id;
        *args.best.add(i) = *args.logits.add(id as usize);
    }
}

/// The mass of all, from the groups' masses, and the token at which the running sum of weights passes
/// `random` of it; one unit.
#[no_mangle]
pub unsafe extern "C" fn logit_draw(args: &mut LogitArgs, _: usize, _: usize) {
    let groups = args.count.div_ceil(GROUP);
    let mut mass = 0.0;
    for g in 0..groups {
        mass += *args.masses.add(g) as f64;
    }
    args.mass = mass;
    args.drawn = 0;
    let target = args.random * mass;
    // Rounding may leave the target at the sum itself: then the last possible token is meant.
    let (mut chosen, mut before, mut sum) = (0, 0.0, 0.0);
    for g in 0..groups {
        let mass = *args.masses.add(g);
        if mass > 0.0 {
            (chosen, before) = (g, sum);
            sum += mass as f64;
            if sum > target {
                break;
            }
        }
    }
    let (max, scale) = (f32x4_splat(args.max), f32x4_splat(args.scale));
    let x = args.logits.add(chosen * GROUP);
    let n = if args.count - chosen * GROUP < GROUP { args.count - chosen * GROUP } else { GROUP };
    let mut sum = before;
    for i in 0..n {
        let w = f32x4_extract_lane::<0>(weight(f32x4_splat(*x.add(i)), max, scale));
        if w > 0.0 {
            args.drawn = (chosen * GROUP + i) as u32;
            sum += w as f64;
            if sum > target {
                break;
            }
        }
    }
}
