//! IQ4_NL, IQ4_XS and MXFP4: quants of four bits that are places in a table of sixteen values
//! (ggml-common.h, `kvalues_iq4nl` and `kvalues_mxfp4`), which a swizzle looks up.
//!
//! The values of IQ4 need eight bits where the relaxed dot product is defined for seven: the relaxed builds
//! look up the two nibbles of value + 128 in tables of their own, whose products are exact, and `simd128` the
//! bytes. Those of MXFP4 fit five bits with 16 added.

use super::legacy::{nibbles, repack_halves, scale, u16_at, unpack};
use super::pack::*;
use super::unpack::*;
use super::*;

const IQ4: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
/// Twice the values, whose scale is half of what it is elsewhere.
const MXFP4: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// A table in a vector: bits `shift` on of each value + `zero`, as many as `mask` says.
const fn table(values: [i8; 16], zero: i32, shift: u32, mask: u8) -> [u8; 16] {
    let mut out = [0; 16];
    let mut i = 0;
    while i < 16 {
        out[i] = ((values[i] as i32 + zero) as u8) >> shift & mask;
        i += 1;
    }
    out
}

const IQ4_BYTES: [u8; 16] = table(IQ4, 128, 0, 255);
const IQ4_HIGH: [u8; 16] = table(IQ4, 128, 4, 15);
const IQ4_LOW: [u8; 16] = table(IQ4, 128, 0, 15);
const MXFP4_BYTES: [u8; 16] = table(MXFP4, 16, 0, 31);

/// Nibbles, each replaced by what stands at its place; `STEPS` is `Unpack::CHAIN` for the largest of them.
struct Looked<const STEPS: usize>(Nibbles, v128);

impl<const STEPS: usize> Looked<STEPS> {
    #[inline(always)]
    unsafe fn new(quants: Bytes, table: &'static [u8; 16]) -> Self {
        Looked(Nibbles::among_others(quants), load(table.as_ptr(), 0))
    }
}

impl<const STEPS: usize> Unpack for Looked<STEPS> {
    const CHAIN: usize = STEPS;
    #[inline(always)]
    unsafe fn step(&mut self) -> (v128, v128, v128, v128) {
        let (n, t) = (self.0.step(), self.1);
        (i8x16_swizzle(t, n.0), i8x16_swizzle(t, n.1), i8x16_swizzle(t, n.2), i8x16_swizzle(t, n.3))
    }
}

/// Σ v·a over a run of 32 columns of IQ4 at `quants`. In the relaxed builds by the nibbles h, l of v + 128:
/// 16 · (Σ h·a - 8 Σ a) + Σ l·a.
#[inline(always)]
unsafe fn iq4_products<const N: usize>(quants: Bytes, a: Bytes) -> Tile {
    if FOUR == 8 {
        let start = Tile::fields::<N>(a, OFFSET, 4);
        return products::<_, N>(&mut Looked::<4>::new(quants, &IQ4_BYTES), 0, 4, a, start);
    }
    let start = Tile::fields::<N>(a, OFFSET, 0);
    let mut high = products::<_, N>(&mut Looked::<4>::new(quants, &IQ4_HIGH), 0, 4, a, start);
    high.update::<N>(high, a, |_, s, _, _| i32x4_shl(s, 4));
    products::<_, N>(&mut Looked::<4>::new(quants, &IQ4_LOW), 0, 4, a, high)
}

/// Record: eight scales, nibbles.
pub struct IQ4NL;
impl Quant for IQ4NL {
    const COLUMNS: usize = 32;
    const BLOCK: usize = 18;
    const RECORD: usize = 16 + NIBBLES;
    unsafe fn repack(record: *mut u8, blocks: Bytes, stride: usize, rows: usize) {
        repack_halves(record, 0, blocks, 0, stride, rows);
        pack_nibbles(record.add(16), &unpack(blocks, stride, rows, 0, |b| nibbles(b, 2)));
    }
    unsafe fn row(out: *mut f32, record: Bytes, r: usize) {
        let d = half(u16_at(record, 2 * r));
        for c in 0..32 {
            *out.add(c) = *IQ4.as_ptr().add(nibble(record.add(16), r, c) as usize) as f32 * d;
        }
    }
    #[inline(always)]
    unsafe fn multiply<const N: usize>(tile: &mut Tile, record: Bytes, a: Bytes) {
        scale::<N>(tile, iq4_products::<N>(record.add(16), a), record, a);
    }
}

