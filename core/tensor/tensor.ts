import type { WeightType } from "./dtype.ts";

/** Activations are `f32`; weights have the type they have in the file. */
export type DType = WeightType;

/**
 * An opaque handle to row-major memory owned by a backend.
 *
 * Core never sees the storage: only the backend that made a tensor can read it. A shape is written
 * slowest dimension first, `[rows, columns]`; GGUF stores it the other way round.
 */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** GGUF-style name, e.g. `blk.0.attn_q.weight`; appears in errors and captures. */
  readonly label: string;
}
