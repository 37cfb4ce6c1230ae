//! Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0: blocks of 32 columns, one f16 scale, perhaps one f16 minimum
//! (ggml-common.h, `block_q4_0` and so on). Record: eight scales, eight minima where there are, quants.

use super::pack::*;
use super::unpack::*;
use super::*;

#[inline(always)]
pub unsafe fn u16_at(p: Bytes, offset: usize) -> u16 {
    core::ptr::read_unaligned(p.add(offset) as *const u16)
}

/// Copy an f16 of each row's block to `record[at..]`; the rest of the eight stay zero.
pub unsafe fn repack_halves(record: *mut u8, at: usize, blocks: Bytes, offset: usize, stride: usize, rows: usize) {
    for r in 0..ROWS {
        let h = if r < rows { u16_at(blocks.add(r * stride), offset) } else { 0 };
        *(record.add(at + 2 * r) as *mut u16) = h;
    }
}

/// 32 quants in 16 bytes at `offset`: the first half of the columns is in the low nibbles.
#[inline(always)]
pub unsafe fn nibbles(block: Bytes, offset: usize) -> Row {
    let (q, low) = (load(block, offset), u8x16_splat(15));
    Row(v128_and(q, low), v128_and(u16x8_shr(q, 4), low))
}

/// `row` with fifth bits, from a u32 at `offset` with bit j for column j.
#[inline(always)]
unsafe fn with_fifth_bits(row: Row, block: Bytes, offset: usize) -> Row {
    let each = u64x2_splat(0x8040_2010_0804_0201);
    let bits = splat32(block, offset);
    let fifth = |bytes| v128_and(u8x16_eq(v128_and(bytes, each), each), u8x16_splat(16));
    let low = u8x16_shuffle::<0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1>(bits, bits);
    let high = u8x16_shuffle::<2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3>(bits, bits);
    Row(v128_or(row.0, fifth(low)), v128_or(row.1, fifth(high)))
}

/// A run of 32 columns of eight blocks, `f` giving one row's; rows past the end take `zero`, the quant that
/// stands for 0.
#[inline(always)]
pub unsafe fn unpack(blocks: Bytes, stride: usize, rows: usize, zero: u8, f: impl Fn(Bytes) -> Row) -> Run {
    let mut run = [Row::of(zero); ROWS];
    let mut block = blocks;
    for row in run.iter_mut().take(rows) {
        *row = f(block);
        block = block.add(stride);
    }
    run
}

/// tile += sum · d · da.
#[inline(always)]
pub unsafe fn scale<const N: usize>(tile: &mut Tile, sums: Tile, record: Bytes, a: Bytes) {
    let d = Pair::halves(record, 0);
    tile.update::<N>(sums, a, |f, s, a, second| {
        mul_add(f32x4_convert_i32x4(s), f32x4_mul(splat32(a, FOLDED), d.of(second)), f)
    });
}

/// tile += (sum - zero · Σa) · d · da, where every quant stands for q - zero: 8 · 2^shift.
macro_rules! symmetric {
    ($tile:ident, $N:ident, $record:ident, $a:ident, $unpack:expr, $zero:expr) => {{
        let mut u = $unpack;
        let start = Tile::fields::<$N>($a, OFFSET, ($zero as u32 / 8).trailing_zeros());
        scale::<$N>($tile, products::<_, $N>(&mut u, 0, 4, $a, start), $record, $a);
    }};
}

