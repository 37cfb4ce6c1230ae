import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { openModel } from "../../../adapters/node/header.ts";
import { openCheckpoint } from "../../../core/checkpoint/open.ts";
import type { GgufModel } from "../../../core/gguf/gguf.ts";
import { createTokenizer } from "../../../core/tokenizer/create.ts";
import { readConfig } from "../../../core/model/config.ts";
import { loadModel } from "../../../core/model/load.ts";
import { checkTensors } from "../../../core/model/tensors.ts";
import { createReferenceBackend } from "../../../backends/reference/backend.ts";
import { CONFIG, HEAD_DIM, littleLlama, TOKENIZER, VOCAB } from "../../fixtures/checkpoint.ts";
import { memoryFolder } from "../../fixtures/memory-folder.ts";
import { createRunner } from "../../fixtures/runner.ts";
import { writeSafetensors, type SafeTensor } from "../../fixtures/safetensors-writer.ts";
import { shared } from "../../fixtures/shared.ts";

/** All of a tensor, read in pieces that end in the middle of rows. */
async function bytesOf(model: GgufModel, name: string, piece = 7777): Promise<Uint8Array> {
  const info = model.tensors.get(name)!;
  const bytes = new Uint8Array(info.byteLength);
  for (let at = 0; at < bytes.byteLength; at += piece) {
    await model.read(info, at, bytes.subarray(at, Math.min(at + piece, bytes.byteLength)));
  }
  return bytes;
}

const open = (given: Readonly<Record<string, unknown>>): Promise<GgufModel> =>
  openCheckpoint(memoryFolder(given));

/** A folder with the little Llama; `changes` replace files, `undefined` takes one away. */
function files(
  tensors: Record<string, SafeTensor>,
  changes: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  return {
    "config.json": CONFIG,
    "model.safetensors": writeSafetensors(tensors),
    "tokenizer.json": TOKENIZER,
    ...changes,
  };
}

test("openCheckpoint presents what the converter would write, rows of queries and keys in pairs", async () => {
  const { gguf, hf } = littleLlama();
  const model = await open(files(hf));
  expect(readConfig(model)).toMatchObject({ dim: 64, layers: 2, heads: 4, kvHeads: 2 });
  checkTensors(model, readConfig(model));
  expect([...model.tensors.keys()].toSorted()).toEqual([...gguf.keys()].toSorted());
  for (const [name, bytes] of gguf) {
    expect([name, await bytesOf(model, name)]).toEqual([name, bytes]);
  }
  expect(model.tensors.get("output_norm.weight")?.type).toBe("f32");
});

test("openCheckpoint reads shards by their index and refuses names that lead elsewhere", async () => {
  const { gguf, hf } = littleLlama();
  const names = Object.keys(hf);
  const part = (from: number, to: number): Uint8Array =>
    writeSafetensors(Object.fromEntries(names.slice(from, to).map((name) => [name, hf[name]!])));
  const first = "model-00001-of-00002.safetensors";
  const second = "model-00002-of-00002.safetensors";
  const index = (parts: readonly string[]): object => ({
    weight_map: Object.fromEntries(names.map((name, i) => [name, parts[i < 5 ? 0 : 1]])),
  });
  const base = { "config.json": CONFIG, "tokenizer.json": TOKENIZER };
  const model = await open({
    ...base,
    "model.safetensors.index.json": index([first, second]),
    [first]: part(0, 5),
    [second]: part(5, names.length),
  });
  for (const [name, bytes] of gguf) expect(await bytesOf(model, name)).toEqual(bytes);
  for (const bad of ["../model.safetensors", "/etc/x.safetensors", "a/b.safetensors", "x.bin"]) {
    await expect(
      open({ ...base, "model.safetensors.index.json": index([bad, second]) }),
    ).rejects.toMatchObject({ code: "MODEL_MALFORMED" });
  }
});

