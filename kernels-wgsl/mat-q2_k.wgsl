// Q2_K: 84 bytes for 256 values, 16 pairs of scale and minimum, pairs of bits, d, dmin;
// value = d * scale * q - dmin * minimum.
const HAS_MINIMUM = true;

fn quants_of(row: u32, g: u32) -> Quants {
  let i = (row >> 2u) + (g >> 3u) * 21u;
  let group = g & 7u;
  let start = i + 4u + 8u * (group >> 2u);
  let shift = 2u * (group & 3u);
  let both = unpack2x16float(weights[i + 20u]);
  let pair = weights[i + (group >> 1u)] >> (16u * (group & 1u));
  const LOW = 0x03030303u;
  return Quants(
    array<u32, 8>(
      (weights[start] >> shift) & LOW, (weights[start + 1u] >> shift) & LOW,
      (weights[start + 2u] >> shift) & LOW, (weights[start + 3u] >> shift) & LOW,
      (weights[start + 4u] >> shift) & LOW, (weights[start + 5u] >> shift) & LOW,
      (weights[start + 6u] >> shift) & LOW, (weights[start + 7u] >> shift) & LOW,
    ),
    both.x * vec2(f32(pair & 15u), f32((pair >> 8u) & 15u)),
    -both.y * vec2(f32((pair >> 4u) & 15u), f32((pair >> 12u) & 15u)),
  );
}
