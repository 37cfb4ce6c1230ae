// Reports the logits of chosen tokens, makes those that a mask leaves out impossible, then changes logits
// one after another (core/tensor/logits.ts); joined with logits.wgsl. A workgroup takes a query.
//
// The definition computes in f64. Here a number is the sum of two floats (Dekker 1971), which rounds to
// the same f32 but where f64 itself is next to a tie.

@group(0) @binding(2) var<storage, read> tables: array<u32>;

const HEADER = 4u;
const QUERY = 12u;
const CHANGE = 9u;

fn field(query: u32, i: u32) -> u32 {
  return tables[HEADER + QUERY * query + i];
}

fn float_at(at: u32) -> f32 {
  return bitcast<f32>(tables[at]);
}

fn split(a: f32) -> vec2<f32> {
  let c = opaque(4097.0 * a, tables[2]);
  let high = opaque(c - opaque(c - a, tables[2]), tables[2]);
  return vec2(high, a - high);
}

/** a · b: rounded, and what rounding lost. */
fn two_product(a: f32, b: f32) -> vec2<f32> {
  let p = opaque(a * b, tables[2]);
  let x = split(a);
  let y = split(b);
  return vec2(p, ((x.x * y.x - p) + x.x * y.y + x.y * y.x) + x.y * y.y);
}

fn subtract(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
  let s = two_sum(a.x, -b.x, tables[2]);
  let low = s.y + (a.y - b.y);
  let high = opaque(s.x + low, tables[2]);
  return vec2(high, low - opaque(high - s.x, tables[2]));
}

fn changed(logit: f32, at: u32) -> f32 {
  let sum = two_sum(logit, float_at(at + 1u), tables[2]);
  let biased = sum.x + (sum.y + float_at(at + 2u));
  let repeat = vec2(float_at(at + 3u), float_at(at + 4u));
  // Beyond these, splitting overflows and the second float means nothing.
  if (!(abs(biased) < 1e30) || !(abs(repeat.x) < 1e30) || !(abs(logit) < 1e30)) {
    let plain = logit + float_at(at + 1u);
    let repeated = select(plain / repeat.x, plain * repeat.x, plain <= 0.0);
    return repeated - float_at(at + 5u) - float_at(at + 7u);
  }
  var value: vec2<f32>;
  if (biased <= 0.0) {
    let p = two_product(biased, repeat.x);
    value = vec2(p.x, p.y + biased * repeat.y);
  } else {
    let q = opaque(biased / repeat.x, tables[2]);
    let p = two_product(q, repeat.x);
    value = vec2(q, ((biased - p.x) - p.y - q * repeat.y) / repeat.x);
  }
  value = subtract(value, vec2(float_at(at + 5u), float_at(at + 6u)));
  value = subtract(value, vec2(float_at(at + 7u), float_at(at + 8u)));
  return value.x + value.y;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let query = group.x;
  let vocab = tables[0];
  let row = field(query, 0u);
  let answer = field(query, 9u);
  for (var i = lane; i < field(query, 5u); i += 64u) {
    let token = tables[field(query, 6u) + i];
    results[answer + LISTS + i] = select(0xff800000u, activations[row + min(token, vocab - 1u)], token < vocab);
  }
  storageBarrier();
  let mask = field(query, 11u);
  if (mask > 0u) {
    for (var i = lane; i < vocab; i += 64u) {
      if (((tables[mask + (i >> 5u)] >> (i & 31u)) & 1u) == 0u) {
        activations[row + i] = 0xff800000u;
      }
    }
  }
  storageBarrier();
  if (lane > 0u) {
    return;
  }
  for (var i = 0u; i < field(query, 7u); i++) {
    let at = field(query, 8u) + CHANGE * i;
    let token = tables[at];
    if (token < vocab) {
      let logit = bitcast<f32>(activations[row + token]);
      activations[row + token] = bitcast<u32>(changed(logit, at));
    }
  }
}