/// Record: eight scales d, then eight runs of 32 columns, each with the rows' integer scales as i8 and nibbles.
pub struct IQ4XS;

/// Bytes of a run of an [`IQ4XS`] record.
const XS_RUN: usize = 8 + NIBBLES;

impl Quant for IQ4XS {
    const COLUMNS: usize = 256;
    const BLOCK: usize = 136;
    const RECORD: usize = 16 + 8 * XS_RUN;
    /// d, 16 bits of high pairs and 32 of low nibbles of eight 6-bit scales, 128 bytes of nibbles.
    unsafe fn repack(record: *mut u8, blocks: Bytes, stride: usize, rows: usize) {
        repack_halves(record, 0, blocks, 0, stride, rows);
        let mut p = record.add(16);
        for j in 0..8 {
            for r in 0..ROWS {
                let block = blocks.add(r * stride);
                *p.add(r) = if r < rows {
                    let low = *block.add(4 + j / 2) >> (4 * (j % 2)) & 15;
                    let high = (u16_at(block, 2) >> (2 * j) & 3) as u8;
                    (low | high << 4).wrapping_sub(32)
                } else {
                    0
                };
            }
            let run = unpack(blocks, stride, rows, 0, |b| nibbles(b, 8 + 16 * j));
            pack_nibbles(p.add(8), &run);
            p = p.add(XS_RUN);
        }
    }
    unsafe fn row(out: *mut f32, record: Bytes, r: usize) {
        let d = half(u16_at(record, 2 * r));
        for c in 0..256 {
            let p = record.add(16 + c / 32 * XS_RUN);
            let scale = d * *p.add(r) as i8 as f32;
            *out.add(c) = *IQ4.as_ptr().add(nibble(p.add(8), r, c % 32) as usize) as f32 * scale;
        }
    }
    #[inline(always)]
    unsafe fn multiply<const N: usize>(tile: &mut Tile, record: Bytes, a: Bytes) {
        let d = Pair::scales(record, 0);
        let (mut p, mut a) = (record.add(16), a);
        let mut left = core::hint::black_box(8);
        loop {
            let sums = iq4_products::<N>(p.add(8), a);
            let scale = Pair::signed(p, 0).map(|s| f32x4_convert_i32x4(s)).times(d);
            tile.update::<N>(sums, a, |f, s, a, second| {
                mul_add(f32x4_convert_i32x4(s), f32x4_mul(splat32(a, SCALE), scale.of(second)), f)
            });
            p = p.add(XS_RUN);
            a = a.add(N * activation::RECORD);
            left -= 1;
            if left == 0 {
                break;
            }
        }
    }
}

/// Record: eight scales as f32, since powers of two go beyond f16; nibbles.
pub struct Mxfp4;

/// 2^(e - 128): for the two least, which are subnormal, the bit itself.
#[inline(always)]
fn power(e: u8) -> f32 {
    f32::from_bits(if e < 2 { 0x0020_0000 << e } else { (e as u32 - 1) << 23 })
}

impl Quant for Mxfp4 {
    const COLUMNS: usize = 32;
    const BLOCK: usize = 17;
    const RECORD: usize = 32 + NIBBLES;
    unsafe fn repack(record: *mut u8, blocks: Bytes, stride: usize, rows: usize) {
        for r in 0..ROWS {
            let d = if r < rows { power(*blocks.add(r * stride)) } else { 0.0 };
            *(record.add(4 * r) as *mut f32) = d;
        }
        pack_nibbles(record.add(32), &unpack(blocks, stride, rows, 0, |b| nibbles(b, 1)));
    }
    unsafe fn row(out: *mut f32, record: Bytes, r: usize) {
        let d = *(record.add(4 * r) as *const f32);
        for c in 0..32 {
            *out.add(c) = *MXFP4.as_ptr().add(nibble(record.add(32), r, c) as usize) as f32 * d;
        }
    }
    #[inline(always)]
    unsafe fn multiply<const N: usize>(tile: &mut Tile, record: Bytes, a: Bytes) {
        let start = Tile::fields::<N>(a, OFFSET, 1);
        let mut u = Looked::<2>::new(record.add(32), &MXFP4_BYTES);
        let sums = products::<_, N>(&mut u, 0, 4, a, start);
        let d = Pair(load(record, 0), load(record, 16));
        tile.update::<N>(sums, a, |f, s, a, second| {
            mul_add(f32x4_convert_i32x4(s), f32x4_mul(splat32(a, SCALE), d.of(second)), f)
        });
    }
}
