import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { loadLocal } from "../../adapters/node/load.ts";
import { GREEDY } from "../../core/sampler/params.ts";
import { writeRandomLlama } from "./models/random-llama.ts";

const SHAPE = {
  name: "small",
  dim: 64,
  hiddenDim: 96,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  vocabSize: 512,
  contextLength: 64,
};

test("writeRandomLlama writes the same file for a seed, and one that generates", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "sirocco-random-"));
  try {
    const files = ["a.gguf", "b.gguf", "c.gguf"].map((name) => path.join(folder, name));
    for (const [i, file] of files.entries()) await writeRandomLlama(file, SHAPE, i < 2 ? 7 : 8);
    const [first, same, other] = await Promise.all(files.map((file) => readFile(file)));
    expect(first!.equals(same!)).toBe(true);
    expect(first!.equals(other!)).toBe(false);

    const model = await loadLocal({ model: files[0]!, inProcess: true });
    try {
      expect(model.config).toMatchObject({ dim: 64, layers: 2, vocabSize: 512 });
      const tokens: number[] = [];
      const request = { tokens: [1, 5], maxTokens: 4, sampling: GREEDY, stopTokens: [] };
      for await (const event of model.engine.generate(request)) {
        if (event.type === "token") tokens.push(event.token);
      }
      expect(tokens).toHaveLength(4);
    } finally {
      await model.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
