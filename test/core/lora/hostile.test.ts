import { describe, expect, test } from "vitest";
import { RuntimeError } from "../../../core/errors.ts";
import { openGguf } from "../../../core/gguf/parse.ts";
import { bytesSource } from "../../../core/gguf/source.ts";
import { checkLoras } from "../../../core/lora/check.ts";
import { readGgufLora } from "../../../core/lora/gguf-lora.ts";
import { MAX_LORA_RANK, MAX_LORAS } from "../../../core/lora/limits.ts";
import type { LoraFile } from "../../../core/lora/lora-file.ts";
import { openPeftLora } from "../../../core/lora/peft-lora.ts";
import type { GgufModel } from "../../../core/gguf/gguf.ts";
import { memoryFolder } from "../../fixtures/memory-folder.ts";
import { loraBytes, memoryLora, type MemoryLora, namedLora } from "../../fixtures/memory-lora.ts";
import { memoryModel } from "../../fixtures/memory-model.ts";
import { mixtureModel } from "../../fixtures/mixture-model.ts";
import { createRandom } from "../../fixtures/random.ts";
import { writeSafetensors, type SafeTensor } from "../../fixtures/safetensors-writer.ts";

const MODEL = memoryModel();
const Q = "blk.0.attn_q.weight";

/** The error of what throws or rejects, which has to be one that callers know. */
async function problem(run: () => unknown): Promise<{ code: string; message: string }> {
  try {
    await run();
  } catch (error) {
    if (!RuntimeError.is(error)) throw error;
    return { code: error.code, message: error.message };
  }
  throw new Error("nothing was thrown");
}

const reshape = (name: string, type: "f32" | "q8_0", ...sizes: number[]) => {
  return (lora: MemoryLora): void => {
    const info = lora.tensors.get(name)!;
    lora.tensors.set(name, { ...info, type, shape: sizes });
  };
};
const meta = (key: string, value: string | number | undefined) => (lora: MemoryLora) => {
  if (value === undefined) lora.metadata.delete(key);
  else lora.metadata.set(key, value);
};
const rename = (from: string, to: string) => (lora: MemoryLora) => {
  const info = lora.tensors.get(from)!;
  lora.tensors.delete(from);
  lora.tensors.set(to, { ...info, name: to });
};

describe("an adapter in a GGUF file", () => {
  test.for<readonly [(lora: MemoryLora) => void, string, RegExp]>([
    [meta("general.type", "model"), "MODEL_MALFORMED", /it is no adapter.*given as --model/],
    [meta("general.type", undefined), "MODEL_MALFORMED", /it is no adapter/],
    [meta("adapter.type", "control_vector"), "MODEL_UNSUPPORTED", /only "lora" is supported/],
    [meta("adapter.type", undefined), "MODEL_UNSUPPORTED", /adapter.type is "null"/],
    [meta("adapter.alora.invocation_tokens", 5), "MODEL_UNSUPPORTED", /aLoRA/],
    [meta("adapter.lora.alpha", undefined), "MODEL_MALFORMED", /alpha is "null"/],
    [meta("adapter.lora.alpha", NaN), "MODEL_MALFORMED", /expected a number/],
    [meta("adapter.lora.alpha", Infinity), "MODEL_MALFORMED", /expected a number/],
    [meta("adapter.lora.alpha", 1e30), "MODEL_MALFORMED", /expected a number/],
    [meta("adapter.lora.alpha", "16"), "MODEL_MALFORMED", /expected a number/],
    [({ tensors }) => tensors.clear(), "MODEL_MALFORMED", /without a single pair/],
    [({ tensors }) => tensors.delete(`${Q}.lora_a`), "MODEL_MALFORMED", /A \(lora_a\).*missing/],
    [({ tensors }) => tensors.delete(`${Q}.lora_b`), "MODEL_MALFORMED", /B \(lora_b\).*missing/],
    [rename(`${Q}.lora_a`, "output_norm.weight"), "MODEL_UNSUPPORTED", /is no factor/],
    [rename(`${Q}.lora_a`, `${Q}.lora_c`), "MODEL_UNSUPPORTED", /is no factor/],
    [reshape(`${Q}.lora_a`, "f32", 3, 64), "MODEL_MALFORMED", /their ranks differ/],
    [reshape(`${Q}.lora_a`, "f32", 64), "MODEL_MALFORMED", /expected a matrix/],
    [reshape(`${Q}.lora_a`, "q8_0", 4, 64), "MODEL_UNSUPPORTED", /is q8_0; convert.*--outtype/],
  ])("is refused, case %#", async ([change, code, message]) => {
    const lora = memoryLora(MODEL);
    change(lora);
    const error = await problem(() => readGgufLora(lora, "some.gguf"));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) as string });
    expect(error.message).toContain("some.gguf");
  });

  test.for([MAX_LORA_RANK + 1, 0])("of rank %d is refused", async (rank) => {
    const lora = memoryLora(MODEL, { rank });
    expect((await problem(() => readGgufLora(lora, "some.gguf"))).message).toMatch(
      rank === 0 ? /are empty/ : /rank of .* is 513, at most 512/,
    );
  });

  test("without an alpha adds its factors as they are", () => {
    const { sites } = readGgufLora(memoryLora(MODEL, { alpha: 0 }), "some.gguf");
    expect(sites.get(Q)!.gain).toBe(1);
    expect(readGgufLora(memoryLora(MODEL), "some.gguf").sites.get(Q)!.gain).toBe(2);
  });

  test("with any byte changed or cut off is refused by a known error, or is an adapter", async () => {
    const lora = memoryLora(MODEL, { weights: (name) => name === Q });
    const bytes = loraBytes(lora);
    const random = createRandom(80);
    const header = bytes.byteLength - lora.byteLength;
    let refused = 0;
    for (let i = 0; i < 400; i++) {
      const broken = bytes.slice(0, i % 4 === 0 ? random.int(0, bytes.byteLength - 1) : undefined);
      broken[random.int(0, Math.min(header, broken.byteLength) - 1)] = random.int(0, 255);
      try {
        const file = readGgufLora(await openGguf(bytesSource(broken, "some.gguf")), "some.gguf");
        checkLoras([{ name: "some", file }], MODEL);
      } catch (error) {
        expect(RuntimeError.is(error), String(error)).toBe(true);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(100);
  });
});

