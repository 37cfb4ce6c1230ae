import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openModel } from "../../adapters/node/header.ts";
import { runCli } from "../fixtures/cli.ts";
import { DEMO_FILE } from "../fixtures/demo.ts";
import { loraBytes, memoryLora } from "../fixtures/memory-lora.ts";

let folder = "";
let file = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sirocco-lora-"));
  file = join(folder, "tales.gguf");
  const { gguf } = await openModel(DEMO_FILE);
  await writeFile(file, loraBytes(memoryLora(gguf, { seed: 5, rank: 6, alpha: 30 })));
  await gguf.close();
});
afterAll(() => rm(folder, { recursive: true }));

test("a command takes an adapter, and its receipt is true with that adapter alone", async () => {
  const receipt = join(folder, "answer.json");
  const asked = ["run", "-p", "Once upon a time", "-n", "12"];
  const [alone, adapted] = [
    await runCli(asked),
    await runCli([...asked, "--lora", `${file}:0.5`, "--receipt", receipt]),
  ];
  expect([alone.code, adapted.code], adapted.stderr).toEqual([0, 0]);
  expect(adapted.stdout).not.toBe(alone.stdout);

  const verify = async (...lora: string[]) => {
    const { code, stdout, stderr } = await runCli(["verify", receipt, ...lora]);
    return { code, said: `${stdout}${stderr}` };
  };
  expect(await verify("--lora", `other=${file}:0.5`)).toMatchObject({
    code: 0,
    said: expect.stringContaining("same: 12 tokens") as string,
  });
  const without = await verify();
  expect(without).toMatchObject({
    code: 2,
    said: expect.stringContaining("it is of the model") as string,
  });
}, 120_000);

test("show tells an adapter from a model, and run says where it goes", async () => {
  const shown = await runCli(["show", file]);
  expect(shown.stdout).toMatch(/adapter +of rank 6, for 35 weights/);
  const run = await runCli(["run", "-m", file, "-p", "x"]);
  expect(run.code).not.toBe(0);
  expect(run.stderr).toMatch(/it is an adapter; give it as --lora/);
}, 120_000);
