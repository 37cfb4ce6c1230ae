/**
 * The component `wit/engine.wit`, made by `npm run component`: exports and imports have the names of the
 * interfaces.
 */
import * as kernels from "sirocco:kernels/kernels@0.1.0";
import * as memory from "sirocco:kernels/memory@0.1.0";
import type { Kernel } from "../../backends/wasm/kernels.ts";
import { createRemoteMachine } from "../../backends/wasm/remote.ts";
import { RuntimeError } from "../../core/errors.ts";
import { loadAnswering, type Answering, type ModelRecord, type TokenRecord } from "./answer.ts";

// A component without imports has no clock. Chat templates are bounded by their steps all the same.
Object.assign(globalThis, { performance: { now: () => 0 } });

let loaded: Answering | undefined;

/** The interface `engine`. What a function throws is its `failure`. */
export const engine = {
  load: (gguf: Uint8Array, contextLength: number): Promise<ModelRecord> =>
    failing(async () => {
      await loaded?.close();
      loaded = undefined;
      const byName = kernels as unknown as Readonly<Record<string, Kernel>>;
      const machine = createRemoteMachine("wasm-component", memory, byName);
      loaded = await loadAnswering(machine, gguf, contextLength);
      return loaded.record;
    }),
  prompt: (text: string): Promise<number> => failing(() => ready().prompt(text)),
  chat: (message: string): Promise<number> => failing(() => ready().chat(message)),
  nextToken: (): Promise<TokenRecord | undefined> => failing(() => ready().next()),
};

function ready(): Answering {
  if (loaded !== undefined) return loaded;
  throw new RuntimeError("NOT_READY", "Cannot answer: load a model first");
}

/** Errors as the interface has them: their payload is a `failure`. */
async function failing<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = error instanceof RuntimeError ? error.code : "INTERNAL";
    const message = error instanceof Error ? error.message : String(error);
    throw Object.assign(new Error(message), { payload: { code, message } });
  }
}
