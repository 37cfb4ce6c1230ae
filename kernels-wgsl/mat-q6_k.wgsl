// Q6_K: 210 bytes for 256 values, nibbles, pairs of bits, 16 signed scales, d;
// value = d * scale * (q - 32).
const HAS_MINIMUM = false;

/** Four quants of six bits, less 32. */
fn sixes(low: u32, high: u32) -> u32 {
  return less_bytes((low & 0x0f0f0f0fu) | ((high & 0x03030303u) << 4u), 0x20202020u);
}

fn quants_of(row: u32, g: u32) -> Quants {
  let at = row + (g >> 3u) * 210u;
  let group = g & 7u;
  let a = words_at(at + 64u * (group >> 2u) + 32u * (group & 1u));
  let b = words_at(at + 128u + 32u * (group >> 2u));
  let low = 4u * ((group >> 1u) & 1u);
  let high = 2u * (group & 3u);
  let scales = word_at(at + 192u + 2u * group);
  let d = low_half(word_at(at + 206u) >> 16u);
  return Quants(
    array<u32, 8>(
      sixes(a[0] >> low, b[0] >> high), sixes(a[1] >> low, b[1] >> high),
      sixes(a[2] >> low, b[2] >> high), sixes(a[3] >> low, b[3] >> high),
      sixes(a[4] >> low, b[4] >> high), sixes(a[5] >> low, b[5] >> high),
      sixes(a[6] >> low, b[6] >> high), sixes(a[7] >> low, b[7] >> high),
    ),
    d * vec2(f32(i32(scales << 24u) >> 24u), f32(i32(scales << 16u) >> 24u)),
    vec2(0.0),
  );
}
