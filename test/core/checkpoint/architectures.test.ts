import { expect, test } from "vitest";
import { openCheckpoint } from "../../../core/checkpoint/open.ts";
import type { GgufModel } from "../../../core/gguf/gguf.ts";
import { readConfig } from "../../../core/model/config.ts";
import { checkTensors } from "../../../core/model/tensors.ts";
import { createTokenizer } from "../../../core/tokenizer/create.ts";
import { CONFIG, TOKENIZER, VOCAB } from "../../fixtures/checkpoint.ts";
import { memoryFolder } from "../../fixtures/memory-folder.ts";
import { writeSafetensors, type SafeTensor } from "../../fixtures/safetensors-writer.ts";

/** Shapes by names; each tensor is filled with numbers of its own. */
type Shapes = Readonly<Record<string, readonly number[]>>;

function tensorsOf(shapes: Shapes): Record<string, SafeTensor> {
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape], index) => {
      const count = shape.reduce((product, size) => product * size, 1);
      const data = Float32Array.from({ length: count }, (_, i) => index + i / 65_536);
      return [name, { dtype: "F32", shape, data: new Uint8Array(data.buffer) }];
    }),
  );
}

function open(
  config: Readonly<Record<string, unknown>>,
  shapes: Shapes,
  files: Readonly<Record<string, unknown>> = {},
): Promise<GgufModel> {
  return openCheckpoint(
    memoryFolder({
      "config.json": { ...CONFIG, num_hidden_layers: 1, ...config },
      "model.safetensors": writeSafetensors(tensorsOf(shapes)),
      "tokenizer.json": TOKENIZER,
      ...files,
    }),
  );
}

async function floats(model: GgufModel, name: string): Promise<Float32Array> {
  const info = model.tensors.get(name)!;
  const bytes = new Uint8Array(info.byteLength);
  await model.read(info, 0, bytes);
  return new Float32Array(bytes.buffer);
}

/** What a GGUF's metadata says of the architecture, without its name. */
function keys(model: GgufModel): Record<string, unknown> {
  const prefix = `${String(model.metadata.get("general.architecture"))}.`;
  return Object.fromEntries(
    [...model.metadata].flatMap(([key, value]) =>
      key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [],
    ),
  );
}

/** A decoder's tensors, `prefix` before all; `layer` adds some or puts others in their place. */
function decoder(prefix: string, layer: Shapes = {}, hasFeedForward = true): Shapes {
  const feedForward: Shapes = hasFeedForward
    ? {
        "mlp.gate_proj.weight": [96, 64],
        "mlp.up_proj.weight": [96, 64],
        "mlp.down_proj.weight": [64, 96],
      }
    : {};
  const parts: Shapes = {
    "input_layernorm.weight": [64],
    "self_attn.q_proj.weight": [64, 64],
    "self_attn.k_proj.weight": [32, 64],
    "self_attn.v_proj.weight": [32, 64],
    "self_attn.o_proj.weight": [64, 64],
    "post_attention_layernorm.weight": [64],
    ...feedForward,
    ...layer,
  };
  return {
    [`${prefix}embed_tokens.weight`]: [VOCAB, 64],
    [`${prefix}norm.weight`]: [64],
    ...Object.fromEntries(
      Object.entries(parts).map(([name, shape]) => [`${prefix}layers.0.${name}`, shape]),
    ),
  };
}

