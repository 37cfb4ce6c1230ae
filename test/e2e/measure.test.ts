import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { BenchRow } from "../../adapters/node/bench.ts";
import { runCli } from "../fixtures/cli.ts";
import { gpuEnvironment, LAVAPIPE_DRIVER } from "../gpu/drivers.ts";

test("sirocco bench --json prints a row for every test and number of threads", async () => {
  const { code, stdout } = await runCli([
    "bench",
    "-p",
    "8,16",
    "-n",
    "4",
    "-t",
    "1",
    "-r",
    "2",
    "--json",
  ]);
  expect(code).toBe(0);
  const rows = JSON.parse(stdout) as Record<string, unknown>[];
  expect(rows.map((row) => row["test"])).toEqual(["pp8", "pp16", "tg4"]);
  for (const row of rows) {
    expect(row).toMatchObject({ quant: "q8_0", threads: 1, backend: expect.any(String) as string });
    expect(row["avg_ts"]).toBeGreaterThan(0);
    expect(row["stddev_ts"]).toBeGreaterThanOrEqual(0);
  }
  expect(rows.map((row) => row["gb_s"] === null)).toEqual([true, true, false]);
});

test("sirocco bench -np measures sequences that generate together", async () => {
  const args = ["bench", "-p", "0", "-n", "4", "-np", "1,3", "-r", "1", "--json"];
  const { code, stdout } = await runCli(args);
  expect(code).toBe(0);
  const rows = JSON.parse(stdout) as { test: string; avg_ts: number; gb_s: number }[];
  expect(rows.map((row) => row.test)).toEqual(["tg4", "tg4x3"]);
  const [one, three] = rows.map((row) => row.avg_ts / row.gb_s);
  // Three tokens come out of one reading of the weights.
  expect(three! / one!).toBeCloseTo(3, 6);
});

test("sirocco bench says when a backend has fewer threads than asked for", async () => {
  const args = [
    "bench",
    "-p",
    "0",
    "-n",
    "2",
    "-t",
    "64",
    "-r",
    "1",
    "--backend",
    "reference",
    "--json",
  ];
  const { code, stdout, stderr } = await runCli(args);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject([{ test: "tg2", threads: 1 }]);
  expect(stderr).toBe("sirocco: 64 threads asked for, this backend runs 1\n");
});

test("sirocco bench --profile is for a GPU's kernels, and says so elsewhere", async () => {
  const { code, stderr } = await runCli(["bench", "--backend", "wasm", "--profile", "-p", "0"]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/Cannot profile the backend wasm.*--backend webgpu/);
});

test.skipIf(LAVAPIPE_DRIVER.missing)(
  "sirocco bench --profile --json has what each kernel does in a step",
  async () => {
    const args = ["bench", "--backend", "webgpu", "--profile", "-p", "0", "-n", "4", "-r", "1"];
    const { code, stdout, stderr } = await runCli([...args, "--json"], {
      env: gpuEnvironment(LAVAPIPE_DRIVER),
    });
    expect(code, stderr).toBe(0);
    const [row] = JSON.parse(stdout) as BenchRow[];
    const { steps, kernels } = row!.profile!;
    expect(steps).toBe(4);
    expect(kernels.find(({ kernel }) => kernel === "attention")?.dispatches).toBe(5);
    expect(kernels.reduce((sum, { share }) => sum + share!, 0)).toBeCloseTo(1, 9);
    for (const { weight_bytes: read, least_weight_bytes: least } of kernels)
      expect(read).toBe(least);
  },
);

test("sirocco perplexity finds text of the model's own domain far likelier than letters in a row", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sirocco-perplexity-"));
  const measure = async (name: string, text: string): Promise<Record<string, number>> => {
    const file = join(folder, name);
    await writeFile(file, text);
    const { code, stdout } = await runCli(["perplexity", "-f", file, "--ctx", "32", "--json"]);
    expect(code).toBe(0);
    return JSON.parse(stdout) as Record<string, number>;
  };
  try {
    const known = await measure(
      "known.txt",
      "Once upon a time, there was a brave little girl named Mia. ".repeat(8),
    );
    const strange = await measure("strange.txt", "xq zv jw kk pf ".repeat(20));
    expect(known["ppl"]).toBeCloseTo(Math.exp(known["nll"]!), 8);
    // A chunk of 32 judges its last 15 tokens.
    expect(known["tokens"]! % 15).toBe(0);
    expect(known["ppl"]).toBeLessThan(strange["ppl"]! / 2);
  } finally {
    await rm(folder, { recursive: true });
  }
});
