// The largest key of each group of a row; joined with logits.wgsl. A workgroup takes a group of a query.

@group(0) @binding(2) var<storage, read> tables: Queries;

var<workgroup> keys: array<u32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let query = tables.list[group.y];
  let end = min(GROUP * group.x + GROUP, tables.vocab);
  var best = LEAST_KEY;
  for (var i = GROUP * group.x + lane; i < end; i += 64u) {
    best = max(best, key_of(activations[query.row + i]));
  }
  keys[lane] = best;
  for (var half = 32u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (lane < half) {
      keys[lane] = max(keys[lane], keys[lane + half]);
    }
  }
  if (lane == 0u) {
    results[query.groups + group.x] = keys[0];
  }
}
