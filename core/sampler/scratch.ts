/**
 * Working memory of sampling, one for the thread: a sampler runs to its end without waiting and keeps
 * nothing here, so all requests can share it. It grows to the largest vocabulary seen.
 */
export interface Scratch {
  /** [vocab] sort keys of candidates, see `core/tensor/order.ts`. */
  keys: Float64Array;
  /** [vocab] candidates in use, likeliest first. */
  ids: Uint32Array;
  /** [vocab] their logits. */
  logits: Float32Array;
  /** [vocab] e^(logit - maximum), by token or by candidate. */
  weights: Float64Array;
  /** [vocab] all zero between calls. */
  counts: Uint32Array;
}

const scratch: Scratch = {
  keys: new Float64Array(0),
  ids: new Uint32Array(0),
  logits: new Float32Array(0),
  weights: new Float64Array(0),
  counts: new Uint32Array(0),
};

/** The thread's working memory, for at least `vocabSize` tokens. */
export function scratchFor(vocabSize: number): Scratch {
  if (scratch.ids.length < vocabSize) {
    scratch.keys = new Float64Array(vocabSize);
    scratch.ids = new Uint32Array(vocabSize);
    scratch.logits = new Float32Array(vocabSize);
    scratch.weights = new Float64Array(vocabSize);
    scratch.counts = new Uint32Array(vocabSize);
  }
  return scratch;
}
