import { RuntimeError } from "../../core/errors.ts";

const MIB = 2 ** 20;

/**
 * The platform ends an isolate at 128 MiB, without a word: a quarter stays free for what is not counted, garbage
 * that V8 has not collected yet before all (up to 25 MiB were seen while a model loads).
 */
export const BUDGET_BYTES: number = 96 * MIB;

/*
 * What is alive in JavaScript's heap and in its buffers, by V8's own account after a collection. Seen with four
 * streams: 3.5 MB with a vocabulary of 2,048 tokens, 9.1 MB with 49,152. test/edge/memory.test.ts compares.
 */

/** Code, application, and the mebibyte of a file that its stream looks back on. */
const JS_BASE_BYTES = 4 * MIB;

/** A request's sampler, its conversation, and text on its way to a client. */
const JS_BYTES_PER_STREAM: number = MIB / 4;

/** A token of the vocabulary in strings, maps and tables, its merges with it. */
const JS_BYTES_PER_TOKEN = 120;

/** What JavaScript's part depends on. */
export interface MemoryNeeds {
  readonly vocabSize: number;
  /** Requests that run at the same time. */
  readonly streams: number;
  /** Of a snapshot of the cache, which is kept. */
  readonly snapshotBytes?: number;
}

/** How the budget is shared out. */
export interface MemoryPlan {
  /** The most that JavaScript has alive, which cannot be measured from within. */
  readonly js: number;
  /** The most that WebAssembly memory may grow to. */
  readonly wasm: number;
}

/** Share the budget out. Throws `INSUFFICIENT_RESOURCES` where JavaScript alone needs all of it. */
export function planMemory(needs: MemoryNeeds, budget: number = BUDGET_BYTES): MemoryPlan {
  const { vocabSize, streams, snapshotBytes = 0 } = needs;
  const js =
    JS_BASE_BYTES + streams * JS_BYTES_PER_STREAM + vocabSize * JS_BYTES_PER_TOKEN + snapshotBytes;
  if (js >= budget) {
    throw new RuntimeError(
      "INSUFFICIENT_RESOURCES",
      `Cannot load: a vocabulary of ${vocabSize} tokens, ${streams} streams and ${snapshotBytes} bytes of snapshot ` +
        `need ${js} bytes of the ${budget} that an isolate may use; take a model with a smaller one`,
    );
  }
  return { js, wasm: budget - js };
}