test("Mixtral's experts become one tensor of each kind", async () => {
  const experts = Object.fromEntries(
    [0, 1, 2].flatMap((i) => [
      [`block_sparse_moe.experts.${i}.w1.weight`, [96, 64]],
      [`block_sparse_moe.experts.${i}.w2.weight`, [64, 96]],
      [`block_sparse_moe.experts.${i}.w3.weight`, [96, 64]],
    ]),
  ) as Shapes;
  const shapes = decoder("model.", { "block_sparse_moe.gate.weight": [3, 64], ...experts }, false);
  const config = {
    architectures: ["MixtralForCausalLM"],
    num_local_experts: 3,
    num_experts_per_tok: 2,
    sliding_window: null,
  };
  const model = await open(config, shapes);
  expect(readConfig(model)).toMatchObject({ experts: { count: 3, used: 2 } });
  checkTensors(model, readConfig(model));
  const names = Object.keys(shapes);
  const stacked = await floats(model, "blk.0.ffn_down_exps.weight");
  for (const i of [0, 1, 2]) {
    const index = names.indexOf(`model.layers.0.block_sparse_moe.experts.${i}.w2.weight`);
    expect(stacked[i * 64 * 96]).toBe(index);
  }
  // One that is missing, or of another shape, is no expert.
  const { "model.layers.0.block_sparse_moe.experts.1.w2.weight": _, ...fewer } = shapes;
  await expect(open(config, fewer)).rejects.toMatchObject({ code: "MODEL_MALFORMED" });
});

test("Qwen2 keeps the order of its rows, has biases, and a window only where it is used", async () => {
  const shapes = decoder("model.", {
    "self_attn.q_proj.bias": [64],
    "self_attn.k_proj.bias": [32],
    "self_attn.v_proj.bias": [32],
  });
  const config = { architectures: ["Qwen2ForCausalLM"], sliding_window: 128, hidden_act: "silu" };
  const model = await open({ ...config, use_sliding_window: false }, shapes);
  expect(readConfig(model)).toMatchObject({ architecture: "qwen2", rope: { style: "neox" } });
  expect(keys(model)["attention.sliding_window"]).toBeUndefined();
  checkTensors(model, readConfig(model));
  const q = await floats(model, "blk.0.attn_q.weight");
  expect([...q]).toEqual(Array.from(q.keys(), (i) => q[0]! + i / 65_536));
  const windowed = await open(
    { ...config, num_hidden_layers: 1, use_sliding_window: true, max_window_layers: 0 },
    shapes,
  );
  expect(keys(windowed)["attention.sliding_window"]).toBe(128);
  await expect(open({ ...config, hidden_act: "relu" }, shapes)).rejects.toThrow(/only silu/);
});

test("Gemma 3 has its own defaults, norms with one added, and nothing of what sees", async () => {
  const text = {
    hidden_size: 64,
    intermediate_size: 96,
    num_hidden_layers: 1,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 16,
    sliding_window: 512,
    rope_local_base_freq: 10_000,
    rope_scaling: { rope_type: "linear", factor: 8 },
    query_pre_attn_scalar: 64,
    hidden_activation: "gelu_pytorch_tanh",
    sliding_window_pattern: 6,
  };
  const shapes = {
    ...decoder("language_model.model.", {
      "self_attn.q_norm.weight": [16],
      "self_attn.k_norm.weight": [16],
      "pre_feedforward_layernorm.weight": [64],
      "post_feedforward_layernorm.weight": [64],
    }),
    "vision_tower.vision_model.embeddings.patch_embedding.weight": [4, 3, 2, 2],
    "multi_modal_projector.mm_soft_emb_norm.weight": [4],
  };
  const config = { architectures: ["Gemma3ForConditionalGeneration"], text_config: text };
  const model = await open(config, shapes);
  checkTensors(model, readConfig(model));
  expect(keys(model)).toMatchObject({
    context_length: 131_072,
    "rope.freq_base": 1_000_000,
    "rope.freq_base_swa": 10_000,
    "rope.scaling.factor": 8,
    "attention.sliding_window_pattern": 6,
    "attention.scale": 0.125,
  });
  const names = Object.keys(shapes);
  const index = names.indexOf("language_model.model.layers.0.self_attn.q_norm.weight");
  expect((await floats(model, "blk.0.attn_q_norm.weight"))[0]).toBe(index + 1);
  expect(model.tensors.has("blk.0.post_ffw_norm.weight")).toBe(true);
});

