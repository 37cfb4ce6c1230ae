// Q4_K: 144 bytes for 256 values, d, dmin, scales and minima of 32 values each, nibbles;
// value = d * scale * q - dmin * minimum. Joined with mat-k-scales.wgsl.
const HAS_MINIMUM = true;

fn quants_of(row: u32, g: u32) -> Quants {
  let i = (row >> 2u) + (g >> 3u) * 36u;
  let group = g & 7u;
  let start = i + 4u + 8u * (group >> 1u);
  let shift = 4u * (group & 1u);
  let both = scale_and_minimum(i, group);
  const LOW = 0x0f0f0f0fu;
  return Quants(
    array<u32, 8>(
      (weights[start] >> shift) & LOW, (weights[start + 1u] >> shift) & LOW,
      (weights[start + 2u] >> shift) & LOW, (weights[start + 3u] >> shift) & LOW,
      (weights[start + 4u] >> shift) & LOW, (weights[start + 5u] >> shift) & LOW,
      (weights[start + 6u] >> shift) & LOW, (weights[start + 7u] >> shift) & LOW,
    ),
    vec2(both.x),
    vec2(both.y),
  );
}
