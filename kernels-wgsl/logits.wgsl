// What the kernels of Backend.reduce share: queries, the order of logits, and where results lie.
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

/** x, but unknown to compilers, some of which turn (a + b) - a into b. `zero` is 0 and not a constant. */
fn opaque(x: f32, zero: u32) -> f32 {
  return bitcast<f32>(bitcast<u32>(x) ^ zero);
}

/** a + b: rounded, and what rounding lost (Knuth). */
fn two_sum(a: f32, b: f32, zero: u32) -> vec2<f32> {
  let s = opaque(a + b, zero);
  let t = opaque(s - a, zero);
  return vec2(s, (a - opaque(s - t, zero)) + (b - t));
}
