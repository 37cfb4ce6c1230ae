import { setTimeout as sleep } from "node:timers/promises";
import { MessageChannel, Worker } from "node:worker_threads";
import type { OpenedEngine } from "../../core/engine/engine-succession.ts";
import { connectEngine, type RemoteEngine } from "../../core/engine/remote.ts";
import { fromPlainError } from "../../core/engine/wire.ts";
import { RuntimeError } from "../../core/errors.ts";
import type { LoadProgress } from "../../core/model/load.ts";
import { toEnginePort } from "./engine-port.ts";
import type { EngineOptions } from "./open-engine.ts";
import type { WorkerMessage, WorkerTask } from "./worker-messages.ts";

/** A step that takes longer than this does not end: the worker is stopped in the middle of it. */
const LAST_STEP_MS = 10_000;

/** A worker whose engine broke gets so long to give its device back; drivers free in a moment what they can free. */
const RELEASE_MS = 2000;

/**
 * A worker with a GPU is waited for much longer, behind the next engine's back: Dawn ends the whole process where a
 * thread ends before the promises that it made there.
 */
const GPU_RELEASE_MS = 60_000;

/** A thread that does not end within this is inside a driver: the next engine does not wait for it. */
const TERMINATE_MS = 5000;

const LATE = Symbol("late");

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
): Promise<OpenedEngine> {
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
    // The worker's own end tells more than its port's, which comes before it.
    const port = toEnginePort(here, { hearsClose: false });
    const engine = await Promise.race([connectEngine(port), death]);
    if (engine instanceof RuntimeError) throw engine;
    return toOpened(worker, engine, death);
  } catch (error) {
    here.close();
    await worker.terminate();
    throw error;
  }
}

function toOpened(
  worker: Worker,
  engine: RemoteEngine,
  death: Promise<RuntimeError>,
): OpenedEngine {
  let closing = false;
  const watch = async (): Promise<void> => {
    const error = await death;
    // The end that was asked for is no breakage.
    if (!closing) engine.abandon({ reason: "died", error });
  };
  void watch();
  const terminate = async (): Promise<void> => {
    await Promise.race([worker.terminate(), sleep(TERMINATE_MS, undefined, { ref: false })]);
  };
  const onGpu = engine.info.backend.startsWith("webgpu");
  const end = async (patienceMs: number): Promise<void> => {
    closing = true;
    const released = engine.close();
    const within = (milliseconds: number): Promise<unknown> =>
      Promise.race([released, sleep(milliseconds, LATE, { ref: false })]);
    try {
      const isLate = (await within(patienceMs)) === LATE;
      if (isLate && onGpu) void within(GPU_RELEASE_MS).then(terminate, terminate);
      else await terminate();
    } catch (error) {
      await terminate();
      throw error;
    }
  };
  let ended: Promise<void> | undefined;
  return {
    engine,
    close: () => (ended ??= end(LAST_STEP_MS)),
    // What it fails of now was broken before.
    discard: () => (ended ??= end(RELEASE_MS)).catch(() => {}),
  };
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