describe("an adapter for another model", () => {
  const mixture = mixtureModel({ experts: 2, used: 1 });
  const all = { weights: () => true };

  test.for<readonly [string, GgufModel, GgufModel, { weights?: () => boolean }, RegExp]>([
    [
      "architecture",
      memoryModel({ architecture: "qwen2" }),
      MODEL,
      {},
      /architecture "qwen2".*trained for/,
    ],
    [
      "width",
      memoryModel({ dim: 32 }),
      MODEL,
      {},
      /factors of blk.0.attn_q.weight are for \[64, 32\].*has \[64, 64\]/,
    ],
    ["depth", memoryModel({ layers: 3 }), MODEL, {}, /no product with "blk.2.attn_q.weight"/],
    ["embedding", MODEL, MODEL, all, /changes the embedding/],
    [
      "head",
      MODEL,
      memoryModel({ tied: true }),
      { weights: (name?: string) => name === "output.weight" },
      /head, which this model shares/,
    ],
    ["kind of layers", MODEL, mixture, {}, /no product with "blk.0.ffn_gate.weight"/],
  ])("of another %s is refused", async ([, from, to, options, message]) => {
    const lora = namedLora("some", from, options);
    const error = await problem(() => checkLoras([lora], to));
    expect(error).toEqual({
      code: "MODEL_UNSUPPORTED",
      message: expect.stringMatching(message) as string,
    });
  });

  test("that changes experts is refused", async () => {
    const lora = memoryLora(mixture);
    const name = "blk.0.ffn_up_exps.weight";
    const info = lora.tensors.get(`${Q}.lora_a`)!;
    lora.tensors.set(`${name}.lora_a`, info).set(`${name}.lora_b`, { ...info, shape: [96, 4] });
    const file = readGgufLora(lora, "some.gguf");
    expect((await problem(() => checkLoras([{ name: "some", file }], mixture))).message).toMatch(
      /changes experts/,
    );
  });
});

test("names of adapters are short, plain and differ, and adapters are not too many", async () => {
  const { file } = namedLora("some", MODEL, {});
  const named = (...names: string[]) => names.map((name) => ({ name, file }));
  for (const name of ["", "a b", "a:b", "../a", "\u0000", "x".repeat(65)]) {
    expect((await problem(() => checkLoras(named(name), MODEL))).code).toBe("INVALID_REQUEST");
  }
  expect((await problem(() => checkLoras(named("a", "b", "a"), MODEL))).message).toMatch(
    /two.* a:/,
  );
  const many = Array.from({ length: MAX_LORAS + 1 }, (_, i) => `a${i}`);
  expect((await problem(() => checkLoras(named(...many), MODEL))).message).toMatch(/at most 16/);
  expect(() => checkLoras(named(...many.slice(1)), MODEL)).not.toThrow();
});

