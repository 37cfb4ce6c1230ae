// Q4_0: 18 bytes, d and 32 nibbles; value = d * (q - 8).
const HAS_MINIMUM = false;

fn nibbles_less_8(word: u32) -> u32 {
  return less_bytes(word & 0x0f0f0f0fu, 0x08080808u);
}

fn quants_of(row: u32, g: u32) -> Quants {
  let at = row + g * 18u;
  let i = at >> 2u;
  let even = (at & 2u) == 0u;
  let a = array<u32, 5>(weights[i], weights[i + 1u], weights[i + 2u], weights[i + 3u], weights[i + 4u]);
  let d = low_half(select(a[0] >> 16u, a[0], even));
  let q0 = select(a[1], (a[0] >> 16u) | (a[1] << 16u), even);
  let q1 = select(a[2], (a[1] >> 16u) | (a[2] << 16u), even);
  let q2 = select(a[3], (a[2] >> 16u) | (a[3] << 16u), even);
  let q3 = select(a[4], (a[3] >> 16u) | (a[4] << 16u), even);
  return Quants(
    array<u32, 8>(
      nibbles_less_8(q0), nibbles_less_8(q1), nibbles_less_8(q2), nibbles_less_8(q3),
      nibbles_less_8(q0 >> 4u), nibbles_less_8(q1 >> 4u), nibbles_less_8(q2 >> 4u), nibbles_less_8(q3 >> 4u),
    ),
    vec2(d),
    vec2(0.0),
  );
}
