// What gates become; joined after exp.wgsl.

/** 0: silu(v) = v / (1 + e^-v). 1: GELU by its approximation with tanh, (1 + tanh u) / 2 = 1 / (1 + e^-2u). */
override ACTIVATION: u32 = 0u;

fn activated(v: f32) -> f32 {
  // √(8/π) (v + 0.044715 v³); the cube of what is far away would be infinite times zero.
  let near = clamp(v, -100.0, 100.0);
  let steep = select(v, 1.595769122 * (near + 0.044715 * near * near * near), ACTIVATION == 1u);
  return v / (1.0 + exp_f32(-steep));
}
