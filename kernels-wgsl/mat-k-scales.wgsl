// Scales and minima of Q4_K and Q5_K: eight of 6 bits each in three words.

/** d * scale (x) and -dmin * minimum (y) of 32 values of the block whose first word is `i`. */
fn scale_and_minimum(i: u32, group: u32) -> vec2<f32> {
  let both = unpack2x16float(weights[i]);
  let shift = 8u * (group & 3u);
  let a = weights[i + 1u] >> shift;
  let b = weights[i + 2u] >> shift;
  let c = weights[i + 3u] >> shift;
  let scale = select((c & 15u) | ((a >> 2u) & 48u), a & 63u, group < 4u);
  let minimum = select(((c >> 4u) & 15u) | ((b >> 2u) & 48u), b & 63u, group < 4u);
  return vec2(both.x * f32(scale), -both.y * f32(minimum));
}
