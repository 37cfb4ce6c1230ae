// Written by scripts/embed-wgsl.mjs from kernels-wgsl/*.wgsl; change those and run it again.

/** The text of each file. A module is one of them, or several joined. */
export const WGSL = {
  activation: `// What gates become; joined after exp.wgsl.

/** 0: silu(v) = v / (1 + e^-v). 1: GELU by its approximation with tanh, (1 + tanh u) / 2 = 1 / (1 + e^-2u). */
override ACTIVATION: u32 = 0u;

fn activated(v: f32) -> f32 {
  // √(8/π) (v + 0.044715 v³); the cube of what is far away would be infinite times zero.
  let near = clamp(v, -100.0, 100.0);
  let steep = select(v, 1.595769122 * (near + 0.044715 * near * near * near), ACTIVATION == 1u);
  return v / (1.0 + exp_f32(-steep));
}
`,
  "add-row": `// x[n, d] += bias[d]; a workgroup changes 64 values of a row.

struct Params {
  x: u32,
  bias: u32,
  width: u32,
}

@group(0) @binding(0) var<storage, read> weights: array<u32>;
@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = group.x * 64u + lane;
  if (i < params.width) {
    activations[params.x + group.y * params.width + i] += bitcast<f32>(weights[params.bias + i]);
  }
}
`,
  add: `// x[i] += y[i]. Invocations go over the values in strides, so that any number of workgroups does.

struct Params {
  x: u32,
  y: u32,
  count: u32,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < params.count; i += groups.x * 64u) {
    activations[params.x + i] += activations[params.y + i];
  }
}
`,
  attention: `// out[n, h] = softmax(q[n, h] · Kᵀ · scale) · V over the positions that row n sees; joined with
// cache.wgsl and exp.wgsl. Oracle: backends/reference/attention.ts.
//
// A workgroup takes some rows of a sequence and some query heads that share a head of keys, so that the
// cache is read once for all of them. It walks over the positions 64 at a time, at multiples of 64, with a
// running maximum and sum (Milakov and Gimelshein 2018), so nothing grows with the context: each invocation
// scores a position, then each mixes its dimensions. Positions that a row must not see weigh nothing,
// whatever lies there, and change no bit: so rows have the same bits in any company.

/** Vectors of four queries; a query is a head of a row. */
override FOURS: u32 = 1u;

struct Params {
  shape: CacheShape,
  out: u32,
  q: u32,
  scale: f32,
  /** Positions that a row sees, itself included. */
  window: u32,
  /** Entries of tables[0..]: positions, first block of each row, blocks. */
  positions: u32,
  first_blocks: u32,
  block_sizes: u32,
  heads: u32,
  /** Query heads that share a head of keys, those of a workgroup, and workgroups that share it. */
  shared_by: u32,
  group: u32,
  chunks: u32,
  /** 8, which compilers cannot know: unrolled, these loops take many times as long to compile. */
  eighths: u32,
  /** Entry of the tables: for each workgroup the first row times 16 and how many there are, or 0. */
  tiles: u32,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(2) var<storage, read> tables: array<u32>;
@group(0) @binding(3) var<storage, read_write> cache: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

const TILE = 64u;
const ROOM = 384u;
const LEAST = -3.0e38;

// Queries are the components of vectors: private arrays that are indexed by variables are slow to
// run and, where they are turned into branches, minutes to compile.
var<workgroup> queries: array<vec4<f32>, ROOM>; // [head_dim, FOURS]
var<workgroup> mixed: array<vec4<f32>, ROOM>; // [head_dim, FOURS]: weighted sums of values
var<workgroup> scores: array<vec4<f32>, 128>; // [TILE, FOURS]: scores, then weights
var<workgroup> slots: array<u32, TILE>;
var<workgroup> parts: array<f32, 64>; // [8, 8]: maxima, then sums of eighths of a tile
var<workgroup> maxima: array<f32, 8>;
var<workgroup> totals: array<f32, 8>;
var<workgroup> shrinks: array<vec4<f32>, 2>; // [FOURS]
var<workgroup> firsts: array<vec4<u32>, 2>; // [FOURS]: the first position that a query sees
var<workgroup> lasts: array<vec4<u32>, 2>; // [FOURS]

fn signed_bytes(word: u32) -> vec4<f32> {
  return vec4<f32>((vec4<i32>(vec4(word)) << vec4(24u, 16u, 8u, 0u)) >> vec4(24u));
}

fn key_quad(at: u32, slot: u32, head: u32, quad: u32) -> vec4<f32> {
  if (CACHE_TYPE == 0u) {
    return bitcast<vec4<f32>>(vec4(cache[at], cache[at + 1u], cache[at + 2u], cache[at + 3u]));
  } else if (CACHE_TYPE == 1u) {
    return vec4(unpack2x16float(cache[at]), unpack2x16float(cache[at + 1u]));
  }
  let scale = bitcast<f32>(cache[key_scale_word(params.shape, slot, head, quad / 8u)]);
  return signed_bytes(cache[at]) * scale;
}

fn value_at(slot: u32, head: u32, d: u32) -> f32 {
  let at = value_word(params.shape, slot, head, 0u);
  if (CACHE_TYPE == 0u) {
    return bitcast<f32>(cache[at + d]);
  } else if (CACHE_TYPE == 1u) {
    let pair = unpack2x16float(cache[at + d / 2u]);
    return select(pair.x, pair.y, (d & 1u) == 1u);
  }
  let scale = bitcast<f32>(cache[value_scale_word(params.shape, slot, head, d / 32u)]);
  return signed_bytes(cache[at + d / 4u])[d & 3u] * scale;
}

fn first_seen(last: u32) -> u32 {
  return select(0u, last + 1u - params.window, last >= params.window);
}

/** Which of four queries see a position. */
fn seen(position: u32, four: u32) -> vec4<bool> {
  return (vec4(position) >= firsts[four]) & (vec4(position) <= lasts[four]);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let rows = tables[tables[params.tiles] + group.y] & 15u;
  if (rows == 0u) {
    return;
  }
  let first_row = tables[tables[params.tiles] + group.y] >> 4u;
  let kv_head = group.x / params.chunks;
  let first_shared = (group.x % params.chunks) * params.group;
  let first_head = kv_head * params.shared_by + first_shared;
  let count_heads = min(params.group, params.shared_by - first_shared);
  for (var i = lane; i < params.shape.head_dim * FOURS * 4u; i += 64u) {
    let g = i / params.shape.head_dim;
    let d = i % params.shape.head_dim;
    let row = g / params.group;
    let head = g % params.group;
    var value = 0.0;
    if (row < rows && head < count_heads) {
      let at = ((first_row + row) * params.heads + first_head + head) * params.shape.head_dim;
      value = activations[params.q + at + d] * params.scale;
    }
    queries[d * FOURS + g / 4u][g % 4u] = value;
  }
  for (var i = lane; i < params.shape.head_dim * FOURS; i += 64u) {
    mixed[i] = vec4(0.0);
  }
  if (lane < 8u) {
    maxima[lane] = LEAST;
    totals[lane] = 0.0;
    let row = lane / params.group;
    var last = 0u;
    var first = 0xffffffffu;
    if (row < rows) {
      last = tables[tables[params.positions] + first_row + row];
      first = first_seen(last);
    }
    if (lane < 4u * FOURS) {
      firsts[lane / 4u][lane % 4u] = first;
      lasts[lane / 4u][lane % 4u] = last;
    }
  }
  // Positions that some row sees, and those that all do.
  var begin = 0xffffffffu;
  var end = 0u;
  var all_from = 0u;
  var all_to = 0xffffffffu;
  for (var r = 0u; r < rows; r++) {
    let last = tables[tables[params.positions] + first_row + r];
    let first = first_seen(last);
    begin = min(begin, first);
    end = max(end, last);
    all_from = max(all_from, first);
    all_to = min(all_to, last);
  }
  let blocks = tables[params.first_blocks] + first_row;
  let block_table = tables[blocks];
  let block_size = tables[params.block_sizes];
  workgroupBarrier();

  for (var tile = begin - begin % TILE; tile <= end; tile += TILE) {
    let count = min(TILE, end + 1u - tile);
    let by_all = tile >= all_from && tile + count - 1u <= all_to;
    // Scores, one position for each invocation.
    var low = vec4(LEAST);
    var high = vec4(LEAST);
    if (lane < count) {
      let position = tile + lane;
      let slot = tables[block_table + position / block_size] * block_size + position % block_size;
      slots[lane] = slot;
      let word = key_word(params.shape, slot, kv_head, 0u);
      low = vec4(0.0);
      high = vec4(0.0);
      for (var quad = 0u; quad < params.shape.quads; quad++) {
        let key = key_quad(word + quad * 16u * QUAD_WORDS, slot, kv_head, quad);
        let at = 4u * quad * FOURS;
        low += key.x * queries[at];
        low += key.y * queries[at + FOURS];
        low += key.z * queries[at + 2u * FOURS];
        low += key.w * queries[at + 3u * FOURS];
        if (FOURS == 2u) {
          high += key.x * queries[at + 1u];
          high += key.y * queries[at + 3u];
          high += key.z * queries[at + 5u];
          high += key.w * queries[at + 7u];
        }
      }
      low = select(vec4(LEAST), low, seen(position, 0u));
      if (FOURS == 2u) {
        high = select(vec4(LEAST), high, seen(position, 1u));
      }
    }
    scores[lane * FOURS] = low;
    if (FOURS == 2u) {
      scores[lane * FOURS + 1u] = high;
    }
    workgroupBarrier();

    // Eight invocations for each query: the maximum, then weights and their sum.
    let g = lane >> 3u;
    let eighth = lane & 7u;
    let is_query = g < rows * params.group;
    if (is_query) {
      var most = LEAST;
      for (var i = 0u; i < params.eighths; i++) {
        most = max(most, scores[(eighth + 8u * i) * FOURS + g / 4u][g % 4u]);
      }
      parts[lane] = most;
    }
    workgroupBarrier();
    var most = LEAST;
    if (is_query) {
      most = maxima[g];
      for (var i = 0u; i < params.eighths; i++) {
        most = max(most, parts[8u * g + i]);
      }
    }
    workgroupBarrier();
    if (is_query) {
      var sum = 0.0;
      for (var i = 0u; i < params.eighths; i++) {
        let p = eighth + 8u * i;
        let is_seen = p < count && tile + p >= firsts[g / 4u][g % 4u] && tile + p <= lasts[g / 4u][g % 4u];
        let weight = select(0.0, exp_f32(scores[p * FOURS + g / 4u][g % 4u] - most), is_seen);
        scores[p * FOURS + g / 4u][g % 4u] = weight;
        sum += weight;
      }
      parts[lane] = sum;
    }
    workgroupBarrier();
    if (is_query && eighth == 0u) {
      var sum = 0.0;
      for (var i = 0u; i < params.eighths; i++) {
        sum += parts[lane + i];
      }
      let shrink = exp_f32(maxima[g] - most);
      shrinks[g / 4u][g % 4u] = shrink;
      totals[g] = totals[g] * shrink + sum;
      maxima[g] = most;
    }
    workgroupBarrier();

    // Values, a dimension for each invocation at a time.
    for (var d = lane; d < params.shape.head_dim; d += 64u) {
      var sum_low = mixed[d * FOURS] * shrinks[0];
      var sum_high = vec4(0.0);
      if (FOURS == 2u) {
        sum_high = mixed[d * FOURS + 1u] * shrinks[1];
      }
      for (var p = 0u; p < count; p++) {
        let value = value_at(slots[p], kv_head, d);
        if (by_all) {
          sum_low += scores[p * FOURS] * value;
          if (FOURS == 2u) {
            sum_high += scores[p * FOURS + 1u] * value;
          }
        } else {
          // No weight makes what is no number nothing.
          sum_low += select(vec4(0.0), scores[p * FOURS] * value, seen(tile + p, 0u));
          if (FOURS == 2u) {
            sum_high += select(vec4(0.0), scores[p * FOURS + 1u] * value, seen(tile + p, 1u));
          }
        }
      }
      mixed[d * FOURS] = sum_low;
      if (FOURS == 2u) {
        mixed[d * FOURS + 1u] = sum_high;
      }
    }
    workgroupBarrier();
  }

  for (var i = lane; i < rows * params.group * params.shape.head_dim; i += 64u) {
    let g = i / params.shape.head_dim;
    let d = i % params.shape.head_dim;
    let head = g % params.group;
    if (head < count_heads) {
      let at = ((first_row + g / params.group) * params.heads + first_head + head) * params.shape.head_dim;
      activations[params.out + at + d] = mixed[d * FOURS + g / 4u][g % 4u] / totals[g];
    }
  }
}
`,
  cache: `// How a layer's cache lies in memory; joined with what stores and what attends.
//
// Blocks of 16 positions. A head's keys are interleaved four dimensions (a quad) at a time, [quad, 16, 4],
// so that invocations that each take a position read neighbouring words; its values lie position by
// position, [4 * quads], for invocations that each take a dimension. All values come after all keys. A
// quad is 4 words of f32, 2 of f16, or 1 of q8_0, whose scales (f32 rounded to f16, one for 32
// dimensions) come behind all quads in the same two orders.

/** 0: f32, 1: f16, 2: q8_0. */
override CACHE_TYPE: u32 = 0u;
/** Words of a quad. */
override QUAD_WORDS: u32 = 4u >> CACHE_TYPE;

/** Sizes are parameters and no constants: some compilers unroll whatever they can, and take minutes. */
struct CacheShape {
  head_dim: u32,
  kv_heads: u32,
  /** Quads and scales of a head at one position. */
  quads: u32,
  scales: u32,
  /** Words where values, scales of keys and scales of values begin. */
  values: u32,
  key_scales: u32,
  value_scales: u32,
  unused: u32,
}

/** First word of a quad of keys; those of the next quad are 16 * QUAD_WORDS further. */
fn key_word(shape: CacheShape, slot: u32, head: u32, quad: u32) -> u32 {
  let block = (slot >> 4u) * shape.kv_heads + head;
  return ((block * shape.quads + quad) * 16u + (slot & 15u)) * QUAD_WORDS;
}

fn value_word(shape: CacheShape, slot: u32, head: u32, quad: u32) -> u32 {
  return shape.values + ((slot * shape.kv_heads + head) * shape.quads + quad) * QUAD_WORDS;
}

fn key_scale_word(shape: CacheShape, slot: u32, head: u32, group: u32) -> u32 {
  let block = (slot >> 4u) * shape.kv_heads + head;
  return shape.key_scales + (block * shape.scales + group) * 16u + (slot & 15u);
}

fn value_scale_word(shape: CacheShape, slot: u32, head: u32, group: u32) -> u32 {
  return shape.value_scales + (slot * shape.kv_heads + head) * shape.scales + group;
}
`,
  embed: `// out[n, d] = table[tokens[n], d]; joined with weights.wgsl.
// A workgroup copies 64 values of one row. Tokens whose row is in another part of the table are passed over.

struct Params {
  out: u32,
  table: u32,
  row_bytes: u32,
  width: u32,
  first: u32,
  rows: u32,
  tokens: u32,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(2) var<storage, read> tables: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = group.x * 64u + lane;
  let row = tables[tables[params.tokens] + group.y] - params.first;
  if (i >= params.width || row >= params.rows) {
    return;
  }
  let value = weight_at(4u * params.table + row * params.row_bytes, i);
  activations[params.out + group.y * params.width + i] = value;
}
`,
  exp: `// e^x by Cody and Waite's reduction and a polynomial: the built-in may err by 3 + 2 |x| ulp.
// Oracle: core/numeric/exp.ts; error below 2 ulp, 0 where the result would be subnormal.

fn exp_f32(x: f32) -> f32 {
  let c = clamp(x, -104.0, 88.7);
  let k = round(c * 1.44269504);
  let r = (c - k * 0.693359375) + k * 2.12194440e-4;
  var p = 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  let y = 1.0 + (r + r * r * p);
  // 2^k in two factors: k reaches -150, which no exponent of a float holds.
  let first = i32(k) / 2;
  let second = i32(k) - first;
  return y * bitcast<f32>(u32(first + 127) << 23u) * bitcast<f32>(u32(second + 127) << 23u);
}
`,
  "experts-matvec": `// out[i, m] = x[i / x_shared_by, k] · w[ids[i], m, k]ᵀ for each choice i of a row: an invocation has a row of the matrix
// of the chosen expert, and of no other. Rows in another part of the weight are passed over. Joined after a type.
// Oracle: backends/reference/experts.ts.

struct Params {
  out: u32,
  /** vec4 of \`activations\` where x[0, 0] is, and vec4s of a row of x. */
  x: u32,
  k4: u32,
  x_shared_by: u32,
  ids: u32,
  /** Rows of an expert's matrix. */
  rows: u32,
  /** Word of \`weights\` where the part begins, its first row among those of all experts, its rows. */
  part: u32,
  first: u32,
  part_rows: u32,
  row_bytes: u32,
}

@group(0) @binding(0) var<storage, read> weights: array<u32>;
@group(0) @binding(1) var<storage, read_write> activations: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let m = group.x * 64u + lane;
  let choice = group.y;
  let id = params.ids + choice;
  let row = u32(activations[id >> 2u][id & 3u]) * params.rows + m - params.first;
  if (m >= params.rows || row >= params.part_rows) {
    return;
  }
  let first_byte = 4u * params.part + row * params.row_bytes;
  let x = params.x + choice / params.x_shared_by * params.k4;
  var sum = 0.0;
  for (var g = 0u; g < params.k4 / 8u; g++) {
    let w = values_of(first_byte, g);
    let i = x + 8u * g;
    sum += dot(w[0], activations[i]) + dot(w[1], activations[i + 1u])
      + dot(w[2], activations[i + 2u]) + dot(w[3], activations[i + 3u])
      + (dot(w[4], activations[i + 4u]) + dot(w[5], activations[i + 5u])
      + dot(w[6], activations[i + 6u]) + dot(w[7], activations[i + 7u]));
  }
  let at = params.out + choice * params.rows + m;
  activations[at >> 2u][at & 3u] = sum;
}
`,
  "experts-route": `// Which experts rows take: ids[n, used] are those with the largest router[n, experts], the first of equals,
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
`,
  "experts-sum": `// out[n, d] = Σ shares[n, i] * y[n, i, d] over the choices i of a row; a workgroup takes 64 values of one.

struct Params {
  out: u32,
  y: u32,
  shares: u32,
  used: u32,
  width: u32,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let column = group.x * 64u + lane;
  if (column >= params.width) {
    return;
  }
  var sum = 0.0;
  for (var i = group.y * params.used; i < (group.y + 1u) * params.used; i++) {
    sum += activations[params.shares + i] * activations[params.y + i * params.width + column];
  }
  activations[params.out + group.y * params.width + column] = sum;
}
`,
  "experts-tally": `// tally[expert] += how often it is among ids[count]; an invocation takes an expert.

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
`,
  gate: `// gate[i] = activation(gate[i]) * up[i]; joined with exp.wgsl and activation.wgsl.
// For products that could not be computed together (another type, another arena).

struct Params {
  gate: u32,
  up: u32,
  count: u32,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < params.count; i += groups.x * 64u) {
    activations[params.gate + i] = activated(activations[params.gate + i]) * activations[params.up + i];
  }
}
`,
  gather: `// out[i, d] = x[rows[i], d]. A workgroup copies 64 values of one row.

struct Params {
  out: u32,
  x: u32,
  width: u32,
  rows: u32,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(2) var<storage, read> tables: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = group.x * 64u + lane;
  if (i >= params.width) {
    return;
  }
  let row = tables[tables[params.rows] + group.y];
  activations[params.out + group.y * params.width + i] = activations[params.x + row * params.width + i];
}
`,
  gelu: `// x[i] = x[i] * Φ(x[i]), Φ the normal distribution function; joined with exp.wgsl. Oracle: core/numeric/erf.ts.

struct Params {
  x: u32,
  count: u32,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

/** By half of erfc(|x| / √2), Abramowitz and Stegun 7.1.26, so that nothing cancels below zero; error below 3e-7. */
fn normal(x: f32) -> f32 {
  let size = abs(x) * 0.70710678;
  let t = 1.0 / (1.0 + 0.3275911 * size);
  let p = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  let tail = 0.5 * p * exp_f32(-size * size);
  return select(1.0 - tail, tail, x < 0.0);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < params.count; i += groups.x * 64u) {
    let x = activations[params.x + i];
    activations[params.x + i] = x * normal(x);
  }
}
`,
  "layer-norm": `// out[n, d] = (x[n, d] - mean) / sqrt(variance + eps) * weight[d]; in place too. add-row.wgsl adds the bias, which may be in
// another arena.
// A workgroup takes a row; its 64 invocations add up in strides, then in a tree: the mean first, then squares.

struct Params {
  out: u32,
  x: u32,
  weight: u32,
  width: u32,
  eps: f32,
}

@group(0) @binding(0) var<storage, read> weights: array<u32>;
@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

var<workgroup> sums: array<f32, 64>;

/** The sum of all invocations' values, in all of them. */
fn total(lane: u32, value: f32) -> f32 {
  workgroupBarrier();
  sums[lane] = value;
  for (var half = 32u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (lane < half) {
      sums[lane] += sums[lane + half];
    }
  }
  workgroupBarrier();
  return sums[0];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * params.width;
  var sum = 0.0;
  for (var i = lane; i < params.width; i += 64u) {
    sum += activations[params.x + row + i];
  }
  let mean = total(lane, sum) / f32(params.width);
  var squares = 0.0;
  for (var i = lane; i < params.width; i += 64u) {
    let apart = activations[params.x + row + i] - mean;
    squares += apart * apart;
  }
  let scale = 1.0 / sqrt(total(lane, squares) / f32(params.width) + params.eps);
  for (var i = lane; i < params.width; i += 64u) {
    let weight = bitcast<f32>(weights[params.weight + i]);
    activations[params.out + row + i] = (activations[params.x + row + i] - mean) * scale * weight;
  }
}
`,
  "logits-best": `// The maximum and the k best tokens of a row, in order; joined with logits.wgsl. A workgroup takes a query.
//
// The k-th largest of the groups' maxima bounds the k-th largest logit from below, so few groups are
// looked at. Then radix selection, eight bits at a time: the k-th largest key; among the tokens that have
// it the lowest ids; at last each of the chosen counts how many precede it. Loops end at a zero that is no
// constant, so that no compiler unrolls them.

@group(0) @binding(2) var<storage, read> tables: Queries;

const LANES = 256u;
const MAX_K = 256u;

var<workgroup> counts: array<atomic<u32>, 256>;
var<workgroup> prefix: u32;
var<workgroup> wanted: u32;
var<workgroup> found: atomic<u32>;
var<workgroup> chosen_keys: array<u32, MAX_K>;
var<workgroup> chosen_ids: array<u32, MAX_K>;

/** Counts a key under its next eight bits, where the bits before are those of the prefix. */
fn count_key(key: u32, shift: u32) {
  if (shift == 24u || (key >> (shift + 8u)) == (prefix >> (shift + 8u))) {
    atomicAdd(&counts[(key >> shift) & 255u], 1u);
  }
}

/** Extends the prefix by the eight bits in which the wanted key is found, counted from the largest. */
fn narrow(shift: u32, lane: u32) {
  workgroupBarrier();
  if (lane == 0u) {
    var left = wanted;
    var digit = 255u;
    loop {
      let here = atomicLoad(&counts[digit]);
      if (left <= here || digit == 0u) {
        break;
      }
      left -= here;
      digit--;
    }
    prefix |= digit << shift;
    wanted = left;
  }
  workgroupBarrier();
}

fn begin(lane: u32, k: u32) {
  workgroupBarrier();
  if (lane == 0u) {
    prefix = 0u;
    wanted = k;
  }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let query = tables.list[group.x];
  let vocab = tables.vocab;
  let groups = tables.groups;
  let k = query.k;

  // The maximum: the first of the groups' maxima.
  begin(lane, 1u);
  for (var shift = 24i; shift >= i32(tables.zero); shift -= 8) {
    atomicStore(&counts[lane], 0u);
    workgroupBarrier();
    for (var g = lane; g < groups; g += LANES) {
      count_key(results[query.groups + g], u32(shift));
    }
    narrow(u32(shift), lane);
  }
  if (lane == 0u) {
    results[query.answer + MAX] = bits_of(prefix);
  }
  if (k == 0u) {
    return;
  }

  // A bound from below: the k-th of the maxima, where there are so many.
  var bound = 0u;
  if (groups >= k) {
    begin(lane, k);
    for (var shift = 24i; shift >= i32(tables.zero); shift -= 8) {
      atomicStore(&counts[lane], 0u);
      workgroupBarrier();
      for (var g = lane; g < groups; g += LANES) {
        count_key(results[query.groups + g], u32(shift));
      }
      narrow(u32(shift), lane);
    }
    bound = prefix;
    workgroupBarrier();
  }

  // The k-th largest key.
  begin(lane, k);
  for (var shift = 24i; shift >= i32(tables.zero); shift -= 8) {
    atomicStore(&counts[lane], 0u);
    workgroupBarrier();
    for (var g = 0u; g < groups; g++) {
      let id = GROUP * g + lane;
      if (results[query.groups + g] >= bound && id < vocab) {
        count_key(key_of(activations[query.row + id]), u32(shift));
      }
    }
    narrow(u32(shift), lane);
  }
  let last = prefix;
  let ties = wanted;

  // The highest of the ids that are taken of those with that key: ~id is larger for a lower id.
  begin(lane, ties);
  for (var shift = 24i; shift >= i32(tables.zero); shift -= 8) {
    atomicStore(&counts[lane], 0u);
    workgroupBarrier();
    for (var g = 0u; g < groups; g++) {
      let id = GROUP * g + lane;
      if (results[query.groups + g] >= last && id < vocab) {
        if (key_of(activations[query.row + id]) == last) {
          count_key(~id, u32(shift));
        }
      }
    }
    narrow(u32(shift), lane);
  }
  let last_id = prefix;

  if (lane == 0u) {
    atomicStore(&found, 0u);
  }
  workgroupBarrier();
  for (var g = 0u; g < groups; g++) {
    let id = GROUP * g + lane;
    if (results[query.groups + g] >= last && id < vocab) {
      let key = key_of(activations[query.row + id]);
      if (key > last || (key == last && ~id >= last_id)) {
        let at = min(atomicAdd(&found, 1u), MAX_K - 1u);
        chosen_keys[at] = key;
        chosen_ids[at] = id;
      }
    }
  }
  workgroupBarrier();
  if (lane < k) {
    let key = chosen_keys[lane];
    let id = chosen_ids[lane];
    var rank = 0u;
    for (var i = 0u; i < k; i++) {
      if (chosen_keys[i] > key || (chosen_keys[i] == key && chosen_ids[i] < id)) {
        rank++;
      }
    }
    let lists = query.answer + LISTS + query.tokens;
    results[lists + rank] = id;
    results[lists + k + rank] = activations[query.row + id];
  }
}
`,
  "logits-change": `// Reports the logits of chosen tokens, makes those that a mask leaves out impossible, then changes logits
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
`,
  "logits-draw": `// The sum of all weights, and the token at which the running sum passes the draw's share of it; joined
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
`,
  "logits-masses": `// Sums of weights of each group of a row; joined with logits.wgsl, exp.wgsl and logits-weight.wgsl.
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
`,
  "logits-maxima": `// The largest key of each group of a row; joined with logits.wgsl. A workgroup takes a group of a query.

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
`,
  "logits-weight": `// e^((logit - max) · scale) of a logit by its bits; joined with logits.wgsl and exp.wgsl.
// 1 for the maximum itself, be it infinite; 0 for NaN and for what is infinitely far below.

fn weight_of(bits: u32, max_bits: u32, scale: f32) -> f32 {
  let key = key_of(bits);
  if (key == key_of(max_bits)) {
    // NaN has the key of -Infinity, but is not equal to it.
    return select(1.0, 0.0, (bits & 0x7fffffffu) > 0x7f800000u);
  }
  if (key == LEAST_KEY || max_bits == 0x7f800000u) {
    return 0.0;
  }
  // Halves, whose difference does not overflow; what is far below weighs nothing at any temperature.
  let apart = max(0.5 * bitcast<f32>(bits) - 0.5 * bitcast<f32>(max_bits), -1e33);
  return exp_f32(apart * (2.0 * scale));
}
`,
  logits: `// What the kernels of Backend.reduce share: queries, the order of logits, and where results lie.
//
// Logits are ordered as unsigned integers: larger means better, NaN is -Infinity and -0 is 0, whatever a
// driver makes of NaN and infinities in comparisons. Oracle: core/tensor/reduce-logits.ts.

struct Query {
  /** Word of the activations where the row begins. */
  row: u32,
  k: u32,
  /** 1: sum of weights, 2: draw. */
  flags: u32,
  /** 1 / temperature of the draw. */
  scale: f32,
  /** Share of the sum at which to draw. */
  random: f32,
  /** Tokens to report: how many, and the word of the tables where they begin. */
  tokens: u32,
  tokens_at: u32,
  /** Changes: how many, and the word of the tables where they begin, 9 words each. */
  changes: u32,
  changes_at: u32,
  /** Words of the results: the answer, and three words for each group. */
  answer: u32,
  groups: u32,
  /** Word of the tables where the mask of allowed tokens begins; 0 where all are. */
  mask_at: u32,
}

struct Queries {
  vocab: u32,
  groups: u32,
  /** 0, which compilers cannot know. */
  zero: u32,
  unused: u32,
  list: array<Query>,
}

@group(0) @binding(1) var<storage, read_write> activations: array<u32>;
@group(0) @binding(3) var<storage, read_write> results: array<u32>;

/** Tokens of a group. */
const GROUP = 256u;
/** Words of an answer: maximum, sum, drawn token, its logit, chosen tokens' logits, best tokens, theirs. */
const MAX = 0u;
const MASS = 1u;
const DRAWN = 2u;
const DRAWN_LOGIT = 3u;
const LISTS = 4u;
/** What each group has: largest key, sum of weights at temperature 1, and at that of the draw. */
const LEAST_KEY = 0x007fffffu;

fn key_of(bits: u32) -> u32 {
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    return LEAST_KEY;
  }
  if (bits == 0x80000000u) {
    return 0x80000000u;
  }
  return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}

/** The logit of a key, by its bits. */
fn bits_of(key: u32) -> u32 {
  return select(~key, key & 0x7fffffffu, (key & 0x80000000u) != 0u);
}

/** x, but unknown to compilers, some of which turn (a + b) - a into b. \`zero\` is 0 and not a constant. */
fn opaque(x: f32, zero: u32) -> f32 {
  return bitcast<f32>(bitcast<u32>(x) ^ zero);
}

/** a + b: rounded, and what rounding lost (Knuth). */
fn two_sum(a: f32, b: f32, zero: u32) -> vec2<f32> {
  let s = opaque(a + b, zero);
  let t = opaque(s - a, zero);
  return vec2(s, (a - opaque(s - t, zero)) + (b - t));
}
`,
  "low-rank-down": `// t[n, rank] = scales[n] · gain · (x[n, k] · down[rank, k]ᵀ) for the rows whose scale is not 0. A workgroup computes one
// value: its 64 invocations add products up in strides, then in a tree. Joined after weights.wgsl.
// Oracle: backends/reference/low-rank.ts.

struct Params {
  t: u32,
  x: u32,
  k: u32,
  rank: u32,
  /** Word of \`weights\` where the part begins, its first row among those of \`down\`, bytes of a row. */
  part: u32,
  first: u32,
  row_bytes: u32,
  scales: u32,
  gain: f32,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(2) var<storage, read> tables: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let scale = bitcast<f32>(tables[tables[params.scales] + group.y]);
  if (scale == 0.0) {
    return;
  }
  let row = 4u * params.part + group.x * params.row_bytes;
  let x = params.x + group.y * params.k;
  var sum = 0.0;
  for (var i = lane; i < params.k; i += 64u) {
    sum += weight_at(row, i) * activations[x + i];
  }
  sums[lane] = sum;
  for (var half = 32u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (lane < half) {
      sums[lane] += sums[lane + half];
    }
  }
  if (lane == 0u) {
    activations[params.t + group.y * params.rank + params.first + group.x] = sums[0] * (scale * params.gain);
  }
}
`,
  "low-rank-up": `// out[n, m] += t[n, rank] · up[m, rank]ᵀ for the rows whose scale is not 0. An invocation adds to one value.
// Joined after weights.wgsl. Oracle: backends/reference/low-rank.ts.

struct Params {
  out: u32,
  m: u32,
  t: u32,
  rank: u32,
  /** Word of \`weights\` where the part begins, its first row among those of \`up\`, its rows, bytes of a row. */
  part: u32,
  first: u32,
  rows: u32,
  row_bytes: u32,
  scales: u32,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(2) var<storage, read> tables: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = group.x * 64u + lane;
  if (i >= params.rows || bitcast<f32>(tables[tables[params.scales] + group.y]) == 0.0) {
    return;
  }
  let row = 4u * params.part + i * params.row_bytes;
  let t = params.t + group.y * params.rank;
  var sum = 0.0;
  for (var r = 0u; r < params.rank; r++) {
    sum += weight_at(row, r) * activations[t + r];
  }
  activations[params.out + group.y * params.m + params.first + i] += sum;
}
`,
  "mat-bf16": `// BF16 weights: the upper halves of floats.

fn values_of(row: u32, g: u32) -> array<vec4<f32>, 8> {
  let i = (row >> 2u) + 16u * g;
  return array<vec4<f32>, 8>(
    four(i), four(i + 2u), four(i + 4u), four(i + 6u), four(i + 8u), four(i + 10u), four(i + 12u), four(i + 14u),
  );
}

fn four(i: u32) -> vec4<f32> {
  let a = weights[i];
  let b = weights[i + 1u];
  return bitcast<vec4<f32>>(vec4(a << 16u, a & 0xffff0000u, b << 16u, b & 0xffff0000u));
}
`,
  "mat-f16": `// F16 weights, which no feature is needed to read.

fn values_of(row: u32, g: u32) -> array<vec4<f32>, 8> {
  let i = (row >> 2u) + 16u * g;
  return array<vec4<f32>, 8>(
    four(i), four(i + 2u), four(i + 4u), four(i + 6u), four(i + 8u), four(i + 10u), four(i + 12u), four(i + 14u),
  );
}

fn four(i: u32) -> vec4<f32> {
  return vec4(unpack2x16float(weights[i]), unpack2x16float(weights[i + 1u]));
}
`,
  "mat-f32": `// F32 weights as they are.

fn values_of(row: u32, g: u32) -> array<vec4<f32>, 8> {
  let i = (row >> 2u) + 32u * g;
  return array<vec4<f32>, 8>(
    four(i), four(i + 4u), four(i + 8u), four(i + 12u), four(i + 16u), four(i + 20u), four(i + 24u), four(i + 28u),
  );
}

fn four(i: u32) -> vec4<f32> {
  return bitcast<vec4<f32>>(vec4(weights[i], weights[i + 1u], weights[i + 2u], weights[i + 3u]));
}
`,
  "mat-iq4_nl": `// IQ4_NL: 18 bytes, d and 32 nibbles; value = d * table[q]. Joined with mat-table.wgsl.
const HAS_MINIMUM = false;
const TABLE = array<u32, 4>(0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u);

fn quants_of(row: u32, g: u32) -> Quants {
  let at = row + g * 18u;
  let i = at >> 2u;
  let even = (at & 2u) == 0u;
  let a = array<u32, 5>(weights[i], weights[i + 1u], weights[i + 2u], weights[i + 3u], weights[i + 4u]);
  let d = low_half(select(a[0] >> 16u, a[0], even));
  return looked_up(
    select(a[1], (a[0] >> 16u) | (a[1] << 16u), even),
    select(a[2], (a[1] >> 16u) | (a[2] << 16u), even),
    select(a[3], (a[2] >> 16u) | (a[3] << 16u), even),
    select(a[4], (a[3] >> 16u) | (a[4] << 16u), even),
    d,
  );
}
`,
  "mat-iq4_xs": `// IQ4_XS: 136 bytes for 256 values, d, eight scales of 6 bits in 6 bytes, nibbles;
// value = d * (scale - 32) * table[q]. Joined with mat-table.wgsl.
const HAS_MINIMUM = false;
const TABLE = array<u32, 4>(0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u);

fn quants_of(row: u32, g: u32) -> Quants {
  let i = (row >> 2u) + (g >> 3u) * 34u;
  let group = g & 7u;
  let head = weights[i];
  let low = (weights[i + 1u] >> (4u * group)) & 15u;
  let high = (head >> (16u + 2u * group)) & 3u;
  let scale = i32(low | (high << 4u)) - 32;
  let start = i + 2u + 4u * group;
  return looked_up(
    weights[start],
    weights[start + 1u],
    weights[start + 2u],
    weights[start + 3u],
    low_half(head) * f32(scale),
  );
}
`,
  "mat-k-scales": `// Scales and minima of Q4_K and Q5_K: eight of 6 bits each in three words.

/** d * scale (x) and -dmin * minimum (y) of 32 values of the block whose first word is \`i\`. */
fn scale_and_minimum(i: u32, group: u32) -> vec2<f32> {
  let both = unpack2x16float(weights[i]);
  let shift = 8u * (group & 3u);
  let a = weights[i + 1u] >> shift;
  let b = weights[i + 2u] >> shift;
  let c = weights[i + 3u] >> shift;
  let scale = select((c & 15u) | ((a >> 2u) & 48u), a & 63u, group < 4u);
  let minimum = select(((c >> 4u) & 15u) | ((b >> 2u) & 48u), b & 63u, group < 4u);
  return vec2(both.x * f32(scale), -both.y * f32(minimum));
}
`,
  "mat-mxfp4": `// MXFP4: 17 bytes, a power of two and 32 nibbles; value = 2^(e - 128) * table[q]. Joined with mat-table.wgsl.
// Blocks begin at any byte.
const HAS_MINIMUM = false;
const TABLE = array<u32, 4>(0x03020100u, 0x0c080604u, 0xfdfeff00u, 0xf4f8fafcu);

fn quants_of(row: u32, g: u32) -> Quants {
  let at = row + g * 17u;
  let e = (weights[at >> 2u] >> (8u * (at & 3u))) & 255u;
  // Of the two least powers, which are subnormal, the bit itself.
  let d = bitcast<f32>(select((e - 1u) << 23u, 0x00200000u << e, e < 2u));
  let first = at + 1u;
  let i = first >> 2u;
  let shift = 8u * (first & 3u);
  // A shift by 32 would be one by none: with nothing to shift, the next word is not wanted.
  let rest = (32u - shift) & 31u;
  let keep = select(0xffffffffu, 0u, shift == 0u);
  let a = array<u32, 5>(weights[i], weights[i + 1u], weights[i + 2u], weights[i + 3u], weights[i + 4u]);
  return looked_up(
    (a[0] >> shift) | ((a[1] << rest) & keep),
    (a[1] >> shift) | ((a[2] << rest) & keep),
    (a[2] >> shift) | ((a[3] << rest) & keep),
    (a[3] >> shift) | ((a[4] << rest) & keep),
    d,
  );
}
`,
  "mat-q2_k": `// Q2_K: 84 bytes for 256 values, 16 pairs of scale and minimum, pairs of bits, d, dmin;
// value = d * scale * q - dmin * minimum.
const HAS_MINIMUM = true;

fn quants_of(row: u32, g: u32) -> Quants {
  let i = (row >> 2u) + (g >> 3u) * 21u;
  let group = g & 7u;
  let start = i + 4u + 8u * (group >> 2u);
  let shift = 2u * (group & 3u);
  let both = unpack2x16float(weights[i + 20u]);
  let pair = weights[i + (group >> 1u)] >> (16u * (group & 1u));
  const LOW = 0x03030303u;
  return Quants(
    array<u32, 8>(
      (weights[start] >> shift) & LOW, (weights[start + 1u] >> shift) & LOW,
      (weights[start + 2u] >> shift) & LOW, (weights[start + 3u] >> shift) & LOW,
      (weights[start + 4u] >> shift) & LOW, (weights[start + 5u] >> shift) & LOW,
      (weights[start + 6u] >> shift) & LOW, (weights[start + 7u] >> shift) & LOW,
    ),
    both.x * vec2(f32(pair & 15u), f32((pair >> 8u) & 15u)),
    -both.y * vec2(f32((pair >> 4u) & 15u), f32((pair >> 12u) & 15u)),
  );
}
`,
  "mat-q3_k": `// Q3_K: 110 bytes for 256 values, third bits, pairs of bits, 16 scales of 6 bits, d;
// value = d * (scale - 32) * (q - 4).
const HAS_MINIMUM = false;

/** Four quants of three bits, less 4. */
fn threes(low: u32, high: u32) -> u32 {
  return less_bytes((low & 0x03030303u) | ((high & 0x01010101u) << 2u), 0x04040404u);
}

fn scale_of(at: u32, j: u32) -> f32 {
  // Even halves of words: bytes 96 to 103 are low nibbles, 104 to 107 high pairs.
  let low = word_at(at + 96u + (j & 4u)) >> (8u * (j & 3u) + 4u * (j >> 3u));
  let high = word_at(at + 104u) >> (8u * (j & 3u) + 2u * (j >> 2u));
  return f32(i32((low & 15u) | ((high & 3u) << 4u)) - 32);
}

fn quants_of(row: u32, g: u32) -> Quants {
  let at = row + (g >> 3u) * 110u;
  let group = g & 7u;
  let h = words_at(at);
  let q = words_at(at + 32u + 32u * (group >> 2u));
  let shift = 2u * (group & 3u);
  let d = low_half(word_at(at + 106u) >> 16u);
  return Quants(
    array<u32, 8>(
      threes(q[0] >> shift, h[0] >> group), threes(q[1] >> shift, h[1] >> group),
      threes(q[2] >> shift, h[2] >> group), threes(q[3] >> shift, h[3] >> group),
      threes(q[4] >> shift, h[4] >> group), threes(q[5] >> shift, h[5] >> group),
      threes(q[6] >> shift, h[6] >> group), threes(q[7] >> shift, h[7] >> group),
    ),
    d * vec2(scale_of(at, 2u * group), scale_of(at, 2u * group + 1u)),
    vec2(0.0),
  );
}
`,
  "mat-q4_0": `// Q4_0: 18 bytes, d and 32 nibbles; value = d * (q - 8).
const HAS_MINIMUM = false;

fn nibbles_less_8(word: u32) -> u32 {
  return less_bytes(word & 0x0f0f0f0fu, 0x08080808u);
}

fn quants_of(row: u32, g: u32) -> Quants {
  let at = row + g * 18u;
  let i = at >> 2u;
  let even = (at & 2u) == 0u;
  let a = array<u32, 5>(weights[i], weights[i + 1u], weights[i + 2u], weights[i + 3u], weights[i + 4u]);
  let d = low_half(select(a[0] >> 16u, a[0], even));
  let q0 = select(a[1], (a[0] >> 16u) | (a[1] << 16u), even);
  let q1 = select(a[2], (a[1] >> 16u) | (a[2] << 16u), even);
  let q2 = select(a[3], (a[2] >> 16u) | (a[3] << 16u), even);
  let q3 = select(a[4], (a[3] >> 16u) | (a[4] << 16u), even);
  return Quants(
    array<u32, 8>(
      nibbles_less_8(q0), nibbles_less_8(q1), nibbles_less_8(q2), nibbles_less_8(q3),
      nibbles_less_8(q0 >> 4u), nibbles_less_8(q1 >> 4u), nibbles_less_8(q2 >> 4u), nibbles_less_8(q3 >> 4u),
    ),
    vec2(d),
    vec2(0.0),
  );
}
`,
  "mat-q4_1": `// Q4_1: 20 bytes, d, m and 32 nibbles; value = d * q + m.
const HAS_MINIMUM = true;

fn quants_of(row: u32, g: u32) -> Quants {
  let i = (row >> 2u) + g * 5u;
  let both = unpack2x16float(weights[i]);
  let q0 = weights[i + 1u];
  let q1 = weights[i + 2u];
  let q2 = weights[i + 3u];
  let q3 = weights[i + 4u];
  const LOW = 0x0f0f0f0fu;
  return Quants(
    array<u32, 8>(
      q0 & LOW, q1 & LOW, q2 & LOW, q3 & LOW,
      (q0 >> 4u) & LOW, (q1 >> 4u) & LOW, (q2 >> 4u) & LOW, (q3 >> 4u) & LOW,
    ),
    vec2(both.x),
    vec2(both.y),
  );
}
`,
  "mat-q4_k": `// Q4_K: 144 bytes for 256 values, d, dmin, scales and minima of 32 values each, nibbles;
// value = d * scale * q - dmin * minimum. Joined with mat-k-scales.wgsl.
const HAS_MINIMUM = true;

fn quants_of(row: u32, g: u32) -> Quants {
  let i = (row >> 2u) + (g >> 3u) * 36u;
  let group = g & 7u;
  let start = i + 4u + 8u * (group >> 1u);
  let shift = 4u * (group & 1u);
  let both = scale_and_minimum(i, group);
  const LOW = 0x0f0f0f0fu;
  return Quants(
    array<u32, 8>(
      (weights[start] >> shift) & LOW, (weights[start + 1u] >> shift) & LOW,
      (weights[start + 2u] >> shift) & LOW, (weights[start + 3u] >> shift) & LOW,
      (weights[start + 4u] >> shift) & LOW, (weights[start + 5u] >> shift) & LOW,
      (weights[start + 6u] >> shift) & LOW, (weights[start + 7u] >> shift) & LOW,
    ),
    vec2(both.x),
    vec2(both.y),
  );
}
`,
  "mat-q5_0": `// Q5_0: 22 bytes, d, 32 fifth bits and 32 nibbles; value = d * (q - 16).
const HAS_MINIMUM = false;

/** Four nibbles with their fifth bits, less 16. */
fn fives(nibbles: u32, bits: u32) -> u32 {
  return less_bytes((nibbles & 0x0f0f0f0fu) | fifth_bits(bits), 0x10101010u);
}

fn quants_of(row: u32, g: u32) -> Quants {
  let at = row + g * 22u;
  let i = at >> 2u;
  let even = (at & 2u) == 0u;
  let a = array<u32, 6>(
    weights[i], weights[i + 1u], weights[i + 2u], weights[i + 3u], weights[i + 4u], weights[i + 5u],
  );
  let d = low_half(select(a[0] >> 16u, a[0], even));
  let h = select(a[1], (a[0] >> 16u) | (a[1] << 16u), even);
  let q0 = select(a[2], (a[1] >> 16u) | (a[2] << 16u), even);
  let q1 = select(a[3], (a[2] >> 16u) | (a[3] << 16u), even);
  let q2 = select(a[4], (a[3] >> 16u) | (a[4] << 16u), even);
  let q3 = select(a[5], (a[4] >> 16u) | (a[5] << 16u), even);
  return Quants(
    array<u32, 8>(
      fives(q0, h), fives(q1, h >> 4u), fives(q2, h >> 8u), fives(q3, h >> 12u),
      fives(q0 >> 4u, h >> 16u), fives(q1 >> 4u, h >> 20u), fives(q2 >> 4u, h >> 24u), fives(q3 >> 4u, h >> 28u),
    ),
    vec2(d),
    vec2(0.0),
  );
}
`,
  "mat-q5_1": `// Q5_1: 24 bytes, d, m, 32 fifth bits and 32 nibbles; value = d * q + m.
const HAS_MINIMUM = true;

fn fives(nibbles: u32, bits: u32) -> u32 {
  return (nibbles & 0x0f0f0f0fu) | fifth_bits(bits);
}

fn quants_of(row: u32, g: u32) -> Quants {
  let i = (row >> 2u) + g * 6u;
  let both = unpack2x16float(weights[i]);
  let h = weights[i + 1u];
  let q0 = weights[i + 2u];
  let q1 = weights[i + 3u];
  let q2 = weights[i + 4u];
  let q3 = weights[i + 5u];
  return Quants(
    array<u32, 8>(
      fives(q0, h), fives(q1, h >> 4u), fives(q2, h >> 8u), fives(q3, h >> 12u),
      fives(q0 >> 4u, h >> 16u), fives(q1 >> 4u, h >> 20u), fives(q2 >> 4u, h >> 24u), fives(q3 >> 4u, h >> 28u),
    ),
    vec2(both.x),
    vec2(both.y),
  );
}
`,
  "mat-q5_k": `// Q5_K: 176 bytes for 256 values, as Q4_K with 32 bytes of fifth bits before the nibbles.
// Joined with mat-k-scales.wgsl.
const HAS_MINIMUM = true;

fn five(i: u32, start: u32, word: u32, group: u32) -> u32 {
  let low = (weights[start + word] >> (4u * (group & 1u))) & 0x0f0f0f0fu;
  return low | (((weights[i + 4u + word] >> group) & 0x01010101u) << 4u);
}

fn quants_of(row: u32, g: u32) -> Quants {
  let i = (row >> 2u) + (g >> 3u) * 44u;
  let group = g & 7u;
  let start = i + 12u + 8u * (group >> 1u);
  let both = scale_and_minimum(i, group);
  return Quants(
    array<u32, 8>(
      five(i, start, 0u, group), five(i, start, 1u, group), five(i, start, 2u, group), five(i, start, 3u, group),
      five(i, start, 4u, group), five(i, start, 5u, group), five(i, start, 6u, group), five(i, start, 7u, group),
    ),
    vec2(both.x),
    vec2(both.y),
  );
}
`,
  "mat-q6_k": `// Q6_K: 210 bytes for 256 values, nibbles, pairs of bits, 16 signed scales, d;
// value = d * scale * (q - 32).
const HAS_MINIMUM = false;

/** Four quants of six bits, less 32. */
fn sixes(low: u32, high: u32) -> u32 {
  return less_bytes((low & 0x0f0f0f0fu) | ((high & 0x03030303u) << 4u), 0x20202020u);
}

fn quants_of(row: u32, g: u32) -> Quants {
  let at = row + (g >> 3u) * 210u;
  let group = g & 7u;
  let a = words_at(at + 64u * (group >> 2u) + 32u * (group & 1u));
  let b = words_at(at + 128u + 32u * (group >> 2u));
  let low = 4u * ((group >> 1u) & 1u);
  let high = 2u * (group & 3u);
  let scales = word_at(at + 192u + 2u * group);
  let d = low_half(word_at(at + 206u) >> 16u);
  return Quants(
    array<u32, 8>(
      sixes(a[0] >> low, b[0] >> high), sixes(a[1] >> low, b[1] >> high),
      sixes(a[2] >> low, b[2] >> high), sixes(a[3] >> low, b[3] >> high),
      sixes(a[4] >> low, b[4] >> high), sixes(a[5] >> low, b[5] >> high),
      sixes(a[6] >> low, b[6] >> high), sixes(a[7] >> low, b[7] >> high),
    ),
    d * vec2(f32(i32(scales << 24u) >> 24u), f32(i32(scales << 16u) >> 24u)),
    vec2(0.0),
  );
}
`,
  "mat-q8_0": `// Q8_0: 34 bytes, d and 32 signed bytes; value = d * q.
const HAS_MINIMUM = false;

fn quants_of(row: u32, g: u32) -> Quants {
  let at = row + g * 34u;
  let d = low_half(weights[at >> 2u] >> (8u * (at & 2u)));
  return Quants(words_at(at + 2u), vec2(d), vec2(0.0));
}
`,
  "mat-quants": `// From quants to floats: joined with the file of a quantised type, which reads 32 values at a time as
// bytes, two scales and two minima. Oracle: core/quant/dequantize.ts.

struct Quants {
  /** 32 signed bytes, in order. */
  q: array<u32, 8>,
  /** value = scale * q + minimum; x for the first 16 values, y for the others. */
  scale: vec2<f32>,
  minimum: vec2<f32>,
}

fn low_half(word: u32) -> f32 {
  return unpack2x16float(word).x;
}

/** Four bytes at an even address. */
fn word_at(at: u32) -> u32 {
  let word = weights[at >> 2u];
  return select((word >> 16u) | (weights[(at >> 2u) + 1u] << 16u), word, (at & 2u) == 0u);
}

/** 32 bytes at an even address. */
fn words_at(at: u32) -> array<u32, 8> {
  let i = at >> 2u;
  let even = (at & 2u) == 0u;
  let a = array<u32, 9>(
    weights[i], weights[i + 1u], weights[i + 2u], weights[i + 3u], weights[i + 4u],
    weights[i + 5u], weights[i + 6u], weights[i + 7u], weights[i + 8u],
  );
  return array<u32, 8>(
    select((a[0] >> 16u) | (a[1] << 16u), a[0], even),
    select((a[1] >> 16u) | (a[2] << 16u), a[1], even),
    select((a[2] >> 16u) | (a[3] << 16u), a[2], even),
    select((a[3] >> 16u) | (a[4] << 16u), a[3], even),
    select((a[4] >> 16u) | (a[5] << 16u), a[4], even),
    select((a[5] >> 16u) | (a[6] << 16u), a[5], even),
    select((a[6] >> 16u) | (a[7] << 16u), a[6], even),
    select((a[7] >> 16u) | (a[8] << 16u), a[7], even),
  );
}

/** Subtract \`less\`, below 128 in each byte, from bytes below 128: four signed bytes, no borrow between them. */
fn less_bytes(bytes: u32, less: u32) -> u32 {
  return ((bytes | 0x80808080u) - less) ^ 0x80808080u;
}

/** Bits 0 to 3 of \`bits\` as the fifth bits of four bytes. */
fn fifth_bits(bits: u32) -> u32 {
  return ((bits & 1u) << 4u) | ((bits & 2u) << 11u) | ((bits & 4u) << 18u) | ((bits & 8u) << 25u);
}

fn floats(word: u32) -> vec4<f32> {
  return vec4<f32>(vec4<i32>(vec4(word << 24u, word << 16u, word << 8u, word)) >> vec4(24u));
}

/** Values 32 g to 32 g + 31 of the row whose first byte is \`row\`. */
fn values_of(row: u32, g: u32) -> array<vec4<f32>, 8> {
  let w = quants_of(row, g);
  let s = w.scale;
  if (HAS_MINIMUM) {
    let m = w.minimum;
    return array<vec4<f32>, 8>(
      floats(w.q[0]) * s.x + m.x, floats(w.q[1]) * s.x + m.x,
      floats(w.q[2]) * s.x + m.x, floats(w.q[3]) * s.x + m.x,
      floats(w.q[4]) * s.y + m.y, floats(w.q[5]) * s.y + m.y,
      floats(w.q[6]) * s.y + m.y, floats(w.q[7]) * s.y + m.y,
    );
  }
  return array<vec4<f32>, 8>(
    floats(w.q[0]) * s.x, floats(w.q[1]) * s.x, floats(w.q[2]) * s.x, floats(w.q[3]) * s.x,
    floats(w.q[4]) * s.y, floats(w.q[5]) * s.y, floats(w.q[6]) * s.y, floats(w.q[7]) * s.y,
  );
}
`,
  "mat-table": `// Quants of four bits that are places in a table of sixteen signed bytes; joined before mat-iq4_*.wgsl and
// mat-mxfp4.wgsl, which have the TABLE.

fn value_at(place: u32) -> u32 {
  return (TABLE[place >> 2u] >> (8u * (place & 3u))) & 255u;
}

/** What the places in the low halves of four bytes stand for, a byte each. */
fn values_at(places: u32) -> u32 {
  return value_at(places & 15u)
    | (value_at((places >> 8u) & 15u) << 8u)
    | (value_at((places >> 16u) & 15u) << 16u)
    | (value_at((places >> 24u) & 15u) << 24u);
}

/** 32 values: the first half of the columns is in the low nibbles. */
fn looked_up(q0: u32, q1: u32, q2: u32, q3: u32, d: f32) -> Quants {
  return Quants(
    array<u32, 8>(
      values_at(q0), values_at(q1), values_at(q2), values_at(q3),
      values_at(q0 >> 4u), values_at(q1 >> 4u), values_at(q2 >> 4u), values_at(q3 >> 4u),
    ),
    vec2(d),
    vec2(0.0),
  );
}
`,
  mat: `// What the matrix kernels share: bindings, parameters, which products a workgroup computes, and what
// becomes of them. Joined with exp.wgsl and activation.wgsl.

/** 0: store, 1: store and add to the residual, 2: gate and up are the first two products, store activation(gate) * up. */
override EPILOGUE: u32 = 0u;

struct Product {
  /** Word of \`weights\` where its first row begins. */
  weight: u32,
  rows: u32,
  /** Word of \`activations\` where out[0, 0] is, and words from one row of it to the next. */
  out: u32,
  stride: u32,
}

struct Params {
  /** vec4 of \`activations\` where x[0, 0] is. */
  x: u32,
  /** vec4s of a row of x: k / 4. */
  k4: u32,
  row_bytes: u32,
  residual: u32,
  /** Rows of x. */
  n: u32,
  /** Workgroups of the first product, and of the first two. */
  first: u32,
  second: u32,
  /** 8: vec4s of 32 columns, given so that compilers leave the loop over them a loop. */
  step: u32,
  products: array<Product, 3>,
}

@group(0) @binding(0) var<storage, read> weights: array<u32>;
@group(0) @binding(1) var<storage, read_write> activations: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> params: Params;

/** Which product a workgroup computes (x) and which of its tiles of rows (y). Wide matrices go on in z. */
fn tile_of(group: vec3<u32>, groups: vec3<u32>) -> vec2<u32> {
  let tile = group.x + group.z * groups.x;
  if (tile < params.first) {
    return vec2(0u, tile);
  }
  if (tile < params.second) {
    return vec2(1u, tile - params.first);
  }
  return vec2(2u, tile - params.second);
}

fn put(at: u32, value: f32) {
  activations[at >> 2u][at & 3u] = value;
}

fn finish(product: u32, token: u32, row: u32, value: f32) {
  let at = token * params.products[product].stride + row;
  put(params.products[product].out + at, value);
  if (EPILOGUE == 1u) {
    let residual = params.residual + at;
    put(residual, activations[residual >> 2u][residual & 3u] + value);
  }
}

fn finish_gated(token: u32, row: u32, gate: f32, up: f32) {
  let at = token * params.products[0].stride + row;
  put(params.products[0].out + at, activated(gate) * up);
}
`,
  "matmul-int8": `// As matmul.wgsl with integer dot products: each 32 columns of x are rounded to signed bytes under one scale as they
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

/** Round the 32 values from vec4 \`start\` on into column \`t\` of the tile. */
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
`,
  "matmul-plain": `// out[n, m] = x[n, k] · w[m, k]ᵀ, one invocation for each output; joined with weights.wgsl, exp.wgsl and activation.wgsl.
// For every type, and the readable version of the other matrix kernels. Oracle: backends/reference.

/** 0: store, 1: add to the residual too, 2: activation(first) * second. */
override EPILOGUE: u32 = 0u;

struct Product {
  weight: u32,
  rows: u32,
  out: u32,
  stride: u32,
}

struct Params {
  x: u32,
  k: u32,
  row_bytes: u32,
  residual: u32,
  products: array<Product, 3>,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

fn dot_row(weight: u32, row: u32, x: u32) -> f32 {
  let first = 4u * weight + row * params.row_bytes;
  var sum = 0.0;
  for (var c = 0u; c < params.k; c++) {
    sum += activations[x + c] * weight_at(first, c);
  }
  return sum;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let m = group.x * 64u + lane;
  let product = params.products[group.z];
  if (m >= product.rows) {
    return;
  }
  let x = params.x + group.y * params.k;
  let at = group.y * product.stride + m;
  let sum = dot_row(product.weight, m, x);
  if (EPILOGUE == 2u) {
    activations[product.out + at] = activated(sum) * dot_row(params.products[1].weight, m, x);
    return;
  }
  activations[product.out + at] = sum;
  if (EPILOGUE == 1u) {
    activations[params.residual + at] += sum;
  }
}
`,
  "matmul-tile": `// Rows of a tile of 64, and what becomes of its 8 by 4 sums an invocation. Where gate and up are multiplied, a tile
// has 32 rows of each, eight by eight in turn, so that an invocation has both.

/** First byte of row \`local\` of a tile; the last row stands for those past it. */
fn tile_row(product: u32, tile: u32, local: u32) -> u32 {
  var p = product;
  var m = tile * 64u + local;
  if (EPILOGUE == 2u) {
    p = (local >> 3u) & 1u;
    m = tile * 32u + (local & 7u) + 8u * (local >> 4u);
  }
  return 4u * params.products[p].weight + min(m, params.products[p].rows - 1u) * params.row_bytes;
}

/** Sums of rows wy + 8 i of the tile and rows \`token\` to \`token\` + 3 of x. */
fn finish_tile(tile: vec2<u32>, token: u32, wy: u32, sums: array<vec4<f32>, 8>) {
  var all = sums;
  for (var t = 0u; t < 4u && token + t < params.n; t++) {
    if (EPILOGUE == 2u) {
      for (var i = 0u; i < 4u; i++) {
        let m = tile.y * 32u + wy + 8u * i;
        if (m < params.products[0].rows) {
          finish_gated(token + t, m, all[2u * i][t], all[2u * i + 1u][t]);
        }
      }
    } else {
      for (var i = 0u; i < 8u; i++) {
        let m = tile.y * 64u + wy + 8u * i;
        if (m < params.products[tile.x].rows) {
          finish(tile.x, token + t, m, all[i][t]);
        }
      }
    }
  }
}
`,
  matmul: `// out[n, m] = x[n, k] · w[m, k]ᵀ for many rows of x: a workgroup of 64 computes a tile of 64 rows of the weight by 32 of
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
`,
  "matvec-share": `// out[n, m] = x[n, k] · w[m, k]ᵀ, up to eight rows of x at a time: an invocation has one row of the weight (of gate, then
// of up, where gated) and a sum for each row of x in registers. Neighbours of a subgroup of at least eight need the same
// x: each reads four values and hears the others'. Joined after \`enable subgroups;\` with a header (TOKENS), exp.wgsl,
// mat.wgsl and a type. Oracle: dequantised weights times x in float64 (test/gpu/matmul.ts).

const WORKGROUP = 64u;

/** Sums of a row of the weight with eight rows of x. */
struct Sums {
  low: vec4<f32>,
  high: vec4<f32>,
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let tile = tile_of(group, groups);
  let gated = EPILOGUE == 2u;
  let m = tile.y * WORKGROUP + local;
  let token = group.y * 8u;
  var first: Sums;
  var sums: Sums;
  // Up after gate: twice as many sums at once would not fit into registers, and x is near by then.
  let last = select(tile.x, 1u, gated);
  for (var product = tile.x; product <= last; product++) {
    first = sums;
    sums = sums_of(first_byte(product, m), token, lane & 7u);
  }
  if (m >= params.products[tile.x].rows) {
    return;
  }
  for (var t = 0u; t < min(8u, params.n - token); t++) {
    let sum = select(sums.high, sums.low, t < 4u)[t & 3u];
    if (gated) {
      finish_gated(token + t, m, select(first.high, first.low, t < 4u)[t & 3u], sum);
    } else {
      finish(tile.x, token + t, m, sum);
    }
  }
}

fn sums_of(row: u32, token: u32, lane: u32) -> Sums {
  var sums: Sums;
  for (var g = 0u; g < params.k4 / 8u; g++) {
    let w = values_of(row, g);
    let at = 8u * g + lane;
    sums.low.x += dot_32(w, activations[x_row(token) + at]);
    if (TOKENS > 1u) {
      sums.low.y += dot_32(w, activations[x_row(token + 1u) + at]);
    }
    if (TOKENS > 2u) {
      sums.low.z += dot_32(w, activations[x_row(token + 2u) + at]);
      sums.low.w += dot_32(w, activations[x_row(token + 3u) + at]);
    }
    if (TOKENS > 4u) {
      sums.high.x += dot_32(w, activations[x_row(token + 4u) + at]);
      sums.high.y += dot_32(w, activations[x_row(token + 5u) + at]);
      sums.high.z += dot_32(w, activations[x_row(token + 6u) + at]);
      sums.high.w += dot_32(w, activations[x_row(token + 7u) + at]);
    }
  }
  return sums;
}

/** The last row stands for those past it: cheaper than a branch, and nothing is read outside. */
fn first_byte(product: u32, m: u32) -> u32 {
  return 4u * params.products[product].weight + min(m, params.products[product].rows - 1u) * params.row_bytes;
}

fn x_row(token: u32) -> u32 {
  return params.x + min(token, params.n - 1u) * params.k4;
}

fn dot_32(w: array<vec4<f32>, 8>, x: vec4<f32>) -> f32 {
  return dot(w[0], subgroupBroadcast(x, 0u)) + dot(w[1], subgroupBroadcast(x, 1u))
    + dot(w[2], subgroupBroadcast(x, 2u)) + dot(w[3], subgroupBroadcast(x, 3u))
    + (dot(w[4], subgroupBroadcast(x, 4u)) + dot(w[5], subgroupBroadcast(x, 5u))
    + dot(w[6], subgroupBroadcast(x, 6u)) + dot(w[7], subgroupBroadcast(x, 7u)));
}
`,
  "matvec-sum-alone": `// A team of one has its sums.

fn sums_of_team(sums: array<f32, ROWS>, local: u32) -> array<f32, ROWS> {
  return sums;
}
`,
  "matvec-sum-shuffle": `// Sums over a team of LANES neighbours, a power of two and fewer than a subgroup has. Joined after \`enable subgroups;\`.

fn sums_of_team(sums: array<f32, ROWS>, local: u32) -> array<f32, ROWS> {
  var all = sums;
  for (var mask = LANES / 2u; mask > 0u; mask /= 2u) {
    for (var i = 0u; i < ROWS; i++) {
      all[i] += subgroupShuffleXor(all[i], mask);
    }
  }
  return all;
}
`,
  "matvec-sum-subgroup": `// Sums over a team that is a subgroup. Joined after \`enable subgroups;\`.

fn sums_of_team(sums: array<f32, ROWS>, local: u32) -> array<f32, ROWS> {
  var all = sums;
  for (var i = 0u; i < ROWS; i++) {
    all[i] = subgroupAdd(all[i]);
  }
  return all;
}
`,
  "matvec-sum-workgroup": `// Sums over a team of LANES neighbours, through the workgroup's memory. All invocations of a workgroup call it.

var<workgroup> partial: array<array<f32, ROWS>, WORKGROUP>;

fn sums_of_team(sums: array<f32, ROWS>, local: u32) -> array<f32, ROWS> {
  partial[local] = sums;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (local % LANES < half) {
      for (var i = 0u; i < ROWS; i++) {
        partial[local][i] += partial[local + half][i];
      }
    }
    workgroupBarrier();
  }
  return partial[local - local % LANES];
}
`,
  matvec: `// out[n, m] = x[n, k] · w[m, k]ᵀ, a row of x at a time: LANES invocations walk along ROWS rows of the weight side by side,
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
`,
  "rms-norm": `// out[n, h, d] = x[n, h, d] / sqrt(mean(x[n, h]²) + eps) * weight[d]; in place too.
// A workgroup takes a run of d, be it a row or a head of one; its 64 invocations add squares up in strides, then in a tree.

struct Params {
  out: u32,
  x: u32,
  weight: u32,
  width: u32,
  eps: f32,
}

@group(0) @binding(0) var<storage, read> weights: array<u32>;
@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = (group.y * groups.x + group.x) * params.width;
  var squares = 0.0;
  for (var i = lane; i < params.width; i += 64u) {
    let value = activations[params.x + row + i];
    squares += value * value;
  }
  sums[lane] = squares;
  for (var half = 32u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (lane < half) {
      sums[lane] += sums[lane + half];
    }
  }
  workgroupBarrier();
  let scale = 1.0 / sqrt(sums[0] / f32(params.width) + params.eps);
  for (var i = lane; i < params.width; i += 64u) {
    let weight = bitcast<f32>(weights[params.weight + i]);
    activations[params.out + row + i] = activations[params.x + row + i] * scale * weight;
  }
}
`,
  "rope-store": `// Rotates heads in place and stores keys and values in the cache; joined with cache.wgsl.
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
`,
  scale: `// x[i] *= factor. Invocations go over the values in strides, so that any number of workgroups does.

struct Params {
  x: u32,
  count: u32,
  factor: f32,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < params.count; i += groups.x * 64u) {
    activations[params.x + i] *= params.factor;
  }
}
`,
  "value-f16": `// What a tile of a matrix product holds: halves, so that twice as much fits and half as much is moved. They are
// multiplied as floats: sums of halves would overflow. Joined after \`enable f16;\`.
alias Value = vec4<f16>;

fn to_value(x: vec4<f32>) -> Value {
  return Value(clamp(x, vec4(-65504.0), vec4(65504.0)));
}
`,
  "value-f32": `// What a tile of a matrix product holds: floats as they are.
alias Value = vec4<f32>;

fn to_value(x: vec4<f32>) -> Value {
  return x;
}
`,
  weights: `// Reads one weight of any type from its blocks as they are in the file; the readable version of every
// type on the device. Oracle: core/quant/dequantize.ts, whose bits it gives.

/** GGML's number of the type. */
override TYPE: u32 = 0u;

@group(0) @binding(0) var<storage, read> weights: array<u32>;

fn byte_at(at: u32) -> u32 {
  return (weights[at >> 2u] >> (8u * (at & 3u))) & 255u;
}

/** Two bytes at an even address. */
fn short_at(at: u32) -> u32 {
  return (weights[at >> 2u] >> (8u * (at & 2u))) & 0xffffu;
}

fn half_at(at: u32) -> f32 {
  return unpack2x16float(short_at(at)).x;
}

fn signed_byte_at(at: u32) -> i32 {
  return i32(byte_at(at) << 24u) >> 24u;
}

/** Nibble of value j of a block of 32: low ones first. */
fn nibble_32(at: u32, j: u32) -> u32 {
  return (byte_at(at + (j & 15u)) >> (4u * (j >> 4u))) & 15u;
}

/** Bit j of a block of 32, as the fifth. */
fn fifth_bit(at: u32, j: u32) -> u32 {
  return ((byte_at(at + (j >> 3u)) >> (j & 7u)) & 1u) << 4u;
}

/** Scale (x) and minimum (y) of group g of Q4_K and Q5_K. */
fn scale_and_minimum(at: u32, g: u32) -> vec2<u32> {
  if (g < 4u) {
    return vec2(byte_at(at + g) & 63u, byte_at(at + g + 4u) & 63u);
  }
  let low = byte_at(at + g + 4u);
  return vec2(
    (low & 15u) | ((byte_at(at + g - 4u) >> 6u) << 4u),
    (low >> 4u) | ((byte_at(at + g) >> 6u) << 4u),
  );
}

fn q2_k(at: u32, i: u32) -> f32 {
  let group = byte_at(at + (i >> 4u));
  let q = (byte_at(at + 16u + 32u * (i >> 7u) + (i & 31u)) >> (2u * ((i >> 5u) & 3u))) & 3u;
  return half_at(at + 80u) * f32((group & 15u) * q) - half_at(at + 82u) * f32(group >> 4u);
}

fn q3_k(at: u32, i: u32) -> f32 {
  let l = i & 31u;
  let j = i >> 4u;
  let third = (byte_at(at + l) >> (i >> 5u)) & 1u;
  let low = (byte_at(at + 32u + 32u * (i >> 7u) + l) >> (2u * ((i >> 5u) & 3u))) & 3u;
  let scale_low = (byte_at(at + 96u + (j & 7u)) >> (4u * (j >> 3u))) & 15u;
  let scale_high = (byte_at(at + 104u + (j & 3u)) >> (2u * (j >> 2u))) & 3u;
  let scale = i32(scale_low | (scale_high << 4u)) - 32;
  return half_at(at + 108u) * f32(scale) * f32(i32(low | (third << 2u)) - 4);
}

fn q4_k(at: u32, i: u32) -> f32 {
  let g = i >> 5u;
  let both = scale_and_minimum(at + 4u, g);
  let q = (byte_at(at + 16u + 32u * (g >> 1u) + (i & 31u)) >> (4u * (g & 1u))) & 15u;
  return half_at(at) * f32(both.x * q) - half_at(at + 2u) * f32(both.y);
}

fn q5_k(at: u32, i: u32) -> f32 {
  let g = i >> 5u;
  let l = i & 31u;
  let both = scale_and_minimum(at + 4u, g);
  let low = (byte_at(at + 48u + 32u * (g >> 1u) + l) >> (4u * (g & 1u))) & 15u;
  let fifth = (byte_at(at + 16u + l) >> g) & 1u;
  return half_at(at) * f32(both.x * (low | (fifth << 4u))) - half_at(at + 2u) * f32(both.y);
}

fn q6_k(at: u32, i: u32) -> f32 {
  let half = i >> 7u;
  let low = (byte_at(at + 64u * half + (i & 63u)) >> (4u * ((i >> 6u) & 1u))) & 15u;
  let high = (byte_at(at + 128u + 32u * half + (i & 31u)) >> (2u * ((i >> 5u) & 3u))) & 3u;
  let q = i32(low | (high << 4u)) - 32;
  return half_at(at + 208u) * f32(signed_byte_at(at + 192u + (i >> 4u))) * f32(q);
}

/** The signed byte at place q of a table of sixteen. */
fn place_in(table: array<u32, 4>, q: u32) -> f32 {
  return f32(i32(table[q >> 2u] << (24u - 8u * (q & 3u))) >> 24u);
}

const IQ4 = array<u32, 4>(0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u);
const MXFP4 = array<u32, 4>(0x03020100u, 0x0c080604u, 0xfdfeff00u, 0xf4f8fafcu);

fn iq4_xs(at: u32, i: u32) -> f32 {
  let g = i >> 5u;
  let low = (byte_at(at + 4u + (g >> 1u)) >> (4u * (g & 1u))) & 15u;
  let high = (short_at(at + 2u) >> (2u * g)) & 3u;
  let scale = i32(low | (high << 4u)) - 32;
  return half_at(at) * f32(scale) * place_in(IQ4, nibble_32(at + 8u + 16u * g, i & 31u));
}

fn mxfp4(at: u32, j: u32) -> f32 {
  let e = byte_at(at);
  let d = bitcast<f32>(select((e - 1u) << 23u, 0x00200000u << e, e < 2u));
  return d * place_in(MXFP4, nibble_32(at + 1u, j));
}

/** Value i of the row whose first byte is \`row\`: an even number, but for MXFP4. */
fn weight_at(row: u32, i: u32) -> f32 {
  let j = i & 31u;
  let super_block = i >> 8u;
  switch (TYPE) {
    case 0u: {
      return bitcast<f32>(weights[(row >> 2u) + i]);
    }
    case 1u: {
      return half_at(row + 2u * i);
    }
    case 30u: {
      return bitcast<f32>(short_at(row + 2u * i) << 16u);
    }
    case 2u: {
      let at = row + (i >> 5u) * 18u;
      return half_at(at) * f32(i32(nibble_32(at + 2u, j)) - 8);
    }
    case 3u: {
      let at = row + (i >> 5u) * 20u;
      return half_at(at) * f32(nibble_32(at + 4u, j)) + half_at(at + 2u);
    }
    case 6u: {
      let at = row + (i >> 5u) * 22u;
      return half_at(at) * f32(i32(nibble_32(at + 6u, j) | fifth_bit(at + 2u, j)) - 16);
    }
    case 7u: {
      let at = row + (i >> 5u) * 24u;
      return half_at(at) * f32(nibble_32(at + 8u, j) | fifth_bit(at + 4u, j)) + half_at(at + 2u);
    }
    case 8u: {
      let at = row + (i >> 5u) * 34u;
      return half_at(at) * f32(signed_byte_at(at + 2u + j));
    }
    case 10u: {
      return q2_k(row + super_block * 84u, i & 255u);
    }
    case 11u: {
      return q3_k(row + super_block * 110u, i & 255u);
    }
    case 12u: {
      return q4_k(row + super_block * 144u, i & 255u);
    }
    case 13u: {
      return q5_k(row + super_block * 176u, i & 255u);
    }
    case 14u: {
      return q6_k(row + super_block * 210u, i & 255u);
    }
    case 20u: {
      let at = row + (i >> 5u) * 18u;
      return half_at(at) * place_in(IQ4, nibble_32(at + 2u, j));
    }
    case 23u: {
      return iq4_xs(row + super_block * 136u, i & 255u);
    }
    case 39u: {
      return mxfp4(row + (i >> 5u) * 17u, j);
    }
    default: {
      return 0.0;
    }
  }
}
`,
} as const;
