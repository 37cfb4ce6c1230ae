/** Runs the cases on Node, Bun and Deno: takes the task as its argument, prints the findings. */
import { setImmediate } from "node:timers/promises";
import { runCases } from "./cases.ts";
import { MARK, type Task } from "./environment.ts";
import { fetchKernels, remoteEnvironment } from "./remote.ts";

const task = JSON.parse(process.argv[2] ?? "") as Task;
const environment = remoteEnvironment(task, await fetchKernels(task), () => setImmediate());
console.log(`${MARK}${JSON.stringify(await runCases(environment))}`);