test("openCheckpoint reads bfloat16 and eight-bit floats with the one scale that a tensor has", async () => {
  const { hf } = littleLlama();
  const gate = "model.layers.0.mlp.gate_proj.weight";
  const shape = [96, 64];
  const all = Uint8Array.from({ length: 96 * 64 }, (_, i) => i & 255);
  const scale = { dtype: "F32", shape: [], data: new Uint8Array(Float32Array.of(0.5).buffer) };
  const model = await open(
    files({
      ...hf,
      [gate]: { dtype: "F8_E4M3", shape, data: all },
      [`${gate}_scale_inv`]: scale,
      "model.layers.0.mlp.up_proj.weight": { dtype: "F8_E5M2", shape, data: all },
      "model.layers.1.mlp.up_proj.weight": {
        dtype: "BF16",
        shape,
        data: new Uint8Array(2 * 96 * 64),
      },
    }),
  );
  const view = new DataView((await bytesOf(model, "blk.0.ffn_gate.weight", 333)).buffer);
  // 1 is 2^-9, and its scale halves it: 2^-10 in binary16 has the exponent field 5.
  expect(view.getUint16(2, true)).toBe(5 << 10);
  // 0x39 = 57 is 1.125 in E4M3.
  expect(view.getUint16(2 * 57, true)).toBe(0x3c80 - (1 << 10));
  const five = await bytesOf(model, "blk.0.ffn_up.weight");
  // Every NaN becomes the quiet one of its sign.
  const quiet = all.map((bits) => ((bits & 0x7f) > 0x7c ? (bits & 0x80) | 0x7e : bits));
  expect(five.filter((_, i) => i % 2 === 1)).toEqual(quiet);
  expect(model.tensors.get("blk.1.ffn_up.weight")?.type).toBe("bf16");
});

test("openCheckpoint refuses what it has no place or type for, and closes what it opened", async () => {
  const { hf } = littleLlama();
  const norm = hf["model.norm.weight"]!;
  const extra = (name: string, tensor: SafeTensor): Record<string, unknown> =>
    files({ ...hf, [name]: tensor });
  const wide = { dtype: "I64", shape: [64], data: new Uint8Array(512) };
  const cases: readonly (readonly [Record<string, unknown>, RegExp])[] = [
    [extra("model.vision.weight", norm), /has no place/],
    [extra("model.layers.0.constructor.weight", norm), /has no place/],
    [extra("model.norm.weight", wide), /has type I64/],
    [extra("model.norm.weight_scale", { ...norm, shape: [64] }), /and a scale/],
    [
      files({
        ...hf,
        "model.norm.weight": { dtype: "F8_E4M3", shape: [64], data: new Uint8Array(64) },
        "model.norm.weight_scale": norm,
      }),
      /only one scale/,
    ],
    [files(hf, { "config.json": { ...CONFIG, architectures: ["Other"] } }), /architecture/],
    [files(hf, { "config.json": { ...CONFIG, hidden_size: "64" } }), /hidden_size is/],
    [
      files(hf, { "config.json": { ...CONFIG, quantization_config: { quant_method: "gptq" } } }),
      /--quantize/,
    ],
    [
      files(hf, { "config.json": { ...CONFIG, rope_scaling: { rope_type: "longrope" } } }),
      /longrope/,
    ],
    [files(hf, { "tokenizer.json": undefined }), /no vocabulary/],
    [files(hf, { "config.json": "[" }), /not valid JSON/],
    [files(hf, { "model.safetensors": undefined }), /Cannot open/],
  ];
  for (const [given, message] of cases) {
    const folder = memoryFolder(given);
    await expect(openCheckpoint(folder)).rejects.toThrow(message);
    expect([message, ...folder.opened]).toEqual([message]);
  }
});

