// t[n, rank] = scales[n] · gain · (x[n, k] · down[rank, k]ᵀ) for the rows whose scale is not 0. A workgroup computes one
// value: its 64 invocations add products up in strides, then in a tree. Joined after weights.wgsl.
// Oracle: backends/reference/low-rank.ts.

struct Params {
  t: u32,
  x: u32,
  k: u32,
  rank: u32,
  /** Word of `weights` where the part begins, its first row among those of `down`, bytes of a row. */
  part: u32,
  first: u32,
  row_bytes: u32,
  scales: u32,
  gain: f32,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(2) var<storage, read> tables: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let scale = bitcast<f32>(tables[tables[params.scales] + group.y]);
  if (scale == 0.0) {
    return;
  }
  let row = 4u * params.part + group.x * params.row_bytes;
  let x = params.x + group.y * params.k;
  var sum = 0.0;
  for (var i = lane; i < params.k; i += 64u) {
    sum += weight_at(row, i) * activations[x + i];
  }
  sums[lane] = sum;
  for (var half = 32u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (lane < half) {
      sums[lane] += sums[lane + half];
    }
  }
  if (lane == 0u) {
    activations[params.t + group.y * params.rank + params.first + group.x] = sums[0] * (scale * params.gain);
  }
}
