import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createWasmBackend } from "../../backends/wasm/backend.ts";
import { MOST_MEMORIES, planMemories } from "../../backends/wasm/memories.ts";
import { STAGING_BYTES as STAGING } from "../../backends/wasm/need.ts";
import { HOME, WasmKv, WasmTensor } from "../../backends/wasm/tensors.ts";
import type { GgufModel } from "../../core/gguf/gguf.ts";
import { loadModel } from "../../core/model/load.ts";
import { workloadOf } from "../../core/model/workload.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import { WEIGHT_TYPES, type WeightType } from "../../core/tensor/dtype.ts";
import type { Workload } from "../../core/tensor/workload.ts";
import { bits, download, loadBytes, upload } from "../conformance/backend/tensors.ts";
import { kernelModule, VARIANTS, wasmBackend } from "../fixtures/kernels.ts";
import { randomWeight } from "../fixtures/random-weights.ts";
import { createRandom } from "../fixtures/random.ts";
import { createRunner } from "../fixtures/runner.ts";
import { goldenModel, readGoldens } from "../goldens/cases.ts";

const GIB = 2 ** 30;

/** So many layers of Mistral 7B in Q4_0. */
function mistral(layers: number): Workload {
  const matrices = [
    [4096, 4096],
    [1024, 4096],
    [1024, 4096],
    [4096, 4096],
    [14_336, 4096],
    [14_336, 4096],
    [4096, 14_336],
  ];
  return {
    weights: Array.from({ length: layers }, () => matrices)
      .flat()
      .map((shape) => ({ label: "", dtype: "q4_0", shape })),
    activations: [
      [128, 4096],
      [128, 14_336],
      [128, 14_336],
    ],
    caches: Array.from({ length: layers }, () => ({
      slots: 4096,
      shape: { kvHeads: 8, headDim: 128, type: "f32" },
    })),
    operations: [],
  };
}

describe("planMemories", () => {
  test("takes one memory for what fits into one, and as many as are needed for more", () => {
    expect(planMemories(mistral(8), STAGING)).toMatchObject({ count: 1, room: Infinity });
    const whole = planMemories(mistral(32), STAGING);
    expect(whole).toMatchObject({ count: 2, bytes: 4 * GIB });
    // What steps work with stays free in each.
    expect(whole.room).toBeLessThan(4 * GIB - 4 * 4 * 128 * (2 * 14_336 + 4096));
    expect(whole.room).toBeGreaterThan(3.75 * GIB);
    expect(planMemories(mistral(128), STAGING).count).toBe(5);
  });

  test("ends at a number of memories, whose sum is the backend's limit", async () => {
    expect(planMemories(mistral(4096), STAGING).count).toBe(MOST_MEMORIES);
    const backend = await createWasmBackend({
      module: kernelModule("simd128"),
      variant: "simd128",
      workload: mistral(32),
    });
    expect(backend.need(mistral(32)).limit).toBe(2 * 4 * GIB);
    await backend.close();
  });
});

/** Memories of the backends below; a boundary lies after every few of their weights. */
const MEMORIES = 9;

