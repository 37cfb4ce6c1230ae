import { expect, test } from "vitest";
import type { GgufModel } from "../../../core/gguf/gguf.ts";
import { quantizeTo } from "../../../core/quant/quantize.ts";
import { dequantize } from "../../../core/quant/dequantize.ts";
import { requantize } from "../../../core/quant/requantized-model.ts";
import { memoryModel } from "../../fixtures/memory-model.ts";

async function bytesOf(model: GgufModel, name: string, piece: number): Promise<Uint8Array> {
  const info = model.tensors.get(name)!;
  const bytes = new Uint8Array(info.byteLength);
  for (let at = 0; at < bytes.byteLength; at += piece) {
    await model.read(info, at, bytes.subarray(at, Math.min(at + piece, bytes.byteLength)));
  }
  return bytes;
}

test("requantize gives the bytes that quantising a whole tensor gives, in whatever pieces they are read", async () => {
  const model = memoryModel({ dim: 256, hiddenDim: 2048, matrices: "f16", layers: 1 });
  const name = "blk.0.ffn_gate.weight";
  const values = new Float32Array(256 * 2048);
  dequantize("f16", model.bytes.get(name)!, values);
  const quantised = requantize(model, "q4_k");
  const expected = quantizeTo("q4_k", values);
  for (const piece of [1000, 2 ** 20]) {
    expect(await bytesOf(quantised, name, piece)).toEqual(expected);
  }
});

function types(model: GgufModel): Record<string, string> {
  return Object.fromEntries([...model.tensors.values()].map(({ name, type }) => [name, type]));
}

test("requantize leaves vectors alone, keeps the output matrix fine, and finds types that fit rows", () => {
  const wide = memoryModel({ dim: 256, hiddenDim: 320, layers: 1 });
  expect(types(requantize(wide, "q4_k"))).toMatchObject({
    "token_embd.weight": "q4_k",
    "output.weight": "q6_k",
    "output_norm.weight": "f32",
    "blk.0.attn_norm.weight": "f32",
    "blk.0.ffn_gate.weight": "q4_k",
    // Rows of 320 are no whole number of blocks of 256.
    "blk.0.ffn_down.weight": "q5_0",
  });
  expect(types(requantize(wide, "q4_k", true))["output.weight"]).toBe("q4_k");
  const narrow = memoryModel({ dim: 48, headDim: 16, heads: 3, kvHeads: 3, tied: true });
  expect(types(requantize(narrow, "q8_0"))["token_embd.weight"]).toBe("f16");
});

test("requantize names the type in the metadata and refuses weights that are not finite", async () => {
  const model = memoryModel();
  const quantised = requantize(model, "q5_1");
  expect(quantised.metadata.get("general.file_type")).toBe(9);
  expect(quantised.metadata.get("general.quantization_version")).toBe(2);
  const name = "blk.0.ffn_up.weight";
  const bytes = model.bytes.get(name)!;
  new DataView(bytes.buffer).setFloat32(400, NaN, true);
  await expect(bytesOf(quantised, name, 4096)).rejects.toMatchObject({ code: "MODEL_MALFORMED" });
});
