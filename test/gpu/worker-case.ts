// Runs in a process of its own, on the driver of its environment: a model in a worker whose GPU is lost again and
// again, until it computes on the CPU. Reports what was answered, on what, and what had to be done for it.
import { writeFile } from "node:fs/promises";
import { BroadcastChannel } from "node:worker_threads";
import { loadLocal } from "../../adapters/node/load.ts";
import { GREEDY } from "../../core/sampler/params.ts";
import { FAULTS, type Fault } from "../fixtures/faults.ts";
import { tinyModelGguf } from "../fixtures/tiny-model.ts";
import { report } from "./report.ts";

/** What came of it. */
export interface WorkerResult {
  /** Tokens of each answer; the first one's GPU was left alone. */
  readonly answers: readonly (readonly number[])[];
  readonly backends: readonly string[];
  readonly degraded: boolean;
  readonly moved: number;
  readonly lost: number;
  /** Milliseconds that each replacement took. */
  readonly tookMs: readonly number[];
}

const LOSSES = 3;
const [model] = JSON.parse(process.argv[2]!) as readonly [string];
await writeFile(model, tinyModelGguf(5));
const tookMs: number[] = [];
const loaded = await loadLocal({
  model,
  backend: "webgpu",
  workerFile: new URL("../fixtures/faulty-worker.ts", import.meta.url),
  onEngineChange: (change) => void (change.type === "replaced" && tookMs.push(change.tookMs)),
});
const faults = new BroadcastChannel(FAULTS);
const lose: Fault = { type: "lose" };

/** An answer in the middle of which the GPU is lost, or not. */
async function ask(isLost: boolean): Promise<readonly number[]> {
  const tokens: number[] = [];
  const request = { tokens: [1, 70, 80, 90], maxTokens: 40, sampling: GREEDY, stopTokens: [] };
  for await (const event of loaded.engine.generate(request)) {
    if (event.type !== "token") continue;
    tokens.push(event.token);
    // eslint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
    if (isLost && tokens.length === 10) faults.postMessage(lose);
  }
  return tokens;
}

const answers: (readonly number[])[] = [];
const backends: string[] = [];
for (let loss = 0; loss <= LOSSES; loss++) {
  answers.push(await ask(loss > 0));
  backends.push(loaded.engine.info.backend);
}
const { degraded, moved, broken } = loaded.condition();
await loaded.close();
faults.close();
report({ answers, backends, degraded, moved, lost: broken.device, tookMs });
