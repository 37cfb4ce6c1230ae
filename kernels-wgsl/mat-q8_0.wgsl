// Q8_0: 34 bytes, d and 32 signed bytes; value = d * q.
const HAS_MINIMUM = false;

fn quants_of(row: u32, g: u32) -> Quants {
  let at = row + g * 34u;
  let d = low_half(weights[at >> 2u] >> (8u * (at & 2u)));
  return Quants(words_at(at + 2u), vec2(d), vec2(0.0));
}
