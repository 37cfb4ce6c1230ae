// out[n, d] = Σ shares[n, i] * y[n, i, d] over the choices i of a row; a workgroup takes 64 values of one.

struct Params {
  out: u32,
  y: u32,
  shares: u32,
  used: u32,
  width: u32,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let column = group.x * 64u + lane;
  if (column >= params.width) {
    return;
  }
  var sum = 0.0;
  for (var i = group.y * params.used; i < (group.y + 1u) * params.used; i++) {
    sum += activations[params.shares + i] * activations[params.y + i * params.width + column];
  }
  activations[params.out + group.y * params.width + column] = sum;
}
