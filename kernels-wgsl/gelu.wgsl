// x[i] = x[i] * Φ(x[i]), Φ the normal distribution function; joined with exp.wgsl. Oracle: core/numeric/erf.ts.

struct Params {
  x: u32,
  count: u32,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

/** By half of erfc(|x| / √2), Abramowitz and Stegun 7.1.26, so that nothing cancels below zero; error below 3e-7. */
fn normal(x: f32) -> f32 {
  let size = abs(x) * 0.70710678;
  let t = 1.0 / (1.0 + 0.3275911 * size);
  let p = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  let tail = 0.5 * p * exp_f32(-size * size);
  return select(1.0 - tail, tail, x < 0.0);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < params.count; i += groups.x * 64u) {
    let x = activations[params.x + i];
    activations[params.x + i] = x * normal(x);
  }
}
