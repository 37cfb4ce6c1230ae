//! Q2_K … Q6_K: blocks of 256 columns whose sub-blocks of 16 or 32 have small integer scales
//! (ggml-common.h, `block_q2_K` and so on).
//!
//! Record: eight f16 d, eight f16 dmin where there are, then eight runs of 32 columns, each with the eight
//! rows' integer scales (and minima) as bytes and their quants. Within a run everything is integer; a run
//! joins the block's f32 sums with its activation scale, the block the tile with d and dmin.

use super::pack::*;
use super::*;

/// Values of a block, and its runs of 32.
const BLOCK_VALUES: usize = 256;
const RUNS: usize = 8;

/// One block, unpacked: quants as stored (without offset), one scale and minimum per 16 columns.
struct Block {
    q: [u8; BLOCK_VALUES],
    scale: [u8; 16],
    minimum: [u8; 16],
    d: u16,
    dmin: u16,
}

impl Block {
    fn zero(fill: u8) -> Block {
        Block { q: [fill; BLOCK_VALUES], scale: [0; 16], minimum: [0; 16], d: 0, dmin: 0 }
    }
}

#[inline(always)]
unsafe fn u16_at(p: Bytes, offset: usize) -> u16 {
    core::ptr::read_unaligned(p.add(offset) as *const u16)
}

/// The 6-bit scales and minima of Q4_K and Q5_K in 12 bytes (ggml-quants.c, `get_scale_min_k4`).
unsafe fn scales_k4(s: Bytes, b: &mut Block) {
    for j in 0..8 {
        let (scale, minimum) = if j < 4 {
            (*s.add(j) & 63, *s.add(j + 4) & 63)
        } else {
            (
                *s.add(j + 4) & 15 | *s.add(j - 4) >> 6 << 4,
                *s.add(j + 4) >> 4 | *s.add(j) >> 6 << 4,
            )
        };
        for half in 0..2 {
            b.scale[2 * j + half] = scale;
            b.minimum[2 * j + half] = minimum;
        }
    }
}

/// What a K type stores per 32 columns beside its quants.
trait KQuant {
    const BLOCK: usize;
    /// d alone, or d and dmin.
    const MINIMA: bool;
    /// One scale (and minimum) per 32 columns, or two.
    const SCALES: usize;
    /// Bytes of a run's quants.
    const QUANTS: usize;
    /// The quant that stands for zero: a power of two, or 0.
    const ZERO: i32;
    /// Scales are i8, not u8.
    const SIGNED: bool;
    type Values: Unpack;

    unsafe fn unpack(block: Bytes) -> Block;
    unsafe fn pack(out: *mut u8, run: &Run);
    unsafe fn values(quants: Bytes) -> Self::Values;
    unsafe fn value(quants: Bytes, r: usize, c: usize) -> u8;
}

/// Bytes of d and dmin, of a run's scales and minima, and of a run.
const fn head(minima: bool) -> usize {
    if minima { 32 } else { 16 }
}
const fn side(minima: bool, scales: usize) -> usize {
    8 * scales * if minima { 2 } else { 1 }
}

impl<K: KQuant> Quant for K {
    const COLUMNS: usize = BLOCK_VALUES;
    const BLOCK: usize = <K as KQuant>::BLOCK;
    const RECORD: usize = head(K::MINIMA) + RUNS * (side(K::MINIMA, K::SCALES) + K::QUANTS);

