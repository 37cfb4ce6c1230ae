import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { azureSample, mooncakeSample, unshared } from "./requests.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "sirocco-traces-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

function row(timestamp: number, input_length: number, hash_ids: readonly number[]): string {
  return JSON.stringify({ timestamp, input_length, output_length: 80, hash_ids });
}

/** How many tokens two prompts begin with in common. */
function common(a: readonly number[], b: readonly number[]): number {
  const end = a.findIndex((token, i) => token !== b[i]);
  return end === -1 ? a.length : end;
}

test("prompts share what a trace's hashes share, and no more", () => {
  const file = write(
    "mooncake.jsonl",
    [row(0, 1024, [1, 2]), row(500, 1500, [1, 2, 3]), row(1000, 1024, [1, 9])].join("\n"),
  );
  const { requests } = mooncakeSample(file, 100);
  expect(requests.map(({ atMs, prompt, maxTokens }) => [atMs, prompt.length, maxTokens])).toEqual([
    [0, 16, 10],
    [50, 23, 10],
    [100, 16, 10],
  ]);
  const [first, second, third] = requests.map(({ prompt }) => prompt) as [
    number[],
    number[],
    number[],
  ];
  expect(common(first, second)).toBe(16);
  expect(common(first, third)).toBe(8);
  const alone = unshared(requests).map(({ prompt }) => prompt);
  expect(alone.map(({ length }) => length)).toEqual([16, 23, 16]);
  expect([common(alone[0]!, alone[1]!), common(alone[0]!, alone[2]!)]).toEqual([0, 0]);
});

test("a trace of lengths gives prompts that share nothing", () => {
  const file = write(
    "azure.csv",
    "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:00:00.0,800,80\n2023-11-16 18:00:02.0,400,8\n",
  );
  const { requests } = azureSample(file, 100);
  expect(requests.map(({ atMs, prompt, maxTokens }) => [atMs, prompt.length, maxTokens])).toEqual([
    [0, 100, 10],
    [100, 50, 1],
  ]);
  expect(common(requests[0]!.prompt, requests[1]!.prompt)).toBe(0);
});
