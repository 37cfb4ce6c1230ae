import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { computePool } from "../../../adapters/node/compute-threads.ts";
import { createWasmBackend } from "../../../backends/wasm/backend.ts";
import { shareMemory } from "../../../backends/wasm/shared-module.ts";
import { SLEEPERS } from "../../../backends/wasm/threads/control.ts";

/** Long enough for a thread to start and to find nothing to do. */
const HELD_UP_MS = 2000;

test("a member that is there before its leader is woken by it", async () => {
  const kernels = new URL("../../../kernels-simd/wasm/simd128.wasm", import.meta.url);
  const module = await WebAssembly.compile(shareMemory(Uint8Array.from(readFileSync(kernels))));
  const pool = computePool(2);
  let control = new Int32Array(new SharedArrayBuffer(0));
  const backend = await createWasmBackend({
    module,
    variant: "simd128",
    pool: {
      ...pool,
      start(tasks) {
        const ended = pool.start(tasks);
        control = new Int32Array(tasks[0]!.control);
        // As when the system does not let the leader's thread run.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, HELD_UP_MS);
        return ended;
      },
    },
  });
  // Awake, it finds nothing to do and sleeps where regions are announced.
  for (let i = 0; i < 200 && Atomics.load(control, SLEEPERS) === 0; i++) await sleep(10);
  expect(Atomics.load(control, SLEEPERS)).toBe(1);
  await backend.close();
});
