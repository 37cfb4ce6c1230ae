//! How quants lie in a record: nibbles, bit planes and bytes, each with its packer and the look-up of one
//! value (unpack.rs has the unpackers). Step i of a run of 32 columns covers columns 8i..8i+8; `group` is 0
//! for rows 0–3 and 1 for rows 4–7; byte 4r+c of a vector belongs to row r of its group and column c of four.

use super::ROWS;
use crate::simd::*;

/// Columns 0–15 and 16–31 of a run of one row, unpacked, a byte each.
#[derive(Clone, Copy)]
pub struct Row(pub v128, pub v128);

impl Row {
    /// The same value in each column.
    #[inline(always)]
    pub fn of(value: u8) -> Row {
        Row(u8x16_splat(value), u8x16_splat(value))
    }

    /// Words 2i and words 2i+1 of the run, i ascending; a word is four columns.
    #[inline(always)]
    fn even_odd(self) -> (v128, v128) {
        (u32x4_shuffle::<0, 2, 4, 6>(self.0, self.1), u32x4_shuffle::<1, 3, 5, 7>(self.0, self.1))
    }
}

/// Eight rows × 32 columns of unpacked quants.
pub type Run = [Row; ROWS];

/// Bytes of a run as nibbles, one-bit planes, two-bit planes and bytes.
pub const NIBBLES: usize = 128;
pub const BITS: usize = 32;
pub const CRUMBS: usize = 64;
pub const BYTES: usize = 256;

/// Where column `c`'s bits lie: step, group, byte, and whether it is one of the high four columns.
#[inline(always)]
fn place(r: usize, c: usize) -> (usize, usize, usize, usize) {
    (c / 8, r / 4, 4 * (r % 4) + c % 4, c / 4 % 2)
}

/// Four vectors of words, one a row, to four of one word of each row.
#[inline(always)]
fn transpose(a: v128, b: v128, c: v128, d: v128) -> (v128, v128, v128, v128) {
    let (ab, cd) = (u32x4_shuffle::<0, 4, 1, 5>(a, b), u32x4_shuffle::<0, 4, 1, 5>(c, d));
    let (ef, gh) = (u32x4_shuffle::<2, 6, 3, 7>(a, b), u32x4_shuffle::<2, 6, 3, 7>(c, d));
    (
        u64x2_shuffle::<0, 2>(ab, cd),
        u64x2_shuffle::<1, 3>(ab, cd),
        u64x2_shuffle::<0, 2>(ef, gh),
        u64x2_shuffle::<1, 3>(ef, gh),
    )
}

/// Store four rows' words, word k of each row at `step` · k.
#[inline(always)]
pub unsafe fn store_words(out: *mut u8, step: usize, a: v128, b: v128, c: v128, d: v128) {
    let (p, q, r, s) = transpose(a, b, c, d);
    v128_store(out as *mut v128, p);
    v128_store(out.add(step) as *mut v128, q);
    v128_store(out.add(2 * step) as *mut v128, r);
    v128_store(out.add(3 * step) as *mut v128, s);
}

/// Low four bits. Vector 2i + group; columns 8i..+4 in the low nibbles, 8i+4..+4 in the high ones.
#[inline(always)]
pub unsafe fn pack_nibbles(out: *mut u8, run: &Run) {
    let low = u8x16_splat(15);
    let pairs = |row: Row| {
        let (even, odd) = row.even_odd();
        v128_or(v128_and(even, low), u16x8_shl(v128_and(odd, low), 4))
    };
    store_words(out, 32, pairs(run[0]), pairs(run[1]), pairs(run[2]), pairs(run[3]));
    store_words(out.add(16), 32, pairs(run[4]), pairs(run[5]), pairs(run[6]), pairs(run[7]));
}

#[inline(always)]
pub unsafe fn nibble(p: Bytes, r: usize, c: usize) -> u8 {
    let (i, group, byte, high) = place(r, c);
    *p.add(32 * i + 16 * group + byte) >> (4 * high) & 15
}

/// One bit of each value, bit number `bit`. Vector = group; bit 2i of a byte for columns 8i..+4, 2i+1 for
/// columns 8i+4..+4.
#[inline(always)]
pub unsafe fn pack_bits(out: *mut u8, run: &Run, bit: u32) {
    let one = u8x16_splat(1);
    // Bytes are 0 or 1: times 2^k they carry nothing into their neighbours.
    let planes = |row: Row| {
        let word = |v: v128, at: v128| i32x4_mul(v128_and(u16x8_shr(v, bit), one), at);
        v128_or(word(row.0, u32x4(1, 2, 4, 8)), word(row.1, u32x4(16, 32, 64, 128)))
    };
    for group in 0..2 {
        let rows = run.as_ptr().add(4 * group);
        let (a, b, c, d) = transpose(planes(*rows), planes(*rows.add(1)), planes(*rows.add(2)), planes(*rows.add(3)));
        v128_store(out.add(16 * group) as *mut v128, v128_or(v128_or(a, b), v128_or(c, d)));
    }
}

#[inline(always)]
pub unsafe fn bit(p: Bytes, r: usize, c: usize) -> u8 {
    let (i, group, byte, high) = place(r, c);
    *p.add(16 * group + byte) >> (2 * i + high) & 1
}

/// Two bits of each value, from bit `shift` on. Vector i; from the lowest: rows 0–3 columns 8i..+4, rows
/// 0–3 columns 8i+4..+4, then rows 4–7.
#[inline(always)]
pub unsafe fn pack_crumbs(out: *mut u8, run: &Run, shift: u32) {
    let low = u8x16_splat(3);
    let pairs = |row: Row| {
        let (even, odd) = row.even_odd();
        let (even, odd) = (u16x8_shr(even, shift), u16x8_shr(odd, shift));
        v128_or(v128_and(even, low), u16x8_shl(v128_and(odd, low), 2))
    };
    let rows = |r: usize| v128_or(pairs(run[r]), u16x8_shl(pairs(run[4 + r]), 4));
    store_words(out, 16, rows(0), rows(1), rows(2), rows(3));
}

#[inline(always)]
pub unsafe fn crumb(p: Bytes, r: usize, c: usize) -> u8 {
    let (i, group, byte, high) = place(r, c);
    *p.add(16 * i + byte) >> (4 * group + 2 * high) & 3
}

/// Whole bytes. Vector 4i + 2 high + group.
#[inline(always)]
pub unsafe fn pack_bytes(out: *mut u8, run: &Run) {
    for group in 0..2 {
        let rows = run.as_ptr().add(4 * group);
        let (a, b, c, d) = (*rows, *rows.add(1), *rows.add(2), *rows.add(3));
        store_words(out.add(16 * group), 32, a.0, b.0, c.0, d.0);
        store_words(out.add(128 + 16 * group), 32, a.1, b.1, c.1, d.1);
    }
}

#[inline(always)]
pub unsafe fn byte(p: Bytes, r: usize, c: usize) -> u8 {
    let (i, group, byte, high) = place(r, c);
    *p.add(64 * i + 32 * high + 16 * group + byte)
}
