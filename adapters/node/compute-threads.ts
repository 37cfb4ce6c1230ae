import { Worker } from "node:worker_threads";
import type { PoolStart } from "../../backends/wasm/backend.ts";
import type { MemberTask } from "../../backends/wasm/threads/member.ts";

/** The compiled package has `.js` files, the sources are run as they are. */
const THREAD_FILE = new URL(
  import.meta.url.endsWith(".ts") ? "./compute-thread.ts" : "./compute-thread.js",
  import.meta.url,
);

/** Start a worker for each task; the function that comes back waits until all have ended. */
function startComputeThreads(tasks: readonly MemberTask[]): () => Promise<void> {
  const ends = tasks.map((task) => {
    const worker = new Worker(THREAD_FILE, { workerData: task, name: `compute ${task.index + 1}` });
    const end = new Promise<void>((resolve) => {
      // A thread that dies has told the leader through shared memory, which ends the requests.
      worker.once("error", () => resolve());
      worker.once("exit", () => resolve());
    });
    // The process lives as long as somebody waits for an answer, not as long as threads could compute one.
    worker.unref();
    return { worker, end };
  });
  return async () => {
    for (const { worker } of ends) worker.ref();
    await Promise.all(ends.map(({ end }) => end));
  };
}

/** A pool of so many threads, the calling one included; tests have it share everything, `leastShared` being 0. */
export function computePool(threads: number, leastShared?: number): PoolStart {
  return {
    members: threads - 1,
    start: startComputeThreads,
    now: () => performance.now(),
    mayBlock: true,
    ...(leastShared === undefined ? {} : { leastShared }),
  };
}
