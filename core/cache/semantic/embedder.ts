/** Makes vectors of questions. */
export interface Embedder {
  /** Changes with whatever may change its vectors: weights, arithmetic, pooling. */
  readonly name: string;
  /**
   * A vector of length 1. Rejects with `RuntimeError`: a text that its context does not hold, an engine that has no
   * room or has stopped.
   */
  embed(text: string, options: EmbedOptions): Promise<Float32Array>;
}

/** On whose behalf. */
export interface EmbedOptions {
  /** Whose turn in the queue it takes; absent: anybody's. */
  readonly tenant?: string;
  /** Ends it. */
  readonly signal: AbortSignal;
}
