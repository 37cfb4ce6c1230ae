// out[n, d] = (x[n, d] - mean) / sqrt(variance + eps) * weight[d]; in place too. add-row.wgsl adds the bias, which may be in
// another arena.
// A workgroup takes a row; its 64 invocations add up in strides, then in a tree: the mean first, then squares.

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

/** The sum of all invocations' values, in all of them. */
fn total(lane: u32, value: f32) -> f32 {
  workgroupBarrier();
  sums[lane] = value;
  for (var half = 32u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (lane < half) {
      sums[lane] += sums[lane + half];
    }
  }
  workgroupBarrier();
  return sums[0];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * params.width;
  var sum = 0.0;
  for (var i = lane; i < params.width; i += 64u) {
    sum += activations[params.x + row + i];
  }
  let mean = total(lane, sum) / f32(params.width);
  var squares = 0.0;
  for (var i = lane; i < params.width; i += 64u) {
    let apart = activations[params.x + row + i] - mean;
    squares += apart * apart;
  }
  let scale = 1.0 / sqrt(total(lane, squares) / f32(params.width) + params.eps);
  for (var i = lane; i < params.width; i += 64u) {
    let weight = bitcast<f32>(weights[params.weight + i]);
    activations[params.out + row + i] = (activations[params.x + row + i] - mean) * scale * weight;
  }
}
