import { describe, expect, test } from "vitest";
import type { ServedModel } from "../../../core/http/deps.ts";
import { modelsWith, type ServedLora } from "../../../core/http/lora-models.ts";
import type { GenerateRequest } from "../../../core/engine/engine.ts";
import { createAccess } from "../../../core/http/edge/access.ts";
import { hashKey } from "../../../core/http/edge/key-hash.ts";
import { createPool } from "../../../core/pool/pool.ts";
import { createAppTransport } from "../../fixtures/app-transport.ts";
import { keptAnswers } from "../../fixtures/kept-answers.ts";
import { createScriptedApp, type ScriptedApp } from "../../fixtures/scripted-app.ts";
import { createScriptedEngine } from "../../fixtures/scripted-engine.ts";

const LORAS: readonly ServedLora[] = [
  { name: "law", scale: 1, digest: "a".repeat(64) },
  { name: "sql", scale: 0.5, digest: "b".repeat(64) },
];

interface LoraApp extends ScriptedApp {
  readonly asked: readonly GenerateRequest[];
}

/** A model `m` with two adapters. */
function createLoraApp(deps: Parameters<typeof createScriptedApp>[1] = {}): LoraApp {
  const engine = createScriptedEngine();
  let models: readonly ServedModel[] = [];
  const app = createScriptedApp({}, { models: () => models, ...deps }, { engine, loras: LORAS });
  models = modelsWith(app.served);
  return Object.assign(app, { asked: engine.requests });
}

const MESSAGES = [{ role: "user", content: "Hi" }];