const factor = (...shape: number[]): SafeTensor => ({
  dtype: "F32",
  shape,
  data: new Uint8Array(4 * shape.reduce((product, size) => product * size, 1)),
});

describe("an adapter in PEFT's safetensors", () => {
  const CONFIG = { peft_type: "LORA", r: 4, lora_alpha: 8, bias: "none" };
  const module = "base_model.model.model.layers.0.self_attn.q_proj";
  const PAIR = {
    [`${module}.lora_A.weight`]: factor(4, 64),
    [`${module}.lora_B.weight`]: factor(64, 4),
  };

  async function open(
    config: object,
    tensors: Record<string, SafeTensor> | Uint8Array = PAIR,
    model: GgufModel = MODEL,
  ): Promise<LoraFile> {
    const folder = memoryFolder({
      "adapter_config.json": config,
      "adapter_model.safetensors":
        tensors instanceof Uint8Array ? tensors : writeSafetensors(tensors),
    });
    try {
      const lora = await openPeftLora(folder, model);
      await lora.close();
      return lora;
    } finally {
      expect(folder.opened.size).toBe(0);
    }
  }

  test("has the gain that its training had", async () => {
    for (const [config, gain] of [
      [{}, 2],
      [{ use_rslora: true }, 4],
      // What a pattern says, the factors say themselves.
      [{ r: 64, rank_pattern: { q_proj: 4 } }, 2],
    ] as const) {
      const { sites } = await open({ ...CONFIG, ...config });
      expect(sites.get(Q)?.gain).toBe(gain);
    }
  });

  test.for<readonly [object, string, RegExp]>([
    [{ peft_type: "IA3" }, "MODEL_UNSUPPORTED", /only "LORA" is supported/],
    [{ use_dora: true }, "MODEL_UNSUPPORTED", /use_dora/],
    [{ bias: "all" }, "MODEL_UNSUPPORTED", /bias/],
    [{ modules_to_save: ["lm_head"] }, "MODEL_UNSUPPORTED", /modules_to_save/],
    [{ alpha_pattern: { q_proj: 3 } }, "MODEL_UNSUPPORTED", /alpha_pattern/],
    [{ fan_in_fan_out: true }, "MODEL_UNSUPPORTED", /fan_in_fan_out/],
    [{ lora_alpha: "8" }, "MODEL_MALFORMED", /alpha/],
    [{ lora_alpha: null }, "MODEL_MALFORMED", /alpha/],
  ])("is refused for what its configuration says, case %#", async ([config, code, message]) => {
    const error = await problem(() => open({ ...CONFIG, ...config }));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) as string });
  });

  test.for<readonly [Record<string, SafeTensor>, string, RegExp]>([
    [{ "lora.weight": factor(1, 1) }, "MODEL_UNSUPPORTED", /is no factor/],
    [{ [`${module}.lora_magnitude_vector`]: factor(64) }, "MODEL_UNSUPPORTED", /is no factor/],
    [{ [`${module}.lora_A.default.weight`]: factor(4, 64) }, "MODEL_MALFORMED", /occurs twice/],
    [
      { [module.replace("q_proj", "k_proj") + ".lora_B.weight"]: factor(20, 4) },
      "MODEL_UNSUPPORTED",
      /20 rows .* no whole heads of 16/,
    ],
    [
      { [module.replace("q_proj", "constructor") + ".lora_A.weight"]: factor(4, 64) },
      "MODEL_UNSUPPORTED",
      /no layer "model.layers.0.self_attn.constructor"/,
    ],
    [
      {
        "base_model.model.model.layers.0.block_sparse_moe.experts.1.w1.lora_A.weight": factor(
          4,
          64,
        ),
      },
      "MODEL_UNSUPPORTED",
      /changes experts/,
    ],
  ])("is refused for a tensor, case %#", async ([more, code, message]) => {
    const error = await problem(() => open(CONFIG, { ...PAIR, ...more }));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) as string });
  });

  test("is refused where a file is missing, cut or for a family without names", async () => {
    const none = memoryFolder({ "config.json": {} });
    expect((await problem(() => openPeftLora(none, MODEL))).message).toMatch(/adapter_config.json/);
    const half = memoryFolder({ "adapter_config.json": CONFIG });
    expect((await problem(() => openPeftLora(half, MODEL))).code).toBe("MODEL_NOT_FOUND");
    const cut = writeSafetensors(PAIR).slice(0, -1);
    expect((await problem(() => open(CONFIG, cut))).code).toBe("MODEL_MALFORMED");
    const mistral = memoryModel({ architecture: "mistral" });
    expect((await problem(() => open(CONFIG, PAIR, mistral))).message).toMatch(/convert.*to GGUF/);
  });
});
