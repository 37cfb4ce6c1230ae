import { createAssistant, type Assistant } from "../../core/api/assistant.ts";
import { superviseEngine } from "../../core/engine/supervised.ts";
import type { MetadataValue } from "../../core/gguf/gguf.ts";
import { readVocabulary } from "../portable/load-model.ts";
import type { PortableOptions } from "../portable/start-engine.ts";
import { startWorker } from "./worker-engine.ts";

/** How to load a model: how much room and how many threads it gets, progress, a signal. */
export interface LoadOptions extends PortableOptions {
  /** Threads that compute, half of the processors unless given; 1 where the page is not cross-origin isolated. */
  readonly threads?: number;
}

/**
 * Load a model in a worker, so that the page stays responsive, and keep what was downloaded for the next
 * time. A worker that breaks is replaced, and its answers go on. `model` is a URL, relative to the page, or a file that the user chose.
 *
 * Rejects with `MODEL_NOT_FOUND`, `MODEL_MALFORMED`, `MODEL_UNSUPPORTED`, `INSUFFICIENT_RESOURCES`,
 * `NOT_READY`, `ABORTED`.
 */
export async function load(
  model: string | URL | Blob,
  options: LoadOptions = {},
): Promise<Assistant> {
  const { onProgress, signal, threads, ...room } = options;
  const place = model instanceof Blob ? model : new URL(model, document.baseURI).href;
  let metadata: ReadonlyMap<string, MetadataValue> | undefined;
  const engine = await superviseEngine({
    open: (context) =>
      startWorker(
        {
          model: place,
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
    return createAssistant({ ...vocabulary, engine, close: () => engine.close() });
  } catch (error) {
    await engine.close();
    throw error;
  }
}
