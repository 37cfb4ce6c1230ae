// Q3_K: 110 bytes for 256 values, third bits, pairs of bits, 16 scales of 6 bits, d;
// value = d * (scale - 32) * (q - 4).
const HAS_MINIMUM = false;

/** Four quants of three bits, less 4. */
fn threes(low: u32, high: u32) -> u32 {
  return less_bytes((low & 0x03030303u) | ((high & 0x01010101u) << 2u), 0x04040404u);
}

fn scale_of(at: u32, j: u32) -> f32 {
  // Even halves of words: bytes 96 to 103 are low nibbles, 104 to 107 high pairs.
  let low = word_at(at + 96u + (j & 4u)) >> (8u * (j & 3u) + 4u * (j >> 3u));
  let high = word_at(at + 104u) >> (8u * (j & 3u) + 2u * (j >> 2u));
  return f32(i32((low & 15u) | ((high & 3u) << 4u)) - 32);
}

fn quants_of(row: u32, g: u32) -> Quants {
  let at = row + (g >> 3u) * 110u;
  let group = g & 7u;
  let h = words_at(at);
  let q = words_at(at + 32u + 32u * (group >> 2u));
  let shift = 2u * (group & 3u);
  let d = low_half(word_at(at + 106u) >> 16u);
  return Quants(
    array<u32, 8>(
      threes(q[0] >> shift, h[0] >> group), threes(q[1] >> shift, h[1] >> group),
      threes(q[2] >> shift, h[2] >> group), threes(q[3] >> shift, h[3] >> group),
      threes(q[4] >> shift, h[4] >> group), threes(q[5] >> shift, h[5] >> group),
      threes(q[6] >> shift, h[6] >> group), threes(q[7] >> shift, h[7] >> group),
    ),
    d * vec2(scale_of(at, 2u * group), scale_of(at, 2u * group + 1u)),
    vec2(0.0),
  );
}
