/** Runs the cases in a browser, in a worker as adapters/browser does; `page.html` starts it. */
import { computePool } from "../../adapters/browser/compute-threads.ts";
import { createTurns } from "../../adapters/browser/turn.ts";
import { createThreaded } from "./threaded.ts";
import { runCases } from "./cases.ts";
import type { Task } from "./environment.ts";
import { fetchKernels, remoteEnvironment } from "./remote.ts";

async function run(task: Task): Promise<void> {
  const threaded = crossOriginIsolated ? createThreaded(task, computePool) : undefined;
  const kernels = await fetchKernels(task);
  const findings = await runCases(remoteEnvironment(task, kernels, createTurns(), threaded));
  // The origin that the rule asks for is for windows.
  // eslint-disable-next-line unicorn/require-post-message-target-origin
  self.postMessage(findings);
}

self.addEventListener("message", (event) => void run((event as MessageEvent).data as Task), {
  once: true,
});
