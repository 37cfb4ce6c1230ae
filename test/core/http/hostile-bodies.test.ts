import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { API_ROUTES } from "../../../core/http/apis.ts";
import { createScriptedApp } from "../../fixtures/scripted-app.ts";

const user = { role: "user", content: "hi" };
const tool = { type: "function", function: { name: "f", parameters: { type: "object" } } };

/** A request of each API with everything in it that is nested: what is changed is somewhere inside. */
const SEEDS: Readonly<Record<string, object>> = {
  "/v1/chat/completions": {
    model: "m",
    messages: [
      { role: "user", content: [{ type: "text", text: "hi" }] },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }],
      },
      { role: "tool", tool_call_id: "c", content: "1" },
    ],
    tools: [tool],
    tool_choice: { type: "function", function: { name: "f" } },
    stop: ["a"],
    logit_bias: { 1: 1 },
    stream: true,
    stream_options: { include_usage: true },
  },
  "/v1/completions": { model: "m", prompt: [[1, 2], [3]], n: 2, best_of: 2, echo: true, stop: "x" },
  "/v1/fim/completions": { model: "m", prompt: "a", suffix: "b" },
  "/v1/responses": {
    model: "m",
    input: [
      { role: "user", content: [{ type: "input_text", text: "hi" }] },
      { type: "function_call", call_id: "c", name: "f", arguments: "{}" },
      { type: "function_call_output", call_id: "c", output: "1" },
    ],
    tools: [{ type: "function", name: "f", parameters: { type: "object" } }],
    tool_choice: { type: "function", name: "f" },
    include: ["message.output_text.logprobs"],
    metadata: { a: "b" },
  },
  "/v1/embeddings": { model: "m", input: [[2], [1]], dimensions: 2, encoding_format: "base64" },
  "/v1/messages": {
    model: "m",
    max_tokens: 5,
    system: [{ type: "text", text: "s", cache_control: { type: "ephemeral" } }],
    messages: [
      user,
      { role: "assistant", content: [{ type: "tool_use", id: "t", name: "f", input: { a: 1 } }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "t", content: "1" }] },
    ],
    tools: [{ name: "f", input_schema: { type: "object" } }],
    tool_choice: { type: "tool", name: "f" },
  },
  "/v1/messages/count_tokens": { model: "m", messages: [user], system: "s" },
  "/api/chat": {
    model: "m",
    messages: [
      user,
      { role: "assistant", content: "", tool_calls: [{ function: { name: "f", arguments: {} } }] },
      { role: "tool", content: "1", tool_name: "f" },
    ],
    tools: [tool],
    options: { temperature: 1, stop: ["a"], num_ctx: 5 },
    keep_alive: "5m",
  },
  "/api/generate": { model: "m", prompt: "a", options: { seed: 1 }, format: { type: "object" } },
  "/api/embed": { model: "m", input: ["a", "b"], truncate: true },
  "/api/show": { model: "m", verbose: true },
  "/tokenize": { model: "m", prompt: "a", add_special_tokens: false },
  "/detokenize": { model: "m", tokens: [1, 2] },
};

type Path = readonly (string | number)[];

/** Every place in a value, the whole of it first. */
function placesIn(value: unknown, at: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [at];
  return [at, ...Object.entries(value).flatMap(([key, inner]) => placesIn(inner, [...at, key]))];
}

/** A copy of `value` with `put` at a place. */
function replace(value: unknown, [key, ...rest]: Path, put: unknown): unknown {
  if (key === undefined) return put;
  const copy: unknown = structuredClone(value);
  const inside = copy as Record<string | number, unknown>;
  inside[key] = replace(inside[key], rest, put);
  return copy;
}

/** What nobody sends, and what somebody might. */
const hostile = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown>(
    null,
    [],
    {},
    "",
    "\u0000",
    "\ud800",
    "__proto__",
    -1,
    0.5,
    2 ** 53,
    -(2 ** 31),
    "x".repeat(5000),
    Array.from({ length: 3000 }, () => 1),
    Array.from({ length: 300 }, () => "a"),
    JSON.parse('{"__proto__": 1, "constructor": 2, "toString": 3}'),
    { type: "text", text: 5 },
    { $ref: "#" },
  ),
);

/** Answers of the scripted engine are always there: what is not 200 is the client's doing. */
const FINE: ReadonlySet<number> = new Set([200, 400, 404, 422]);

describe.each(API_ROUTES.filter(({ method }) => method === "POST"))("POST $path", ({ path }) => {
  const seed = SEEDS[path];
  const { post, engine } = createScriptedApp({ reply: "ok" });

  async function expectTyped(body: unknown): Promise<void> {
    const response = await post(path, body);
    const text = await response.text();
    expect(FINE, `${JSON.stringify(body).slice(0, 300)}: ${text.slice(0, 300)}`).toContain(
      response.status,
    );
    if (response.status === 200) return;
    const { error, detail } = JSON.parse(text);
    // Each API has a sentence at a place of its own.
    const said: unknown = error?.message ?? error ?? detail?.[0]?.msg ?? JSON.parse(text).message;
    expect(typeof said, text).toBe("string");
    expect(String(said).length).toBeLessThan(1000);
  }

  test("answers what it is made for", async () => {
    expect(seed, "it has a seed").toBeDefined();
    const response = await post(path, seed);
    // The scripted vocabulary has no tokens for filling in.
    const status = path === "/v1/fim/completions" ? 422 : 200;
    expect([response.status, await response.text()]).toMatchObject([status, expect.any(String)]);
  });

  test("refuses anything else with a typed error, wherever it stands", async () => {
    const places = placesIn(seed);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...places), hostile, async (place, value) => {
        await expectTyped(replace(seed, place, value));
      }),
      { numRuns: 250 },
    );
    expect(engine.busy()).toBe(0);
  });

  test("refuses what is no JSON, no object or too deep", async () => {
    const deep = `{"model":"m","messages":${"[".repeat(5000)}${"]".repeat(5000)}}`;
    for (const body of ["", "{", "nul", "[]", '"x"', "5", "null", deep, '{"model":"m",}']) {
      const response = await post(path, body);
      expect([400, 422], body.slice(0, 20)).toContain(response.status);
      await response.text();
    }
  });
});
