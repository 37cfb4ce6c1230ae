// out[i, m] = x[i / x_shared_by, k] · w[ids[i], m, k]ᵀ for each choice i of a row: an invocation has a row of the matrix
// of the chosen expert, and of no other. Rows in another part of the weight are passed over. Joined after a type.
// Oracle: backends/reference/experts.ts.

struct Params {
  out: u32,
  /** vec4 of `activations` where x[0, 0] is, and vec4s of a row of x. */
  x: u32,
  k4: u32,
  x_shared_by: u32,
  ids: u32,
  /** Rows of an expert's matrix. */
  rows: u32,
  /** Word of `weights` where the part begins, its first row among those of all experts, its rows. */
  part: u32,
  first: u32,
  part_rows: u32,
  row_bytes: u32,
}

@group(0) @binding(0) var<storage, read> weights: array<u32>;
@group(0) @binding(1) var<storage, read_write> activations: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let m = group.x * 64u + lane;
  let choice = group.y;
  let id = params.ids + choice;
  let row = u32(activations[id >> 2u][id & 3u]) * params.rows + m - params.first;
  if (m >= params.rows || row >= params.part_rows) {
    return;
  }
  let first_byte = 4u * params.part + row * params.row_bytes;
  let x = params.x + choice / params.x_shared_by * params.k4;
  var sum = 0.0;
  for (var g = 0u; g < params.k4 / 8u; g++) {
    let w = values_of(first_byte, g);
    let i = x + 8u * g;
    sum += dot(w[0], activations[i]) + dot(w[1], activations[i + 1u])
      + dot(w[2], activations[i + 2u]) + dot(w[3], activations[i + 3u])
      + (dot(w[4], activations[i + 4u]) + dot(w[5], activations[i + 5u])
      + dot(w[6], activations[i + 6u]) + dot(w[7], activations[i + 7u]));
  }
  let at = params.out + choice * params.rows + m;
  activations[at >> 2u][at & 3u] = sum;
}
