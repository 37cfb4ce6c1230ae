// x[n, d] += bias[d]; a workgroup changes 64 values of a row.

struct Params {
  x: u32,
  bias: u32,
  width: u32,
}

@group(0) @binding(0) var<storage, read> weights: array<u32>;
@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = group.x * 64u + lane;
  if (i < params.width) {
    activations[params.x + group.y * params.width + i] += bitcast<f32>(weights[params.bias + i]);
  }
}
