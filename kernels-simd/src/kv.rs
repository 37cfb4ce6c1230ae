//! How the cache of keys and values is stored, by type.
//!
//! A block is 16 positions of one layer. It holds, key head by key head, the keys transposed, [head_dim, 16],
//! so that the scores of 16 positions are four vectors without horizontal sums, and after them the values as
//! they come, [16, head_dim]. Both lie in panels of eight columns, [columns / 8][rows][8], the last of which
//! may have four: attention reads a block from end to end, which memory is fastest at.
//!
//! | type | values | bytes of one head's keys, or values, of a block |
//! |---|---|---|
//! | f32 | as they are | 64 · head_dim |
//! | f16 | binary16, to nearest, ties to even; infinite from 65520 on; NaN stays NaN | 32 · head_dim |
//! | q8_0 | int8; 32 consecutive dimensions of a position share a scale | 16 · head_dim + 32 · ⌈head_dim / 32⌉ |
//!
//! q8_0 is GGUF's, but that a head size need not be a multiple of 32: its last scale then serves fewer.
//! First come the f16 scales, [⌈head_dim / 32⌉, 16 positions], then the quants. q = round(x · (127 / m)), ties
//! to even, with m = max |x|; the scale is m / 127 rounded to f16. A group with a number that is not finite
//! gets the scale NaN, and is NaN when read.

use crate::simd::*;

/// Positions of a cache block; the host's `blockSize` is a multiple.
pub const BLOCK: usize = 16;

/// Limit of a head's size: a block of one head, unpacked, lies on the stack (32 of 64 KiB).
pub const MAX_HEAD_DIM: usize = 512;

/// Columns of a panel of keys or values.
pub const PANEL: usize = 8;

/// Dimensions that share a scale in q8_0.
const GROUP: usize = 32;

/// A type of cache. Pointers are to one head's part of a block; head_dim is a multiple of four.
pub trait Cache {
    /// Whether reading it waits for memory rather than for unpacking.
    const STREAMS: bool;

    /// Bytes of one head's keys, or values, of a block.
    fn bytes(head_dim: usize) -> usize;
    /// Keys [head_dim, 16] as f32 in panels: in `room`, which has space for them, where they are packed.
    unsafe fn keys(block: Bytes, head_dim: usize, room: *mut f32) -> *const f32;
    /// Values [16, head_dim] as f32 in panels.
    unsafe fn values(block: Bytes, head_dim: usize, room: *mut f32) -> *const f32;
    /// Store key and value of position `at` of a block.
    unsafe fn store(keys: *mut u8, values: *mut u8, k: *const f32, v: *const f32, at: usize, head_dim: usize);
}

pub struct F32;
impl Cache for F32 {
    const STREAMS: bool = true;

    #[inline(always)]
    fn bytes(head_dim: usize) -> usize {
        4 * BLOCK * head_dim
    }
    #[inline(always)]
    unsafe fn keys(block: Bytes, _: usize, _: *mut f32) -> *const f32 {
        block as *const f32
    }
    #[inline(always)]
    unsafe fn values(block: Bytes, _: usize, _: *mut f32) -> *const f32 {
        block as *const f32
    }
    #[inline(always)]
    unsafe fn store(keys: *mut u8, values: *mut u8, k: *const f32, v: *const f32, at: usize, head_dim: usize) {
        let (keys, values) = (keys as *mut f32, values as *mut f32);
        let mut c = 0;
        while c < head_dim {
            for i in c..c + 4 {
                *keys.add(key(i, at, head_dim)) = *k.add(i);
            }
            v128_store(values.add(value(c, at, head_dim)) as *mut v128, load(v.add(c) as Bytes, 0));
            c += 4;
        }
    }
}

pub struct F16;
impl Cache for F16 {
    const STREAMS: bool = true;

    #[inline(always)]
    fn bytes(head_dim: usize) -> usize {
        2 * BLOCK * head_dim
    }
    #[inline(always)]
    unsafe fn keys(block: Bytes, head_dim: usize, room: *mut f32) -> *const f32 {
        let mut i = 0;
        while i < BLOCK * head_dim {
            let (low, high) = from_halves(load(block, 2 * i));
            v128_store(room.add(i) as *mut v128, low);
            v128_store(room.add(i + 4) as *mut v128, high);
            i += 8;
        }
        room
    }
    #[inline(always)]
    unsafe fn values(block: Bytes, head_dim: usize, room: *mut f32) -> *const f32 {
        Self::keys(block, head_dim, room)
    }
    #[inline(always)]
    unsafe fn store(keys: *mut u8, values: *mut u8, k: *const f32, v: *const f32, at: usize, head_dim: usize) {
        let (keys, values) = (keys as *mut u16, values as *mut u16);
        let mut c = 0;
        while c < head_dim {
            let h = to_halves(load(k.add(c) as Bytes, 0));
            let put = |i: usize, h: u16| *keys.add(key(c + i, at, head_dim)) = h;
            put(0, u16x8_extract_lane::<0>(h));
            put(1, u16x8_extract_lane::<1>(h));
            put(2, u16x8_extract_lane::<2>(h));
            put(3, u16x8_extract_lane::<3>(h));
            let h = to_halves(load(v.add(c) as Bytes, 0));
            v128_store64_lane::<0>(h, values.add(value(c, at, head_dim)) as *mut u64);
            c += 4;
        }
    }
}