    unsafe fn repack(record: *mut u8, blocks: Bytes, stride: usize, rows: usize) {
        let mut runs: [Run; RUNS] = [[[0; 8]; ROWS]; RUNS];
        let step = side(K::MINIMA, K::SCALES) + K::QUANTS;
        for r in 0..ROWS {
            let b = if r < rows { K::unpack(blocks.add(r * stride)) } else { Block::zero(K::ZERO as u8) };
            *(record.add(2 * r) as *mut u16) = b.d;
            if K::MINIMA {
                *(record.add(16 + 2 * r) as *mut u16) = b.dmin;
            }
            for j in 0..RUNS {
                let p = record.add(head(K::MINIMA) + j * step);
                for h in 0..K::SCALES {
                    let sub = 2 * j + h;
                    *p.add(8 * h + r) = b.scale[sub];
                    if K::MINIMA {
                        *p.add(8 * (K::SCALES + h) + r) = b.minimum[sub];
                    }
                }
                for (k, word) in runs[j][r].iter_mut().enumerate() {
                    *word = core::ptr::read_unaligned(b.q.as_ptr().add(32 * j + 4 * k) as *const u32);
                }
            }
        }
        for (j, run) in runs.iter().enumerate() {
            K::pack(record.add(head(K::MINIMA) + j * step + side(K::MINIMA, K::SCALES)), run);
        }
    }

    unsafe fn row(out: *mut f32, record: Bytes, r: usize) {
        let step = side(K::MINIMA, K::SCALES) + K::QUANTS;
        let d = half(u16_at(record, 2 * r));
        let dmin = if K::MINIMA { half(u16_at(record, 16 + 2 * r)) } else { 0.0 };
        for c in 0..BLOCK_VALUES {
            let (j, h) = (c / 32, if K::SCALES == 2 { c / 16 % 2 } else { 0 });
            let p = record.add(head(K::MINIMA) + j * step);
            let s = *p.add(8 * h + r);
            let scale = d * if K::SIGNED { s as i8 as f32 } else { s as f32 };
            let q = K::value(p.add(side(K::MINIMA, K::SCALES)), r, c % 32) as i32 - K::ZERO;
            let value = scale * q as f32;
            *out.add(c) = if K::MINIMA {
                value - dmin * *p.add(8 * (K::SCALES + h) + r) as f32
            } else {
                value
            };
        }
    }

    #[inline(always)]
    unsafe fn multiply<const N: usize>(tile: &mut Tile, record: Bytes, a: Bytes) {
        let side = side(K::MINIMA, K::SCALES);
        let d = Pair::scales(record, 0);
        let dmin = if K::MINIMA { Pair::scales(record, 16).map(|m| f32x4_neg(m)) } else { d };
        let mut p = record.add(head(K::MINIMA));
        let mut a = a;
        let mut left = core::hint::black_box(RUNS);
        loop {
            let mut u = K::values(p.add(side));
            let float = |s: Pair| s.map(|s| f32x4_convert_i32x4(s));
            if K::SCALES == 2 {
                let scale = |at: usize| if K::SIGNED { Pair::signed(p, at) } else { Pair::unsigned(p, at) };
                let half = |u: &mut K::Values, h: usize| {
                    let offset = if h == 0 { OFFSET_LOW } else { OFFSET_HIGH };
                    let start = if K::ZERO == 0 {
                        Tile::zero()
                    } else {
                        Tile::fields::<N>(a, offset, (K::ZERO as u32 / 4).trailing_zeros())
                    };
                    let s = scale(8 * h);
                    let mut sums = products::<_, N>(u, 2 * h, 2, a, start);
                    sums.update::<N>(sums, a, |_, v, _, second| i32x4_mul(v, s.of(second)));
                    sums
                };
                let mut sums = half(&mut u, 0);
                let high = half(&mut u, 1);
                sums.update::<N>(high, a, |low, high, _, _| i32x4_add(low, high));
                tile.update::<N>(sums, a, |f, s, a, second| {
                    mul_add(f32x4_convert_i32x4(s), f32x4_mul(splat32(a, SCALE), d.of(second)), f)
                });
            } else {
                let sums = products::<_, N>(&mut u, 0, 4, a, Tile::zero());
                let scale = float(Pair::unsigned(p, 0)).times(d);
                tile.update::<N>(sums, a, |f, s, a, second| {
                    mul_add(f32x4_convert_i32x4(s), f32x4_mul(splat32(a, SCALE), scale.of(second)), f)
                });
            }
            if K::MINIMA {
                let m0 = float(Pair::unsigned(p, 8 * K::SCALES)).times(dmin);
                let m1 = if K::SCALES == 2 { float(Pair::unsigned(p, 24)).times(dmin) } else { m0 };
                tile.update::<N>(*tile, a, |_, f, a, second| {
                    if K::SCALES == 2 {
                        let f = mul_add(splat32(a, SCALED_LOW), m0.of(second), f);
                        mul_add(splat32(a, SCALED_HIGH), m1.of(second), f)
                    } else {
                        mul_add(splat32(a, SCALED_SUM), m0.of(second), f)
                    }
                });
            }
            p = p.add(side + K::QUANTS);
            a = a.add(N * activation::RECORD);
            left -= 1;
            if left == 0 {
                break;
            }
        }
    }
}

