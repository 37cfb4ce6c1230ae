/** Runs the cases on Node, Bun and Deno: takes the task as its argument, prints the findings. */
import { setImmediate } from "node:timers/promises";
import { computePool } from "../../adapters/node/compute-threads.ts";
import { runCases } from "./cases.ts";
import { MARK, type Task } from "./environment.ts";
import { fetchKernels, remoteEnvironment } from "./remote.ts";
import { createThreaded } from "./threaded.ts";

const task = JSON.parse(process.argv[2] ?? "") as Task;

const kernels = await fetchKernels(task);
const environment = remoteEnvironment(
  task,
  kernels,
  () => setImmediate(),
  createThreaded(task, computePool),
);
console.log(`${MARK}${JSON.stringify(await runCases(environment))}`);
