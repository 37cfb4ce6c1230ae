//! How quants lie in a record: nibbles, bit planes and bytes, each with its packer, its unpacker and the
//! look-up of one value. Step i of a run of 32 columns covers columns 8i..8i+8; `group` is 0 for rows 0–3
//! and 1 for rows 4–7; byte 4r+c of a vector belongs to row r of its group and column c of four.

use super::{Unpack, ROWS};
use crate::simd::*;

/// Eight rows × 32 columns of unpacked quants, four columns to a word, the first in the lowest byte.
pub type Run = [[u32; 8]; ROWS];

/// Bytes of a run as nibbles, one-bit planes, two-bit planes and bytes.
pub const NIBBLES: usize = 128;
pub const BITS: usize = 32;
pub const CRUMBS: usize = 64;
pub const BYTES: usize = 256;

/// The same value in each byte of a word.
pub const fn each(byte: u8) -> u32 {
    byte as u32 * 0x0101_0101
}

/// Where column `c`'s bits lie: step, group, byte, and whether it is one of the high four columns.
#[inline(always)]
fn place(r: usize, c: usize) -> (usize, usize, usize, usize) {
    (c / 8, r / 4, 4 * (r % 4) + c % 4, c / 4 % 2)
}

/// Low four bits. Vector 2i + group; columns 8i..+4 in the low nibbles, 8i+4..+4 in the high ones.
pub unsafe fn pack_nibbles(out: *mut u8, run: &Run) {
    for (r, row) in run.iter().enumerate() {
        for i in 0..4 {
            let (low, high) = (row[2 * i] & each(15), row[2 * i + 1] & each(15));
            *(out.add(32 * i + 4 * r) as *mut u32) = low | high << 4;
        }
    }
}

#[inline(always)]
pub unsafe fn nibble(p: Bytes, r: usize, c: usize) -> u8 {
    let (i, group, byte, high) = place(r, c);
    *p.add(32 * i + 16 * group + byte) >> (4 * high) & 15
}

/// One bit of each value, bit number `bit`. Vector = group; bit 2i of a byte for columns 8i..+4, 2i+1 for
/// columns 8i+4..+4.
pub unsafe fn pack_bits(out: *mut u8, run: &Run, bit: u32) {
    for (r, row) in run.iter().enumerate() {
        let mut plane = 0;
        for (k, word) in row.iter().enumerate() {
            plane |= (word >> bit & each(1)) << k;
        }
        *(out.add(4 * r) as *mut u32) = plane;
    }
}

#[inline(always)]
pub unsafe fn bit(p: Bytes, r: usize, c: usize) -> u8 {
    let (i, group, byte, high) = place(r, c);
    *p.add(16 * group + byte) >> (2 * i + high) & 1
}

/// Two bits of each value, from bit `shift` on. Vector i; from the lowest: rows 0–3 columns 8i..+4, rows
/// 0–3 columns 8i+4..+4, then rows 4–7.
pub unsafe fn pack_crumbs(out: *mut u8, run: &Run, shift: u32) {
    for i in 0..4 {
        for r in 0..4 {
            let mut word = 0;
            for group in 0..2 {
                let row = &run[4 * group + r];
                word |= (row[2 * i] >> shift & each(3)) << (4 * group);
                word |= (row[2 * i + 1] >> shift & each(3)) << (4 * group + 2);
            }
            *(out.add(16 * i + 4 * r) as *mut u32) = word;
        }
    }
}

#[inline(always)]
pub unsafe fn crumb(p: Bytes, r: usize, c: usize) -> u8 {
    let (i, group, byte, high) = place(r, c);
    *p.add(16 * i + byte) >> (4 * group + 2 * high) & 3
}

/// Whole bytes. Vector 4i + 2 high + group.
pub unsafe fn pack_bytes(out: *mut u8, run: &Run) {
    for (r, row) in run.iter().enumerate() {
        for (k, word) in row.iter().enumerate() {
            *(out.add(32 * k + 4 * r) as *mut u32) = *word;
        }
    }
}

#[inline(always)]
pub unsafe fn byte(p: Bytes, r: usize, c: usize) -> u8 {
    let (i, group, byte, high) = place(r, c);
    *p.add(64 * i + 32 * high + 16 * group + byte)
}

/// Sixteen bytes at `p`, which moves on.
#[inline(always)]
unsafe fn next(p: &mut Bytes) -> v128 {
    let v = load(*p, 0);
    *p = p.add(16);
    v
}

/// A mask that V8 keeps in a register: constants it makes anew, three instructions, at each step. With one
/// mask that is cheaper than what the register is needed for otherwise.
#[inline(always)]
unsafe fn kept(byte: u8) -> v128 {
    core::ptr::read_volatile(&u8x16_splat(byte))
}

/// Four bits a value.
pub struct Nibbles(Bytes, v128);

impl Nibbles {
    #[inline(always)]
    pub fn new(p: Bytes) -> Self {
        Nibbles(p, u8x16_splat(15))
    }

    /// As `new` for unpackers with several masks, see [`kept`].
    #[inline(always)]
    pub unsafe fn among_others(p: Bytes) -> Self {
        Nibbles(p, kept(15))
    }
}

