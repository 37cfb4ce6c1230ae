import { createWasmBackend, type PoolStart } from "../../backends/wasm/backend.ts";
import { shareMemory } from "../../backends/wasm/shared-module.ts";
import { SLEEPERS } from "../../backends/wasm/threads/control.ts";
import type { Environment, Task } from "./environment.ts";
import { fetchBytes } from "./remote.ts";

/** A thread starts within milliseconds; the rest is for a busy machine. */
const START_MS = 60_000;

/** How an environment makes backends whose threads share everything, with a runtime's way to start them. */
export function createThreaded(
  task: Task,
  computePool: (threads: number, leastShared: number) => PoolStart,
): NonNullable<Environment["threaded"]> {
  return async ({ variant }, threads) => {
    const bytes = new Uint8Array(await fetchBytes(task, variant));
    const pool = computePool(threads, 0);
    let control: Int32Array<SharedArrayBuffer> = new Int32Array(new SharedArrayBuffer(0));
    const backend = await createWasmBackend({
      module: await WebAssembly.compile(shareMemory(bytes)),
      variant,
      pool: {
        ...pool,
        start(tasks) {
          control = new Int32Array(tasks[0]!.control);
          return pool.start(tasks);
        },
      },
    });
    // The leader alone would give the same bits: the others have to be there.
    const begin = performance.now();
    while (Atomics.load(control, SLEEPERS) < pool.members) {
      if (performance.now() - begin > START_MS) throw new Error("Not every thread has started");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return backend;
  };
}
