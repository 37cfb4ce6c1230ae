// From quants to floats: joined with the file of a quantised type, which reads 32 values at a time as
// bytes, two scales and two minima. Oracle: core/quant/dequantize.ts.

struct Quants {
  /** 32 signed bytes, in order. */
  q: array<u32, 8>,
  /** value = scale * q + minimum; x for the first 16 values, y for the others. */
  scale: vec2<f32>,
  minimum: vec2<f32>,
}

fn low_half(word: u32) -> f32 {
  return unpack2x16float(word).x;
}

/** Four bytes at an even address. */
fn word_at(at: u32) -> u32 {
  let word = weights[at >> 2u];
  return select((word >> 16u) | (weights[(at >> 2u) + 1u] << 16u), word, (at & 2u) == 0u);
}

/** 32 bytes at an even address. */
fn words_at(at: u32) -> array<u32, 8> {
  let i = at >> 2u;
  let even = (at & 2u) == 0u;
  let a = array<u32, 9>(
    weights[i], weights[i + 1u], weights[i + 2u], weights[i + 3u], weights[i + 4u],
    weights[i + 5u], weights[i + 6u], weights[i + 7u], weights[i + 8u],
  );
  return array<u32, 8>(
    select((a[0] >> 16u) | (a[1] << 16u), a[0], even),
    select((a[1] >> 16u) | (a[2] << 16u), a[1], even),
    select((a[2] >> 16u) | (a[3] << 16u), a[2], even),
    select((a[3] >> 16u) | (a[4] << 16u), a[3], even),
    select((a[4] >> 16u) | (a[5] << 16u), a[4], even),
    select((a[5] >> 16u) | (a[6] << 16u), a[5], even),
    select((a[6] >> 16u) | (a[7] << 16u), a[6], even),
    select((a[7] >> 16u) | (a[8] << 16u), a[7], even),
  );
}

/** Subtract `less`, below 128 in each byte, from bytes below 128: four signed bytes, no borrow between them. */
fn less_bytes(bytes: u32, less: u32) -> u32 {
  return ((bytes | 0x80808080u) - less) ^ 0x80808080u;
}

/** Bits 0 to 3 of `bits` as the fifth bits of four bytes. */
fn fifth_bits(bits: u32) -> u32 {
  return ((bits & 1u) << 4u) | ((bits & 2u) << 11u) | ((bits & 4u) << 18u) | ((bits & 8u) << 25u);
}

fn floats(word: u32) -> vec4<f32> {
  return vec4<f32>(vec4<i32>(vec4(word << 24u, word << 16u, word << 8u, word)) >> vec4(24u));
}

/** Values 32 g to 32 g + 31 of the row whose first byte is `row`. */
fn values_of(row: u32, g: u32) -> array<vec4<f32>, 8> {
  let w = quants_of(row, g);
  let s = w.scale;
  if (HAS_MINIMUM) {
    let m = w.minimum;
    return array<vec4<f32>, 8>(
      floats(w.q[0]) * s.x + m.x, floats(w.q[1]) * s.x + m.x,
      floats(w.q[2]) * s.x + m.x, floats(w.q[3]) * s.x + m.x,
      floats(w.q[4]) * s.y + m.y, floats(w.q[5]) * s.y + m.y,
      floats(w.q[6]) * s.y + m.y, floats(w.q[7]) * s.y + m.y,
    );
  }
  return array<vec4<f32>, 8>(
    floats(w.q[0]) * s.x, floats(w.q[1]) * s.x, floats(w.q[2]) * s.x, floats(w.q[3]) * s.x,
    floats(w.q[4]) * s.y, floats(w.q[5]) * s.y, floats(w.q[6]) * s.y, floats(w.q[7]) * s.y,
  );
}
