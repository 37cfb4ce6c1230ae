// out[n, m] = x[n, k] · w[m, k]ᵀ, up to eight rows of x at a time: an invocation has one row of the weight, or two (gate
// and up, where gated), and a sum for each in registers. Neighbours of a subgroup of at least eight need the same x: each
// reads four values and hears the others'. Joined after `enable subgroups;` with a header (ROWS, TOKENS), exp.wgsl,
// mat.wgsl and a type. Oracle: dequantised weights times x in float64 (test/gpu/matmul).

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
  let m = tile.y * WORKGROUP * select(ROWS, 1u, gated) + local;
  let first = first_byte(tile.x, m);
  var second = first;
  if (ROWS > 1u) {
    if (gated) {
      second = first_byte(1u, m);
    } else {
      second = first_byte(tile.x, m + WORKGROUP);
    }
  }
  let token = group.y * 8u;
  var a: Sums;
  var b: Sums;
  for (var g = 0u; g < params.k4 / 8u; g++) {
    let v = values_of(first, g);
    let at = 8u * g + (lane & 7u);
    let x0 = activations[x_row(token) + at];
    a.low.x += dot_32(v, x0);
    var w: array<vec4<f32>, 8>;
    if (ROWS > 1u) {
      w = values_of(second, g);
      b.low.x += dot_32(w, x0);
    }
    if (TOKENS > 1u) {
      let x1 = activations[x_row(token + 1u) + at];
      a.low.y += dot_32(v, x1);
      if (ROWS > 1u) {
        b.low.y += dot_32(w, x1);
      }
    }
    if (TOKENS > 2u) {
      let x2 = activations[x_row(token + 2u) + at];
      let x3 = activations[x_row(token + 3u) + at];
      a.low.z += dot_32(v, x2);
      a.low.w += dot_32(v, x3);
      if (ROWS > 1u) {
        b.low.z += dot_32(w, x2);
        b.low.w += dot_32(w, x3);
      }
    }
    if (TOKENS > 4u) {
      let x4 = activations[x_row(token + 4u) + at];
      let x5 = activations[x_row(token + 5u) + at];
      let x6 = activations[x_row(token + 6u) + at];
      let x7 = activations[x_row(token + 7u) + at];
      a.high += vec4(dot_32(v, x4), dot_32(v, x5), dot_32(v, x6), dot_32(v, x7));
      if (ROWS > 1u) {
        b.high += vec4(dot_32(w, x4), dot_32(w, x5), dot_32(w, x6), dot_32(w, x7));
      }
    }
  }
  let rows = params.products[tile.x].rows;
  for (var t = 0u; t < min(8u, params.n - token); t++) {
    let sum = select(a.high, a.low, t < 4u)[t & 3u];
    let other = select(b.high, b.low, t < 4u)[t & 3u];
    if (gated) {
      if (m < rows) {
        finish_gated(token + t, m, sum, other);
      }
    } else {
      if (m < rows) {
        finish(tile.x, token + t, m, sum);
      }
      if (ROWS > 1u && m + WORKGROUP < rows) {
        finish(tile.x, token + t, m + WORKGROUP, other);
      }
    }
  }
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
