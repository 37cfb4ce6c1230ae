// Sums of weights of each group of a row; joined with logits.wgsl, exp.wgsl and logits-weight.wgsl.
// A workgroup takes a group of a query, at temperature 1 (z = 0) or at that of the draw (z = 1).

@group(0) @binding(2) var<storage, read> tables: Queries;

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let query = tables.list[group.y];
  if ((query.flags & (1u << group.z)) == 0u) {
    return;
  }
  let end = min(GROUP * group.x + GROUP, tables.vocab);
  let most = results[query.answer + MAX];
  let scale = select(1.0, query.scale, group.z == 1u);
  var sum = 0.0;
  for (var i = GROUP * group.x + lane; i < end; i += 64u) {
    sum += weight_of(activations[query.row + i], most, scale);
  }
  sums[lane] = sum;
  for (var half = 32u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (lane < half) {
      sums[lane] += sums[lane + half];
    }
  }
  if (lane == 0u) {
    results[query.groups + (1u + group.z) * tables.groups + group.x] = bitcast<u32>(sums[0]);
  }
}
