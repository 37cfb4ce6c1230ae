/** Runs the cases on Node, Bun and Deno: takes the task as its argument, prints the findings. */
import { setImmediate } from "node:timers/promises";
import { computePool } from "../../adapters/node/compute-threads.ts";
import { createWasmBackend } from "../../backends/wasm/backend.ts";
import { shareMemory } from "../../backends/wasm/shared-module.ts";
import { runCases } from "./cases.ts";
import { MARK, type Environment, type Task } from "./environment.ts";
import { fetchBytes, fetchKernels, remoteEnvironment } from "./remote.ts";

const task = JSON.parse(process.argv[2] ?? "") as Task;

const threaded: Environment["threaded"] = async ({ variant }, threads) => {
  const bytes = new Uint8Array(await fetchBytes(task, variant));
  return createWasmBackend({
    module: await WebAssembly.compile(shareMemory(bytes)),
    variant,
    pool: computePool(threads, 0),
  });
};

const kernels = await fetchKernels(task);
const environment = remoteEnvironment(task, kernels, () => setImmediate(), threaded);
console.log(`${MARK}${JSON.stringify(await runCases(environment))}`);