test("openCheckpoint makes the divisors of a Llama 3.1 rotation", async () => {
  const { hf } = littleLlama();
  const scaling = {
    rope_type: "llama3",
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 64,
  };
  const model = await open(
    files(hf, { "config.json": { ...CONFIG, rope_theta: 500_000, rope_scaling: scaling } }),
  );
  const bytes = await bytesOf(model, "rope_freqs.weight");
  const divisors = new Float32Array(bytes.buffer);
  expect(divisors).toHaveLength(HEAD_DIM / 2);
  // 64 positions are ten turns of the first pair and less than one of the third.
  expect(divisors[0]).toBe(1);
  expect(divisors[2]).toBe(8);
  expect(divisors[1]).toBeGreaterThan(1);
  expect(divisors[1]).toBeLessThan(8);
});

test("openCheckpoint pads a vocabulary that is smaller than the embedding and names its license", async () => {
  const { hf } = littleLlama();
  const model = await open(
    files(hf, {
      "README.md": "---\ntags: [x]\nlicense: apache-2.0\n---\n# Little\n",
      "tokenizer_config.json": { bos_token: "<s>", eos_token: { content: "</s>" } },
      "generation_config.json": { eos_token_id: [2, 258] },
      "chat_template.jinja": "{{ messages[0].content }}",
    }),
  );
  const tokens = model.metadata.get("tokenizer.ggml.tokens") as readonly string[];
  expect(tokens).toHaveLength(VOCAB);
  expect(tokens.at(-1)).toBe(`[PAD${VOCAB - 1}]`);
  expect(model.metadata.get("general.license")).toBe("apache-2.0");
  expect(model.metadata.get("general.name")).toBe("little");
  expect(model.metadata.get("tokenizer.chat_template")).toBe("{{ messages[0].content }}");
  const tokenizer = createTokenizer(model.metadata);
  expect(tokenizer).toMatchObject({ bos: 1, eos: 2, addBos: true });
  expect([...tokenizer.stops]).toEqual([2, 258]);
  expect(tokenizer.encode("abcb")).toEqual([260, 3 + "b".charCodeAt(0)]);
});

const hfFolder = shared("demo-model/sirocco-demo-hf");
const f16File = shared("demo-model/sirocco-demo.f16.gguf");

describe.skipIf(hfFolder === undefined)("the demo model (skipped: ../shared not present)", () => {
  test("its checkpoint gives the logits of its f16 GGUF, bit for bit", async () => {
    const logits: Float32Array[] = [];
    for (const location of [hfFolder!, f16File!]) {
      const { gguf } = await openModel(location);
      const backend = createReferenceBackend();
      const limits = { maxRows: 16, maxLogitRows: 1, blocks: 4, blockSize: 16 };
      const model = await loadModel(gguf, backend, limits);
      const tokenizer = createTokenizer(gguf.metadata);
      const tokens = [1, ...tokenizer.encode("Quantization stores")];
      const [first] = await createRunner(backend, model).step([{ sequence: 0, tokens }]);
      logits.push(first![0]!);
      await gguf.close();
    }
    expect(logits[0]).toHaveLength(2048);
    expect(logits[0]).toEqual(logits[1]);
  });

  test("its checkpoint has the vocabulary of its GGUF", async () => {
    const [one, other] = await Promise.all([openModel(hfFolder!), openModel(f16File!)]);
    for (const [key, value] of other.gguf.metadata) {
      if (!key.startsWith("tokenizer.") && !key.startsWith("llama.")) continue;
      // Nobody reads it: blanks are never removed.
      if (key === "tokenizer.ggml.remove_extra_whitespaces") continue;
      expect([key, one.gguf.metadata.get(key)]).toEqual([key, value]);
    }
    expect(one.files.some((file) => file.endsWith("model.safetensors"))).toBe(true);
    await one.gguf.close();
    await other.gguf.close();
  });

  test("a file in the folder stands for it", async () => {
    const { gguf } = await openModel(`${hfFolder}/model.safetensors`);
    expect(gguf.metadata.get("general.name")).toBe("sirocco-demo-hf");
    expect(readFileSync(`${hfFolder}/model.safetensors`).byteLength).toBe(gguf.byteLength);
    await gguf.close();
  });
});