pub struct Q2K;
impl KQuant for Q2K {
    const BLOCK: usize = 84;
    const MINIMA: bool = true;
    const SCALES: usize = 2;
    const QUANTS: usize = CRUMBS;
    const ZERO: i32 = 0;
    const SIGNED: bool = false;
    type Values = Crumbs;
    /// 16 bytes scale | minimum << 4, 64 bytes of quants, d, dmin.
    unsafe fn unpack(block: Bytes) -> Block {
        let mut b = Block::zero(0);
        for j in 0..16 {
            b.scale[j] = *block.add(j) & 15;
            b.minimum[j] = *block.add(j) >> 4;
        }
        for (i, q) in b.q.iter_mut().enumerate() {
            *q = *block.add(16 + i / 128 * 32 + i % 32) >> (i / 32 % 4 * 2) & 3;
        }
        b.d = u16_at(block, 80);
        b.dmin = u16_at(block, 82);
        b
    }
    unsafe fn pack(out: *mut u8, run: &Run) {
        pack_crumbs(out, run, 0);
    }
    #[inline(always)]
    unsafe fn values(quants: Bytes) -> Crumbs {
        Crumbs(quants)
    }
    unsafe fn value(quants: Bytes, r: usize, c: usize) -> u8 {
        crumb(quants, r, c)
    }
}

pub struct Q3K;
impl KQuant for Q3K {
    const BLOCK: usize = 110;
    const MINIMA: bool = false;
    const SCALES: usize = 2;
    const QUANTS: usize = BITS + CRUMBS;
    const ZERO: i32 = 4;
    const SIGNED: bool = true;
    type Values = Three;
    /// 32 bytes of third bits (set: no 4 to take away), 64 bytes of two bits, 12 bytes of 6-bit scales, d.
    unsafe fn unpack(block: Bytes) -> Block {
        let mut b = Block::zero(0);
        for (i, q) in b.q.iter_mut().enumerate() {
            let low = *block.add(32 + i / 128 * 32 + i % 32) >> (i / 32 % 4 * 2) & 3;
            *q = low | (*block.add(i % 32) >> (i / 32) & 1) << 2;
        }
        let s = block.add(96);
        for j in 0..16 {
            let low = *s.add(j % 8) >> (4 * (j / 8)) & 15;
            let high = *s.add(8 + j % 4) >> (2 * (j / 4)) & 3;
            b.scale[j] = (low | high << 4).wrapping_sub(32);
        }
        b.d = u16_at(block, 108);
        b
    }
    unsafe fn pack(out: *mut u8, run: &Run) {
        pack_bits(out, run, 2);
        pack_crumbs(out.add(BITS), run, 0);
    }
    #[inline(always)]
    unsafe fn values(quants: Bytes) -> Three {
        Three(Crumbs(quants.add(BITS)), Planes::new(quants))
    }
    unsafe fn value(quants: Bytes, r: usize, c: usize) -> u8 {
        crumb(quants.add(BITS), r, c) | bit(quants, r, c) << 2
    }
}