/// tile += sum · d · da + m · da · Σa.
macro_rules! affine {
    ($tile:ident, $N:ident, $record:ident, $a:ident, $unpack:expr) => {{
        let mut u = $unpack;
        let sums = products::<_, $N>(&mut u, 0, 4, $a, Tile::zero());
        let d = Pair::halves($record, 0);
        let m = Pair::scales($record, 16);
        $tile.update::<$N>(sums, $a, |f, s, a, second| {
            let f = mul_add(f32x4_convert_i32x4(s), f32x4_mul(splat32(a, FOLDED), d.of(second)), f);
            mul_add(splat32(a, SCALED_SUM), m.of(second), f)
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
        pack_nibbles(record.add(16), &unpack(blocks, stride, rows, 8, |b| nibbles(b, 2)));
    }
    unsafe fn row(out: *mut f32, record: Bytes, r: usize) {
        let d = half(u16_at(record, 2 * r));
        for c in 0..32 {
            *out.add(c) = (nibble(record.add(16), r, c) as i32 - 8) as f32 * d;
        }
    }
    #[inline(always)]
    unsafe fn multiply<const N: usize>(tile: &mut Tile, record: Bytes, a: Bytes) {
        symmetric!(tile, N, record, a, Nibbles::new(record.add(16)), 8)
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
        pack_nibbles(record.add(32), &unpack(blocks, stride, rows, 0, |b| nibbles(b, 4)));
    }
    unsafe fn row(out: *mut f32, record: Bytes, r: usize) {
        let (d, m) = (half(u16_at(record, 2 * r)), half(u16_at(record, 16 + 2 * r)));
        for c in 0..32 {
            *out.add(c) = nibble(record.add(32), r, c) as f32 * d + m;
        }
    }
    #[inline(always)]
    unsafe fn multiply<const N: usize>(tile: &mut Tile, record: Bytes, a: Bytes) {
        affine!(tile, N, record, a, Nibbles::new(record.add(32)))
    }
}

pub struct Q5_0;
impl Quant for Q5_0 {
    const COLUMNS: usize = 32;
    const BLOCK: usize = 22;
    const RECORD: usize = 16 + BITS + NIBBLES;
    unsafe fn repack(record: *mut u8, blocks: Bytes, stride: usize, rows: usize) {
        repack_halves(record, 0, blocks, 0, stride, rows);
        let run = unpack(blocks, stride, rows, 16, |b| with_fifth_bits(nibbles(b, 6), b, 2));
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
    unsafe fn multiply<const N: usize>(tile: &mut Tile, record: Bytes, a: Bytes) {
        let u = Five(Nibbles::among_others(record.add(16 + BITS)), Planes::new(record.add(16)));
        symmetric!(tile, N, record, a, u, 16)
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
        let run = unpack(blocks, stride, rows, 0, |b| with_fifth_bits(nibbles(b, 8), b, 4));
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
    unsafe fn multiply<const N: usize>(tile: &mut Tile, record: Bytes, a: Bytes) {
        let u = Five(Nibbles::among_others(record.add(32 + BITS)), Planes::new(record.add(32)));
        affine!(tile, N, record, a, u)
    }
}

/// Q8_0, whose values need eight bits where the relaxed dot product is defined for seven. Record: scales,
/// eight i16 `negative` sums, bytes. Each build takes the fewest instructions that are exact:
///
/// - `simd128` multiplies q + 128 as i16.
/// - The relaxed builds multiply |q| with a or, where q < 0, with ~a = -a - 1: one instruction more than for
///   seven bits. What is missing then, the sum of |q| over q < 0, does not depend on the activations and is
///   kept in the record. |-128| does not fit: a record with one (no quantiser makes it) has [`NO_SIGNS`] there
///   and goes by nibbles, which takes twice the products.
pub struct Q8_0;

/// Where a Q8_0 record has its bytes.
const Q8_BYTES: usize = 32;
const NO_SIGNS: i16 = -1;

/// What the stored bytes are XORed with to be q + 128.
const Q8_FLIP: u8 = if FOUR == 4 { 0x80 } else { 0 };

impl Quant for Q8_0 {
    const COLUMNS: usize = 32;
    const BLOCK: usize = 34;
    const RECORD: usize = Q8_BYTES + BYTES;
    unsafe fn repack(record: *mut u8, blocks: Bytes, stride: usize, rows: usize) {
        repack_halves(record, 0, blocks, 0, stride, rows);
        let mut run = unpack(blocks, stride, rows, 0, |b| Row(load(b, 2), load(b, 18)));
        let stored = |v| v128_xor(v, u8x16_splat(0x80 ^ Q8_FLIP));
        let mut least = u8x16_splat(0);
        for (r, row) in run.iter_mut().enumerate() {
            let (x, y) = (i8x16_min(row.0, u8x16_splat(0)), i8x16_min(row.1, u8x16_splat(0)));
            least = i8x16_min(least, i8x16_min(x, y));
            let sums = i16x8_add(i16x8_extadd_pairwise_i8x16(x), i16x8_extadd_pairwise_i8x16(y));
            let sums = i32x4_extadd_pairwise_i16x8(sums);
            let sums = i32x4_add(sums, u64x2_shuffle::<1, 0>(sums, sums));
            let negative = -(i32x4_extract_lane::<0>(sums) + i32x4_extract_lane::<1>(sums));
            *(record.add(16 + 2 * r) as *mut i16) = negative as i16;
            *row = Row(stored(row.0), stored(row.1));
        }
        pack_bytes(record.add(Q8_BYTES), &run);
        if v128_any_true(i8x16_eq(least, i8x16_splat(i8::MIN))) {
            *(record.add(16) as *mut i16) = NO_SIGNS;
        }
    }
    unsafe fn row(out: *mut f32, record: Bytes, r: usize) {
        let d = half(u16_at(record, 2 * r));
        for c in 0..32 {
            let q = (byte(record.add(Q8_BYTES), r, c) ^ 0x80 ^ Q8_FLIP) as i8;
            *out.add(c) = q as f32 * d;
        }
    }
    #[inline(always)]
    unsafe fn multiply<const N: usize>(tile: &mut Tile, record: Bytes, a: Bytes) {
        let bytes = record.add(Q8_BYTES);
        let sums = if FOUR == 8 {
            products::<_, N>(&mut Whole(bytes), 0, 4, a, Tile::fields::<N>(a, OFFSET, 4))
        } else if *(record.add(16) as *const i16) != NO_SIGNS {
            signed_products::<N>(bytes, a, Pair::words(record, 16))
        } else {
            nibble_products::<N>(bytes, a)
        };
        scale::<N>(tile, sums, record, a);
    }
}

/// Σ q·a by the nibbles h, l of q + 128: 16 · (Σ h·a - 8 Σ a) + Σ l·a.
#[inline(always)]
unsafe fn nibble_products<const N: usize>(bytes: Bytes, a: Bytes) -> Tile {
    let start = Tile::fields::<N>(a, OFFSET, 0);
    let mut high = products::<_, N>(&mut Half::<true, { Q8_FLIP >> 4 }>(bytes), 0, 4, a, start);
    high.update::<N>(high, a, |_, s, _, _| i32x4_shl(s, 4));
    products::<_, N>(&mut Half::<false, 0>(bytes), 0, 4, a, high)
}

/// Σ q·a by magnitudes and signs.
#[inline(always)]
unsafe fn signed_products<const N: usize>(bytes: Bytes, a: Bytes, negative: Pair) -> Tile {
    // If LLVM knew that this is zero, it would make shifts of the comparisons: five instructions on x86.
    let zero = core::ptr::read_volatile(&u8x16_splat(0));
    let mut sums = Tile::both(negative.0, negative.1);
    let (mut w, mut a) = (bytes, a);
    let mut left = 8;
    loop {
        let (x, y) = (load(w, 0), load(w, 16));
        let (xs, ys) = (i8x16_gt(zero, x), i8x16_gt(zero, y));
        let (x, y) = (i8x16_abs(x), i8x16_abs(y));
        sums.update::<N>(sums, a, |_, s, a, second| {
            let a = v128_xor(splat32(a, 0), if second { ys } else { xs });
            dot_once(s, if second { y } else { x }, a)
        });
        w = w.add(32);
        a = a.add(FOUR);
        left -= 1;
        if left == 0 {
            break;
        }
    }
    sums
}
