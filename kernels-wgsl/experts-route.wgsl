// Which experts rows take: ids[n, used] are those with the largest router[n, experts], the first of equals,
// shares[n, used] the softmax over them; joined with exp.wgsl. An invocation takes a row.
// Ids are kept as floats: activations hold nothing else. Oracle: core/tensor/route.ts.

struct Params {
  router: u32,
  ids: u32,
  shares: u32,
  rows: u32,
  experts: u32,
  used: u32,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.x;
  if (row >= params.rows) {
    return;
  }
  let router = params.router + row * params.experts;
  let first = row * params.used;
  var before = 0u;
  for (var i = 0u; i < params.used; i++) {
    // The next one below what was taken last: smaller, or equal and later.
    var best = params.experts;
    for (var e = 0u; e < params.experts; e++) {
      let value = activations[router + e];
      let last = activations[router + before];
      let below = i == 0u || value < last || (value == last && e > before);
      if (below && (best == params.experts || value > activations[router + best])) {
        best = e;
      }
    }
    // Only values that are no numbers leave none.
    before = min(best, params.experts - 1u);
    activations[params.ids + first + i] = f32(before);
  }
  let most = activations[router + u32(activations[params.ids + first])];
  var sum = 0.0;
  for (var i = 0u; i < params.used; i++) {
    let share = exp_f32(activations[router + u32(activations[params.ids + first + i])] - most);
    activations[params.shares + first + i] = share;
    sum += share;
  }
  for (var i = 0u; i < params.used; i++) {
    activations[params.shares + first + i] /= sum;
  }
}
