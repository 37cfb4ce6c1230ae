/** @module Interface sirocco:kernels/kernels@0.1.0 **/
export function quantizeActivations(args: number, first: number, last: number): void;
export function rmsNorm(args: number, first: number, last: number): void;
export function ropeNorm(args: number, first: number, last: number): void;
export function ropeNeox(args: number, first: number, last: number): void;
export function swiglu(args: number, first: number, last: number): void;
export function addTo(args: number, first: number, last: number): void;
export function layerNorm(args: number, first: number, last: number): void;
export function geglu(args: number, first: number, last: number): void;
export function gelu(args: number, first: number, last: number): void;
export function scale(args: number, first: number, last: number): void;
export function addRow(args: number, first: number, last: number): void;
export function combine(args: number, first: number, last: number): void;
export function logitMaxima(args: number, first: number, last: number): void;
export function logitBest(args: number, first: number, last: number): void;
export function logitMasses(args: number, first: number, last: number): void;
export function logitDraw(args: number, first: number, last: number): void;
/**
 * Of each type of cache.
 */
export function kvStoreF32(args: number, first: number, last: number): void;
export function attentionF32(args: number, first: number, last: number): void;
export function kvStoreF16(args: number, first: number, last: number): void;
export function attentionF16(args: number, first: number, last: number): void;
export function kvStoreQ80(args: number, first: number, last: number): void;
export function attentionQ80(args: number, first: number, last: number): void;
/**
 * Of each weight type, by its GGUF name without the underscore: interleave rows into panels, take rows
 * back out as f32, multiply.
 */
export function repackF32(args: number, first: number, last: number): void;
export function embedF32(args: number, first: number, last: number): void;
export function matmulF32(args: number, first: number, last: number): void;
export function repackF16(args: number, first: number, last: number): void;
export function embedF16(args: number, first: number, last: number): void;
export function matmulF16(args: number, first: number, last: number): void;
export function repackBf16(args: number, first: number, last: number): void;
export function embedBf16(args: number, first: number, last: number): void;
export function matmulBf16(args: number, first: number, last: number): void;
export function repackQ40(args: number, first: number, last: number): void;
export function embedQ40(args: number, first: number, last: number): void;
export function matmulQ40(args: number, first: number, last: number): void;
export function repackQ41(args: number, first: number, last: number): void;
export function embedQ41(args: number, first: number, last: number): void;
export function matmulQ41(args: number, first: number, last: number): void;
export function repackQ50(args: number, first: number, last: number): void;
export function embedQ50(args: number, first: number, last: number): void;
export function matmulQ50(args: number, first: number, last: number): void;
export function repackQ51(args: number, first: number, last: number): void;
export function embedQ51(args: number, first: number, last: number): void;
export function matmulQ51(args: number, first: number, last: number): void;
export function repackQ80(args: number, first: number, last: number): void;
export function embedQ80(args: number, first: number, last: number): void;
export function matmulQ80(args: number, first: number, last: number): void;
export function repackQ2k(args: number, first: number, last: number): void;
export function embedQ2k(args: number, first: number, last: number): void;
export function matmulQ2k(args: number, first: number, last: number): void;
export function repackQ3k(args: number, first: number, last: number): void;
export function embedQ3k(args: number, first: number, last: number): void;
export function matmulQ3k(args: number, first: number, last: number): void;
export function repackQ4k(args: number, first: number, last: number): void;
export function embedQ4k(args: number, first: number, last: number): void;
export function matmulQ4k(args: number, first: number, last: number): void;
export function repackQ5k(args: number, first: number, last: number): void;
export function embedQ5k(args: number, first: number, last: number): void;
export function matmulQ5k(args: number, first: number, last: number): void;
export function repackQ6k(args: number, first: number, last: number): void;
export function embedQ6k(args: number, first: number, last: number): void;
export function matmulQ6k(args: number, first: number, last: number): void;
export function repackIq4nl(args: number, first: number, last: number): void;
export function embedIq4nl(args: number, first: number, last: number): void;
export function matmulIq4nl(args: number, first: number, last: number): void;
export function repackIq4xs(args: number, first: number, last: number): void;
export function embedIq4xs(args: number, first: number, last: number): void;
export function matmulIq4xs(args: number, first: number, last: number): void;
export function repackMxfp4(args: number, first: number, last: number): void;
export function embedMxfp4(args: number, first: number, last: number): void;
export function matmulMxfp4(args: number, first: number, last: number): void;
