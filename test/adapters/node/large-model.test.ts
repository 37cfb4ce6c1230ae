import { expect, test } from "vitest";
import { createBackend } from "../../../adapters/node/backend.ts";
import { machineMemory } from "../../../adapters/node/machine-memory.ts";
import { planModels, startOn } from "../../../adapters/node/start-on.ts";
import type { GgufModel, MetadataValue, TensorInfo } from "../../../core/gguf/gguf.ts";
import { readConfig } from "../../../core/model/config.ts";
import { llamaShapes } from "../../../core/model/llama-weights.ts";
import { byteLength, type WeightType } from "../../../core/tensor/dtype.ts";

const GIB = 2 ** 30;

/** The header of a Mistral 7B of so many layers, of which nothing can be read. */
function header(layers: number, type: WeightType): GgufModel {
  const metadata = new Map<string, MetadataValue>([
    ["general.architecture", "llama"],
    ["general.name", "large"],
    ["llama.embedding_length", 4096],
    ["llama.feed_forward_length", 14_336],
    ["llama.block_count", layers],
    ["llama.context_length", 32_768],
    ["llama.attention.head_count", 32],
    ["llama.attention.head_count_kv", 8],
    ["llama.attention.layer_norm_rms_epsilon", 1e-5],
  ]);
  const tensors = new Map<string, TensorInfo>();
  const gguf: GgufModel = {
    version: 3,
    byteLength: 0,
    metadata,
    tensors,
    read: () => Promise.reject(new Error("Nothing of this model is there")),
    close: () => Promise.resolve(),
  };
  const add = (name: string, shape: readonly number[]): void => {
    const own = shape.length === 1 ? "f32" : type;
    const count = shape.reduce((product, size) => product * size, 1);
    const bytes = byteLength(own, count);
    tensors.set(name, {
      name,
      type: own,
      shape,
      byteLength: bytes,
      shard: 0,
      offset: tensors.size,
    });
  };
  add("token_embd.weight", [32_000, 4096]);
  const shapes = llamaShapes(readConfig(gguf), (name) => name === "output.weight");
  for (const [name, shape] of shapes) add(name, shape);
  return gguf;
}

test.for([
  { layers: 8, memories: 1 },
  { layers: 32, memories: 2 },
  { layers: 100, memories: 4 },
])("a model of $layers layers is given $memories memories", async ({ layers, memories }) => {
  const model = { gguf: header(layers, "q4_0"), room: { contextSize: 1024, parallel: 1 } };
  const { backend } = await createBackend({ preference: "wasm", threads: 2, model });
  const { limit } = backend.need(planModels(model).workload);
  expect(limit).toBe(Math.min(memories * 4 * GIB, machineMemory()));
  await backend.close();
});

test("a model that no machine holds is refused before anything of it is read", async () => {
  const model = { gguf: header(1024, "f32"), room: { contextSize: 1024, parallel: 1 } };
  const { backend } = await createBackend({ preference: "wasm", threads: 1, model });
  const starting = startOn(backend, model.gguf, {
    room: model.room,
    started: 0,
    onProgress: undefined,
    signal: undefined,
  });
  await expect(starting).rejects.toMatchObject({
    code: "INSUFFICIENT_RESOURCES",
    message: expect.stringMatching(
      /it needs \d+ MiB: .* may take \d+ MiB\. Use a smaller quantisation, of \d\.\d bits a weight at most/,
    ) as string,
  });
});
