/** @module Interface sirocco:kernels/kernels@0.1.0 **/
/**
 * Units are panels.
 */
export function repack(type: WeightType, args: RepackArgs, first: number, last: number): void;
/**
 * Units are tokens.
 */
export function embed(type: WeightType, args: EmbedArgs, first: number, last: number): void;
/**
 * Units are panels.
 */
export function matmul(type: WeightType, args: MatmulArgs, first: number, last: number): void;
/**
 * Units are rows.
 */
export function quantizeActivations(args: QuantizeArgs, first: number, last: number): void;
/**
 * Units are rows.
 */
export function rmsNorm(args: NormArgs, first: number, last: number): void;
/**
 * Rotate elements (2i, 2i + 1). Units are rows.
 */
export function ropeNorm(args: RopeArgs, first: number, last: number): void;
/**
 * Rotate elements (i, i + pairs). Units are rows.
 */
export function ropeNeox(args: RopeArgs, first: number, last: number): void;
/**
 * Units are eight columns.
 */
export function swiglu(args: SwigluArgs, first: number, last: number): void;
/**
 * Units are rows.
 */
export function addTo(args: AddArgs, first: number, last: number): void;
/**
 * Units are key heads.
 */
export function kvStore(args: StoreArgs, first: number, last: number): void;
/**
 * Units are pairs of row and key head.
 */
export function attention(args: AttentionArgs, first: number, last: number): void;
/**
 * Weight types, by their GGUF names without the underscore.
 * # Variants
 * 
 * ## `"f32"`
 * 
 * ## `"f16"`
 * 
 * ## `"bf16"`
 * 
 * ## `"q40"`
 * 
 * ## `"q41"`
 * 
 * ## `"q50"`
 * 
 * ## `"q51"`
 * 
 * ## `"q80"`
 * 
 * ## `"q2k"`
 * 
 * ## `"q3k"`
 * 
 * ## `"q4k"`
 * 
 * ## `"q5k"`
 * 
 * ## `"q6k"`
 */
export type WeightType = 'f32' | 'f16' | 'bf16' | 'q40' | 'q41' | 'q50' | 'q51' | 'q80' | 'q2k' | 'q3k' | 'q4k' | 'q5k' | 'q6k';
/**
 * `rows` GGUF rows of `k` columns at `raw`, to be interleaved into panels at `out`.
 */
export interface RepackArgs {
  out: number,
  raw: number,
  rows: number,
  k: number,
}
/**
 * Rows `tokens[i]` of a matrix in panels, to be written to out[i, k] as f32.
 */
export interface EmbedArgs {
  out: number,
  panels: number,
  tokens: number,
  k: number,
}
/**
 * out[n, m] = x[n, k] · W[m, k]ᵀ; x is activation records for quantised weights, else f32.
 */
export interface MatmulArgs {
  out: number,
  panels: number,
  x: number,
  n: number,
  m: number,
  k: number,
}
/**
 * x[n, k] of f32, to be written to `out` as activation records, 128 bytes for 32 columns.
 */
export interface QuantizeArgs {
  out: number,
  x: number,
  k: number,
}
/**
 * out[n, d] = x[n, d] / sqrt(mean(x²) + eps) · weight[d]
 */
export interface NormArgs {
  out: number,
  x: number,
  weight: number,
  d: number,
  eps: number,
}
/**
 * Heads of x[n, heads, head-dim], rotated by rotation[n, pairs, 2] = (cos, sin).
 */
export interface RopeArgs {
  x: number,
  rotation: number,
  heads: number,
  headDim: number,
  pairs: number,
}
/**
 * out[n, d] = gate / (1 + e^-gate) · up; `out` may be `gate`.
 */
export interface SwigluArgs {
  out: number,
  gate: number,
  up: number,
  n: number,
  d: number,
}
/**
 * x[n, d] += y[n, d]
 */
export interface AddArgs {
  x: number,
  y: number,
  d: number,
}
/**
 * `n` rows of keys and values [n, kv-heads, head-dim], to be written to their slots of the cache.
 */
export interface StoreArgs {
  cacheK: number,
  cacheV: number,
  k: number,
  v: number,
  slots: number,
  n: number,
  kvHeads: number,
  headDim: number,
}
/**
 * Rows of one sequence, the first at `position`; out and q are [n, heads, head-dim], `blocks` are the
 * sequence's cache blocks, `window` the positions that a row sees, itself included (0 for all).
 */
export interface AttentionArgs {
  out: number,
  q: number,
  cacheK: number,
  cacheV: number,
  blocks: number,
  position: number,
  heads: number,
  kvHeads: number,
  headDim: number,
  window: number,
  scale: number,
}