impl Unpack for Nibbles {
    const CHAIN: usize = 4;
    #[inline(always)]
    unsafe fn step(&mut self) -> (v128, v128, v128, v128) {
        let (x, y) = (load(self.0, 0), load(self.0, 16));
        self.0 = self.0.add(32);
        let low = self.1;
        (
            v128_and(x, low),
            v128_and(u16x8_shr(x, 4), low),
            v128_and(y, low),
            v128_and(u16x8_shr(y, 4), low),
        )
    }
}

/// The one-bit planes of rows 0–3 and 4–7, shifted down as the steps go; bit 0 becomes bit `TO`.
pub struct Planes<const TO: u32>(v128, v128, v128);

impl<const TO: u32> Planes<TO> {
    #[inline(always)]
    pub unsafe fn new(p: Bytes) -> Self {
        Planes(load(p, 0), load(p, 16), kept(1 << TO))
    }

    /// 16-bit shifts move bits across bytes, but never into the two lowest of what is left of a byte.
    #[inline(always)]
    fn next(&mut self) -> (v128, v128, v128, v128) {
        let mask = self.2;
        let out = (
            v128_and(u16x8_shl(self.0, TO), mask),
            v128_and(u16x8_shl(self.0, TO - 1), mask),
            v128_and(u16x8_shl(self.1, TO), mask),
            v128_and(u16x8_shl(self.1, TO - 1), mask),
        );
        self.0 = u16x8_shr(self.0, 2);
        self.1 = u16x8_shr(self.1, 2);
        out
    }
}

/// Five bits a value: nibbles and a plane.
pub struct Five(pub Nibbles, pub Planes<4>);

impl Unpack for Five {
    const CHAIN: usize = 2;
    #[inline(always)]
    unsafe fn step(&mut self) -> (v128, v128, v128, v128) {
        let (n, p) = (self.0.step(), self.1.next());
        (v128_or(n.0, p.0), v128_or(n.1, p.1), v128_or(n.2, p.2), v128_or(n.3, p.3))
    }
}

/// Two bits a value.
pub struct Crumbs(pub Bytes);

impl Unpack for Crumbs {
    const CHAIN: usize = 4;
    #[inline(always)]
    unsafe fn step(&mut self) -> (v128, v128, v128, v128) {
        let z = next(&mut self.0);
        let low = u8x16_splat(3);
        (
            v128_and(z, low),
            v128_and(u16x8_shr(z, 2), low),
            v128_and(u16x8_shr(z, 4), low),
            v128_and(u16x8_shr(z, 6), low),
        )
    }
}

/// Three bits a value: two and a plane.
pub struct Three(pub Crumbs, pub Planes<2>);

impl Unpack for Three {
    const CHAIN: usize = 4;
    #[inline(always)]
    unsafe fn step(&mut self) -> (v128, v128, v128, v128) {
        let (n, p) = (self.0.step(), self.1.next());
        (v128_or(n.0, p.0), v128_or(n.1, p.1), v128_or(n.2, p.2), v128_or(n.3, p.3))
    }
}

/// Six bits a value: nibbles and two more bits.
pub struct Six(Nibbles, Bytes, v128);

impl Six {
    #[inline(always)]
    pub unsafe fn new(nibbles: Bytes, pairs: Bytes) -> Self {
        Six(Nibbles::among_others(nibbles), pairs, kept(0x30))
    }
}

impl Unpack for Six {
    const CHAIN: usize = 1;
    #[inline(always)]
    unsafe fn step(&mut self) -> (v128, v128, v128, v128) {
        let (n, z) = (self.0.step(), next(&mut self.1));
        let mask = self.2;
        (
            v128_or(n.0, v128_and(u16x8_shl(z, 4), mask)),
            v128_or(n.1, v128_and(u16x8_shl(z, 2), mask)),
            v128_or(n.2, v128_and(z, mask)),
            v128_or(n.3, v128_and(u16x8_shr(z, 2), mask)),
        )
    }
}

/// Whole bytes, for the build that multiplies i16.
pub struct Whole(pub Bytes);

impl Unpack for Whole {
    const CHAIN: usize = 4;
    #[inline(always)]
    unsafe fn step(&mut self) -> (v128, v128, v128, v128) {
        let p = self.0;
        self.0 = p.add(64);
        (load(p, 0), load(p, 32), load(p, 16), load(p, 48))
    }
}

/// The low or the high four bits of whole bytes, those XORed with `FLIP`.
pub struct Half<const HIGH: bool, const FLIP: u8>(pub Bytes);

impl<const HIGH: bool, const FLIP: u8> Unpack for Half<HIGH, FLIP> {
    const CHAIN: usize = 4;
    #[inline(always)]
    unsafe fn step(&mut self) -> (v128, v128, v128, v128) {
        let four = |v| v128_xor(v128_and(if HIGH { u16x8_shr(v, 4) } else { v }, u8x16_splat(15)), u8x16_splat(FLIP));
        let (xl, xh, yl, yh) = Whole(self.0).step();
        self.0 = self.0.add(64);
        (four(xl), four(xh), four(yl), four(yh))
    }
}
