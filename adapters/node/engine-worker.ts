/** The thread that computes: it loads a model and hosts its engine. Started by worker-engine.ts only. */
import { parentPort, workerData } from "node:worker_threads";
import { hostEngine } from "../../core/engine/host.ts";
import { toPlainError } from "../../core/engine/wire.ts";
import { toEnginePort } from "./engine-port.ts";
import { openEngine } from "./open-engine.ts";
import type { WorkerMessage, WorkerTask } from "./worker-messages.ts";

/** Progress is for people: a few updates a second are enough, and each costs a message. */
const PROGRESS_INTERVAL_MS = 50;

const { options, port } = workerData as WorkerTask;
function say(message: WorkerMessage): void {
  // eslint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
  parentPort?.postMessage(message);
}

let told = 0;
try {
  const engine = await openEngine(options, (done, total) => {
    const now = performance.now();
    if (now - told < PROGRESS_INTERVAL_MS) return;
    told = now;
    say({ type: "progress", done, total });
  });
  hostEngine(engine, toEnginePort(port));
  say({ type: "loaded" });
} catch (error) {
  say({ type: "failed", error: toPlainError(error) });
  port.close();
}
