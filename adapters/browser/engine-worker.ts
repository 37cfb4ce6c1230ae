/**
 * The thread that computes: it loads a model and hosts its engine. Started by worker-engine.ts only. Import maps do
 * not apply to workers, so nothing here may import a package: templates stay in the page.
 */
import { hostEngine } from "../../core/engine/host.ts";
import { toPlainError } from "../../core/engine/wire.ts";
// Core, nothing of Node.
import { startOn } from "../node/start-on.ts";
import { chooseBackend } from "./choose-backend.ts";
import { openModel } from "./source.ts";
import { createTurns } from "./turn.ts";
import type { WorkerMessage, WorkerTask } from "./worker-messages.ts";

/** Progress is for people: a few updates a second are enough, and each costs a message. */
const PROGRESS_INTERVAL_MS = 50;

function say(message: WorkerMessage): void {
  // The origin that the rule asks for is for windows.
  // eslint-disable-next-line unicorn/require-post-message-target-origin
  self.postMessage(message);
}

async function run(task: WorkerTask): Promise<void> {
  const { model, headers, room, port } = task;
  let told = 0;
  try {
    const gguf = await openModel(model, headers);
    try {
      // The page renders and tokenises; it gets what it needs for that from the same download.
      say({ type: "opened", metadata: gguf.metadata });
      const started = performance.now();
      const { backend, choice } = await chooseBackend(task.backend, gguf, room, task.threads);
      const engine = await startOn(backend, gguf, {
        room,
        choice,
        started,
        yieldTurn: createTurns(),
        onProgress(done, total) {
          const now = performance.now();
          if (now - told < PROGRESS_INTERVAL_MS) return;
          told = now;
          say({ type: "progress", done, total });
        },
        signal: undefined,
      });
      hostEngine(engine, port);
      say({ type: "loaded" });
    } finally {
      await gguf.close();
    }
  } catch (error) {
    say({ type: "failed", error: toPlainError(error) });
    port.close();
  }
}

self.addEventListener("message", ({ data }) => void run(data as WorkerTask), { once: true });
