// out[n, m] = x[n, k] · w[m, k]ᵀ, a row of x at a time: LANES invocations walk along ROWS rows of the weight side by side,
// so that neighbours read neighbouring blocks, and a workgroup holds WORKGROUP / LANES such teams. Joined after a header
// (WORKGROUP, LANES, ROWS), exp.wgsl, mat.wgsl, a type and a summation (matvec-sum-*.wgsl).
// Oracle: dequantised weights times x in float64 (test/gpu/matmul.ts).

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let tile = tile_of(group, groups);
  let lane = local % LANES;
  let team = tile.y * (WORKGROUP / LANES) + local / LANES;
  var row: array<u32, ROWS>;
  for (var r = 0u; r < ROWS; r++) {
    row[r] = row_of(tile.x, team, r);
  }
  let token = group.y;
  let x_row = params.x + token * params.k4;
  var sums: array<f32, ROWS>;
  for (var g = lane; g < params.k4 / 8u; g += LANES) {
    let i = x_row + 8u * g;
    let x = array<vec4<f32>, 8>(
      activations[i], activations[i + 1u], activations[i + 2u], activations[i + 3u],
      activations[i + 4u], activations[i + 5u], activations[i + 6u], activations[i + 7u],
    );
    for (var r = 0u; r < ROWS; r++) {
      let w = values_of(row[r], g);
      sums[r] += dot(w[0], x[0]) + dot(w[1], x[1]) + dot(w[2], x[2]) + dot(w[3], x[3])
        + (dot(w[4], x[4]) + dot(w[5], x[5]) + dot(w[6], x[6]) + dot(w[7], x[7]));
    }
  }
  let all = sums_of_team(sums, local);
  if (lane != 0u) {
    return;
  }
  if (EPILOGUE == 2u) {
    for (var r = 0u; r < ROWS / 2u; r++) {
      let m = team * (ROWS / 2u) + r;
      if (m < params.products[0].rows) {
        finish_gated(token, m, all[2u * r], all[2u * r + 1u]);
      }
    }
  } else {
    for (var r = 0u; r < ROWS; r++) {
      let m = team * ROWS + r;
      if (m < params.products[tile.x].rows) {
        finish(tile.x, token, m, all[r]);
      }
    }
  }
}

/** First byte of the r-th row of a team: of gate and up in turn where they are gated; the last row stands for those past it. */
fn row_of(product: u32, team: u32, r: u32) -> u32 {
  var p = product;
  var m = team * ROWS + r;
  if (EPILOGUE == 2u) {
    p = r & 1u;
    m = team * (ROWS / 2u) + (r >> 1u);
  }
  return 4u * params.products[p].weight + min(m, params.products[p].rows - 1u) * params.row_bytes;
}