describe.for([
  ...VARIANTS.map((variant) => ({ variant, threads: 1 })),
  { variant: "relaxed", threads: 2 } as const,
])("$variant on $threads over several memories", ({ variant, threads }) => {
  let one: Backend;
  let many: Backend;
  let cuts = 0;
  beforeAll(async () => {
    one = await wasmBackend(variant);
    many = await wasmBackend(variant, threads, MEMORIES);
  });
  afterAll(() => Promise.all([one.close(), many.close()]));

  const types = Object.keys(WEIGHT_TYPES) as WeightType[];

  /** A matrix on both, whose rows are cut where a memory is full. */
  async function load(type: WeightType, shape: readonly number[], seed: number) {
    const count = shape.reduce((product, size) => product * size, 1);
    const bytes = randomWeight(createRandom(seed), type, count);
    const [first, second] = [
      await loadBytes(one, type, shape, bytes),
      await loadBytes(many, type, shape, bytes),
    ];
    if (second instanceof WasmTensor && second.pieces.length > 1) cuts++;
    return [first, second] as const;
  }

  test("products of every type are the same bits, wherever rows are cut", async () => {
    const random = createRandom(7);
    for (const [round, type] of types.entries()) {
      const [m, k] = [random.int(120, 250), 256];
      const biasValues = random.normals(m);
      const weights = [
        await load(type, [m, k], 10 * round),
        await load(type, [m, k], 10 * round + 1),
        await load("q8_0", [m + 9, k], 10 * round + 2),
      ];
      for (const n of [1, 5]) {
        const x = random.normals(n * k);
        const results: Uint32Array[][] = [];
        for (const [side, backend] of [one, many].entries()) {
          const input = upload(backend, [n, k], x);
          const bias = upload(backend, [m], biasValues);
          const [a, b, c, g, u] = [m, m, m + 9, m, m].map((width) =>
            backend.alloc("out", [n, width]),
          );
          const [v, w, other] = weights.map((pair) => pair[side]!);
          await backend.run((ops) => {
            ops.matmul(input, [
              { weight: v!, out: a!, bias },
              { weight: w!, out: b! },
              { weight: other!, out: c! },
            ]);
            ops.gatedMatmul(input, { weight: v!, out: g! }, { weight: w!, out: u! });
          });
          const read: Uint32Array[] = [];
          for (const out of [a, b, c, g]) read.push(bits(await download(backend, out!)));
          results.push(read);
        }
        expect(results[1], `${type}, ${n} rows`).toEqual(results[0]);
      }
    }
    // All boundaries but those that fell between two weights.
    expect(cuts).toBeGreaterThan(MEMORIES / 2);
  });
});

const LIMITS = { maxRows: 16, maxLogitRows: 2, blocks: 40, blockSize: 16 } as const;

/** How large memories have to be for a workload to take `count` of them. */
function bytesFor(workload: Workload, count: number): number {
  for (let bytes = 2 ** 24; bytes > 2 ** 20; bytes -= 2 ** 14) {
    const plan = planMemories(workload, STAGING, bytes);
    if (plan.count >= count) return bytes;
  }
  return 0;
}

interface Answer {
  /** Of all rows, behind a prompt in chunks and of tokens that follow, beside another sequence. */
  readonly logits: readonly Uint32Array[];
  /** Layers whose cache is not in the first memory. */
  readonly awayCaches: number;
}

async function answerOf(
  backend: Backend,
  gguf: GgufModel,
  prompt: readonly number[],
): Promise<Answer> {
  const model = await loadModel(gguf, backend, LIMITS);
  const runner = createRunner(backend, model, 2);
  const rows: Uint32Array[] = [];
  for (let first = 0; first < prompt.length; first += 8) {
    const tokens = prompt.slice(first, first + 8);
    rows.push(...(await runner.step([{ sequence: 0, tokens }])).flat().map(copied));
  }
  for (const token of [3, 1, 4]) {
    const parts = [0, 1].map((sequence) => ({ sequence, tokens: [token + sequence] }));
    rows.push(...(await runner.step(parts)).flat().map(copied));
  }
  const away = model.cache.filter((layer) => layer instanceof WasmKv && layer.memory !== HOME);
  return { logits: rows, awayCaches: away.length };
}

function copied(row: Float32Array): Uint32Array {
  return bits(row).slice();
}

/** Builds, threads and numbers of memories, the first being what the others have to equal. */
const SPREADS = [
  { variant: "simd128", threads: 1, count: 1 },
  { variant: "relaxed", threads: 1, count: 2 },
  { variant: "simd128", threads: 2, count: 3 },
  { variant: "relaxed16", threads: 1, count: 3 },
] as const;

describe("a model in several memories", () => {
  const { cases } = readGoldens();
  test.for([...cases])("$name gives the same bits in one, two and three", async (golden) => {
    const gguf = goldenModel(golden);
    const workload = workloadOf(gguf, LIMITS);
    const found: Answer[] = [];
    for (const { variant, threads, count } of SPREADS) {
      const memoryBytes = bytesFor(workload, count);
      expect(planMemories(workload, STAGING, memoryBytes).count).toBe(count);
      const backend = await wasmBackend(variant, threads, { workload, memoryBytes });
      found.push(await answerOf(backend, gguf, golden.prompt));
      await backend.close();
    }
    const [first, ...others] = found;
    for (const { logits } of others) expect(logits).toEqual(first!.logits);
    expect(first!.awayCaches).toBe(0);
    expect(found.at(-1)!.awayCaches).toBeGreaterThan(0);
  });
});
