// out[n, m] = x[n, k] · w[m, k]ᵀ for many rows of x: a workgroup of 64 computes a tile of 64 rows of the weight by 32 of
// x, of which every invocation holds 8 by 4 sums; 32 columns at a time go through the workgroup's memory, weights
// dequantised once for 32 rows of x. Joined with exp.wgsl, mat.wgsl, a type and value-*.wgsl.
// Oracle: dequantised weights times x in float64 (test/gpu/matmul).

const ROWS = 64u;
const TOKENS = 32u;
/** One more than there are, so that neighbours write to different banks. */
const PITCH = 33u;

var<workgroup> w_tile: array<Value, 512>;
var<workgroup> x_tile: array<Value, 264>;

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
    let w = values_of(row, g);
    for (var j = 0u; j < 8u; j++) {
      w_tile[j * ROWS + local] = to_value(w[j]);
    }
    for (var i = 0u; i < 4u; i++) {
      let t = tx + 8u * i;
      let start = params.x + min(token + t, params.n - 1u) * params.k4 + 8u * g + wy;
      x_tile[wy * PITCH + t] = to_value(activations[start]);
    }
    workgroupBarrier();
    for (var j = 0u; j < params.step; j++) {
      let at = j * PITCH + tx * 4u;
      let a = vec4<f32>(x_tile[at]);
      let b = vec4<f32>(x_tile[at + 1u]);
      let c = vec4<f32>(x_tile[at + 2u]);
      let d = vec4<f32>(x_tile[at + 3u]);
      for (var i = 0u; i < 8u; i++) {
        let v = vec4<f32>(w_tile[j * ROWS + wy + 8u * i]);
        sums[i] += vec4(dot(v, a), dot(v, b), dot(v, c), dot(v, d));
      }
    }
  }
  finish_tile(tile, token + tx * 4u, wy, sums);
}
