// Rotates heads in place and stores keys and values in the cache; joined with cache.wgsl.
//
// A workgroup takes a head of a row: heads of q first, then of k, then of v. q and k are rotated by
// rotation[n, pairs, 2] of (cos, sin), k as it is then and v are stored at slots[n]. With no
// pairs it only stores, with no heads to store only rotates. Oracle: backends/reference/ops.ts and round.ts.

struct Params {
  shape: CacheShape,
  q: u32,
  k: u32,
  v: u32,
  rotation: u32,
  /** Entry of the tables. */
  slots: u32,
  q_heads: u32,
  stored_heads: u32,
  pairs: u32,
  /** 1: pairs are (i, i + pairs) instead of (2i, 2i + 1). */
  neox: u32,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(2) var<storage, read> tables: array<u32>;
@group(0) @binding(3) var<storage, read_write> cache: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

const MAX_HEAD_DIM = 384u;
const NAN_BITS = 0x7fc00000u;
var<workgroup> head: array<f32, MAX_HEAD_DIM>;
var<workgroup> turned: array<f32, MAX_HEAD_DIM>;
var<workgroup> inverses: array<f32, 16>;

/** binary16 of a float, rounded to nearest even; pack2x16float need not round so, nor know infinities. */
fn to_half(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  let sign = (bits >> 16u) & 0x8000u;
  let magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {
    return sign | 0x7e00u;
  }
  if (magnitude >= 0x477ff000u) {
    return sign | 0x7c00u;
  }
  if (magnitude < 0x33000000u) {
    return sign;
  }
  var kept: u32;
  var rest: u32;
  var tie: u32;
  if (magnitude < 0x38800000u) {
    // Subnormal: the significand moves until it counts 2^-24.
    let shift = 126u - (magnitude >> 23u);
    let significand = (magnitude & 0x7fffffu) | 0x800000u;
    kept = significand >> shift;
    tie = 1u << (shift - 1u);
    rest = significand & ((1u << shift) - 1u);
  } else {
    kept = (magnitude - 0x38000000u) >> 13u;
    tie = 0x1000u;
    rest = magnitude & 0x1fffu;
  }
  return sign | (kept + select(0u, 1u, rest > tie || (rest == tie && (kept & 1u) == 1u)));
}

/** The scale of dimensions 32 g to 32 g + 31; what multiplies them becomes inverses[g]. */
fn scale_of(g: u32) -> u32 {
  var most = 0u;
  for (var i = 32u * g; i < min(32u * g + 32u, params.shape.head_dim); i++) {
    most = max(most, bitcast<u32>(turned[i]) & 0x7fffffffu);
  }
  if (most >= 0x7f800000u) {
    inverses[g] = 0.0;
    return NAN_BITS;
  }
  let magnitude = bitcast<f32>(most);
  inverses[g] = select(127.0 / magnitude, 0.0, most == 0u);
  return bitcast<u32>(unpack2x16float(to_half(magnitude / 127.0)).x);
}

fn quad_at(i: u32) -> vec4<f32> {
  return vec4(turned[i], turned[i + 1u], turned[i + 2u], turned[i + 3u]);
}

fn store_quad(at: u32, quad: u32) {
  let values = quad_at(4u * quad);
  if (CACHE_TYPE == 0u) {
    cache[at] = bitcast<u32>(values.x);
    cache[at + 1u] = bitcast<u32>(values.y);
    cache[at + 2u] = bitcast<u32>(values.z);
    cache[at + 3u] = bitcast<u32>(values.w);
  } else if (CACHE_TYPE == 1u) {
    cache[at] = to_half(values.x) | (to_half(values.y) << 16u);
    cache[at + 1u] = to_half(values.z) | (to_half(values.w) << 16u);
  } else {
    let scaled = clamp(round(values * inverses[quad / 8u]), vec4(-128.0), vec4(127.0));
    let bytes = vec4<u32>(vec4<i32>(scaled)) & vec4(255u);
    cache[at] = bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
  }
}

/** Dimension i after the rotation. */
fn rotated(i: u32, row: u32) -> f32 {
  if (i >= 2u * params.pairs) {
    return head[i];
  }
  let neox = params.neox == 1u;
  let pair = select(i >> 1u, i % max(params.pairs, 1u), neox);
  let second = select((i & 1u) == 1u, i >= params.pairs, neox);
  let a = select(2u * pair, pair, neox);
  let b = select(2u * pair + 1u, pair + params.pairs, neox);
  let at = params.rotation + 2u * (row * params.pairs + pair);
  let turn = vec2(activations[at], activations[at + 1u]);
  if (second) {
    return head[a] * turn.y + head[b] * turn.x;
  }
  return head[a] * turn.x - head[b] * turn.y;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y;
  let is_q = group.x < params.q_heads;
  let is_k = !is_q && group.x < params.q_heads + params.stored_heads;
  var at = params.q + (row * params.q_heads + group.x) * params.shape.head_dim;
  var kv_head = 0u;
  if (is_k) {
    kv_head = group.x - params.q_heads;
    at = params.k + (row * params.stored_heads + kv_head) * params.shape.head_dim;
  } else if (!is_q) {
    kv_head = group.x - params.q_heads - params.stored_heads;
    at = params.v + (row * params.stored_heads + kv_head) * params.shape.head_dim;
  }
  for (var i = lane; i < params.shape.head_dim; i += 64u) {
    head[i] = activations[at + i];
  }
  workgroupBarrier();
  for (var i = lane; i < params.shape.head_dim; i += 64u) {
    var value = head[i];
    if (params.pairs > 0u && (is_q || is_k)) {
      value = rotated(i, row);
      activations[at + i] = value;
    }
    turned[i] = value;
  }
  workgroupBarrier();
  if (is_q) {
    return;
  }
  let slot = tables[tables[params.slots] + row];
  if (CACHE_TYPE == 2u) {
    if (lane < params.shape.scales) {
      let word = select(value_scale_word(params.shape, slot, kv_head, lane), key_scale_word(params.shape, slot, kv_head, lane), is_k);
      cache[word] = scale_of(lane);
    }
    workgroupBarrier();
  }
  for (var quad = lane; quad < params.shape.quads; quad += 64u) {
    store_quad(select(value_word(params.shape, slot, kv_head, quad), key_word(params.shape, slot, kv_head, quad), is_k), quad);
  }
}
