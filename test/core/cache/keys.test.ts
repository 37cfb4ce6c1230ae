import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { canonicalJson } from "../../../core/cache/canonical-json.ts";
import { requestDocument, tokenDocument, type Provenance } from "../../../core/cache/keys.ts";
import { createScope } from "../../../core/cache/scope.ts";
import { RuntimeError } from "../../../core/errors.ts";
import { parseChatRequest } from "../../../core/http/wire/chat-request.ts";
import { shared } from "../../fixtures/shared.ts";

const from: Provenance = {
  operation: "/v1/chat/completions",
  modelDigest: "d1",
  fingerprint: "fp_1",
  contextLength: 4096,
  policy: null,
};
const base = {
  model: "m",
  messages: [{ role: "user", content: "Hello" }],
  temperature: 0.5,
  seed: 1,
  logprobs: true,
};
const keyOf = (body: object, provenance = from) =>
  canonicalJson(requestDocument(parseChatRequest(body), provenance));
const tokenKeyOf = (body: object, tokens = [1, 2, 3], provenance = from) =>
  canonicalJson(tokenDocument(parseChatRequest(body), provenance, { tokens }, 100));

const saying = (content: string) => ({ ...base, messages: [{ role: "user", content }] });

/** Fields that are known to change nothing about an answer. */
const IGNORED = new Set([
  "stream",
  "stream_options",
  "user",
  "metadata",
  "store",
  "service_tier",
  "safety_identifier",
  "prompt_cache_key",
  // Resolved to a digest, which is in the key.
  "model",
]);

/** Values of many kinds: of these a field accepts some. */
const VALUES: readonly unknown[] = [
  0,
  0.25,
  1,
  2,
  5,
  true,
  "x",
  ["x"],
  { "5": 1 },
  { type: "json_object" },
  [{ role: "user", content: "Bye" }],
  [{ role: "assistant", content: "Hello" }],
  "none",
  [{ type: "function", function: { name: "f", parameters: { type: "object" } } }],
];

const file = shared("data/openai-compat/openai-openapi.yaml");

/** Names of the properties of a chat request by OpenAI's own description. */
function propertyNames(yaml: string): string[] {
  const names = new Set<string>();
  const section = yaml.slice(yaml.indexOf("\n  schemas:\n"));
  const blocks = section.split(/\n(?= {4}\w+:\n)/);
  for (const name of [
    "CreateChatCompletionRequest",
    "CreateModelResponseProperties",
    "ModelResponseProperties",
  ]) {
    const block = blocks.find((text) => text.startsWith(`    ${name}:\n`));
    if (block === undefined) continue;
    const visit = (schema: { properties?: object; allOf?: object[] }): void => {
      for (const property of Object.keys(schema.properties ?? {})) names.add(property);
      for (const part of schema.allOf ?? []) visit(part);
    };
    visit(parse(block)[name]);
  }
  return [...names];
}

