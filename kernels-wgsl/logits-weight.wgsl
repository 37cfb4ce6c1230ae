// e^((logit - max) · scale) of a logit by its bits; joined with logits.wgsl and exp.wgsl.
// 1 for the maximum itself, be it infinite; 0 for NaN and for what is infinitely far below.

fn weight_of(bits: u32, max_bits: u32, scale: f32) -> f32 {
  let key = key_of(bits);
  if (key == key_of(max_bits)) {
    // NaN has the key of -Infinity, but is not equal to it.
    return select(1.0, 0.0, (bits & 0x7fffffffu) > 0x7f800000u);
  }
  if (key == LEAST_KEY || max_bits == 0x7f800000u) {
    return 0.0;
  }
  // Halves, whose difference does not overflow; what is far below weighs nothing at any temperature.
  let apart = max(0.5 * bitcast<f32>(bits) - 0.5 * bitcast<f32>(max_bits), -1e33);
  return exp_f32(apart * (2.0 * scale));
}
