//! Unpackers: the packed quants of a record (pack.rs) brought out as bytes, eight columns a step.

use super::Unpack;
use crate::simd::*;

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
