import { describe, expect, test } from "vitest";
import type { BatchLayout } from "../../../core/tensor/backend.ts";
import { createRandom } from "../../fixtures/random.ts";
import type { BackendSuite } from "../backend.ts";
import type { AttentionShape, Schedule } from "./paged.ts";
import { plainAttention, randomInputs, runSchedule } from "./paged.ts";
import { bits, download, FOREIGN, relativeError, upload } from "./tensors.ts";

/** Everything at once, sequence by sequence. */
const alone = (shape: AttentionShape): Schedule =>
  shape.lengths.map((length, i) => shape.lengths.map((_, j) => (i === j ? length : 0)));

/** All sequences in each step, up to `chunk` rows each. */
const chunked = (shape: AttentionShape, chunk: number): Schedule =>
  Array.from({ length: Math.ceil(Math.max(...shape.lengths) / chunk) }, (_, step) =>
    shape.lengths.map((length) => Math.max(0, Math.min(chunk, length - step * chunk))),
  );

/** Random mixtures of long chunks, single rows and pauses. */
function mixed(shape: AttentionShape, seed: number): Schedule {
  const random = createRandom(seed);
  const left = [...shape.lengths];
  const steps: number[][] = [];
  while (left.some((rows) => rows > 0)) {
    const step = left.map((rows) => Math.min(rows, [0, 1, 1, random.int(2, 9)][random.int(0, 3)]!));
    for (const [i, count] of step.entries()) left[i]! -= count;
    if (step.some((count) => count > 0)) steps.push(step);
  }
  return steps;
}

/** A sequence of one row, stored in the block of four that holds `slot`. */
const firstRowAt = (slot: number): BatchLayout => ({
  positions: Uint32Array.of(0),
  slots: Uint32Array.of(slot),
  starts: Uint32Array.of(0, 1),
  blocks: Uint32Array.of(slot / 16),
  blockSize: 16,
});

const SHAPES: readonly (readonly [string, AttentionShape])[] = [
  ["one head", { heads: 1, kvHeads: 1, headDim: 16, blockSize: 4, lengths: [11] }],
  ["as many queries as keys", { heads: 3, kvHeads: 3, headDim: 8, blockSize: 16, lengths: [20] }],
  ["grouped queries", { heads: 8, kvHeads: 2, headDim: 64, blockSize: 16, lengths: [37] }],
  ["one key head for all", { heads: 5, kvHeads: 1, headDim: 32, blockSize: 8, lengths: [17, 3] }],
  ["an odd head size", { heads: 4, kvHeads: 2, headDim: 12, blockSize: 3, lengths: [13, 8] }],
  ["several lengths", { heads: 4, kvHeads: 2, headDim: 16, blockSize: 8, lengths: [1, 30, 7, 19] }],
  ["blocks of one", { heads: 2, kvHeads: 1, headDim: 8, blockSize: 1, lengths: [9, 5] }],
  [
    "a window inside a block",
    { heads: 2, kvHeads: 1, headDim: 16, blockSize: 16, window: 5, lengths: [40, 12] },
  ],
  [
    "a window across blocks",
    { heads: 4, kvHeads: 2, headDim: 16, blockSize: 4, window: 10, lengths: [33, 50] },
  ],
  ["a window of one", { heads: 2, kvHeads: 2, headDim: 8, blockSize: 4, window: 1, lengths: [9] }],
  [
    "a window wider than the text",
    { heads: 2, kvHeads: 2, headDim: 8, blockSize: 4, window: 99, lengths: [9] },
  ],
];

/** Paged, causal, windowed, grouped attention. */
export function attentionTests({ backend, attentionTolerance, exact }: BackendSuite): void {
  async function expectPlain(shape: AttentionShape, schedule: Schedule): Promise<void> {
    const inputs = randomInputs(createRandom(20), shape);
    const outputs = await runSchedule(backend(), shape, inputs, schedule, 21);
    for (const [i, input] of inputs.entries()) {
      const expected = plainAttention(shape, input);
      const width = shape.heads * shape.headDim;
      for (let row = 0; row < input.length; row++) {
        const error = relativeError(
          outputs[i]!.subarray(row * width, (row + 1) * width),
          expected.subarray(row * width, (row + 1) * width),
        );
        expect(error, `sequence ${i}, row ${row}`).toBeLessThanOrEqual(attentionTolerance);
      }
    }
  }

  describe.for([...SHAPES])("attention with %s", ([, shape]) => {
    test("is its definition when each sequence comes whole", () =>
      expectPlain(shape, alone(shape)));

    test("is its definition when sequences grow row by row together", () =>
      expectPlain(shape, chunked(shape, 1)));

    test("is its definition in mixed steps", () => expectPlain(shape, mixed(shape, 22)));

    test.runIf(exact)("has the same bits whole, chunked and mixed", async () => {
      const inputs = randomInputs(createRandom(23), shape);
      const whole = await runSchedule(backend(), shape, inputs, alone(shape), 1);
      for (const [i, schedule] of [
        chunked(shape, 1),
        chunked(shape, 5),
        mixed(shape, 24),
      ].entries()) {
        const outputs = await runSchedule(backend(), shape, inputs, schedule, i + 2);
        for (const [sequence, output] of outputs.entries()) {
          expect(bits(output)).toEqual(bits(whole[sequence]!));
        }
      }
    });
  });

  test("attention over a long context", async () => {
    const shape = { heads: 2, kvHeads: 1, headDim: 16, blockSize: 32, lengths: [1500, 700] };
    await expectPlain(shape, chunked(shape, 256));
  });

  test("attention over a long context with a window", async () => {
    const shape = {
      heads: 2,
      kvHeads: 1,
      headDim: 16,
      blockSize: 32,
      window: 512,
      lengths: [1300],
    };
    await expectPlain(shape, chunked(shape, 200));
  });

  test("attention survives scores that would overflow an exponential", async () => {
    const shape: AttentionShape = {
      heads: 1,
      kvHeads: 1,
      headDim: 4,
      blockSize: 4,
      lengths: [2],
    };
    const inputs = [
      {
        length: 2,
        q: new Float32Array(8).fill(40),
        k: Float32Array.of(40, 40, 40, 40, -40, -40, -40, -40),
        v: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8),
      },
    ];
    const [out] = await runSchedule(backend(), shape, inputs, [[2]]);
    expect(relativeError(out!, [1, 2, 3, 4, 1, 2, 3, 4])).toBeLessThanOrEqual(attentionTolerance);
  });

  test("attention reads only blocks of the sequence's table", async () => {
    const kv = backend().allocKv("cache", 48, 1, 4);
    const values = createRandom(30).normals(4);
    const poison = upload(backend(), [1, 1, 4], new Float32Array(4).fill(NaN));
    const x = upload(backend(), [1, 1, 4], values);
    const out = backend().alloc("out", [1, 1, 4]);
    await backend().run((ops) => {
      ops.attention(out, poison, poison, poison, kv, firstRowAt(16), { scale: 1 });
      ops.attention(out, x, x, x, kv, firstRowAt(32), { scale: 1 });
    });
    const actual = await download(backend(), out);
    expect(relativeError(actual, values)).toBeLessThanOrEqual(attentionTolerance);
  });

  test("attention with a cache of another backend is a TypeError that names it", async () => {
    const x = backend().alloc("x", [1, 1, 4]);
    const running = backend().run((ops) =>
      ops.attention(x, x, x, x, FOREIGN, firstRowAt(0), { scale: 1 }),
    );
    await expect(running).rejects.toThrow(/foreign\.weight/);
    await expect(running).rejects.toThrow(TypeError);
  });
}
