//! Quantised weights in panels of eight rows, laid out for streaming.
//!
//! A panel holds eight rows side by side: for each run of columns one record with the eight rows' scales
//! and their quants interleaved four rows × four columns to a vector, so that one dot instruction serves
//! four rows and no horizontal sum is ever needed. Rows past the end of a matrix are zero.
//!
//! Every type names how its records are made from GGUF blocks (`repack`), how one row comes back as f32
//! (`row`, bit for bit the GGML dequantiser) and how a record is multiplied (`multiply`).

pub mod k_quants;
pub mod legacy;
pub mod pack;

use crate::activation;
use crate::simd::*;

/// Rows of a panel.
pub const ROWS: usize = 8;

/// A GGUF type in panels.
pub trait Quant {
    /// Columns of one GGUF block and so of one record: 32 or 256.
    const COLUMNS: usize;
    /// Bytes of one GGUF block.
    const BLOCK: usize;
    /// Bytes of one record: eight rows × `COLUMNS`.
    const RECORD: usize;

    /// Interleave eight blocks, `stride` bytes apart, into a record. Rows ≥ `rows` are zero.
    unsafe fn repack(record: *mut u8, blocks: Bytes, stride: usize, rows: usize);
    /// Write `COLUMNS` values of row `r`.
    unsafe fn row(out: *mut f32, record: Bytes, r: usize);
    /// Add a record's product with `N` tokens' activation records to the tile.
    unsafe fn multiply<const N: usize>(tile: &mut Tile, record: Bytes, tokens: Tokens);
}

/// Sums of eight rows × up to four tokens, i32 or f32: `x` rows 0–3, `y` rows 4–7. Fields, not arrays: an index
/// that is not a constant would put them all into memory.
#[derive(Clone, Copy)]
pub struct Tile {
    pub x0: v128,
    pub x1: v128,
    pub x2: v128,
    pub x3: v128,
    pub y0: v128,
    pub y1: v128,
    pub y2: v128,
    pub y3: v128,
}

/// Where the activation records of up to four tokens are.
#[derive(Clone, Copy)]
pub struct Tokens(pub Bytes, pub Bytes, pub Bytes, pub Bytes);

impl Tokens {
    #[inline(always)]
    pub unsafe fn skip(self, bytes: usize) -> Tokens {
        Tokens(self.0.add(bytes), self.1.add(bytes), self.2.add(bytes), self.3.add(bytes))
    }
}

/// Brings a record's packed quants out as bytes, eight columns a step.
pub trait Unpack: Copy {
    /// Steps whose products fit the 16-bit accumulator of `simd::dot7`: 4 when values ≤ 15 (8 × 2 ×
    /// 15 × 127 < 2^15), 2 when ≤ 31, 1 when ≤ 63.
    const CHAIN: usize;
    /// Bytes are 0..=255, so that `simd::dot8` is needed.
    const WIDE: bool;
    /// Step `i` of a run of 32 columns: rows 0–3 × columns 8i..8i+4, rows 0–3 × columns 8i+4..8i+8, and
    /// the same for rows 4–7.
    unsafe fn step(&mut self, i: usize) -> (v128, v128, v128, v128);
}

/// Multiply columns `8 from .. 8 (from + CHAIN)` of a run of 32 with `N` tokens.
#[inline(always)]
unsafe fn chain<U: Unpack, const N: usize>(u: &mut U, from: usize, steps: usize, t: Tokens) -> Tile {
    let zero = i32x4_splat(0);
    let (mut x0, mut x1, mut x2, mut x3) = (zero, zero, zero, zero);
    let (mut y0, mut y1, mut y2, mut y3) = (zero, zero, zero, zero);
    let mut i = from;
    loop {
        let (xl, xh, yl, yh) = u.step(i);
        macro_rules! token {
            ($x:ident, $y:ident, $a:expr) => {
                if U::WIDE {
                    $x = dot8($x, xl, $a, 8 * i);
                    $y = dot8($y, yl, $a, 8 * i);
                    $x = dot8($x, xh, $a, 8 * i + 4);
                    $y = dot8($y, yh, $a, 8 * i + 4);
                } else {
                    $x = dot7($x, xl, $a, 8 * i);
                    $y = dot7($y, yl, $a, 8 * i);
                    $x = dot7($x, xh, $a, 8 * i + 4);
                    $y = dot7($y, yh, $a, 8 * i + 4);
                }
            };
        }
        token!(x0, y0, t.0);
        if N > 1 {
            token!(x1, y1, t.1);
        }
        if N > 2 {
            token!(x2, y2, t.2);
            token!(x3, y3, t.3);
        }
        i += 1;
        if i == from + steps {
            break;
        }
    }
    if U::WIDE {
        return Tile { x0, x1, x2, x3, y0, y1, y2, y3 };
    }
    Tile {
        x0: widen(x0),
        x1: widen(x1),
        x2: widen(x2),
        x3: widen(x3),
        y0: widen(y0),
        y1: widen(y1),
        y2: widen(y2),
        y3: widen(y3),
    }
}

