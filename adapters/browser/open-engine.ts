import type { Engine } from "../../core/engine/engine.ts";
import type { EngineCondition } from "../../core/engine/lasting-engine.ts";
import { superviseEngine } from "../../core/engine/supervised.ts";
import type { MetadataValue } from "../../core/gguf/gguf.ts";
import { readVocabulary, type Vocabulary } from "../portable/load-model.ts";
import type { PortableOptions } from "../portable/start-engine.ts";
import type { BrowserBackend } from "./choose-backend.ts";
import { startWorker } from "./worker-engine.ts";

/** How to load a model: how much room and how many threads it gets, what computes, progress, a signal. */
export interface LoadOptions extends PortableOptions {
  /** Threads that compute, half of the processors unless given; 1 where the page is not cross-origin isolated. */
  readonly threads?: number;
  /** What computes; `auto` unless given: a GPU where there is a sound one, else WebAssembly. */
  readonly backend?: BrowserBackend;
  /** Sent with requests for the model, such as `authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** An engine in a worker, with what turns text into its tokens. */
export interface BrowserEngine extends Vocabulary {
  readonly engine: Engine;
  /** How the engine is: whether it is being replaced, and what has broken so far. */
  condition(): EngineCondition;
  /** End its requests and its worker. */
  close(): Promise<void>;
}

/** Start an engine in a worker of its own. Rejects as `load` does. */
export async function openEngine(
  model: string | URL | Blob,
  options: LoadOptions = {},
): Promise<BrowserEngine> {
  const { onProgress, signal, threads, backend = "auto", headers = {}, ...room } = options;
  const place = model instanceof Blob ? model : new URL(model, document.baseURI).href;
  let metadata: ReadonlyMap<string, MetadataValue> | undefined;
  const engine = await superviseEngine({
    open: (context) =>
      startWorker(
        {
          model: place,
          headers,
          // A GPU that was given up is not asked for again.
          backend: context.degraded ? "wasm" : backend,
          room,
          threads,
          // Whoever waited for the first engine knows by now what the model is.
          onProgress: metadata === undefined ? onProgress : undefined,
          onMetadata: (found) => (metadata ??= found),
        },
        context,
      ),
    signal,
  });
  try {
    const vocabulary = readVocabulary(metadata ?? new Map());
    return {
      ...vocabulary,
      engine,
      condition: () => engine.condition(),
      close: () => engine.close(),
    };
  } catch (error) {
    await engine.close();
    throw error;
  }
}
