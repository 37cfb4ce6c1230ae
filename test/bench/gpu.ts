/**
 * The WebGPU backend beside llama.cpp's Vulkan build on the same Vulkan driver, in turns: tokens per second, and milliseconds of CPU time
 * per token, which on a driver that computes on the CPU a neighbour disturbs less.
 *
 *     npm run bench:gpu -- --model F [--driver lavapipe] [--rounds 2] [--prompt 128] [--predict 16]
 *
 * Needs the peers (`npm run test:peers` installs them). Every turn is a process; its first run of each kind compiles and does not count.
 */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openModel } from "../../adapters/node/header.ts";
import { openGpu } from "../../adapters/node/webgpu.ts";
import { loadModel } from "../../core/model/load.ts";
import { workloadOf } from "../../core/model/workload.ts";
import { createRunner } from "../fixtures/runner.ts";
import { GPU_DRIVERS, gpuEnvironment } from "../gpu/drivers.ts";

const PEER = path.join(import.meta.dirname, "..", "peers", "bench", "llama-vulkan.mjs");
const BLOCK = 16;
/** Runs of each kind that a process counts. */
const RUNS = 2;

const { values: options } = parseArgs({
  options: {
    model: { type: "string" },
    driver: { type: "string", default: "lavapipe" },
    rounds: { type: "string", default: "2" },
    prompt: { type: "string", default: "128" },
    predict: { type: "string", default: "16" },
    child: { type: "boolean", default: false },
  },
});
if (options.model === undefined) throw new TypeError("Give the model: --model <path of a GGUF>");
const [model, prompt, predict] = [options.model, Number(options.prompt), Number(options.predict)];

if (options.child) await measure();
else takeTurns();

function takeTurns(): void {
  const driver = GPU_DRIVERS.find(
    ({ name }) => name.toLowerCase() === options.driver.toLowerCase(),
  );
  if (driver === undefined) throw new RangeError(`Cannot use driver "${options.driver}"`);
  const own = [fileURLToPath(import.meta.url), ...process.argv.slice(2), "--child"];
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const args of [own, [PEER, model, String(prompt), String(predict), String(RUNS)]]) {
      // The loader and Dawn write warnings to stderr.
      const { status, stdout, stderr } = spawnSync(process.execPath, args, {
        env: gpuEnvironment(driver),
        encoding: "utf8",
      });
      if (status !== 0) throw new Error(`${args.join(" ")} ended with ${status}:\n${stderr}`);
      process.stdout.write(stdout);
    }
  }
}

async function measure(): Promise<void> {
  const gpu = await openGpu();
  if ("reason" in gpu) throw new Error(gpu.detail);
  const { gguf } = await openModel(model);
  const limits = {
    maxRows: prompt,
    maxLogitRows: 1,
    blocks: Math.ceil(Math.max(prompt, predict) / BLOCK),
    blockSize: BLOCK,
    kvType: "f16",
  } as const;
  const backend = await gpu.keep(workloadOf(gguf, limits));
  const loaded = await loadModel(gguf, backend, limits);
  const runner = createRunner(backend, loaded);
  const random = (count: number): number[] =>
    Array.from({ length: count }, () => Math.floor(Math.random() * loaded.config.vocabSize));
  const kinds: readonly [string, number, () => Promise<void>][] = [
    [
      `pp${prompt}`,
      prompt,
      async () => {
        runner.reset(0);
        await runner.step([{ sequence: 0, tokens: random(prompt) }]);
      },
    ],
    [
      `tg${predict}`,
      predict,
      async () => {
        runner.reset(0);
        for (let i = 0; i < predict; i++) {
          await runner.step([{ sequence: 0, tokens: random(1) }]);
        }
      },
    ],
  ];
  console.log(`sirocco: on ${gpu.description}`);
  for (const [name, tokens, run] of kinds) {
    await run();
    for (let i = 0; i < RUNS; i++) {
      const before = process.cpuUsage();
      const start = performance.now();
      await run();
      const ms = performance.now() - start;
      const { user, system } = process.cpuUsage(before);
      const perSecond = ((1e3 * tokens) / ms).toFixed(1);
      console.log(
        `  ${name}: ${perSecond} tokens/s, ${((user + system) / 1e3 / tokens).toFixed(1)} ms CPU a token`,
      );
    }
  }
  await backend.close();
}
