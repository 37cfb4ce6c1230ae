// The sum of all weights, and the token at which the running sum passes the draw's share of it; joined
// with logits.wgsl, exp.wgsl and logits-weight.wgsl. A workgroup takes a query.

@group(0) @binding(2) var<storage, read> tables: Queries;

var<workgroup> sums: array<vec2<f32>, 64>;

/** Adds to a sum that is kept in two floats. */
fn add(sum: vec2<f32>, value: f32) -> vec2<f32> {
  let both = two_sum(sum.x, value, tables.zero);
  return vec2(both.x, sum.y + both.y);
}

/** What lane 0 returns is the sum over a row's groups. */
fn total(groups: u32, first: u32, lane: u32) -> f32 {
  var sum = vec2(0.0);
  for (var g = lane; g < groups; g += 64u) {
    sum = add(sum, bitcast<f32>(results[first + g]));
  }
  sums[lane] = sum;
  for (var half = 32u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (lane < half) {
      let other = sums[lane + half];
      let both = add(sums[lane], other.x);
      sums[lane] = vec2(both.x, both.y + other.y);
    }
  }
  workgroupBarrier();
  return sums[0].x + sums[0].y;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let query = tables.list[group.x];
  let groups = tables.groups;
  if ((query.flags & 1u) != 0u) {
    let mass = total(groups, query.groups + groups, lane);
    if (lane == 0u) {
      results[query.answer + MASS] = bitcast<u32>(mass);
    }
  }
  workgroupBarrier();
  if ((query.flags & 2u) == 0u) {
    return;
  }
  let first = query.groups + 2u * groups;
  let target_sum = query.random * total(groups, first, lane);
  if (lane > 0u) {
    return;
  }
  // The group at which the sum passes, else the last one with any weight: rounding may leave the target
  // at the sum itself.
  var before = vec2(0.0);
  var chosen = 0u;
  var sum = vec2(0.0);
  for (var g = 0u; g < groups; g++) {
    let mass = bitcast<f32>(results[first + g]);
    if (mass > 0.0) {
      chosen = g;
      before = sum;
      sum = add(sum, mass);
      if (sum.x + sum.y > target_sum) {
        break;
      }
    }
  }
  let most = results[query.answer + MAX];
  var drawn = 0u;
  sum = before;
  for (var i = GROUP * chosen; i < min(GROUP * chosen + GROUP, tables.vocab); i++) {
    let weight = weight_of(activations[query.row + i], most, query.scale);
    if (weight > 0.0) {
      drawn = i;
      sum = add(sum, weight);
      if (sum.x + sum.y > target_sum) {
        break;
      }
    }
  }
  results[query.answer + DRAWN] = drawn;
  results[query.answer + DRAWN_LOGIT] = activations[query.row + drawn];
}