pub struct Q4K;
impl KQuant for Q4K {
    const BLOCK: usize = 144;
    const MINIMA: bool = true;
    const SCALES: usize = 1;
    const QUANTS: usize = NIBBLES;
    const ZERO: i32 = 0;
    const SIGNED: bool = false;
    type Values = Nibbles;
    /// d, dmin, 12 bytes of scales and minima, 128 bytes of nibbles.
    unsafe fn unpack(block: Bytes) -> Block {
        let mut b = Block::zero(0);
        b.d = u16_at(block, 0);
        b.dmin = u16_at(block, 2);
        scales_k4(block.add(4), &mut b);
        for (i, q) in b.q.iter_mut().enumerate() {
            *q = *block.add(16 + i / 64 * 32 + i % 32) >> (i / 32 % 2 * 4) & 15;
        }
        b
    }
    unsafe fn pack(out: *mut u8, run: &Run) {
        pack_nibbles(out, run);
    }
    #[inline(always)]
    unsafe fn values(quants: Bytes) -> Nibbles {
        Nibbles::new(quants)
    }
    unsafe fn value(quants: Bytes, r: usize, c: usize) -> u8 {
        nibble(quants, r, c)
    }
}

pub struct Q5K;
impl KQuant for Q5K {
    const BLOCK: usize = 176;
    const MINIMA: bool = true;
    const SCALES: usize = 1;
    const QUANTS: usize = BITS + NIBBLES;
    const ZERO: i32 = 0;
    const SIGNED: bool = false;
    type Values = Five;
    /// As Q4_K with 32 bytes of fifth bits before the nibbles.
    unsafe fn unpack(block: Bytes) -> Block {
        let mut b = Block::zero(0);
        b.d = u16_at(block, 0);
        b.dmin = u16_at(block, 2);
        scales_k4(block.add(4), &mut b);
        for (i, q) in b.q.iter_mut().enumerate() {
            let low = *block.add(48 + i / 64 * 32 + i % 32) >> (i / 32 % 2 * 4) & 15;
            *q = low | (*block.add(16 + i % 32) >> (i / 32) & 1) << 4;
        }
        b
    }
    unsafe fn pack(out: *mut u8, run: &Run) {
        pack_bits(out, run, 4);
        pack_nibbles(out.add(BITS), run);
    }
    #[inline(always)]
    unsafe fn values(quants: Bytes) -> Five {
        Five(Nibbles::among_others(quants.add(BITS)), Planes::new(quants))
    }
    unsafe fn value(quants: Bytes, r: usize, c: usize) -> u8 {
        nibble(quants.add(BITS), r, c) | bit(quants, r, c) << 4
    }
}

pub struct Q6K;
impl KQuant for Q6K {
    const BLOCK: usize = 210;
    const MINIMA: bool = false;
    const SCALES: usize = 2;
    const QUANTS: usize = CRUMBS + NIBBLES;
    const ZERO: i32 = 32;
    const SIGNED: bool = true;
    type Values = Six;
    /// 128 bytes of low nibbles, 64 bytes of high pairs, 16 i8 scales, d.
    unsafe fn unpack(block: Bytes) -> Block {
        let mut b = Block::zero(32);
        for (i, q) in b.q.iter_mut().enumerate() {
            let (half, part, l) = (i / 128, i / 32 % 4, i % 32);
            let low = *block.add(64 * half + 32 * (part % 2) + l) >> (4 * (part / 2)) & 15;
            let high = *block.add(128 + 32 * half + l) >> (2 * part) & 3;
            *q = low | high << 4;
        }
        for j in 0..16 {
            b.scale[j] = *block.add(192 + j);
        }
        b.d = u16_at(block, 208);
        b
    }
    unsafe fn pack(out: *mut u8, run: &Run) {
        pack_crumbs(out, run, 4);
        pack_nibbles(out.add(CRUMBS), run);
    }
    #[inline(always)]
    unsafe fn values(quants: Bytes) -> Six {
        Six::new(quants.add(CRUMBS), quants)
    }
    unsafe fn value(quants: Bytes, r: usize, c: usize) -> u8 {
        nibble(quants.add(CRUMBS), r, c) | crumb(quants, r, c) << 4
    }
}
