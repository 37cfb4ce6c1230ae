import { copyFile, mkdtemp, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadLocal, type LoadedModel } from "../../../adapters/node/load.ts";
import { modelFiles } from "../../../adapters/node/shared-files.ts";
import { GREEDY } from "../../../core/sampler/params.ts";
import { DEMO_FILE } from "../../fixtures/demo.ts";
import { tinyModelGguf } from "../../fixtures/tiny-model.ts";

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "changed-"));
  file = join(folder, "model.gguf");
  await copyFile(DEMO_FILE, file);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function answer({ engine }: LoadedModel): Promise<readonly number[]> {
  const tokens: number[] = [];
  const asked = { tokens: [1, 500, 600], maxTokens: 8, sampling: GREEDY, stopTokens: [] };
  for await (const event of engine.generate(asked))
    if (event.type === "token") tokens.push(event.token);
  return tokens;
}

describe("F7: a model's file that is replaced or cut off", () => {
  test("under a loaded model changes no answer", async () => {
    const model = await loadLocal({ model: file, threads: 1 });
    try {
      const before = await answer(model);
      await truncate(file, 1000);
      expect(await answer(model)).toEqual(before);
      await writeFile(file, tinyModelGguf(1));
      expect(await answer(model)).toEqual(before);
    } finally {
      await model.close();
    }
  });

  test.each<readonly [string, () => Promise<void>]>([
    ["replaced", () => rename(join(folder, "other.gguf"), file)],
    ["cut off", () => truncate(file, 100_000)],
  ])("%s while it is loaded is refused", async (_, change) => {
    await writeFile(join(folder, "other.gguf"), tinyModelGguf(1));
    let changing: Promise<void> | undefined;
    const loading = loadLocal({
      model: file,
      threads: 1,
      // The first bytes of weights have been read, and vocabulary and template long before.
      onProgress: () => void (changing ??= change()),
    });
    await expect(loading).rejects.toMatchObject({ code: "MODEL_MALFORMED" });
    await changing;
  });

  test("is not sent as what it was", async () => {
    const [shared] = await modelFiles([file]);
    const read = async (): Promise<number> => {
      let bytes = 0;
      for await (const piece of shared!.read(1000, 300_000)) bytes += piece.byteLength;
      return bytes;
    };
    expect(await read()).toBe(300_000);
    await copyFile(DEMO_FILE, file);
    await expect(read()).rejects.toMatchObject({ code: "MODEL_MALFORMED" });
  });
});
