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
pub mod table;
pub mod unpack;

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
    /// Add a record's product with `N` tokens to the tile; `a` is where their activation records are,
    /// one for each 32 columns and token.
    unsafe fn multiply<const N: usize>(tile: &mut Tile, record: Bytes, a: Bytes);
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

/// Brings a record's packed quants out as bytes.
pub trait Unpack {
    /// Steps whose products fit the i16 accumulators of `relaxed16`: 4 when values ≤ 15 (8 × 2 × 15 × 127
    /// < 2^15), 2 when ≤ 31, 1 when ≤ 63.
    const CHAIN: usize;
    /// The next eight columns of a run of 32, c..c+8: rows 0–3 × columns c..c+4, rows 0–3 × columns
    /// c+4..c+8, and the same for rows 4–7.
    unsafe fn step(&mut self) -> (v128, v128, v128, v128);
}

/// Whether accumulators of `simd::dot` are i16.
const NARROW: bool = cfg!(feature = "relaxed-dot16");

/// `start` plus the products of the next `steps` × 8 columns with `N` tokens, whose quants are at `a`.
///
/// The loop stays rolled (see LLVM_FLAGS in build.ts), and all that changes in it is two addresses: the
/// tokens lie at constant distances.
#[inline(always)]
unsafe fn chain<U: Unpack, const N: usize>(u: &mut U, steps: usize, a: Bytes, start: Tile) -> Tile {
    let mut sums = if NARROW { Tile::zero() } else { start };
    let mut a = a;
    let mut left = steps;
    loop {
        let (xl, xh, yl, yh) = u.step();
        macro_rules! token {
            ($x:ident, $y:ident, $t:expr) => {
                let a = a.add($t * activation::RECORD);
                sums.$x = dot(sums.$x, xl, a);
                sums.$y = dot(sums.$y, yl, a);
                sums.$x = dot(sums.$x, xh, a.add(FOUR));
                sums.$y = dot(sums.$y, yh, a.add(FOUR));
            };
        }
        token!(x0, y0, 0);
        if N > 1 {
            token!(x1, y1, 1);
        }
        if N > 2 {
            token!(x2, y2, 2);
        }
        if N > 3 {
            token!(x3, y3, 3);
        }
        a = a.add(2 * FOUR);
        left -= 1;
        if left == 0 {
            break;
        }
    }
    if NARROW {
        let mut whole = start;
        whole.update::<N>(sums, a, |s, o, _, _| widen(o, s));
        return whole;
    }
    sums
}

/// `start` plus the products of steps `from .. from + steps` of a run of 32 columns; `u` is at `from`, `a`
/// at the run's records.
#[inline(always)]
pub unsafe fn products<U: Unpack, const N: usize>(
    u: &mut U,
    from: usize,
    steps: usize,
    a: Bytes,
    start: Tile,
) -> Tile {
    let once = if NARROW && U::CHAIN < steps { U::CHAIN } else { steps };
    let mut sums = start;
    let mut done = 0;
    while done < steps {
        sums = chain::<U, N>(u, once, a.add(2 * FOUR * (from + done)), sums);
        done += once;
    }
    sums
}

impl Tile {
    #[inline(always)]
    pub fn zero() -> Tile {
        Tile::both(f32x4_splat(0.0), f32x4_splat(0.0))
    }

    /// The same two vectors for every token.
    #[inline(always)]
    pub fn both(x: v128, y: v128) -> Tile {
        Tile { x0: x, x1: x, x2: x, x3: x, y0: y, y1: y, y2: y, y3: y }
    }

    /// For each token the i32 in field `offset` of its record, times 2^shift, in every lane.
    #[inline(always)]
    pub unsafe fn fields<const N: usize>(a: Bytes, offset: usize, shift: u32) -> Tile {
        let mut tile = Tile::zero();
        tile.update::<N>(tile, a, |_, _, a, _| i32x4_shl(splat32(a, offset), shift));
        tile
    }

    /// Each of the N tokens' vectors becomes f(itself, the other tile's, the token's activation record,
    /// whether the rows are 4–7).
    #[inline(always)]
    pub unsafe fn update<const N: usize>(
        &mut self,
        o: Tile,
        a: Bytes,
        f: impl Fn(v128, v128, Bytes, bool) -> v128,
    ) {
        self.x0 = f(self.x0, o.x0, a, false);
        self.y0 = f(self.y0, o.y0, a, true);
        if N > 1 {
            let a = a.add(activation::RECORD);
            self.x1 = f(self.x1, o.x1, a, false);
            self.y1 = f(self.y1, o.y1, a, true);
        }
        if N > 2 {
            let a = a.add(2 * activation::RECORD);
            self.x2 = f(self.x2, o.x2, a, false);
            self.y2 = f(self.y2, o.y2, a, true);
        }
        if N > 3 {
            let a = a.add(3 * activation::RECORD);
            self.x3 = f(self.x3, o.x3, a, false);
            self.y3 = f(self.y3, o.y3, a, true);
        }
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

    /// Both through f.
    #[inline(always)]
    pub fn map(self, f: impl Fn(v128) -> v128) -> Pair {
        Pair(f(self.0), f(self.1))
    }

    /// Both times another's, as f32.
    #[inline(always)]
    pub fn times(self, o: Pair) -> Pair {
        Pair(f32x4_mul(self.0, o.0), f32x4_mul(self.1, o.1))
    }

    /// Eight f16 scales, each 2^-112 of its value.
    #[inline(always)]
    pub unsafe fn halves(p: Bytes, offset: usize) -> Pair {
        let h = load(p, offset);
        Pair(half_low(h), half_high(h))
    }

    /// Eight f16 scales.
    #[inline(always)]
    pub unsafe fn scales(p: Bytes, offset: usize) -> Pair {
        let whole = f32x4_splat(HALF_SCALE);
        Pair::halves(p, offset).times(Pair(whole, whole))
    }

    /// Eight u8 as i32.
    #[inline(always)]
    pub unsafe fn unsigned(p: Bytes, offset: usize) -> Pair {
        let h = u16x8_extend_low_u8x16(load_low(p, offset));
        Pair(u32x4_extend_low_u16x8(h), u32x4_extend_high_u16x8(h))
    }

    /// Eight i16 as i32.
    #[inline(always)]
    pub unsafe fn words(p: Bytes, offset: usize) -> Pair {
        let h = load(p, offset);
        Pair(i32x4_extend_low_i16x8(h), i32x4_extend_high_i16x8(h))
    }

    /// Eight i8 as i32.
    #[inline(always)]
    pub unsafe fn signed(p: Bytes, offset: usize) -> Pair {
        let h = i16x8_extend_low_i8x16(load_low(p, offset));
        Pair(i32x4_extend_low_i16x8(h), i32x4_extend_high_i16x8(h))
    }
}

pub use activation::{FOLDED, OFFSET, OFFSET_HIGH, OFFSET_LOW, SCALE, SCALED_HIGH, SCALED_LOW, SCALED_SUM};
