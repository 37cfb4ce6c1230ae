//! Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0: blocks of 32 columns, one f16 scale, perhaps one f16 minimum
//! (ggml-common.h, `block_q4_0` and so on). Record: eight scales, eight minima where there are, quants.

use super::pack::*;
use super::*;

#[inline(always)]
unsafe fn u16_at(p: Bytes, offset: usize) -> u16 {
    core::ptr::read_unaligned(p.add(offset) as *const u16)
}

/// Copy an f16 of each row's block to `record[at..]`; the rest of the eight stay zero.
unsafe fn repack_halves(record: *mut u8, at: usize, blocks: Bytes, offset: usize, stride: usize, rows: usize) {
    for r in 0..ROWS {
        let h = if r < rows { u16_at(blocks.add(r * stride), offset) } else { 0 };
        *(record.add(at + 2 * r) as *mut u16) = h;
    }
}

#[inline(always)]
unsafe fn u32_at(p: Bytes, offset: usize) -> u32 {
    core::ptr::read_unaligned(p.add(offset) as *const u32)
}

/// Columns 4k..4k+4 of a block whose nibbles start at `offset`: its first half is in the low nibbles.
#[inline(always)]
unsafe fn nibbles(block: Bytes, offset: usize, k: usize) -> u32 {
    u32_at(block, offset + 4 * (k % 4)) >> (4 * (k / 4)) & each(15)
}

/// The fifth bits of columns 4k..4k+4, from a u32 at `offset` with bit j for column j.
#[inline(always)]
unsafe fn fifth_bits(block: Bytes, offset: usize, k: usize) -> u32 {
    let four = u32_at(block, offset) >> (4 * k);
    (four & 1 | (four & 2) << 7 | (four & 4) << 14 | (four & 8) << 21) << 4
}

/// A run of 32 columns of eight blocks, `f(block, k)` giving columns 4k..4k+4; rows past the end take
/// `zero`, the quant that stands for 0.
#[inline(always)]
unsafe fn unpack(blocks: Bytes, stride: usize, rows: usize, zero: u8, f: impl Fn(Bytes, usize) -> u32) -> Run {
    let mut run = [[each(zero); 8]; ROWS];
    for (r, row) in run.iter_mut().enumerate().take(rows) {
        for (k, word) in row.iter_mut().enumerate() {
            *word = f(blocks.add(r * stride), k);
        }
    }
    run
}

/// tile += (sum - zero · Σa) · d · da, where every quant stands for q - zero, a power of two.
macro_rules! symmetric {
    ($tile:ident, $N:ident, $record:ident, $tokens:ident, $unpack:expr, $zero:expr) => {{
        let mut u = $unpack;
        let d = Pair::halves($record, 0);
        let sums = products::<_, $N>(&mut u, 0, 4, $tokens);
        $tile.update::<$N>(sums, $tokens, |f, s, a, second| {
            let s = i32x4_sub(s, i32x4_shl(field(a, SUM), ($zero as u32).trailing_zeros()));
            mul_add(f32x4_convert_i32x4(s), f32x4_mul(field(a, FOLDED), d.of(second)), f)
        });
    }};
}

/// tile += sum · d · da + m · da · Σa.
macro_rules! affine {
    ($tile:ident, $N:ident, $record:ident, $tokens:ident, $unpack:expr) => {{
        let mut u = $unpack;
        let d = Pair::halves($record, 0);
        let m = Pair::halves($record, 16);
        let whole = f32x4_splat(HALF_SCALE);
        let m = Pair(f32x4_mul(m.0, whole), f32x4_mul(m.1, whole));
        let sums = products::<_, $N>(&mut u, 0, 4, $tokens);
        $tile.update::<$N>(sums, $tokens, |f, s, a, second| {
            let f = mul_add(f32x4_convert_i32x4(s), f32x4_mul(field(a, FOLDED), d.of(second)), f);
            mul_add(field(a, SCALED_SUM), m.of(second), f)
        });
    }};
}

pub struct Q4_0;
impl Quant for Q4_0 {
    const COLUMNS: usize = 32;
    const BLOCK: usize = 18;
    const RECORD: usize = 16 + NIBBLES;
    unsafe fn repack(record: *mut u8, blocks: Bytes, stride: usize, rows: usize) {
        repack_halves(record, 0, blocks, 0, stride, rows);
        pack_nibbles(record.add(16), &unpack(blocks, stride, rows, 8, |b, k| nibbles(b, 2, k)));
    }
    unsafe fn row(out: *mut f32, record: Bytes, r: usize) {
        let d = half(u16_at(record, 2 * r));
        for c in 0..32 {
            *out.add(c) = (nibble(record.add(16), r, c) as i32 - 8) as f32 * d;
        }
    }
    #[inline(always)]
    unsafe fn multiply<const N: usize>(tile: &mut Tile, record: Bytes, tokens: Tokens) {
        symmetric!(tile, N, record, tokens, Nibbles(record.add(16)), 8)
    }
}

