// out[n, m] += t[n, rank] · up[m, rank]ᵀ for the rows whose scale is not 0. An invocation adds to one value.
// Joined after weights.wgsl. Oracle: backends/reference/low-rank.ts.

struct Params {
  out: u32,
  m: u32,
  t: u32,
  rank: u32,
  /** Word of `weights` where the part begins, its first row among those of `up`, its rows, bytes of a row. */
  part: u32,
  first: u32,
  rows: u32,
  row_bytes: u32,
  scales: u32,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(2) var<storage, read> tables: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = group.x * 64u + lane;
  if (i >= params.rows || bitcast<f32>(tables[tables[params.scales] + group.y]) == 0.0) {
    return;
  }
  let row = 4u * params.part + i * params.row_bytes;
  let t = params.t + group.y * params.rank;
  var sum = 0.0;
  for (var r = 0u; r < params.rank; r++) {
    sum += weight_at(row, r) * activations[t + r];
  }
  activations[params.out + group.y * params.m + params.first + i] += sum;
}
