// out[n, m] = x[n, k] · w[m, k]ᵀ, up to eight rows of x at a time: an invocation has one row of the weight (of gate, then
// of up, where gated) and a sum for each row of x in registers. Neighbours of a subgroup of at least eight need the same
// x: each reads four values and hears the others'. Joined after `enable subgroups;` with a header (TOKENS), exp.wgsl,
// mat.wgsl and a type. Oracle: dequantised weights times x in float64 (test/gpu/matmul.ts).

const WORKGROUP = 64u;

/** Sums of a row of the weight with eight rows of x. */
struct Sums {
  low: vec4<f32>,
  high: vec4<f32>,
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let tile = tile_of(group, groups);
  let gated = EPILOGUE == 2u;
  let m = tile.y * WORKGROUP + local;
  let token = group.y * 8u;
  var first: Sums;
  var sums: Sums;
  // Up after gate: twice as many sums at once would not fit into registers, and x is near by then.
  let last = select(tile.x, 1u, gated);
  for (var product = tile.x; product <= last; product++) {
    first = sums;
    sums = sums_of(first_byte(product, m), token, lane & 7u);
  }
  if (m >= params.products[tile.x].rows) {
    return;
  }
  for (var t = 0u; t < min(8u, params.n - token); t++) {
    let sum = select(sums.high, sums.low, t < 4u)[t & 3u];
    if (gated) {
      finish_gated(token + t, m, select(first.high, first.low, t < 4u)[t & 3u], sum);
    } else {
      finish(tile.x, token + t, m, sum);
    }
  }
}

fn sums_of(row: u32, token: u32, lane: u32) -> Sums {
  var sums: Sums;
  for (var g = 0u; g < params.k4 / 8u; g++) {
    let w = values_of(row, g);
    let at = 8u * g + lane;
    sums.low.x += dot_32(w, activations[x_row(token) + at]);
    if (TOKENS > 1u) {
      sums.low.y += dot_32(w, activations[x_row(token + 1u) + at]);
    }
    if (TOKENS > 2u) {
      sums.low.z += dot_32(w, activations[x_row(token + 2u) + at]);
      sums.low.w += dot_32(w, activations[x_row(token + 3u) + at]);
    }
    if (TOKENS > 4u) {
      sums.high.x += dot_32(w, activations[x_row(token + 4u) + at]);
      sums.high.y += dot_32(w, activations[x_row(token + 5u) + at]);
      sums.high.z += dot_32(w, activations[x_row(token + 6u) + at]);
      sums.high.w += dot_32(w, activations[x_row(token + 7u) + at]);
    }
  }
  return sums;
}

/** The last row stands for those past it: cheaper than a branch, and nothing is read outside. */
fn first_byte(product: u32, m: u32) -> u32 {
  return 4u * params.products[product].weight + min(m, params.products[product].rows - 1u) * params.row_bytes;
}

fn x_row(token: u32) -> u32 {
  return params.x + min(token, params.n - 1u) * params.k4;
}

fn dot_32(w: array<vec4<f32>, 8>, x: vec4<f32>) -> f32 {
  return dot(w[0], subgroupBroadcast(x, 0u)) + dot(w[1], subgroupBroadcast(x, 1u))
    + dot(w[2], subgroupBroadcast(x, 2u)) + dot(w[3], subgroupBroadcast(x, 3u))
    + (dot(w[4], subgroupBroadcast(x, 4u)) + dot(w[5], subgroupBroadcast(x, 5u))
    + dot(w[6], subgroupBroadcast(x, 6u)) + dot(w[7], subgroupBroadcast(x, 7u)));
}
