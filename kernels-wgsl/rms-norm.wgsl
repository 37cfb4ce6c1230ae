// out[n, h, d] = x[n, h, d] / sqrt(mean(x[n, h]²) + eps) * weight[d]; in place too.
// A workgroup takes a run of d, be it a row or a head of one; its 64 invocations add squares up in strides, then in a tree.

struct Params {
  out: u32,
  x: u32,
  weight: u32,
  width: u32,
  eps: f32,
}

@group(0) @binding(0) var<storage, read> weights: array<u32>;
@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = (group.y * groups.x + group.x) * params.width;
  var squares = 0.0;
  for (var i = lane; i < params.width; i += 64u) {
    let value = activations[params.x + row + i];
    squares += value * value;
  }
  sums[lane] = squares;
  for (var half = 32u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (lane < half) {
      sums[lane] += sums[lane + half];
    }
  }
  workgroupBarrier();
  let scale = 1.0 / sqrt(sums[0] / f32(params.width) + params.eps);
  for (var i = lane; i < params.width; i += 64u) {
    let weight = bitcast<f32>(weights[params.weight + i]);
    activations[params.out + row + i] = activations[params.x + row + i] * scale * weight;
  }
}
