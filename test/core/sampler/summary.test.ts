import { describe, expect, test } from "vitest";
import { createWasmBackend } from "../../../backends/wasm/backend.ts";
import { GREEDY, type SamplingParams } from "../../../core/sampler/params.ts";
import { createSampler } from "../../../core/sampler/sampler.ts";
import type { Backend } from "../../../core/tensor/backend.ts";
import { kernelModule } from "../../fixtures/kernels.ts";
import { createRandom } from "../../fixtures/random.ts";
import { createReferenceBackend } from "../../../backends/reference/backend.ts";

const random = createRandom(11);

function pick<T>(...values: readonly T[]): T {
  return values[random.int(0, values.length - 1)]!;
}

function someParams(vocab: number): SamplingParams {
  return {
    temperature: pick(0, 0.4, 1, 1.7),
    topK: pick(0, 0, 1, 5, 40, 256, 300, vocab),
    topP: pick(1, 0.95123, 0.5001, 0.999),
    minP: pick(0, 0, 0.05123, 0.00012),
    typicalP: pick(1, 1, 1, 0.7123),
    repeatPenalty: pick(1, 1.1, 0.8),
    repeatLastN: pick(64, 0, -1, 3),
    presencePenalty: pick(0, 0.6),
    frequencyPenalty: pick(0, 0.3),
    logitBias: pick<SamplingParams["logitBias"]>(
      [],
      [],
      [[2, 3.5]],
      [
        [0, -100],
        [1, 4],
        [1, 0.1],
      ],
    ),
    seed: random.int(0, 2 ** 31),
  };
}

/** The token by way of a query, and whether it took the whole row. */
async function ask(
  backend: Backend,
  row: Float32Array,
  params: SamplingParams,
  tokens: readonly number[],
  index: number,
): Promise<{ readonly token: number; readonly whole: boolean }> {
  const sampler = createSampler(params, row.length);
  const logits = backend.alloc("logits", [1, row.length]);
  backend.write(logits, row);
  const [summary] = await backend.reduce(logits, [sampler.ask(0, tokens, index)]);
  const token = sampler.choose(summary!, index);
  if (token !== undefined) return { token, whole: false };
  const read = await backend.read(logits);
  return { token: sampler.chooseFromRow(read, summary!, index), whole: true };
}

describe.for([
  ["reference", (): Promise<Backend> => Promise.resolve(createReferenceBackend())],
  [
    "wasm-simd128",
    (): Promise<Backend> =>
      createWasmBackend({ module: kernelModule("simd128"), variant: "simd128" }),
  ],
] as const)("sampling from what %s reports", ([, create]) => {
  test("picks what sampling from the row picks, whatever the parameters", async () => {
    const backend = await create();
    const ways = { candidates: 0, row: 0 };
    for (let run = 0; run < 1500; run++) {
      const vocab = pick(12, 300, 2000);
      const width = pick(1, 4);
      const row = random.normals(vocab).map((value) => width * value);
      const tokens = Array.from({ length: random.int(0, 90) }, () => random.int(0, vocab - 1));
      const params = someParams(vocab);
      const expected = createSampler(params, vocab).sample(row.slice(), tokens, run);
      const actual = await ask(backend, row, params, tokens, run);
      expect(actual.token, JSON.stringify({ params, vocab })).toBe(expected);
      ways[actual.whole ? "row" : "candidates"]++;
    }
    expect(ways.candidates).toBeGreaterThan(ways.row);
    expect(ways.row).toBeGreaterThan(100);
  });

  test("needs the row where candidates do not decide, and only there", async () => {
    const backend = await create();
    const peaked = Float32Array.from({ length: 5000 }, (_, id) => -id / 8);
    const flat = Float32Array.from({ length: 5000 }, (_, id) => -id / 1e6);
    const sampled: SamplingParams = { ...GREEDY, temperature: 1 };
    for (const [row, params, whole] of [
      [flat, GREEDY, false],
      [flat, sampled, false],
      [flat, { ...sampled, topK: 40, typicalP: 0.5, topP: 0.95, minP: 0.05 }, false],
      [peaked, { ...sampled, topP: 0.95 }, false],
      [flat, { ...sampled, topP: 0.95 }, true],
      [peaked, { ...sampled, minP: 0.05 }, false],
      [flat, { ...sampled, minP: 0.05 }, true],
      [peaked, { ...sampled, typicalP: 0.9 }, true],
      [peaked, { ...sampled, topK: 1000 }, true],
    ] as const) {
      const actual = await ask(backend, row, params, [], 0);
      expect(actual.whole, JSON.stringify(params)).toBe(whole);
    }
  });
});
