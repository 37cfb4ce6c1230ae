import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BroadcastChannel } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadLocal, type LoadedModel, type LoadOptions } from "../../../adapters/node/load.ts";
import { serve } from "../../../adapters/node/serve.ts";
import type { BreakReason } from "../../../core/engine/breakage.ts";
import type { EngineChange } from "../../../core/engine/engine-succession.ts";
import type { LogRecord } from "../../../core/http/deps.ts";
import { DEMO_FILE } from "../../fixtures/demo.ts";
import { FAULTS, type Fault, type KernelFault } from "../../fixtures/faults.ts";
import { askMixed } from "../../fixtures/mixed-streams.ts";
import { tinyModelGguf } from "../../fixtures/tiny-model.ts";

const workerFile = new URL("../../fixtures/faulty-worker.ts", import.meta.url);
/** As on a quiet machine it would be found after 8 s; a hang lasts for ever. */
const QUICK = { stallMs: 1500, lookMs: 100 };
/** reliability.md F1: a new worker with a small model is there within this. */
const RESPAWN_MS = 5000;

const faults = new BroadcastChannel(FAULTS);
const cause = (fault: Fault): void => {
  // eslint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
  faults.postMessage(fault);
};
afterAll(() => faults.close());

let reference: readonly unknown[];
beforeAll(async () => {
  const model = await loadLocal({ model: DEMO_FILE, threads: 1 });
  reference = await askMixed(model);
  await model.close();
});

/** Ask everything of a model whose worker suffers `fault` in the middle of it. */
async function suffer(
  fault: Fault,
  options: Partial<LoadOptions> = {},
): Promise<{ readonly model: LoadedModel; readonly changes: readonly EngineChange[] }> {
  const changes: EngineChange[] = [];
  const model = await loadLocal({
    model: DEMO_FILE,
    workerFile,
    supervision: QUICK,
    onEngineChange: (change) => changes.push(change),
    ...options,
  });
  cause(fault);
  const answers = await askMixed(model);
  expect(answers).toEqual(reference);
  return { model, changes };
}

/** What happens to a worker, and what that counts as. */
type Case = readonly [name: string, fault: KernelFault["type"], reason: BreakReason];
const CASES: readonly Case[] = [
  ["that is killed (F1)", "exit", "died"],
  ["that hangs (F2)", "hang", "stalled"],
  ["whose kernel traps (F5)", "trap", "trap"],
  ["whose memory cannot grow (F5)", "memory", "memory"],
];

describe("a model in a worker answers all it was asked, to the last bit", () => {
  test.for(CASES)("%s", { timeout: 60_000 }, async ([, kind, reason]) => {
    // Of some 5000 calls.
    for (const [threads, calls] of [
      [1, 700],
      [2, 2000],
    ] as const) {
      const { model, changes } = await suffer({ type: kind, calls }, { threads });
      expect(changes.map(({ type }) => type)).toEqual(["broken", "replaced"]);
      expect(changes[1]).toMatchObject({ degraded: false, tookMs: expect.any(Number) as number });
      expect((changes[1] as { tookMs: number }).tookMs).toBeLessThan(RESPAWN_MS);
      const { state, broken, moved } = model.condition();
      expect({ state, broken: broken[reason] }).toEqual({
        state: "ready",
        broken: 1,
      });
      expect(moved).toBeGreaterThan(0);
      await model.close();
    }
  });
});

test("a step that takes longer than a hang is allowed to is none while its operations end", async () => {
  // The first step has some 60 of them, none of which takes long.
  const { model, changes } = await suffer(
    { type: "slow", slowCalls: 120, milliseconds: 40 },
    { threads: 1 },
  );
  expect(changes).toEqual([]);
  expect(model.engine.stats().generatedTokens).toBeGreaterThan(100);
  await model.close();
}, 30_000);

test("a server says that it is not ready while a worker is replaced, and lets requests wait", async () => {
  const logs: LogRecord[] = [];
  const server = await serve({
    load: { model: DEMO_FILE, workerFile },
    port: 0,
    log: (record) => logs.push(record),
  });
  await server.ready;
  const get = (path: string) => fetch(`${server.url}${path}`);
  const chat = async (): Promise<string> => {
    const response = await fetch(`${server.url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model: "sirocco-demo.q8_0",
        prompt: "Once upon",
        max_tokens: 48,
        seed: 7,
      }),
    });
    expect(response.status).toBe(200);
    return ((await response.json()) as { choices: [{ text: string }] }).choices[0].text;
  };
  const alone = await chat();
  expect((await get("/readyz")).status).toBe(200);
  cause({ type: "exit", calls: 700 });
  const answers = [chat(), chat()];
  const ready: number[] = [];
  const live = new Set<number>();
  let reasons: readonly string[] = [];
  while (ready.at(-1) !== 200 || !ready.includes(503)) {
    const [readyz, livez] = await Promise.all([get("/readyz"), get("/livez")]);
    const { status } = readyz;
    if (status === 503) {
      ({ reasons } = (await readyz.json()) as { reasons: readonly string[] });
      // What comes now waits.
      if (!ready.includes(503)) answers.push(chat());
    }
    ready.push(status);
    live.add(livez.status);
  }
  expect(reasons).toEqual(["the engine of sirocco-demo.q8_0 is being replaced"]);
  expect([...live]).toEqual([200]);
  expect(await Promise.all(answers)).toEqual([alone, alone, alone]);
  const metrics = await (await get("/metrics")).text();
  const labels = 'model_name="sirocco-demo.q8_0"';
  expect(metrics).toContain(`sirocco_engines_broken_total{${labels},reason="died"} 1\n`);
  expect(metrics).toContain(`sirocco_migrations_total{${labels}} 2\n`);
  expect(metrics).toContain(`sirocco_engine_ready{${labels}} 1\n`);
  await server.close();
  const seen = logs.filter(({ event }) => event.startsWith("engine_"));
  expect(seen.map(({ event }) => event)).toEqual(["engine_broken", "engine_replaced"]);
  expect(seen[0]).toMatchObject({ level: "error", reason: "died" });
  expect(seen[0]!["message"]).toContain("exit code 7");
  expect(seen[1]).toMatchObject({ level: "info", degraded: false });
}, 30_000);

test("a model's file that has changed is not loaded again", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sirocco-revival-"));
  const model = join(folder, "model.gguf");
  try {
    await writeFile(model, tinyModelGguf(1));
    const supervision = { breakages: 3, firstDelayMs: 10 };
    const loaded = await loadLocal({ model, workerFile, supervision });
    await writeFile(model, tinyModelGguf(2, { dim: 128 }));
    cause({ type: "exit", calls: 0 });
    expect(await loaded.died).toMatchObject({
      code: "MODEL_MALFORMED",
      message: expect.stringContaining("has changed") as string,
    });
    expect(loaded.condition().state).toBe("gone");
    await loaded.close();
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("F15: a server whose event loop is blocked is not alive until it goes on", async () => {
  const server = await serve({ load: { model: DEMO_FILE }, port: 0, limits: { loopLagMs: 300 } });
  await server.ready;
  const live = async () => (await fetch(`${server.url}/livez`)).status;
  expect(await live()).toBe(200);
  const asked = live();
  // The request is on its way; what blocks comes before it is read.
  const until = performance.now() + 1200;
  while (performance.now() < until);
  expect(await asked).toBe(503);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  const lag = /^sirocco_eventloop_lag_seconds (.+)$/m.exec(metrics)?.[1];
  expect(Number(lag)).toBeGreaterThan(0.3);
  await expect.poll(live, { timeout: 10_000 }).toBe(200);
  await server.close();
});
