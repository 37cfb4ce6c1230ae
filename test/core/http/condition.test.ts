import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { UNBROKEN, type EngineCondition } from "../../../core/engine/lasting-engine.ts";
import { createAnswerCache } from "../../../core/cache/answers.ts";
import { createMemoryStore } from "../../../core/cache/memory-store.ts";
import type { ServedModel } from "../../../core/http/deps.ts";
import { createScriptedApp } from "../../fixtures/scripted-app.ts";
import { createScriptedEngine } from "../../fixtures/scripted-engine.ts";

/** Some day in 2026, in milliseconds. */
const NOW = 1_790_000_000_000;
const HELLO = { model: "m", messages: [{ role: "user", content: "hi" }], temperature: 0 };

test("readiness fails while an engine is replaced, and liveness does not", async () => {
  let condition: EngineCondition = UNBROKEN;
  const { get } = createScriptedApp({}, {}, { condition: () => condition });
  const probe = async (path: string) => {
    const response = await get(path);
    return { status: response.status, ...((await response.json()) as object) };
  };
  expect(await probe("/readyz")).toMatchObject({ status: "ok", models: [{ degraded: false }] });
  condition = { ...UNBROKEN, state: "opening", degraded: true };
  expect((await get("/readyz")).status).toBe(503);
  expect(await probe("/readyz")).toMatchObject({
    reasons: ["the engine of m is being replaced"],
    models: [{ degraded: true }],
  });
  expect((await get("/livez")).status).toBe(200);
  condition = { ...UNBROKEN, state: "gone" };
  expect(await probe("/readyz")).toMatchObject({
    reasons: ["the engine of m broke too often to be replaced"],
  });
});

test("GET /metrics counts engines that broke and requests that moved", async () => {
  const broken = { ...UNBROKEN.broken, device: 2, trap: 1 };
  const condition = { state: "ready", degraded: true, broken, moved: 5 } as const;
  const { get } = createScriptedApp({}, {}, { condition: () => condition });
  const text = await (await get("/metrics")).text();
  for (const line of [
    'sirocco_engines_broken_total{model_name="m",reason="device"} 2',
    'sirocco_engines_broken_total{model_name="m",reason="trap"} 1',
    'sirocco_engines_broken_total{model_name="m",reason="died"} 0',
    'sirocco_device_lost_total{model_name="m"} 2',
    'sirocco_migrations_total{model_name="m"} 5',
    'sirocco_engine_ready{model_name="m"} 1',
    'sirocco_engine_degraded{model_name="m"} 1',
  ]) {
    expect(text).toContain(`${line}\n`);
  }
});

/** An engine that becomes one of another kind before its second token. */
function changing() {
  const engine = createScriptedEngine({
    reply: "abc",
    pace(index) {
      if (index === 1) Object.assign(engine, { info: { ...engine.info, backend: "other-kind" } });
    },
  });
  return engine;
}

test("an answer that went on on another kind of backend gets no receipt", async () => {
  const { post } = createScriptedApp({}, {}, { engine: changing() });
  const headers = { "x-sirocco-receipt": "1" };
  const response = await post("/v1/chat/completions", HELLO, { headers });
  expect(response.status).toBe(500);
  expect(await response.json()).toMatchObject({
    error: { message: expect.stringContaining("another kind of backend") as string },
  });
});

test.for([true, false])("an answer that another model ended is not kept: %s", async (changes) => {
  const models: ServedModel[] = [];
  const kept: Promise<unknown>[] = [];
  const { post, served } = createScriptedApp(
    {
      reply: "abc",
      pace: () => void (changes && models.splice(0, 1, ...models.map((one) => ({ ...one })))),
    },
    {
      models: () => models,
      caching: {
        answers: createAnswerCache({
          secret: new Uint8Array(32),
          epoch: 1,
          stores: [createMemoryStore(1e6, () => NOW)],
          memoryBytes: 1e6,
          freshMs: 60_000,
          staleMs: 0,
          wallClock: () => NOW,
          random: () => 0.5,
        }),
        stale: { whileRevalidateMs: 0, ifErrorMs: 0 },
        verifyOneIn: 0,
        wallClock: () => NOW,
        background: (work) => kept.push(work),
      },
    },
  );
  models.push(served);
  const statuses: (string | null)[] = [];
  for (let i = 0; i < 2; i++) {
    const response = await post("/v1/chat/completions", HELLO);
    await response.text();
    // What keeps an answer begins when its reader is done.
    await sleep(1);
    await Promise.all(kept);
    statuses.push(response.headers.get("cache-status"));
  }
  expect(statuses[0]).toBe("sirocco; fwd=miss");
  expect(statuses[1]).toMatch(changes ? /fwd=miss/ : /hit/);
});
