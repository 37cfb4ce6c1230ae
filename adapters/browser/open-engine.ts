import { connectEngine } from "../../core/engine/remote.ts";
import type { Engine } from "../../core/engine/engine.ts";
import { fromPlainError } from "../../core/engine/wire.ts";
import { RuntimeError } from "../../core/errors.ts";
import type { MetadataValue } from "../../core/gguf/gguf.ts";
import { readVocabulary, type Vocabulary } from "../portable/load-model.ts";
import type { PortableOptions } from "../portable/start-engine.ts";
import type { BrowserBackend } from "./choose-backend.ts";
import type { WorkerMessage, WorkerTask } from "./worker-messages.ts";

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
  /** End its requests and its worker. */
  close(): Promise<void>;
}

/** A step that takes longer than this does not end: the worker is stopped in the middle of it. */
const LAST_STEP_MS = 10_000;

/** Start an engine in a worker of its own. Rejects as `load` does. */
export async function openEngine(
  model: string | URL | Blob,
  options: LoadOptions = {},
): Promise<BrowserEngine> {
  const { onProgress, signal, threads, backend = "auto", headers = {}, ...room } = options;
  const place = model instanceof Blob ? model : new URL(model, document.baseURI).href;
  // In one expression, as bundlers look for it; the compiled package has `.js` files.
  const worker = new Worker(new URL("./engine-worker.js", import.meta.url), { type: "module" });
  const { port1: here, port2: there } = new MessageChannel();
  const task: WorkerTask = { model: place, headers, backend, room, threads, port: there };
  try {
    const loading = untilLoaded(worker, onProgress, signal);
    worker.postMessage(task, [there]);
    const vocabulary = readVocabulary(await loading);
    const engine = await connectEngine(here);
    worker.addEventListener("error", ({ message }) => {
      engine.fail(new RuntimeError("INTERNAL", `The engine's worker died: ${message}`));
    });
    const close = async (): Promise<void> => {
      const late = new Promise((resolve) => setTimeout(resolve, LAST_STEP_MS));
      await Promise.race([engine.close(), late]).finally(() => worker.terminate());
    };
    return { ...vocabulary, engine, close };
  } catch (error) {
    worker.terminate();
    here.close();
    throw error;
  }
}

/** Resolves with the model's metadata once the engine is hosted. */
function untilLoaded(
  worker: Worker,
  onProgress: LoadOptions["onProgress"],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, MetadataValue>> {
  return new Promise((resolve, reject) => {
    let metadata: ReadonlyMap<string, MetadataValue> = new Map();
    const abort = (): void => {
      const cause: unknown = signal?.reason;
      reject(new RuntimeError("ABORTED", "Loading was aborted", { cause }));
    };
    worker.addEventListener("message", ({ data }) => {
      const message = data as WorkerMessage;
      if (message.type === "opened") ({ metadata } = message);
      else if (message.type === "progress") onProgress?.(message.done, message.total);
      else if (message.type === "loaded") resolve(metadata);
      else reject(fromPlainError(message.error));
    });
    worker.addEventListener("error", ({ message }) => {
      reject(new RuntimeError("INTERNAL", `Cannot start the engine's worker: ${message}`));
    });
    if (signal?.aborted === true) abort();
    signal?.addEventListener("abort", abort, { once: true });
  });
}
