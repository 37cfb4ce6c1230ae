import { expect, test } from "vitest";
import { createReferenceBackend } from "../../../backends/reference/backend.ts";
import { openCheckpoint } from "../../../core/checkpoint/open.ts";
import { readConfig } from "../../../core/model/config.ts";
import { loadModel } from "../../../core/model/load.ts";
import { toHalves } from "../../fixtures/checkpoint.ts";
import { memoryFolder } from "../../fixtures/memory-folder.ts";
import { createRunner } from "../../fixtures/runner.ts";
import { writeSafetensors, type SafeTensor } from "../../fixtures/safetensors-writer.ts";
import { type GoldenCheckpoint, goldenModel, readGoldens } from "../../goldens/cases.ts";

const LIMITS = { maxRows: 32, maxLogitRows: 32, blocks: 4, blockSize: 16 };
const { cases, encoders } = readGoldens();

/** The folder that transformers would write of a golden's checkpoint. */
async function folderOf(golden: GoldenCheckpoint): Promise<ReturnType<typeof memoryFolder>> {
  const { config, parameters, metadata } = golden;
  const gguf = goldenModel(golden);
  const tensors: Record<string, SafeTensor> = {};
  for (const [name, parameter] of Object.entries(parameters)) {
    const info = gguf.tensors.get(name)!;
    let data: Uint8Array = new Uint8Array(info.byteLength);
    await gguf.read(info, 0, data);
    const architecture = String(metadata["general.architecture"]);
    // As `permute` of llama.cpp's converter, the other way round.
    const paired = architecture === "llama" || architecture === "mistral3";
    if (paired && /attn_[qk]\./.test(name)) {
      const headRows = Number(metadata[`${architecture}.attention.key_length`]);
      data = toHalves(data, 4 * info.shape[1]!, headRows);
    }
    if (architecture === "gemma3" && name.endsWith("norm.weight")) {
      data = new Uint8Array(new Float32Array(data.slice().buffer).map((value) => value - 1).buffer);
    }
    tensors[parameter] = { dtype: "F32", shape: info.shape, data };
  }
  return memoryFolder({
    "config.json": config,
    "model.safetensors": writeSafetensors(tensors),
    ...(encoders.some(({ name }) => name === golden.name)
      ? { "1_Pooling/config.json": { pooling_mode_cls_token: true } }
      : {}),
  });
}

// Transformers stacks the experts of Mixtral in another way than its checkpoints do.
const readable = [...cases, ...encoders].filter(({ name }) => name !== "mixtral");

test.for([...readable])("a folder of $name is the model that its GGUF file is", async (golden) => {
  const folder = await folderOf(golden);
  const opened = await openCheckpoint(folder, (key) => key.startsWith("tokenizer."));
  const file = goldenModel(golden);
  const rows: Float32Array[][] = [];
  for (const gguf of [opened, file]) {
    const backend = createReferenceBackend();
    const model = await loadModel(gguf, backend, LIMITS);
    const logits = golden.prompt.map((_, i) => i);
    const [part] = await createRunner(backend, model).step([
      { sequence: 0, tokens: golden.prompt, logits },
    ]);
    rows.push(part!);
  }
  // Epsilons and bases are float32 there, which moves the last bits.
  for (const [i, row] of rows[0]!.entries()) {
    for (const [j, value] of row.entries()) expect(value).toBeCloseTo(rows[1]![i]![j]!, 4);
  }
  await opened.close();
});

test("how sentence-transformers pools is read from beside the model", async () => {
  const folder = await folderOf(encoders[0]!);
  const opened = await openCheckpoint(folder, (key) => key.startsWith("tokenizer."));
  expect(readConfig(opened)).toMatchObject({ pooling: "cls", embedsOnly: true });
});
