// Q5_0: 22 bytes, d, 32 fifth bits and 32 nibbles; value = d * (q - 16).
const HAS_MINIMUM = false;

/** Four nibbles with their fifth bits, less 16. */
fn fives(nibbles: u32, bits: u32) -> u32 {
  return less_bytes((nibbles & 0x0f0f0f0fu) | fifth_bits(bits), 0x10101010u);
}

fn quants_of(row: u32, g: u32) -> Quants {
  let at = row + g * 22u;
  let i = at >> 2u;
  let even = (at & 2u) == 0u;
  let a = array<u32, 6>(
    weights[i], weights[i + 1u], weights[i + 2u], weights[i + 3u], weights[i + 4u], weights[i + 5u],
  );
  let d = low_half(select(a[0] >> 16u, a[0], even));
  let h = select(a[1], (a[0] >> 16u) | (a[1] << 16u), even);
  let q0 = select(a[2], (a[1] >> 16u) | (a[2] << 16u), even);
  let q1 = select(a[3], (a[2] >> 16u) | (a[3] << 16u), even);
  let q2 = select(a[4], (a[3] >> 16u) | (a[4] << 16u), even);
  let q3 = select(a[5], (a[4] >> 16u) | (a[5] << 16u), even);
  return Quants(
    array<u32, 8>(
      fives(q0, h), fives(q1, h >> 4u), fives(q2, h >> 8u), fives(q3, h >> 12u),
      fives(q0 >> 4u, h >> 16u), fives(q1 >> 4u, h >> 20u), fives(q2 >> 4u, h >> 24u), fives(q3 >> 4u, h >> 28u),
    ),
    vec2(d),
    vec2(0.0),
  );
}
