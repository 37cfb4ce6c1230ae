// The maximum and the k best tokens of a row, in order; joined with logits.wgsl. A workgroup takes a query.
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
