// out[i, d] = x[rows[i], d]. A workgroup copies 64 values of one row.

struct Params {
  out: u32,
  x: u32,
  width: u32,
  rows: u32,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(2) var<storage, read> tables: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = group.x * 64u + lane;
  if (i >= params.width) {
    return;
  }
  let row = tables[tables[params.rows] + group.y];
  activations[params.out + group.y * params.width + i] = activations[params.x + row * params.width + i];
}
