import { setTimeout as sleep } from "node:timers/promises";
import { MessageChannel, Worker } from "node:worker_threads";
import type { Engine } from "../../core/engine/engine.ts";
import { connectEngine, type RemoteEngine } from "../../core/engine/remote.ts";
import { fromPlainError } from "../../core/engine/wire.ts";
import { RuntimeError } from "../../core/errors.ts";
import type { LoadProgress } from "../../core/model/load.ts";
import { toEnginePort } from "./engine-port.ts";
import type { EngineOptions } from "./open-engine.ts";
import type { WorkerMessage, WorkerTask } from "./worker-messages.ts";

/** An engine in a worker of its own. */
export interface WorkerEngine {
  readonly engine: Engine;
  /** Resolves if the worker ends before `close` is called. */
  readonly died: Promise<RuntimeError>;
  /** End requests, then the worker. */
  close(): Promise<void>;
}

/** A step that takes longer than this does not end: the worker is stopped in the middle of it. */
const LAST_STEP_MS = 10_000;

/** The compiled package has `.js` files, the sources are run as they are. */
const WORKER_FILE = new URL(
  import.meta.url.endsWith(".ts") ? "./engine-worker.ts" : "./engine-worker.js",
  import.meta.url,
);

/**
 * Start a worker that loads a model; `file` is its program. Rejects with what went wrong there, and with
 * `ABORTED`.
 */
export async function startWorker(
  options: EngineOptions,
  onProgress?: LoadProgress,
  signal?: AbortSignal,
  file: URL = WORKER_FILE,
): Promise<WorkerEngine> {
  const { port1: here, port2: there } = new MessageChannel();
  const task: WorkerTask = { options, port: there };
  const worker = new Worker(file, {
    workerData: task,
    transferList: [there],
    name: "engine",
  });
  const death = watchDeath(worker);
  try {
    await untilLoaded(worker, death, onProgress, signal);
    return supervise(worker, await connectEngine(toEnginePort(here)), death);
  } catch (error) {
    here.close();
    await worker.terminate();
    throw error;
  }
}

/** From its death on, an engine's requests end with the cause, and its `stats` tell of no progress. */
function supervise(
  worker: Worker,
  engine: RemoteEngine,
  death: Promise<RuntimeError>,
): WorkerEngine {
  let closing = false;
  const died = death.then((error) => {
    // The end that `close` asked for is no death: nobody is told of it.
    if (closing) return new Promise<never>(() => {});
    engine.fail(error);
    return error;
  });
  const close = async (): Promise<void> => {
    closing = true;
    try {
      await Promise.race([engine.close(), sleep(LAST_STEP_MS, undefined, { ref: false })]);
    } finally {
      await worker.terminate();
    }
  };
  let closed: Promise<void> | undefined;
  return { engine, died, close: () => (closed ??= close()) };
}

/** Resolves when the worker has ended for whatever reason, with that reason. */
function watchDeath(worker: Worker): Promise<RuntimeError> {
  return new Promise((resolve) => {
    worker.once("error", (error) => {
      const reason = error instanceof Error ? error.message : String(error);
      resolve(
        new RuntimeError("INTERNAL", `The engine's worker died: ${reason}`, { cause: error }),
      );
    });
    worker.once("exit", (code) => {
      resolve(new RuntimeError("INTERNAL", `The engine's worker ended with exit code ${code}`));
    });
  });
}

async function untilLoaded(
  worker: Worker,
  death: Promise<RuntimeError>,
  onProgress: LoadProgress | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const settled = new AbortController();
  try {
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        const cause: unknown = signal?.reason;
        reject(new RuntimeError("ABORTED", "Loading was aborted", { cause }));
      };
      worker.on("message", (message: WorkerMessage) => {
        if (message.type === "progress") onProgress?.(message.done, message.total);
        else if (message.type === "loaded") resolve();
        else reject(fromPlainError(message.error));
      });
      void death.then(reject);
      if (signal?.aborted === true) abort();
      signal?.addEventListener("abort", abort, { signal: settled.signal });
    });
  } finally {
    settled.abort();
    worker.removeAllListeners("message");
  }
}
