/** Runs the cases in a browser, in the worker that `page.html` starts. */
import { createTurns } from "../../adapters/browser/turn.ts";
import { runCases } from "./cases.ts";
import type { Task } from "./environment.ts";
import { fetchKernels, remoteEnvironment } from "./remote.ts";

/** What the test calls in the page. */
async function run(task: Task): Promise<unknown> {
  return runCases(remoteEnvironment(task, await fetchKernels(task), createTurns()));
}

Object.assign(globalThis, { run });
