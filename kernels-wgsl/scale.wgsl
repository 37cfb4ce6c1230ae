// x[i] *= factor. Invocations go over the values in strides, so that any number of workgroups does.

struct Params {
  x: u32,
  count: u32,
  factor: f32,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < params.count; i += groups.x * 64u) {
    activations[params.x + i] *= params.factor;
  }
}
