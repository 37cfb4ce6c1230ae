import { createBackend, type BackendPreference } from "../../../adapters/node/backend.ts";
import type { GgufModel } from "../../../core/gguf/gguf.ts";
import { loadModel } from "../../../core/model/load.ts";
import { createRunner } from "../../fixtures/runner.ts";
import { exactWeights } from "./exact-weights.ts";
import type { AccuracyRow } from "./report.ts";

/** The reference backend takes a fifth of a second for each. */
const TOKENS = 16;
/** Of the largest logit, which is about 40. Each of 30 layers is rounded to f32, sums in f32 here and in f64 there. */
const TOLERANCE = 1e-5;

/**
 * Compare f32 products on the WASM kernels with the reference backend, by the logits of the first of `tokens`. Throws `Error` where they
 * differ by more than rounding does.
 */
export async function checkExact(
  gguf: GgufModel,
  tokens: readonly number[],
): Promise<Pick<AccuracyRow, "logitError" | "largestLogit">> {
  const few = tokens.slice(0, TOKENS);
  const expected = await logitsOf(gguf, "reference", few);
  const found = await logitsOf(exactWeights(gguf), "wasm", few);
  const { difference, largest } = largestDifference(expected, found);
  if (!(difference <= TOLERANCE * largest)) {
    throw new Error(
      `Cannot measure: f32 products differ from the reference backend by ${difference} in logits up to ${largest}`,
    );
  }
  return { logitError: difference, largestLogit: largest };
}

/** Logits after each of `tokens`, which are one step: [tokens, vocabulary]. */
export async function logitsOf(
  gguf: GgufModel,
  preference: BackendPreference,
  tokens: readonly number[],
): Promise<readonly Float32Array[]> {
  const { backend } = await createBackend({ preference, threads: 1, model: { gguf, room: {} } });
  try {
    const blockSize = 16;
    const model = await loadModel(gguf, backend, {
      maxRows: tokens.length,
      maxLogitRows: tokens.length,
      blocks: Math.ceil(tokens.length / blockSize),
      blockSize,
    });
    const logits = tokens.map((_, row) => row);
    const [rows = []] = await createRunner(backend, model).step([{ sequence: 0, tokens, logits }]);
    return rows;
  } finally {
    await backend.close();
  }
}

/** The largest difference between two sets of logits, and the largest logit of `expected`. */
export function largestDifference(
  expected: readonly Float32Array[],
  found: readonly Float32Array[],
): { readonly difference: number; readonly largest: number } {
  let difference = 0;
  let largest = 0;
  for (const [row, logits] of expected.entries()) {
    for (const [token, logit] of logits.entries()) {
      const error = Math.abs(logit - (found[row]?.[token] ?? Number.NaN));
      // A NaN is as wrong as can be.
      difference = Number.isNaN(error) ? Infinity : Math.max(difference, error);
      largest = Math.max(largest, Math.abs(logit));
    }
  }
  return { difference, largest };
}
