// Runs in Node, Bun or Deno: a model whose worker suffers a fault in the middle of eight answers. Prints whether they
// were those of a run without a fault, and what had broken.
import { BroadcastChannel } from "node:worker_threads";
import { loadLocal } from "../../adapters/node/load.ts";
import { demoModelPath } from "../../adapters/node/package-root.ts";
import { FAULTS, type Fault } from "../fixtures/faults.ts";
import { askMixed } from "../fixtures/mixed-streams.ts";

/** What came of it. */
export interface RevivalResult {
  readonly same: boolean;
  readonly broken: Readonly<Record<string, number>>;
  readonly moved: number;
}

const fault = JSON.parse(process.argv[2]!) as Fault;
const model = demoModelPath();
const undisturbed = await loadLocal({ model, threads: 1 });
const reference = JSON.stringify(await askMixed(undisturbed));
await undisturbed.close();

const faults = new BroadcastChannel(FAULTS);
const loaded = await loadLocal({
  model,
  threads: 1,
  workerFile: new URL("../fixtures/faulty-worker.ts", import.meta.url),
  supervision: { stallMs: 1500, lookMs: 100 },
});
// eslint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
faults.postMessage(fault);
const answers = await askMixed(loaded);
const { broken, moved } = loaded.condition();
await loaded.close();
faults.close();
const result: RevivalResult = { same: JSON.stringify(answers) === reference, broken, moved };
console.log(JSON.stringify(result));