pub struct Q4_1;
impl Quant for Q4_1 {
    const COLUMNS: usize = 32;
    const BLOCK: usize = 20;
    const RECORD: usize = 32 + NIBBLES;
    unsafe fn repack(record: *mut u8, blocks: Bytes, stride: usize, rows: usize) {
        repack_halves(record, 0, blocks, 0, stride, rows);
        repack_halves(record, 16, blocks, 2, stride, rows);
        pack_nibbles(record.add(32), &unpack(blocks, stride, rows, 0, |b, k| nibbles(b, 4, k)));
    }
    unsafe fn row(out: *mut f32, record: Bytes, r: usize) {
        let (d, m) = (half(u16_at(record, 2 * r)), half(u16_at(record, 16 + 2 * r)));
        for c in 0..32 {
            *out.add(c) = nibble(record.add(32), r, c) as f32 * d + m;
        }
    }
    #[inline(always)]
    unsafe fn multiply<const N: usize>(tile: &mut Tile, record: Bytes, tokens: Tokens) {
        affine!(tile, N, record, tokens, Nibbles(record.add(32)))
    }
}

pub struct Q5_0;
impl Quant for Q5_0 {
    const COLUMNS: usize = 32;
    const BLOCK: usize = 22;
    const RECORD: usize = 16 + BITS + NIBBLES;
    unsafe fn repack(record: *mut u8, blocks: Bytes, stride: usize, rows: usize) {
        repack_halves(record, 0, blocks, 0, stride, rows);
        let run = unpack(blocks, stride, rows, 16, |b, k| nibbles(b, 6, k) | fifth_bits(b, 2, k));
        pack_bits(record.add(16), &run, 4);
        pack_nibbles(record.add(16 + BITS), &run);
    }
    unsafe fn row(out: *mut f32, record: Bytes, r: usize) {
        let d = half(u16_at(record, 2 * r));
        for c in 0..32 {
            let q = nibble(record.add(16 + BITS), r, c) | bit(record.add(16), r, c) << 4;
            *out.add(c) = (q as i32 - 16) as f32 * d;
        }
    }
    #[inline(always)]
    unsafe fn multiply<const N: usize>(tile: &mut Tile, record: Bytes, tokens: Tokens) {
        let u = Five(Nibbles(record.add(16 + BITS)), Planes::new(record.add(16)));
        symmetric!(tile, N, record, tokens, u, 16)
    }
}

pub struct Q5_1;
impl Quant for Q5_1 {
    const COLUMNS: usize = 32;
    const BLOCK: usize = 24;
    const RECORD: usize = 32 + BITS + NIBBLES;
    unsafe fn repack(record: *mut u8, blocks: Bytes, stride: usize, rows: usize) {
        repack_halves(record, 0, blocks, 0, stride, rows);
        repack_halves(record, 16, blocks, 2, stride, rows);
        let run = unpack(blocks, stride, rows, 0, |b, k| nibbles(b, 8, k) | fifth_bits(b, 4, k));
        pack_bits(record.add(32), &run, 4);
        pack_nibbles(record.add(32 + BITS), &run);
    }
    unsafe fn row(out: *mut f32, record: Bytes, r: usize) {
        let (d, m) = (half(u16_at(record, 2 * r)), half(u16_at(record, 16 + 2 * r)));
        for c in 0..32 {
            let q = nibble(record.add(32 + BITS), r, c) | bit(record.add(32), r, c) << 4;
            *out.add(c) = q as f32 * d + m;
        }
    }
    #[inline(always)]
    unsafe fn multiply<const N: usize>(tile: &mut Tile, record: Bytes, tokens: Tokens) {
        let u = Five(Nibbles(record.add(32 + BITS)), Planes::new(record.add(32)));
        affine!(tile, N, record, tokens, u)
    }
}

/// Q8_0 is kept as q + 128, so that the unsigned dot product serves.
pub struct Q8_0;
impl Quant for Q8_0 {
    const COLUMNS: usize = 32;
    const BLOCK: usize = 34;
    const RECORD: usize = 16 + BYTES;
    unsafe fn repack(record: *mut u8, blocks: Bytes, stride: usize, rows: usize) {
        repack_halves(record, 0, blocks, 0, stride, rows);
        let run = unpack(blocks, stride, rows, 128, |b, k| u32_at(b, 2 + 4 * k) ^ each(0x80));
        pack_bytes(record.add(16), &run);
    }
    unsafe fn row(out: *mut f32, record: Bytes, r: usize) {
        let d = half(u16_at(record, 2 * r));
        for c in 0..32 {
            *out.add(c) = (byte(record.add(16), r, c) as i32 - 128) as f32 * d;
        }
    }
    #[inline(always)]
    unsafe fn multiply<const N: usize>(tile: &mut Tile, record: Bytes, tokens: Tokens) {
        symmetric!(tile, N, record, tokens, Whole(record.add(16)), 128)
    }
}