/// Multiply `steps` × 8 columns, from step `from` of a run of 32 on.
#[inline(always)]
pub unsafe fn products<U: Unpack, const N: usize>(
    u: &mut U,
    from: usize,
    steps: usize,
    t: Tokens,
) -> Tile {
    let once = if U::CHAIN < steps && !U::WIDE && cfg!(feature = "relaxed-dot16") {
        U::CHAIN
    } else {
        steps
    };
    let mut sums = chain::<U, N>(u, from, once, t);
    let mut done = once;
    while done < steps {
        let more = chain::<U, N>(u, from + done, once, t);
        sums = sums.add::<N>(more, t);
        done += once;
    }
    sums
}

impl Tile {
    #[inline(always)]
    pub fn zero() -> Tile {
        let z = f32x4_splat(0.0);
        Tile { x0: z, x1: z, x2: z, x3: z, y0: z, y1: z, y2: z, y3: z }
    }

    /// Each of the N tokens' vectors becomes f(itself, the other tile's, the token's activation record,
    /// whether the rows are 4–7).
    #[inline(always)]
    pub unsafe fn update<const N: usize>(
        &mut self,
        o: Tile,
        t: Tokens,
        f: impl Fn(v128, v128, Bytes, bool) -> v128,
    ) {
        self.x0 = f(self.x0, o.x0, t.0, false);
        self.y0 = f(self.y0, o.y0, t.0, true);
        if N > 1 {
            self.x1 = f(self.x1, o.x1, t.1, false);
            self.y1 = f(self.y1, o.y1, t.1, true);
        }
        if N > 2 {
            self.x2 = f(self.x2, o.x2, t.2, false);
            self.y2 = f(self.y2, o.y2, t.2, true);
            self.x3 = f(self.x3, o.x3, t.3, false);
            self.y3 = f(self.y3, o.y3, t.3, true);
        }
    }

    /// Integer sums together.
    #[inline(always)]
    pub unsafe fn add<const N: usize>(mut self, o: Tile, t: Tokens) -> Tile {
        self.update::<N>(o, t, |a, b, _, _| i32x4_add(a, b));
        self
    }

    /// Each vector through f, as [`Tile::update`] has it.
    #[inline(always)]
    pub unsafe fn map<const N: usize>(mut self, t: Tokens, f: impl Fn(v128, Bytes, bool) -> v128) -> Tile {
        self.update::<N>(self, t, |s, _, a, second| f(s, a, second));
        self
    }
}

/// A pair of vectors for rows 0–3 and 4–7.
#[derive(Clone, Copy)]
pub struct Pair(pub v128, pub v128);

impl Pair {
    #[inline(always)]
    pub fn of(self, second: bool) -> v128 {
        if second { self.1 } else { self.0 }
    }

    /// Eight f16 scales, each 2^-112 of its value.
    #[inline(always)]
    pub unsafe fn halves(p: Bytes, offset: usize) -> Pair {
        let h = load(p, offset);
        Pair(half_low(h), half_high(h))
    }

    /// Eight u8 as i32.
    #[inline(always)]
    pub unsafe fn unsigned(p: Bytes, offset: usize) -> Pair {
        let h = u16x8_extend_low_u8x16(load_low(p, offset));
        Pair(u32x4_extend_low_u16x8(h), u32x4_extend_high_u16x8(h))
    }

    /// Eight i8 as i32.
    #[inline(always)]
    pub unsafe fn signed(p: Bytes, offset: usize) -> Pair {
        let h = i16x8_extend_low_i8x16(load_low(p, offset));
        Pair(i32x4_extend_low_i16x8(h), i32x4_extend_high_i16x8(h))
    }
}

/// `splat32(activation record, field)`: reads well where the record is at hand.
#[inline(always)]
pub unsafe fn field(a: Bytes, offset: usize) -> v128 {
    splat32(a, offset)
}

pub use activation::{FOLDED, SCALE, SCALED_SUM, SUM, SUM_HIGH, SUM_LOW};