pub struct Q8_0;
impl Cache for Q8_0 {
    const STREAMS: bool = false;

    #[inline(always)]
    fn bytes(head_dim: usize) -> usize {
        BLOCK * head_dim + 2 * BLOCK * groups(head_dim)
    }
    #[inline(always)]
    unsafe fn keys(block: Bytes, head_dim: usize, room: *mut f32) -> *const f32 {
        let mut quants = block.add(2 * BLOCK * groups(head_dim));
        let mut to = room;
        let mut first = 0;
        while first < BLOCK {
            let mut c = 0;
            while c < head_dim {
                // Scales of eight positions, which two dimensions' vectors are multiplied with.
                let scales = block.add((c / GROUP * BLOCK + first) * 2);
                let (low, high) = from_halves(load(scales, 0));
                let end = if head_dim - c < GROUP { head_dim } else { c + GROUP };
                while c < end {
                    unpack(to, load(quants, 0), low, high, low, high);
                    quants = quants.add(2 * PANEL);
                    to = to.add(2 * PANEL);
                    c += 2;
                }
            }
            first += PANEL;
        }
        room
    }
    #[inline(always)]
    unsafe fn values(block: Bytes, head_dim: usize, room: *mut f32) -> *const f32 {
        let mut quants = block.add(2 * BLOCK * groups(head_dim));
        let mut to = room;
        let mut c = 0;
        while c < head_dim {
            // Sixteen quants are two positions of a panel, or four of a last one of four columns.
            let narrow = head_dim - c < PANEL;
            let scales = block.add(c / GROUP * 2 * BLOCK);
            let mut at = 0;
            while at < BLOCK {
                let scale = |i: usize| from_halves(u16x8_splat(*(scales as *const u16).add(at + i))).0;
                if narrow {
                    unpack(to, load(quants, 0), scale(0), scale(1), scale(2), scale(3));
                    at += 4;
                } else {
                    let (a, b) = (scale(0), scale(1));
                    unpack(to, load(quants, 0), a, a, b, b);
                    at += 2;
                }
                quants = quants.add(2 * PANEL);
                to = to.add(2 * PANEL);
            }
            c += PANEL;
        }
        room
    }
    #[inline(always)]
    unsafe fn store(keys: *mut u8, values: *mut u8, k: *const f32, v: *const f32, at: usize, head_dim: usize) {
        let first = 2 * BLOCK * groups(head_dim);
        let mut q = [0u8; GROUP];
        let mut c = 0;
        while c < head_dim {
            let live = if head_dim - c < GROUP { head_dim - c } else { GROUP };
            let scale = (c / GROUP * BLOCK + at) * 2;
            *(keys.add(scale) as *mut u16) = quantize(q.as_mut_ptr(), k.add(c), live);
            for i in 0..live {
                *keys.add(first + key(c + i, at, head_dim)) = *q.as_ptr().add(i);
            }
            *(values.add(scale) as *mut u16) = quantize(q.as_mut_ptr(), v.add(c), live);
            let mut i = 0;
            while i < live {
                let to = values.add(first + value(c + i, at, head_dim)) as *mut u32;
                *to = core::ptr::read_unaligned(q.as_ptr().add(i) as *const u32);
                i += 4;
            }
            c += GROUP;
        }
    }
}

/// Where dimension `c` of position `at` is among a head's keys.
#[inline(always)]
fn key(c: usize, at: usize, head_dim: usize) -> usize {
    at / PANEL * PANEL * head_dim + c * PANEL + at % PANEL
}

/// Where dimension `c` of position `at` is among a head's values.
#[inline(always)]
fn value(c: usize, at: usize, head_dim: usize) -> usize {
    let first = c / PANEL * PANEL;
    let width = if head_dim - first < PANEL { head_dim - first } else { PANEL };
    first * BLOCK + at * width + c % PANEL
}

fn groups(head_dim: usize) -> usize {
    (head_dim + GROUP - 1) / GROUP
}

/// Sixteen int8 times their scales, four scales a vector.
#[inline(always)]
unsafe fn unpack(to: *mut f32, q: v128, s0: v128, s1: v128, s2: v128, s3: v128) {
    let (low, high) = (i16x8_extend_low_i8x16(q), i16x8_extend_high_i8x16(q));
    let to = to as *mut v128;
    v128_store(to, f32x4_mul(f32x4_convert_i32x4(i32x4_extend_low_i16x8(low)), s0));
    v128_store(to.add(1), f32x4_mul(f32x4_convert_i32x4(i32x4_extend_high_i16x8(low)), s1));
    v128_store(to.add(2), f32x4_mul(f32x4_convert_i32x4(i32x4_extend_low_i16x8(high)), s2));
    v128_store(to.add(3), f32x4_mul(f32x4_convert_i32x4(i32x4_extend_high_i16x8(high)), s3));
}

