import type { PoolStart } from "../../backends/wasm/backend.ts";
import type { MemberTask } from "../../backends/wasm/threads/member.ts";

/** Beyond this, the memory that the threads share is the limit. */
const MOST_THREADS = 16;

/**
 * Threads to compute with: those asked for, else one for every two logical processors, which a core has
 * nearly everywhere, and two where there are but two. One where the page is not cross-origin isolated, as
 * browsers share memory among threads of isolated pages only.
 */
export function threadsFor(asked: number | undefined): number {
  if (!crossOriginIsolated) return 1;
  const logical = navigator.hardwareConcurrency;
  return asked ?? Math.min(MOST_THREADS, Math.max(Math.min(2, logical), Math.floor(logical / 2)));
}

/**
 * A pool of so many threads, the calling worker included; tests have it share everything, `leastShared`
 * being 0.
 */
export function computePool(threads: number, leastShared?: number): PoolStart {
  return {
    members: threads - 1,
    start: startComputeThreads,
    now: () => performance.now(),
    mayBlock: true,
    ...(leastShared === undefined ? {} : { leastShared }),
  };
}

/** A worker for each task. One that cannot start takes no part, which costs speed and nothing else. */
function startComputeThreads(tasks: readonly MemberTask[]): () => Promise<void> {
  const workers = tasks.map((task) => {
    // In one expression, as bundlers look for it; the compiled package has `.js` files.
    const worker = new Worker(new URL("./compute-thread.js", import.meta.url), { type: "module" });
    // The origin that the rule asks for is for windows.
    // eslint-disable-next-line unicorn/require-post-message-target-origin
    worker.postMessage(task);
    return worker;
  });
  return () => {
    // Between two steps nobody owes the leader anything.
    for (const worker of workers) worker.terminate();
    return Promise.resolve();
  };
}
