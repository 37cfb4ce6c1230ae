// out[n, h] = softmax(q[n, h] · Kᵀ · scale) · V over the positions that row n sees; joined with
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
