import { RuntimeError } from "../../core/errors.ts";

const MIB = 2 ** 20;

/** The platform ends an isolate at 128 MiB, without a word: a quarter stays free for what is not counted. */
export const BUDGET_BYTES: number = 96 * MIB;

/**
 * What JavaScript holds beside the vocabulary. Measured in V8: code and application 7 MiB, with Node's own;
 * the rest is for a mebibyte of weights on their way from a stream, as much that it looks back on, and
 * requests.
 */
const JS_BASE_BYTES = 10 * MIB;

/** A token of the vocabulary in strings, maps and tables. Measured in V8: 49,152 take 9.1 MB at their peak. */
const JS_BYTES_PER_TOKEN = 200;

/** How the budget is shared out. */
export interface MemoryPlan {
  /** Reserved for JavaScript, which cannot be measured from within. */
  readonly js: number;
  /** The most that WebAssembly memory may grow to. */
  readonly wasm: number;
}

/** Share the budget out. Throws `INSUFFICIENT_RESOURCES` where the vocabulary alone is too large. */
export function planMemory(vocabSize: number, budget: number = BUDGET_BYTES): MemoryPlan {
  const js = JS_BASE_BYTES + vocabSize * JS_BYTES_PER_TOKEN;
  if (js >= budget) {
    throw new RuntimeError(
      "INSUFFICIENT_RESOURCES",
      `Cannot load: a vocabulary of ${vocabSize} tokens needs ${js} bytes of the ${budget} that an ` +
        "isolate may use; take a model with a smaller one",
    );
  }
  return { js, wasm: budget - js };
}
