// gate[i] = activation(gate[i]) * up[i]; joined with exp.wgsl and activation.wgsl.
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
    activations[params.gate + i] = activated(activations[params.gate + i]) * activations[params.up + i];
  }
}
