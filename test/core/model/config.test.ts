import { describe, expect, test } from "vitest";
import { RuntimeError } from "../../../core/errors.ts";
import type { MetadataValue } from "../../../core/gguf/gguf.ts";
import { readConfig } from "../../../core/model/config.ts";
import type { ModelConfig } from "../../../core/model/model.ts";
import type { MemoryModelOptions } from "../../fixtures/memory-model.ts";
import { memoryModel } from "../../fixtures/memory-model.ts";

/** The configuration of a small model with some metadata changed; `undefined` takes a field away. */
function read(
  changes: Readonly<Record<string, MetadataValue | undefined>> = {},
  options: MemoryModelOptions = {},
): ModelConfig {
  const model = memoryModel(options);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) model.metadata.delete(name);
    else model.metadata.set(name, value);
  }
  return readConfig(model);
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return RuntimeError.is(error) ? error.code : String(error);
  }
  return "none";
}

/** Which of four layers have the window by a pattern. */
function pattern(value: MetadataValue): readonly boolean[] | undefined {
  const changes = {
    "llama.attention.sliding_window": 8,
    "llama.attention.sliding_window_pattern": value,
  };
  return read(changes, { layers: 4 }).windowedLayers;
}

describe("readConfig", () => {
  test("says how a file wants texts embedded, where it does and a decoder can", () => {
    expect(read().pooling).toBeUndefined();
    expect(read({ "llama.pooling_type": 1 }).pooling).toBe("mean");
    expect(read({ "llama.pooling_type": 3 }).pooling).toBe("last");
    expect(read({ "llama.pooling_type": 0 }).pooling).toBeUndefined();
    expect(codeOf(() => read({ "llama.pooling_type": 9 }))).toBe("MODEL_MALFORMED");
  });

  test("reads a plain llama file", () => {
    expect(read()).toEqual({
      architecture: "llama",
      name: "memory",
      dim: 64,
      hiddenDim: 96,
      layers: 2,
      heads: 4,
      kvHeads: 2,
      headDim: 16,
      vocabSize: 50,
      contextLength: 512,
      normEps: 1e-5,
      rope: { style: "norm", dims: 16, theta: 10_000, scaling: { type: "none" } },
    });
  });

  test("reads its fields under the name of the architecture", () => {
    expect(
      read({ "mistral.attention.sliding_window": 128 }, { architecture: "mistral" }),
    ).toMatchObject({ architecture: "mistral", dim: 64, slidingWindow: 128 });
  });

  test("refuses an unknown architecture and lists the known ones", () => {
    expect(() => read({}, { architecture: "gpt2" })).toThrow(/"gpt2".*llama, mistral/);
    expect(codeOf(() => read({}, { architecture: "gpt2" }))).toBe("MODEL_UNSUPPORTED");
    expect(codeOf(() => read({ "general.architecture": undefined }))).toBe("MODEL_MALFORMED");
    expect(codeOf(() => read({ "general.architecture": 7 }))).toBe("MODEL_MALFORMED");
  });

  test("falls back to one key-value head per head, and to dim / heads for their length", () => {
    const changes = {
      "llama.attention.head_count_kv": undefined,
      "llama.attention.key_length": undefined,
      "llama.attention.value_length": undefined,
    };
    expect(read(changes)).toMatchObject({ heads: 4, kvHeads: 4, headDim: 16 });
  });

  test("takes heads whose length is not dim / heads", () => {
    expect(read({}, { headDim: 24 })).toMatchObject({ headDim: 24, rope: { dims: 24 } });
  });

  test("takes a window for llama as well, and 0 for none", () => {
    expect(read({ "llama.attention.sliding_window": 512 }).slidingWindow).toBe(512);
    expect(read({ "llama.attention.sliding_window": 0 })).not.toHaveProperty("slidingWindow");
  });

  test("reads which layers have the window, as a truth for each or as every n-th that has none", () => {
    expect(pattern(2)).toEqual([true, false, true, false]);
    expect(pattern(3)).toEqual([true, true, false, true]);
    expect(pattern(1)).toEqual([false, false, false, false]);
    expect(pattern(0)).toEqual([true, true, true, true]);
    expect(pattern([false, true, true, false])).toEqual([false, true, true, false]);
    expect(pattern(Uint8Array.of(1, 0, 0, 1))).toEqual([true, false, false, true]);
    expect(codeOf(() => pattern([true]))).toBe("MODEL_MALFORMED");
    expect(codeOf(() => pattern(-1))).toBe("MODEL_MALFORMED");
  });

  test("reads an encoder, whose positions do not rotate", () => {
    const encoder = {
      "bert.attention.layer_norm_epsilon": 1e-12,
      "bert.attention.layer_norm_rms_epsilon": undefined,
      "bert.attention.causal": false,
      "bert.pooling_type": 2,
    };
    const of = (changes: Record<string, MetadataValue | undefined>): ModelConfig =>
      read({ ...encoder, ...changes }, { architecture: "bert" });
    expect(of({})).toMatchObject({
      embedsOnly: true,
      normEps: 1e-12,
      rope: { dims: 0 },
      pooling: "cls",
    });
    expect(codeOf(() => of({ "bert.attention.causal": true }))).toBe("MODEL_UNSUPPORTED");
    expect(codeOf(() => of({ "bert.attention.layer_norm_epsilon": undefined }))).toBe(
      "MODEL_MALFORMED",
    );
  });

  test("reads how many experts there are and how many a token takes", () => {
    const experts = { "llama.expert_count": 8, "llama.expert_used_count": 2 };
    expect(read(experts).experts).toEqual({ count: 8, used: 2 });
    expect(read()).not.toHaveProperty("experts");
    const none = { ...experts, "llama.expert_used_count": 0 };
    expect(codeOf(() => read(none))).toBe("MODEL_MALFORMED");
    const more = { ...experts, "llama.expert_used_count": 9 };
    expect(codeOf(() => read(more))).toBe("MODEL_MALFORMED");
  });

  test("reads attention.scale where there is one", () => {
    expect(read()).not.toHaveProperty("attentionScale");
    expect(read({ "llama.attention.scale": 0.5 }).attentionScale).toBe(0.5);
  });

  test("names a model without a name after its architecture, and cuts long names", () => {
    expect(read({ "general.name": undefined }).name).toBe("llama");
    expect(read({ "general.name": "\u{1f32c}".repeat(9999) }).name).toBe("\u{1f32c}".repeat(256));
  });

  test("takes the vocabulary's size from the embedding", () => {
    expect(read({}, { vocabSize: 77 }).vocabSize).toBe(77);
    expect(read({ "tokenizer.ggml.tokens": Array<string>(50).fill("x") }).vocabSize).toBe(50);
    expect(() => read({ "tokenizer.ggml.tokens": ["a"] })).toThrow(/1 tokens and 50 embeddings/);
  });

  test("refuses a missing or misshapen embedding", () => {
    const model = memoryModel();
    model.add("token_embd.weight", "f32", [50, 32]);
    expect(() => readConfig(model)).toThrow(/\[50, 32\]/);
    model.tensors.delete("token_embd.weight");
    expect(() => readConfig(model)).toThrow(/missing/);
  });

  test.for<readonly [string, MetadataValue | undefined]>([
    ["embedding_length", undefined],
    ["embedding_length", 0],
    ["embedding_length", 2 ** 40],
    ["block_count", -1],
    ["block_count", 1.5],
    ["block_count", 100_000],
    ["block_count", "2"],
    ["block_count", true],
    ["feed_forward_length", NaN],
    ["context_length", 0],
    ["context_length", 2 ** 23],
    ["attention.head_count", 0],
    ["attention.head_count", Infinity],
    ["attention.head_count_kv", 3],
    ["attention.head_count_kv", 8],
    ["attention.key_length", 5000],
    ["attention.layer_norm_rms_epsilon", 0],
    ["attention.layer_norm_rms_epsilon", undefined],
    ["attention.layer_norm_rms_epsilon", Infinity],
    ["attention.sliding_window", -5],
    ["attention.scale", 0],
    ["rope.dimension_count", 18],
    ["rope.dimension_count", 7],
    ["rope.dimension_count", 0],
    ["rope.freq_base", 0],
    ["rope.freq_base", NaN],
    ["expert_count", 8],
    ["expert_count", 1e6],
  ])("refuses %s = %s as malformed", ([name, value]) => {
    expect(codeOf(() => read({ [`llama.${name}`]: value }))).toBe("MODEL_MALFORMED");
  });

  test("refuses a width that heads do not divide, unless their length is given", () => {
    const odd = { "llama.attention.head_count": 6 };
    expect(read(odd).headDim).toBe(16);
    expect(codeOf(() => read({ ...odd, "llama.attention.key_length": undefined }))).toBe(
      "MODEL_MALFORMED",
    );
  });

  test.for<readonly [string, MetadataValue]>([
    ["attn_logit_softcapping", 50],
    ["final_logit_softcapping", 30],
    ["attention.causal", false],
    ["attention.value_length", 8],
    ["attention.head_count_kv", [1, 2]],
    ["feed_forward_length", Uint32Array.of(96, 48)],
    ["logit_scale", 16],
    ["rope.scaling.type", "longrope"],
    ["rope.scaling.type", 3],
  ])("refuses %s = %s as unsupported", ([name, value]) => {
    expect(codeOf(() => read({ [`llama.${name}`]: value }))).toBe("MODEL_UNSUPPORTED");
  });

  test("takes fields that say what we do anyway", () => {
    const changes = { "llama.expert_count": 0, "llama.attention.causal": true };
    expect(read(changes)).toEqual(read());
  });

  test("reads linear scaling under both its names", () => {
    const linear = { type: "linear", factor: 4 };
    const now = { "llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4 };
    expect(read(now).rope.scaling).toEqual(linear);
    expect(read({ "llama.rope.scale_linear": 4 }).rope.scaling).toEqual(linear);
    expect(codeOf(() => read({ ...now, "llama.rope.scaling.factor": 0 }))).toBe("MODEL_MALFORMED");
    expect(codeOf(() => read({ ...now, "llama.rope.scaling.factor": undefined }))).toBe(
      "MODEL_MALFORMED",
    );
  });

  test("reads YaRN with the defaults of its paper", () => {
    const yarn = { "llama.rope.scaling.type": "yarn", "llama.rope.scaling.factor": 8 };
    expect(read(yarn).rope.scaling).toEqual({
      type: "yarn",
      factor: 8,
      originalContext: 512,
      extFactor: 1,
      attnFactor: 1,
      betaFast: 32,
      betaSlow: 1,
    });
    const more = {
      "llama.rope.scaling.original_context_length": 128,
      "llama.rope.scaling.yarn_ext_factor": 0.5,
      "llama.rope.scaling.attn_factor": 2,
      "llama.rope.scaling.yarn_beta_fast": 16,
      "llama.rope.scaling.yarn_beta_slow": 2,
    };
    expect(read({ ...yarn, ...more }).rope.scaling).toEqual({
      type: "yarn",
      factor: 8,
      originalContext: 128,
      extFactor: 0.5,
      attnFactor: 2,
      betaFast: 16,
      betaSlow: 2,
    });
  });
});
