import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { demoModelPath } from "../../adapters/node/package-root.ts";
import { CONFIG, littleLlama, TOKENIZER } from "../fixtures/checkpoint.ts";
import { runCli, type CliResult } from "../fixtures/cli.ts";
import { writeSafetensors } from "../fixtures/safetensors-writer.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "convert-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const at = (name: string): string => join(folder, name);
const sirocco = (...args: readonly string[]): Promise<CliResult> => runCli(args);

/** Tokens and digest of a greedy answer. */
async function answer(...model: readonly string[]): Promise<{ tokens: number[]; digest: string }> {
  const prompt = ["-p", "abcabc", "-n", "12", "--temp", "0", "--json"];
  const { code, stdout, stderr } = await sirocco("run", ...model, ...prompt);
  expect([code, stderr]).toEqual([0, ""]);
  const result = JSON.parse(stdout) as { tokens: number[]; model: { digest: string } };
  return { tokens: result.tokens, digest: result.model.digest };
}

test("a folder of safetensors, its GGUF, and a GGUF split and merged give the same answer", async () => {
  const checkpoint = at("");
  await writeFile(at("config.json"), JSON.stringify(CONFIG));
  await writeFile(at("tokenizer.json"), JSON.stringify(TOKENIZER));
  await writeFile(at("model.safetensors"), writeSafetensors(littleLlama().hf));
  expect(await sirocco("convert", checkpoint, at("little.gguf"))).toMatchObject({ code: 0 });
  const split = await sirocco(
    "split",
    at("little.gguf"),
    at("part"),
    "--max-tensors",
    "8",
    "--json",
  );
  const { files } = JSON.parse(split.stdout) as { files: { file: string }[] };
  expect(files).toHaveLength(3);
  await sirocco("merge", files[0]!.file, at("merged.gguf"));
  expect(await readFile(at("merged.gguf"))).toEqual(await readFile(at("little.gguf")));

  const expected = await answer("-m", checkpoint);
  expect(expected.tokens).toHaveLength(12);
  for (const model of [at("little.gguf"), files[0]!.file]) {
    expect((await answer("-m", model)).tokens).toEqual(expected.tokens);
  }
  // Quantised while it loads and quantised before: the same weights, and another model than the original.
  await sirocco("quantize", checkpoint, at("little.q8_0.gguf"), "--type", "q8_0");
  const loaded = await answer("-m", checkpoint, "--quantize", "q8_0");
  expect(loaded.tokens).toEqual((await answer("-m", at("little.q8_0.gguf"))).tokens);
  expect(loaded.digest).not.toBe(expected.digest);
});

test("convert leaves no half of a file, and none of another's unless it is told to", async () => {
  await writeFile(at("there.gguf"), "mine");
  const refused = await sirocco("convert", demoModelPath(), at("there.gguf"));
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("--force") });
  expect(await readFile(at("there.gguf"), "utf8")).toBe("mine");
  await sirocco("convert", demoModelPath(), at("there.gguf"), "--force");
  expect(await readFile(at("there.gguf"))).toEqual(await readFile(demoModelPath()));

  const broken = at("broken.gguf");
  await writeFile(broken, (await readFile(demoModelPath())).subarray(0, 100_000));
  expect(await sirocco("convert", broken, at("never.gguf"))).toMatchObject({ code: 1 });
  expect((await readdir(folder)).filter((name) => /never|part$/.test(name))).toEqual([]);
});