test("Mistral 3 says how attention grows sharper, Ministral which layers have a window", async () => {
  const parameters = {
    rope_type: "yarn",
    rope_theta: 1_000_000,
    factor: 16,
    original_max_position_embeddings: 256,
    beta_fast: 32,
    beta_slow: 1,
    mscale_all_dim: 1,
    llama_4_scaling_beta: 0.1,
  };
  const { rope_theta: _, ...base } = CONFIG;
  const text = { ...base, num_hidden_layers: 1, rope_parameters: parameters };
  const model = await open(
    { architectures: ["Mistral3ForConditionalGeneration"], text_config: text },
    decoder("model.language_model."),
  );
  checkTensors(model, readConfig(model));
  expect(readConfig(model)).toMatchObject({
    architecture: "mistral3",
    attentionTemperature: { length: 256 },
    rope: { theta: 1_000_000, scaling: { type: "yarn", factor: 16, logMultiplier: 1 } },
  });

  const two = decoder("model.");
  const second = Object.fromEntries(
    Object.entries(two).map(([name, shape]) => [name.replace("layers.0", "layers.1"), shape]),
  );
  const ministral = await open(
    {
      architectures: ["MinistralForCausalLM"],
      num_hidden_layers: 2,
      sliding_window: 64,
      layer_types: ["full_attention", "sliding_attention"],
    },
    { ...two, ...second },
  );
  expect(readConfig(ministral)).toMatchObject({
    slidingWindow: 64,
    windowedLayers: [false, true],
  });
  await expect(
    open({ sliding_window: 64, layer_types: ["chunked_attention"] }, two),
  ).rejects.toMatchObject({ code: "MODEL_UNSUPPORTED" });
});

function linear(name: string, rows: number, columns: number): Shapes {
  const path = `bert.encoder.layer.0.${name}`;
  return { [`${path}.weight`]: [rows, columns], [`${path}.bias`]: [rows] };
}

function layerNorm(name: string): Shapes {
  return { [`bert.${name}.weight`]: [64], [`bert.${name}.bias`]: [64] };
}

test("BERT brings WordPiece, learned positions and its pooling", async () => {
  const shapes = {
    "bert.embeddings.word_embeddings.weight": [8, 64],
    "bert.embeddings.position_embeddings.weight": [512, 64],
    "bert.embeddings.token_type_embeddings.weight": [2, 64],
    ...layerNorm("embeddings.LayerNorm"),
    ...linear("attention.self.query", 64, 64),
    ...linear("attention.self.key", 64, 64),
    ...linear("attention.self.value", 64, 64),
    ...linear("attention.output.dense", 64, 64),
    ...layerNorm("encoder.layer.0.attention.output.LayerNorm"),
    ...linear("intermediate.dense", 96, 64),
    ...linear("output.dense", 64, 96),
    ...layerNorm("encoder.layer.0.output.LayerNorm"),
    "bert.pooler.dense.weight": [64, 64],
    "cls.predictions.bias": [8],
  };
  const config = {
    architectures: ["BertModel"],
    hidden_size: 64,
    intermediate_size: 96,
    num_hidden_layers: 1,
    num_attention_heads: 4,
    max_position_embeddings: 512,
    vocab_size: 8,
    hidden_act: "gelu",
    pad_token_id: 0,
  };
  const words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "play", "##ing", "a", "##s"];
  const vocab = Object.fromEntries(words.map((word, id) => [word, id]));
  const files = {
    "config.json": config,
    "1_Pooling/config.json": { pooling_mode_cls_token: true, pooling_mode_mean_tokens: false },
  };
  const json = { model: { type: "WordPiece", vocab } };
  for (const vocabulary of [
    { "tokenizer.json": json },
    { "tokenizer.json": undefined, "vocab.txt": `${words.join("\n")}\n` },
  ]) {
    const model = await open({}, shapes, { ...files, ...vocabulary });
    checkTensors(model, readConfig(model));
    expect(readConfig(model)).toMatchObject({
      architecture: "bert",
      embedsOnly: true,
      pooling: "cls",
      contextLength: 512,
      normEps: Math.fround(1e-12),
    });
    const tokenizer = createTokenizer(model.metadata);
    expect(tokenizer.encode("Playing a nonsense plays")).toEqual([4, 5, 6, 1, 4, 7]);
    expect(tokenizer.bos).toBe(2);
  }
});