describe("a model with adapters", () => {
  test("is listed, and so is each adapter as a model with a digest of its own", async () => {
    const { get } = createLoraApp();
    const { data } = (await (await get("/v1/models")).json()) as {
      data: { id: string; parent?: string; aliases: string[]; sirocco: Record<string, unknown> }[];
    };
    expect(data.map(({ id, parent, aliases }) => ({ id, parent, aliases }))).toEqual([
      { id: "m", parent: undefined, aliases: ["organisation/m"] },
      { id: "m:law", parent: "m", aliases: ["law", "organisation/m:law"] },
      { id: "m:sql", parent: "m", aliases: ["sql", "organisation/m:sql"] },
    ]);
    expect(data[0]?.sirocco["lora"]).toEqual([
      { id: 0, ...LORAS[0] },
      { id: 1, ...LORAS[1] },
    ]);
    for (const fact of ["digest", "fingerprint"]) {
      expect(new Set(data.map(({ sirocco }) => sirocco[fact])).size).toBe(3);
    }
    const tags = (await (await get("/api/tags")).json()) as { models: { name: string }[] };
    expect(tags.models.map(({ name }) => name)).toEqual(["m", "m:law", "m:sql"]);
  });

  test("takes the adapter whose name a request gives, in every API", async () => {
    const { post, asked } = createLoraApp();
    const law = [{ name: "law", scale: 1 }];
    const requests: readonly (readonly [string, object, unknown])[] = [
      ["/v1/chat/completions", { model: "m:law", messages: MESSAGES }, law],
      ["/v1/chat/completions", { model: "law", messages: MESSAGES }, law],
      ["/v1/completions", { model: "m:sql", prompt: "Hi" }, [{ name: "sql", scale: 0.5 }]],
      ["/api/chat", { model: "m:law", messages: MESSAGES, stream: false }, law],
      ["/v1/messages", { model: "m:law", messages: MESSAGES, max_tokens: 5 }, law],
      ["/v1/responses", { model: "m:law", input: "Hi" }, law],
      ["/v1/chat/completions", { model: "m", messages: MESSAGES }, undefined],
    ];
    for (const [path, body, lora] of requests) {
      const response = await post(path, body);
      expect(response.status, `${path} ${await response.text()}`).toBe(200);
      expect(asked.at(-1)?.lora).toEqual(lora);
    }
  });

  test("takes the adapters of the field lora, by number or name, at any scale", async () => {
    const { post, asked } = createLoraApp();
    const answerTo = async (lora: unknown, model = "m") => {
      const response = await post("/v1/completions", { model, prompt: "Hi", lora });
      const body = (await response.json()) as {
        system_fingerprint?: string;
        error?: { message: string; param: string; code: string };
      };
      return { status: response.status, ...body };
    };
    const plain = await answerTo(null);
    const both = await answerTo([{ name: "sql" }, { id: 0, scale: 0.25 }]);
    expect(both.status).toBe(200);
    expect(asked.at(-1)?.lora).toEqual([
      { name: "law", scale: 0.25 },
      { name: "sql", scale: 0.5 },
    ]);
    const again = await answerTo([{ id: 0, scale: 0.25 }, { id: 1 }]);
    expect(again.system_fingerprint).toBe(both.system_fingerprint);
    const half = await answerTo([{ name: "law", scale: 0.5 }]);
    const fingerprints = [plain, both, half].map((answer) => answer.system_fingerprint);
    expect(new Set(fingerprints).size).toBe(3);
    for (const nothing of [[], [{ id: 1, scale: 0 }]]) {
      expect((await answerTo(nothing)).system_fingerprint).toBe(plain.system_fingerprint);
      expect(asked.at(-1)?.lora).toBeUndefined();
    }
    // What the model's name says may be said again.
    expect((await answerTo([{ name: "sql", scale: 0.5 }], "m:sql")).status).toBe(200);

    const wrong: readonly (readonly [unknown, string, RegExp, string])[] = [
      [[{ name: "tax" }], "m", /no such adapter: served are 'law', 'sql'/, "lora[0]"],
      [[{ id: 0 }, { id: 2 }], "m", /no such adapter/, "lora[1]"],
      [[{ id: 0 }, { name: "law" }], "m", /named twice/, "lora[1]"],
      [[{ id: 0, name: "law" }], "m", /an id or a name/, "lora[0]"],
      [[{ scale: 1 }], "m", /an id or a name/, "lora[0]"],
      [[{ id: 0, scale: 1e9 }], "m", /from -100 to 100/, "lora[0].scale"],
      [[{ id: 0, scale: "1" }], "m", /a number/, "lora[0].scale"],
      [[{ id: -1 }], "m", /whole number/, "lora[0].id"],
      ["law", "m", /array/, "lora"],
      [[{ name: "law" }], "m:sql", /name 'm'/, "lora"],
    ];
    for (const [lora, model, message, param] of wrong) {
      const { status, error } = await answerTo(lora, model);
      expect({ status, param: error?.param }).toEqual({ status: 400, param });
      expect(error?.message).toMatch(message);
    }
  });

  test("refuses adapters that there are not by the code for unknown models", async () => {
    const { post } = createLoraApp();
    const response = await post("/v1/completions", { model: "m:tax", prompt: "Hi" });
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({
      error: {
        code: "model_not_found",
        message: expect.stringContaining("'m:law', 'm:sql'") as string,
      },
    });
  });

  test("lets no key take an adapter that it may not ask for", async () => {
    const key = "sk-0123456789abcdef";
    const keys = [
      { id: "k", hash: await hashKey(key), scopes: ["inference" as const], models: ["m", "m:law"] },
    ];
    const { post } = createLoraApp({ access: createAccess(keys, () => 0) });
    const headers = { authorization: `Bearer ${key}` };
    const statusOf = async (body: object) =>
      (await post("/v1/completions", { prompt: "Hi", ...body }, { headers })).status;
    expect(await statusOf({ model: "m" })).toBe(200);
    expect(await statusOf({ model: "m:law" })).toBe(200);
    expect(await statusOf({ model: "m:sql" })).toBe(403);
    expect(await statusOf({ model: "m", lora: [{ name: "law" }] })).toBe(200);
    expect(await statusOf({ model: "m", lora: [{ name: "law" }, { name: "sql" }] })).toBe(403);
  });

  test("has no answer of one adapter kept for another, nor for another scale", async () => {
    const tasks: Promise<unknown>[] = [];
    const { post, asked } = createLoraApp({ caching: keptAnswers(tasks) });
    const bodies = [
      { model: "m" },
      { model: "m:law" },
      { model: "m", lora: [{ name: "law", scale: 0.5 }] },
      { model: "m", lora: [{ name: "sql", scale: 0.5 }, { name: "law" }] },
    ];
    for (const round of ["miss", "hit"]) {
      for (const body of bodies) {
        const response = await post("/v1/completions", { ...body, prompt: "Hi", temperature: 0 });
        await response.text();
        const status = response.headers.get("cache-status");
        if (round === "miss") expect(status).toMatch(/fwd=miss/);
        else expect(status).toMatch(/hit/);
        await Promise.all(tasks);
      }
      expect(asked).toHaveLength(bodies.length);
    }
  });

  test("has them where it is on a node of the pool, too: by their names alone", async () => {
    const node = createLoraApp();
    const pool = createPool({
      nodes: [{ name: "n", origin: "http://node" }],
      transport: createAppTransport({ "http://node": node.app }),
      now: () => performance.now(),
      random: () => 0.5,
      log: () => {},
      onEvent: () => {},
    });
    await pool.tend();
    const { post } = createScriptedApp({}, { models: () => [], pool });
    for (const model of ["m:sql", "law", "m"]) {
      const response = await post("/v1/completions", { model, prompt: "Hi" });
      expect(response.status, await response.text()).toBe(200);
    }
    expect(node.asked.map(({ lora }) => lora?.[0]?.name)).toEqual(["sql", "law", undefined]);
    const response = await post("/v1/completions", { model: "m", prompt: "Hi", lora: [{ id: 0 }] });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { code: "unsupported_parameter", param: "lora" },
    });
  });

  test("is one engine to whoever measures it or asks for its health", async () => {
    const { get } = createLoraApp();
    const metrics = await (await get("/metrics")).text();
    expect(metrics).toMatch(/kv_cache_usage_perc\{model_name="m"\}/);
    expect(metrics).not.toMatch(/model_name="m:law"/);
    const health = (await (await get("/readyz")).json()) as { models: readonly unknown[] };
    expect(health.models).toHaveLength(1);
  });
});
