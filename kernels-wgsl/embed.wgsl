// out[n, d] = table[tokens[n], d]; joined with weights.wgsl.
// A workgroup copies 64 values of one row. Tokens whose row is in another part of the table are passed over.

struct Params {
  out: u32,
  table: u32,
  row_bytes: u32,
  width: u32,
  first: u32,
  rows: u32,
  tokens: u32,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(2) var<storage, read> tables: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = group.x * 64u + lane;
  let row = tables[tables[params.tokens] + group.y] - params.first;
  if (i >= params.width || row >= params.rows) {
    return;
  }
  let value = weight_at(4u * params.table + row * params.row_bytes, i);
  activations[params.out + group.y * params.width + i] = value;
}
