import type { OpenContext, OpenedEngine } from "../../core/engine/engine-succession.ts";
import { connectEngine } from "../../core/engine/remote.ts";
import { fromPlainError } from "../../core/engine/wire.ts";
import { RuntimeError } from "../../core/errors.ts";
import type { MetadataValue } from "../../core/gguf/gguf.ts";
import type { LoadProgress } from "../../core/model/load.ts";
import type { WorkerMessage, WorkerTask } from "./worker-messages.ts";

/** A step that takes longer than this does not end: the worker is stopped in the middle of it. */
const LAST_STEP_MS = 10_000;

/** What is asked of a worker, and who hears of it. */
export interface WorkerStart extends Omit<WorkerTask, "port"> {
  readonly onProgress: LoadProgress | undefined;
  readonly onMetadata: (metadata: ReadonlyMap<string, MetadataValue>) => void;
}

/** Start a worker that loads a model. Rejects with what went wrong there, and with `ABORTED`. */
export async function startWorker(
  { onProgress, onMetadata, ...asked }: WorkerStart,
  { signal }: OpenContext,
): Promise<OpenedEngine> {
  // In one expression, as bundlers look for it; the compiled package has `.js` files.
  const worker = new Worker(new URL("./engine-worker.js", import.meta.url), { type: "module" });
  const { port1: here, port2: there } = new MessageChannel();
  const task: WorkerTask = { ...asked, port: there };
  try {
    const loading = untilLoaded(worker, onProgress, signal);
    worker.postMessage(task, [there]);
    onMetadata(await loading);
    const engine = await connectEngine(here);
    worker.addEventListener("error", ({ message }) => {
      const error = new RuntimeError("INTERNAL", `The engine's worker died: ${message}`);
      engine.abandon({ reason: "died", error });
    });
    const end = (): void => {
      worker.terminate();
      here.close();
    };
    return {
      engine,
      async close() {
        const late = new Promise((resolve) => setTimeout(resolve, LAST_STEP_MS));
        await Promise.race([engine.close(), late]).finally(end);
      },
      discard() {
        end();
        return Promise.resolve();
      },
    };
  } catch (error) {
    worker.terminate();
    here.close();
    throw error;
  }
}

/** Resolves with the model's metadata once the engine is hosted. */
function untilLoaded(
  worker: Worker,
  onProgress: LoadProgress | undefined,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, MetadataValue>> {
  return new Promise((resolve, reject) => {
    let metadata: ReadonlyMap<string, MetadataValue> = new Map();
    const abort = (): void => {
      const cause: unknown = signal.reason;
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
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
  });
}
