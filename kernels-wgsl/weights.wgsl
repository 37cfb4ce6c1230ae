// Reads one weight of any type from its blocks as they are in the file; the readable version of every
// type on the device. Oracle: core/quant/dequantize.ts, whose bits it gives.

/** GGML's number of the type. */
override TYPE: u32 = 0u;

@group(0) @binding(0) var<storage, read> weights: array<u32>;

fn byte_at(at: u32) -> u32 {
  return (weights[at >> 2u] >> (8u * (at & 3u))) & 255u;
}

/** Two bytes at an even address. */
fn short_at(at: u32) -> u32 {
  return (weights[at >> 2u] >> (8u * (at & 2u))) & 0xffffu;
}

fn half_at(at: u32) -> f32 {
  return unpack2x16float(short_at(at)).x;
}

fn signed_byte_at(at: u32) -> i32 {
  return i32(byte_at(at) << 24u) >> 24u;
}

/** Nibble of value j of a block of 32: low ones first. */
fn nibble_32(at: u32, j: u32) -> u32 {
  return (byte_at(at + (j & 15u)) >> (4u * (j >> 4u))) & 15u;
}

/** Bit j of a block of 32, as the fifth. */
fn fifth_bit(at: u32, j: u32) -> u32 {
  return ((byte_at(at + (j >> 3u)) >> (j & 7u)) & 1u) << 4u;
}

/** Scale (x) and minimum (y) of group g of Q4_K and Q5_K. */
fn scale_and_minimum(at: u32, g: u32) -> vec2<u32> {
  if (g < 4u) {
    return vec2(byte_at(at + g) & 63u, byte_at(at + g + 4u) & 63u);
  }
  let low = byte_at(at + g + 4u);
  return vec2(
    (low & 15u) | ((byte_at(at + g - 4u) >> 6u) << 4u),
    (low >> 4u) | ((byte_at(at + g) >> 6u) << 4u),
  );
}

fn q2_k(at: u32, i: u32) -> f32 {
  let group = byte_at(at + (i >> 4u));
  let q = (byte_at(at + 16u + 32u * (i >> 7u) + (i & 31u)) >> (2u * ((i >> 5u) & 3u))) & 3u;
  return half_at(at + 80u) * f32((group & 15u) * q) - half_at(at + 82u) * f32(group >> 4u);
}

fn q3_k(at: u32, i: u32) -> f32 {
  let l = i & 31u;
  let j = i >> 4u;
  let third = (byte_at(at + l) >> (i >> 5u)) & 1u;
  let low = (byte_at(at + 32u + 32u * (i >> 7u) + l) >> (2u * ((i >> 5u) & 3u))) & 3u;
  let scale_low = (byte_at(at + 96u + (j & 7u)) >> (4u * (j >> 3u))) & 15u;
  let scale_high = (byte_at(at + 104u + (j & 3u)) >> (2u * (j >> 2u))) & 3u;
  let scale = i32(scale_low | (scale_high << 4u)) - 32;
  return half_at(at + 108u) * f32(scale) * f32(i32(low | (third << 2u)) - 4);
}

fn q4_k(at: u32, i: u32) -> f32 {
  let g = i >> 5u;
  let both = scale_and_minimum(at + 4u, g);
  let q = (byte_at(at + 16u + 32u * (g >> 1u) + (i & 31u)) >> (4u * (g & 1u))) & 15u;
  return half_at(at) * f32(both.x * q) - half_at(at + 2u) * f32(both.y);
}

fn q5_k(at: u32, i: u32) -> f32 {
  let g = i >> 5u;
  let l = i & 31u;
  let both = scale_and_minimum(at + 4u, g);
  let low = (byte_at(at + 48u + 32u * (g >> 1u) + l) >> (4u * (g & 1u))) & 15u;
  let fifth = (byte_at(at + 16u + l) >> g) & 1u;
  return half_at(at) * f32(both.x * (low | (fifth << 4u))) - half_at(at + 2u) * f32(both.y);
}

