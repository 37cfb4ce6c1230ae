import { anything, assert, asyncProperty, jsonValue, nat, oneof, constantFrom } from "fast-check";
import { expect, test } from "vitest";
import { openCheckpoint } from "../../../core/checkpoint/open.ts";
import { RuntimeError } from "../../../core/errors.ts";
import { readConfig } from "../../../core/model/config.ts";
import { createTokenizer } from "../../../core/tokenizer/create.ts";
import { CONFIG, littleLlama, TOKENIZER } from "../../fixtures/checkpoint.ts";
import { memoryFolder } from "../../fixtures/memory-folder.ts";
import { writeSafetensors } from "../../fixtures/safetensors-writer.ts";

const weights = writeSafetensors(littleLlama().hf);

/** Values that are of the right type and wrong, and of any type. */
const strange = oneof(
  jsonValue({ maxDepth: 2 }),
  constantFrom<unknown>(-1, 0, 0.5, 1e9, 2 ** 53, 1e308, "", "__proto__", [], {}, null, true),
);

/** A copy of a JSON value with the place that `path` leads to replaced. */
function replaced(value: unknown, path: readonly number[], by: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined || typeof value !== "object" || value === null) return by;
  const names = Object.keys(value);
  const name = names[step % Math.max(1, names.length)];
  if (name === undefined) return by;
  const inner = replaced((value as Record<string, unknown>)[name], rest, by);
  return Array.isArray(value)
    ? value.map((item, i) => (String(i) === name ? inner : item))
    : { ...value, [name]: inner };
}

async function openAll(files: Readonly<Record<string, unknown>>): Promise<void> {
  const folder = memoryFolder({ "model.safetensors": weights, ...files });
  try {
    const model = await openCheckpoint(folder);
    try {
      readConfig(model);
      createTokenizer(model.metadata).encode("abc abc");
    } finally {
      await model.close();
    }
  } catch (error) {
    expect(RuntimeError.is(error), String(error)).toBe(true);
  }
  expect([...folder.opened]).toEqual([]);
}

const CONFIGS = [
  CONFIG,
  {
    ...CONFIG,
    rope_scaling: {
      rope_type: "llama3",
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 64,
    },
  },
  { ...CONFIG, sliding_window: 4, layer_types: ["full_attention", "sliding_attention"] },
  { ...CONFIG, architectures: ["Gemma3ForCausalLM"], text_config: CONFIG },
];

test("openCheckpoint ends with a typed error, and closes its files, whatever config.json says", async () => {
  await assert(
    asyncProperty(constantFrom(...CONFIGS), nat(), nat(), strange, async (config, a, b, value) => {
      const path = b % 2 === 0 ? [a] : [a, b];
      await openAll({ "config.json": replaced(config, path, value), "tokenizer.json": TOKENIZER });
    }),
    { numRuns: 400 },
  );
});

const WORD_PIECE = { model: { type: "WordPiece", vocab: { "[UNK]": 0, "[CLS]": 1, a: 2 } } };
const SETTINGS = {
  bos_token: "<s>",
  added_tokens_decoder: { "0": { content: "<unk>", special: true } },
  chat_template: [{ name: "default", template: "x" }],
};

test("openCheckpoint ends with a typed error whatever the files of the vocabulary say", async () => {
  await assert(
    asyncProperty(
      constantFrom(TOKENIZER, WORD_PIECE),
      nat(),
      nat(),
      nat(3),
      strange,
      async (tokenizer, a, b, depth, value) => {
        const path = [a, b, a].slice(0, depth);
        await openAll({
          "config.json": CONFIG,
          "tokenizer.json": replaced(tokenizer, path, value),
        });
        await openAll({
          "config.json": CONFIG,
          "tokenizer.json": TOKENIZER,
          "tokenizer_config.json": replaced(SETTINGS, path, value),
          "generation_config.json": replaced({ eos_token_id: [2, 3] }, path, value),
        });
      },
    ),
    { numRuns: 300 },
  );
});

test("openCheckpoint ends with a typed error for bytes in the place of any file", async () => {
  await assert(
    asyncProperty(
      constantFrom("config.json", "tokenizer.model", "tokenizer.json", "README.md"),
      anything(),
      async (name, value) => {
        const bytes = new TextEncoder().encode(`\n${JSON.stringify(value)}`);
        await openAll({ "config.json": CONFIG, "tokenizer.json": TOKENIZER, [name]: bytes });
      },
    ),
    { numRuns: 200 },
  );
});
