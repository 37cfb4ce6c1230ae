// gate[i] = silu(gate[i]) * up[i], silu(v) = v / (1 + e^-v); joined with exp.wgsl.
// For products that could not be computed together (another type, another arena).

struct Params {
  gate: u32,
  up: u32,
  count: u32,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < params.count; i += groups.x * 64u) {
    let v = activations[params.gate + i];
    activations[params.gate + i] = v / (1.0 + exp_f32(-v)) * activations[params.up + i];
  }
}