describe("keys of requests", () => {
  test.skipIf(file === undefined)(
    `every property of OpenAI's chat request changes the key, is on the list of those that change nothing, or is refused${file === undefined ? " (skipped: ../shared/data not present)" : ""}`,
    () => {
      const names = propertyNames(readFileSync(file!, "utf8"));
      expect(names.length).toBeGreaterThan(25);
      const seen = { changed: 0, ignored: 0, refused: 0 };
      for (const name of names) {
        let accepted = 0;
        const keys = new Set([keyOf(base)]);
        for (const value of VALUES) {
          const body = { ...base, [name]: value };
          let key: string;
          try {
            key = keyOf(body);
          } catch (error) {
            if (!RuntimeError.is(error)) throw error;
            continue;
          }
          accepted++;
          keys.add(key);
        }
        if (accepted === 0) seen.refused++;
        else if (IGNORED.has(name)) {
          seen.ignored++;
          expect([name, keys.size]).toEqual([name, 1]);
        } else {
          seen.changed++;
          expect([name, keys.size > 1 || accepted === 1]).toEqual([name, true]);
        }
      }
      expect(seen.changed).toBeGreaterThan(10);
      expect(seen.ignored).toBeGreaterThan(4);
    },
  );

  test("every field that says something changes the key, whatever else is asked", () => {
    const changes: Readonly<Record<string, unknown>> = {
      temperature: 0.75,
      top_p: 0.5,
      top_k: 3,
      min_p: 0.1,
      typical_p: 0.5,
      repeat_penalty: 1.5,
      repeat_last_n: 3,
      presence_penalty: 1,
      frequency_penalty: 1,
      logit_bias: { "7": 1 },
      seed: 2,
      max_tokens: 9,
      stop: "z",
      top_logprobs: 3,
      messages: [{ role: "user", content: "Hello!" }],
    };
    const names = Object.keys(changes);
    fc.assert(
      fc.property(fc.subarray(names), fc.constantFrom(...names), (others, name) => {
        const rest = Object.fromEntries(others.map((other) => [other, changes[other]]));
        const { [name]: _, ...without } = { ...base, ...rest } as Record<string, unknown>;
        const before =
          name in base ? { ...without, [name]: base[name as keyof typeof base] } : without;
        const after = { ...without, [name]: changes[name] };
        expect(keyOf(after)).not.toBe(keyOf(before));
        if (name !== "messages" && name !== "max_tokens")
          expect(tokenKeyOf(after)).not.toBe(tokenKeyOf(before));
      }),
    );
  });

  test("what means the same has one key", () => {
    const same: readonly [object, object][] = [
      [{ seed: 1 }, { seed: 2 ** 32 + 1 }],
      [{ seed: 1 }, { random_seed: 1, seed: null }],
      [{ stop: "a" }, { stop: ["a", "a"] }],
      [{ stop: ["a", "b"] }, { stop: ["b", "a"] }],
      [{ logit_bias: { 1: 1, 20: 2, 3: 3 } }, { logit_bias: { 20: 2, 3: 3, 1: 1 } }],
      [{ max_tokens: 5 }, { max_completion_tokens: 5 }],
      [
        { temperature: 0, seed: 1 },
        { temperature: 0, seed: 2 },
      ],
      [{ temperature: 0 }, { temperature: -0 }],
      [{ top_p: 1 }, { top_p: null }],
      [{}, { messages: [{ role: "user", content: [{ type: "text", text: "Hello" }] }] }],
    ];
    for (const [one, other] of same)
      expect(keyOf({ ...base, ...one })).toBe(keyOf({ ...base, ...other }));
    // Unicode is left as it is written: the tokens tell whether it means the same to the model.
    expect(keyOf(saying("é"))).not.toBe(keyOf(saying("e\u0301")));
  });

  test("the model, the arithmetic, the policy, the operation and the tokens are part of it", () => {
    const others: readonly Partial<Provenance>[] = [
      { operation: "/v1/completions" },
      { modelDigest: "d2" },
      { fingerprint: "fp_2" },
      { policy: "p" },
    ];
    for (const other of others) {
      expect(keyOf(base, { ...from, ...other })).not.toBe(keyOf(base));
      expect(tokenKeyOf(base, [1, 2, 3], { ...from, ...other })).not.toBe(tokenKeyOf(base));
    }
    expect(keyOf(base, { ...from, contextLength: 2048 })).not.toBe(keyOf(base));
    expect(tokenKeyOf(base, [1, 2])).not.toBe(tokenKeyOf(base));
    expect(tokenKeyOf(base, [1, 2, 2 ** 31])).not.toBe(tokenKeyOf(base));
  });

  const pairs = 1_000_000;
  test(`of ${pairs} random pairs of tenants none shares a key for the same request`, () => {
    const secret = new Uint8Array(32).fill(3);
    const seen = new Set<string>();
    const tenants = Math.ceil(Math.sqrt(pairs * 2)) + 1;
    const document = requestDocument(parseChatRequest(base), from);
    for (let i = 0; i < tenants; i++) {
      const scope = createScope(secret, { tenant: `tenant-${i}`, epoch: 1 });
      seen.add(scope.requestKey(document));
    }
    // As many pairs as asked for, each of two different tenants.
    expect((tenants * (tenants - 1)) / 2).toBeGreaterThanOrEqual(pairs);
    expect(seen.size).toBe(tenants);
  });
});
