// How a layer's cache lies in memory; joined with what stores and what attends.
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
