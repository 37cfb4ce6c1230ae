// As matmul.wgsl with integer dot products: each 32 columns of x are rounded to signed bytes under one scale as they
// enter the workgroup's memory, weights stay the bytes that they are. Needs packed_4x8_integer_dot_product.
// x = d * q with d = max |x| / 127; sum = d * (scale · (q_w · q_x) + minimum · Σ q_x) for each 16 columns.
// Oracle: the same rounding, then float64 (test/gpu/matmul).

const ROWS = 64u;
const TOKENS = 32u;

var<workgroup> w_tile: array<u32, 512>;
var<workgroup> w_scales: array<vec4<f32>, 64>;
var<workgroup> x_tile: array<u32, 256>;
/** d, d * the sums of the first and the second 16. */
var<workgroup> x_scales: array<vec4<f32>, 32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let tile = tile_of(group, groups);
  let row = tile_row(tile.x, tile.y, local);
  let token = group.y * TOKENS;
  let wy = local & 7u;
  let tx = local >> 3u;
  var sums: array<vec4<f32>, 8>;
  for (var g = 0u; g < params.k4 / 8u; g++) {
    workgroupBarrier();
    let w = quants_of(row, g);
    for (var j = 0u; j < 8u; j++) {
      w_tile[j * ROWS + local] = w.q[j];
    }
    w_scales[local] = vec4(w.scale, w.minimum);
    if (local < TOKENS) {
      round_x(local, params.x + min(token + local, params.n - 1u) * params.k4 + 8u * g);
    }
    workgroupBarrier();
    // Half of 8: a bound that compilers do not know keeps a loop that they would make four times as long.
    for (var t = 0u; t < params.step / 2u; t++) {
      let chosen = vec4(t) == vec4(0u, 1u, 2u, 3u);
      let token_in_tile = tx * 4u + t;
      let xs = x_scales[token_in_tile];
      let x0 = x_tile[token_in_tile];
      let x1 = x_tile[TOKENS + token_in_tile];
      let x2 = x_tile[2u * TOKENS + token_in_tile];
      let x3 = x_tile[3u * TOKENS + token_in_tile];
      let x4 = x_tile[4u * TOKENS + token_in_tile];
      let x5 = x_tile[5u * TOKENS + token_in_tile];
      let x6 = x_tile[6u * TOKENS + token_in_tile];
      let x7 = x_tile[7u * TOKENS + token_in_tile];
      for (var i = 0u; i < 8u; i++) {
        let r = wy + 8u * i;
        let low = dot4I8Packed(w_tile[r], x0) + dot4I8Packed(w_tile[ROWS + r], x1)
          + dot4I8Packed(w_tile[2u * ROWS + r], x2) + dot4I8Packed(w_tile[3u * ROWS + r], x3);
        let high = dot4I8Packed(w_tile[4u * ROWS + r], x4) + dot4I8Packed(w_tile[5u * ROWS + r], x5)
          + dot4I8Packed(w_tile[6u * ROWS + r], x6) + dot4I8Packed(w_tile[7u * ROWS + r], x7);
        let scales = w_scales[r];
        var sum = xs.x * (scales.x * f32(low) + scales.y * f32(high));
        if (HAS_MINIMUM) {
          sum += scales.z * xs.y + scales.w * xs.z;
        }
        sums[i] += select(vec4(0.0), vec4(sum), chosen);
      }
    }
  }
  finish_tile(tile, token + tx * 4u, wy, sums);
}

/** Round the 32 values from vec4 `start` on into column `t` of the tile. */
fn round_x(t: u32, start: u32) {
  var most = vec4(0.0);
  for (var j = 0u; j < 8u; j++) {
    most = max(most, abs(activations[start + j]));
  }
  let d = max(max(most.x, most.y), max(most.z, most.w)) / 127.0;
  // Subnormal scales have reciprocals that are no numbers; such values are nothing beside others.
  let inverse = select(0.0, 1.0 / d, d > 1e-37);
  var totals = vec2(0);
  for (var j = 0u; j < 8u; j++) {
    let q = vec4<i32>(round(activations[start + j] * inverse));
    let total = q.x + q.y + q.z + q.w;
    totals += select(vec2(0, total), vec2(total, 0), j < 4u);
    x_tile[j * TOKENS + t] = (u32(q.x) & 255u) | ((u32(q.y) & 255u) << 8u) | ((u32(q.z) & 255u) << 16u)
      | (u32(q.w) << 24u);
  }
  x_scales[t] = vec4(d, d * f32(totals.x), d * f32(totals.y), 0.0);
}
