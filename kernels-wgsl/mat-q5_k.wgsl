// Q5_K: 176 bytes for 256 values, as Q4_K with 32 bytes of fifth bits before the nibbles.
// Joined with mat-k-scales.wgsl.
const HAS_MINIMUM = true;

fn five(i: u32, start: u32, word: u32, group: u32) -> u32 {
  let low = (weights[start + word] >> (4u * (group & 1u))) & 0x0f0f0f0fu;
  return low | (((weights[i + 4u + word] >> group) & 0x01010101u) << 4u);
}

fn quants_of(row: u32, g: u32) -> Quants {
  let i = (row >> 2u) + (g >> 3u) * 44u;
  let group = g & 7u;
  let start = i + 12u + 8u * (group >> 1u);
  let both = scale_and_minimum(i, group);
  return Quants(
    array<u32, 8>(
      five(i, start, 0u, group), five(i, start, 1u, group), five(i, start, 2u, group), five(i, start, 3u, group),
      five(i, start, 4u, group), five(i, start, 5u, group), five(i, start, 6u, group), five(i, start, 7u, group),
    ),
    vec2(both.x),
    vec2(both.y),
  );
}