fn q6_k(at: u32, i: u32) -> f32 {
  let half = i >> 7u;
  let low = (byte_at(at + 64u * half + (i & 63u)) >> (4u * ((i >> 6u) & 1u))) & 15u;
  let high = (byte_at(at + 128u + 32u * half + (i & 31u)) >> (2u * ((i >> 5u) & 3u))) & 3u;
  let q = i32(low | (high << 4u)) - 32;
  return half_at(at + 208u) * f32(signed_byte_at(at + 192u + (i >> 4u))) * f32(q);
}

/** The signed byte at place q of a table of sixteen. */
fn place_in(table: array<u32, 4>, q: u32) -> f32 {
  return f32(i32(table[q >> 2u] << (24u - 8u * (q & 3u))) >> 24u);
}

const IQ4 = array<u32, 4>(0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u);
const MXFP4 = array<u32, 4>(0x03020100u, 0x0c080604u, 0xfdfeff00u, 0xf4f8fafcu);

fn iq4_xs(at: u32, i: u32) -> f32 {
  let g = i >> 5u;
  let low = (byte_at(at + 4u + (g >> 1u)) >> (4u * (g & 1u))) & 15u;
  let high = (short_at(at + 2u) >> (2u * g)) & 3u;
  let scale = i32(low | (high << 4u)) - 32;
  return half_at(at) * f32(scale) * place_in(IQ4, nibble_32(at + 8u + 16u * g, i & 31u));
}

fn mxfp4(at: u32, j: u32) -> f32 {
  let e = byte_at(at);
  let d = bitcast<f32>(select((e - 1u) << 23u, 0x00200000u << e, e < 2u));
  return d * place_in(MXFP4, nibble_32(at + 1u, j));
}

/** Value i of the row whose first byte is `row`: an even number, but for MXFP4. */
fn weight_at(row: u32, i: u32) -> f32 {
  let j = i & 31u;
  let super_block = i >> 8u;
  switch (TYPE) {
    case 0u: {
      return bitcast<f32>(weights[(row >> 2u) + i]);
    }
    case 1u: {
      return half_at(row + 2u * i);
    }
    case 30u: {
      return bitcast<f32>(short_at(row + 2u * i) << 16u);
    }
    case 2u: {
      let at = row + (i >> 5u) * 18u;
      return half_at(at) * f32(i32(nibble_32(at + 2u, j)) - 8);
    }
    case 3u: {
      let at = row + (i >> 5u) * 20u;
      return half_at(at) * f32(nibble_32(at + 4u, j)) + half_at(at + 2u);
    }
    case 6u: {
      let at = row + (i >> 5u) * 22u;
      return half_at(at) * f32(i32(nibble_32(at + 6u, j) | fifth_bit(at + 2u, j)) - 16);
    }
    case 7u: {
      let at = row + (i >> 5u) * 24u;
      return half_at(at) * f32(nibble_32(at + 8u, j) | fifth_bit(at + 4u, j)) + half_at(at + 2u);
    }
    case 8u: {
      let at = row + (i >> 5u) * 34u;
      return half_at(at) * f32(signed_byte_at(at + 2u + j));
    }
    case 10u: {
      return q2_k(row + super_block * 84u, i & 255u);
    }
    case 11u: {
      return q3_k(row + super_block * 110u, i & 255u);
    }
    case 12u: {
      return q4_k(row + super_block * 144u, i & 255u);
    }
    case 13u: {
      return q5_k(row + super_block * 176u, i & 255u);
    }
    case 14u: {
      return q6_k(row + super_block * 210u, i & 255u);
    }
    case 20u: {
      let at = row + (i >> 5u) * 18u;
      return half_at(at) * place_in(IQ4, nibble_32(at + 2u, j));
    }
    case 23u: {
      return iq4_xs(row + super_block * 136u, i & 255u);
    }
    case 39u: {
      return mxfp4(row + (i >> 5u) * 17u, j);
    }
    default: {
      return 0.0;
    }
  }
}
