import { assert, constantFrom, jsonValue, property } from "fast-check";
import { describe, expect, test } from "vitest";
import { RuntimeError } from "../../../core/errors.ts";
import { parseReceipt } from "../../../core/receipt/parse.ts";
import { receiptDigest, toReceiptJson, type ReceiptFacts } from "../../../core/receipt/receipt.ts";
import { GREEDY } from "../../../core/sampler/params.ts";

const FACTS: ReceiptFacts = {
  model: { name: "m", digest: "0123456789abcdef" },
  numerics: { version: 1, backend: "wasm", kvType: "q8_0" },
  prompt: [1, 2],
  maxTokens: 3,
  stop: ["end"],
  sampling: { ...GREEDY, temperature: 0.7, logitBias: [[5, -1.5]], seed: 2 ** 32 - 1 },
  tokens: [7, 8],
  logprobs: [-0.1, -1e-300],
  finishReason: "stop",
};

/** The fields of a sound receipt with some replaced. */
async function fields(changes: object = {}): Promise<Record<string, unknown>> {
  return { ...(await toReceiptJson(FACTS)), ...changes };
}

/** What parsing throws. */
function refusal(text: string): RuntimeError {
  try {
    parseReceipt(text);
  } catch (error) {
    if (RuntimeError.is(error)) return error;
    throw error;
  }
  throw new Error("It was accepted");
}

test("a receipt that was written is read as it was, whatever the order of its fields", async () => {
  const written = await fields();
  const reversed = Object.fromEntries(Object.entries(written).toReversed());
  for (const object of [written, reversed]) {
    const { digest, ...facts } = parseReceipt(JSON.stringify(object));
    expect(facts).toEqual(FACTS);
    expect(await receiptDigest(facts)).toBe(digest);
  }
});

test("the digest covers every field", async () => {
  const samplings = Object.keys(GREEDY).map((name) =>
    Object.assign({}, FACTS.sampling, { [name]: name === "logitBias" ? [] : 0.5 }),
  );
  const digests = await Promise.all(
    [
      FACTS,
      { ...FACTS, model: { ...FACTS.model, name: "n" } },
      { ...FACTS, numerics: { ...FACTS.numerics, version: 2 } },
      { ...FACTS, prompt: [1, 3] },
      { ...FACTS, maxTokens: 4 },
      { ...FACTS, stop: [] },
      ...samplings.map((sampling) => Object.assign({}, FACTS, { sampling })),
      { ...FACTS, tokens: [7, 9] },
      { ...FACTS, logprobs: [-0.1, -0.1] },
      { ...FACTS, finishReason: "length" as const },
    ].map(receiptDigest),
  );
  expect(new Set(digests).size).toBe(digests.length);
});

describe("a receipt is refused, with the field at fault, for", () => {
  test.each<[string, object, string]>([
    ["another version", { sirocco_receipt: 2 }, "sirocco_receipt"],
    ["a digest that is a path", { model: { name: "m", digest: "../../etc" } }, "model.digest"],
    [
      "a name without end",
      { model: { name: "m".repeat(257), digest: "0".repeat(64) } },
      "model.name",
    ],
    ["an empty prompt", { prompt: [] }, "prompt"],
    ["a prompt that is text", { prompt: "Hello" }, "prompt"],
    ["a prompt that is no list", { prompt: { length: 2, 0: 1, 1: 2 } }, "prompt"],
    ["a token below 0", { tokens: [7, -1] }, "tokens[1]"],
    ["a token between two", { tokens: [7.5, 8] }, "tokens[0]"],
    ["a token beyond 32 bits", { tokens: [7, 2 ** 31] }, "tokens[1]"],
    [
      "more tokens than any context",
      { tokens: Array.from({ length: 1_048_577 }, () => 1) },
      "tokens",
    ],
    ["fewer logprobs than tokens", { logprobs: [-1] }, "logprobs"],
    ["a logprob that is none", { logprobs: [-1, null] }, "logprobs[1]"],
    ["no tokens asked for", { max_tokens: 0 }, "max_tokens"],
    ["more stops than can be watched", { stop: Array.from({ length: 65 }, () => "x") }, "stop"],
    ["an empty stop", { stop: [""] }, "stop[0]"],
    ["settings left out", { sampling: {} }, "sampling.temperature"],
    [
      "a cache that is not known",
      { numerics: { version: 1, backend: "wasm", kv_type: "q1" } },
      "numerics.kv_type",
    ],
    ["another reason", { finish_reason: "bored" }, "finish_reason"],
    ["a digest of another kind", { digest: "md5:00" }, "digest"],
  ])("%s", async (_, changes, param) => {
    const error = refusal(JSON.stringify(await fields(changes)));
    expect(error).toMatchObject({ code: "INVALID_REQUEST", param });
    expect(error.message.length).toBeLessThan(300);
  });

  test("a field that is not known", async () => {
    const error = refusal(JSON.stringify(await fields({ note: "trust me" })));
    expect(error).toMatchObject({ code: "UNSUPPORTED_PARAMETER", param: "note" });
  });

  test.each([
    ["no JSON", "{"],
    ["nothing", ""],
    ["null", "null"],
    ["a list", "[]"],
    ["nesting that a parser would not survive", "[".repeat(1_000_000)],
    ["a number beyond all", '{"sirocco_receipt": 1e999}'],
  ])("%s", (_, text) => {
    expect(refusal(text).code).toBe("INVALID_REQUEST");
  });
});

test("any single field replaced by anything is read or refused, never something else", async () => {
  const written = await fields();
  assert(
    property(constantFrom(...Object.keys(written)), jsonValue(), (name, value) => {
      const text = JSON.stringify({ ...written, [name]: value });
      try {
        parseReceipt(text);
      } catch (error) {
        expect(RuntimeError.is(error)).toBe(true);
      }
    }),
  );
});
