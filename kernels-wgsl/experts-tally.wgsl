// tally[expert] += how often it is among ids[count]; an invocation takes an expert.

struct Params {
  ids: u32,
  count: u32,
  tally: u32,
  experts: u32,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= params.experts) {
    return;
  }
  var taken = 0.0;
  for (var i = 0u; i < params.count; i++) {
    taken += select(0.0, 1.0, u32(activations[params.ids + i]) == id.x);
  }
  activations[params.tally + id.x] += taken;
}
