// Q5_1: 24 bytes, d, m, 32 fifth bits and 32 nibbles; value = d * q + m.
const HAS_MINIMUM = true;

fn fives(nibbles: u32, bits: u32) -> u32 {
  return (nibbles & 0x0f0f0f0fu) | fifth_bits(bits);
}

fn quants_of(row: u32, g: u32) -> Quants {
  let i = (row >> 2u) + g * 6u;
  let both = unpack2x16float(weights[i]);
  let h = weights[i + 1u];
  let q0 = weights[i + 2u];
  let q1 = weights[i + 3u];
  let q2 = weights[i + 4u];
  let q3 = weights[i + 5u];
  return Quants(
    array<u32, 8>(
      fives(q0, h), fives(q1, h >> 4u), fives(q2, h >> 8u), fives(q3, h >> 12u),
      fives(q0 >> 4u, h >> 16u), fives(q1 >> 4u, h >> 20u), fives(q2 >> 4u, h >> 24u), fives(q3 >> 4u, h >> 28u),
    ),
    vec2(both.x),
    vec2(both.y),
  );
}
