// Q4_1: 20 bytes, d, m and 32 nibbles; value = d * q + m.
const HAS_MINIMUM = true;

fn quants_of(row: u32, g: u32) -> Quants {
  let i = (row >> 2u) + g * 5u;
  let both = unpack2x16float(weights[i]);
  let q0 = weights[i + 1u];
  let q1 = weights[i + 2u];
  let q2 = weights[i + 3u];
  let q3 = weights[i + 4u];
  const LOW = 0x0f0f0f0fu;
  return Quants(
    array<u32, 8>(
      q0 & LOW, q1 & LOW, q2 & LOW, q3 & LOW,
      (q0 >> 4u) & LOW, (q1 >> 4u) & LOW, (q2 >> 4u) & LOW, (q3 >> 4u) & LOW,
    ),
    vec2(both.x),
    vec2(both.y),
  );
}