/// Write up to 32 values, a multiple of four, as int8; the scale as f16.
#[inline(always)]
unsafe fn quantize(out: *mut u8, x: *const f32, n: usize) -> u16 {
    let mut most = f32x4_splat(0.0);
    // Zero, or NaN where a value is not finite.
    let mut odd = f32x4_splat(0.0);
    let mut i = 0;
    while i < n {
        let v = load(x.add(i) as Bytes, 0);
        most = larger(most, f32x4_abs(v));
        odd = mul_add(v, f32x4_splat(0.0), odd);
        i += 4;
    }
    let most = largest(most);
    let inverse = f32x4_splat(if most > 0.0 { 127.0 / most } else { 0.0 });
    i = 0;
    while i < n {
        let q = f32x4_nearest(f32x4_mul(load(x.add(i) as Bytes, 0), inverse));
        let q = i32x4_trunc_sat_f32x4(q);
        let q = i16x8_narrow_i32x4(q, q);
        v128_store32_lane::<0>(i8x16_narrow_i16x8(q, q), out.add(i) as *mut u32);
        i += 4;
    }
    let scale = most / 127.0 + crate::elementwise::horizontal(odd);
    u16x8_extract_lane::<0>(to_halves(f32x4_splat(scale)))
}

/// Eight f16 as f32, exactly. Their bits go three places down into the upper half of a word, with an
/// exponent that is 112 too small, which a multiplication mends; that it is exact for subnormal numbers too.
/// All ones stay all ones, so infinities and NaN stay what they are.
#[inline(always)]
fn from_halves(h: v128) -> (v128, v128) {
    let odd = i16x8_gt(v128_and(h, u16x8_splat(0x7fff)), u16x8_splat(0x7bff));
    let upper = v128_and(i16x8_shr(h, 3), u16x8_splat(0x8fff));
    let upper = v128_or(upper, v128_and(odd, u16x8_splat(0x7000)));
    let lower = i16x8_shl(h, 13);
    let low = i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(lower, upper);
    let high = i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(lower, upper);
    let scale = f32x4_splat(HALF_SCALE);
    (f32x4_mul(low, scale), f32x4_mul(high, scale))
}

/// Four f32 as f16 in the low half of a vector, to nearest, ties to even; from 65520 on infinity, every NaN
/// the quiet NaN of its sign (as `core/numeric/float16.ts`).
#[inline(always)]
fn to_halves(x: v128) -> v128 {
    let sign = v128_and(x, u32x4_splat(0x8000_0000));
    let size = v128_xor(x, sign);
    // Rounded by the bits that go; a carry into the exponent is right, up to infinity.
    let odd = v128_and(u32x4_shr(size, 13), u32x4_splat(1));
    let normal = i32x4_add(i32x4_add(size, odd), i32x4_splat(0x0fff - (112 << 23)));
    let normal = u32x4_shr(normal, 13);
    // Below 2^-14 the step is 2^-24, which is that of numbers from 0.5 on.
    let half = f32x4_splat(0.5);
    let small = i32x4_sub(f32x4_add(size, half), half);
    let h = v128_bitselect(small, normal, i32x4_lt(size, u32x4_splat(0x3880_0000)));
    let h = v128_bitselect(u32x4_splat(0x7c00), h, i32x4_ge(size, u32x4_splat(0x4780_0000)));
    let h = v128_bitselect(u32x4_splat(0x7e00), h, i32x4_gt(size, u32x4_splat(0x7f80_0000)));
    let h = v128_or(h, u32x4_shr(sign, 16));
    u16x8_narrow_i32x4(h, h)
}

/// `n` rows of keys and values [n, kv_heads, head_dim], to be written to their slots of the cache.
#[repr(C)]
pub struct StoreArgs {
    cache: *mut u8,
    k: *const f32,
    v: *const f32,
    slots: *const u32,
    n: usize,
    kv_heads: usize,
    head_dim: usize,
}

#[inline(always)]
unsafe fn store<C: Cache>(args: &StoreArgs, first: usize, last: usize) {
    let StoreArgs { cache, k, v, slots, n, kv_heads, head_dim } = *args;
    for row in 0..n {
        let slot = *slots.add(row) as usize;
        for head in first..last {
            let keys = cache.add((slot / BLOCK * kv_heads + head) * 2 * C::bytes(head_dim));
            let from = (row * kv_heads + head) * head_dim;
            C::store(keys, keys.add(C::bytes(head_dim)), k.add(from), v.add(from), slot % BLOCK, head_dim);
        }
    }
}

macro_rules! exports {
    ($($cache:ty, $store:ident;)*) => { $(
        /// Store key heads `first..last` of all rows.
        #[no_mangle]
        pub unsafe extern "C" fn $store(args: &StoreArgs, first: usize, last: usize) {
            store::<$cache>(args, first, last);
        }
    )* };
}

exports! {
    F32, kv_store_f32;
    F16, kv_store_f16;
    Q8_0, kv_store_q8_0;
}
