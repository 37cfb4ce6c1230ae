import { describe, expect, test } from "vitest";
import type { BatchLayout } from "../../../core/tensor/backend.ts";
import { roundHeads } from "../../../backends/reference/round.ts";
import { KV_TYPES } from "../../../core/tensor/kv-type.ts";
import type { Random } from "../../fixtures/random.ts";
import { createRandom } from "../../fixtures/random.ts";
import type { BackendSuite } from "../backend.ts";
import type { AttentionShape, Schedule, SequenceInputs } from "./paged.ts";
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

/** Shapes that meet every edge of tiles and packed groups, in turn for each type of cache. */
const EDGES: readonly AttentionShape[] = [
  { heads: 3, kvHeads: 1, headDim: 4, blockSize: 16, lengths: [18, 1] },
  { heads: 4, kvHeads: 2, headDim: 36, blockSize: 16, lengths: [33, 15] },
  { heads: 9, kvHeads: 3, headDim: 64, blockSize: 16, lengths: [70, 16, 17] },
  { heads: 10, kvHeads: 2, headDim: 44, blockSize: 16, window: 21, lengths: [67, 5] },
  { heads: 70, kvHeads: 1, headDim: 8, blockSize: 16, lengths: [19] },
  { heads: 2, kvHeads: 1, headDim: 260, blockSize: 32, window: 17, lengths: [40] },
];

/** A shape that nobody thought of. */
function randomShape(random: Random): AttentionShape {
  const kvHeads = random.int(1, 4);
  const window = random.int(0, 1) === 0 ? {} : { window: random.int(1, 60) };
  return {
    heads: kvHeads * random.int(1, 7),
    kvHeads,
    headDim: 4 * random.int(1, 24),
    blockSize: 16 * random.int(1, 3),
    lengths: Array.from({ length: random.int(1, 3) }, () => random.int(1, 80)),
    ...window,
  };
}

/** Numbers that a narrower type rounds in every way that it can, in groups of 32. */
function hardValues(random: Random): Float32Array {
  const numbers = [0, 1, 65_504, 65_519, 65_520, 1e6, Infinity, NaN, 2 ** -14, 2 ** -24, 2 ** -25];
  const ties = [
    1 + 2 ** -11,
    1 + 3 * 2 ** -11,
    3 * 2 ** -25,
    2 ** -25 + 2 ** -40,
    2047.5 * 2 ** -25,
  ];
  const plain = random.normals(32 * 40).map((value) => value * 10 ** random.int(-8, 6));
  const hard = [...numbers, ...ties].flatMap((value) => [value, -value]);
  return Float32Array.of(...hard, ...plain.subarray(hard.length));
}

const plain = new Map<string, Float64Array>();

/** Of one shape all schedules of all backends have the same inputs. */
function plainOnce(shape: AttentionShape, sequence: number, input: SequenceInputs): Float64Array {
  const name = JSON.stringify([shape, sequence]);
  const known = plain.get(name) ?? plainAttention(shape, input);
  plain.set(name, known);
  return known;
}

/** Paged, causal, windowed, grouped attention. */
export function attentionTests({ backend, attentionTolerance, exact }: BackendSuite): void {
  async function expectPlain(shape: AttentionShape, schedule: Schedule): Promise<void> {
    const inputs = randomInputs(createRandom(20), shape);
    const outputs = await runSchedule(backend(), shape, inputs, schedule, 21);
    for (const [i, input] of inputs.entries()) {
      const expected = plainOnce(shape, i, input);
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

  async function expectSameBits(shape: AttentionShape): Promise<void> {
    const inputs = randomInputs(createRandom(23), shape);
    const whole = await runSchedule(backend(), shape, inputs, alone(shape), 1);
    const schedules = [chunked(shape, 1), chunked(shape, 5), mixed(shape, 24)];
    for (const [i, schedule] of schedules.entries()) {
      const outputs = await runSchedule(backend(), shape, inputs, schedule, i + 2);
      for (const [sequence, output] of outputs.entries()) {
        expect(bits(output)).toEqual(bits(whole[sequence]!));
      }
    }
  }

  describe.for([...SHAPES])("attention with %s", ([, shape]) => {
    test("is its definition when each sequence comes whole", () =>
      expectPlain(shape, alone(shape)));

    test("is its definition when sequences grow row by row together", () =>
      expectPlain(shape, chunked(shape, 1)));

    test("is its definition in mixed steps", () => expectPlain(shape, mixed(shape, 22)));

    test.runIf(exact)("has the same bits whole, chunked and mixed", () => expectSameBits(shape));
  });

  describe.for([...KV_TYPES])("attention over a cache of %s", (type) => {
    const unforeseen = Array.from({ length: 6 }, (_, i) => randomShape(createRandom(40 + i)));
    const shapes = [...EDGES, ...unforeseen];

    test("is its definition over rounded keys and values, and the same bits in every schedule", async () => {
      for (const untyped of shapes) {
        const shape = { ...untyped, type };
        await expectPlain(shape, alone(shape));
        await expectPlain(shape, mixed(shape, 26));
        if (exact) await expectSameBits(shape);
      }
    });

    test("never lets a row feel what it must not see, be it NaN", async () => {
      const shape = { heads: 6, kvHeads: 2, headDim: 16, blockSize: 16, window: 9, type } as const;
      const [clean] = randomInputs(createRandom(27), { ...shape, lengths: [40] });
      const [k, v] = [clean!.k.slice(), clean!.v.slice()];
      const poisoned = 20;
      const rowValues = shape.kvHeads * shape.headDim;
      k.fill(NaN, poisoned * rowValues, (poisoned + 1) * rowValues);
      v.fill(NaN, poisoned * rowValues, (poisoned + 1) * rowValues);
      const run = (input: SequenceInputs): Promise<Float32Array[]> =>
        runSchedule(backend(), { ...shape, lengths: [40] }, [input], [[40]]);
      const [expected] = await run(clean!);
      const [actual] = await run({ ...clean!, k, v });
      const width = shape.heads * shape.headDim;
      for (let row = 0; row < 40; row++) {
        const part = actual!.subarray(row * width, (row + 1) * width);
        const sees = row >= poisoned && row < poisoned + shape.window;
        if (sees) expect(part.every((value) => Number.isNaN(value))).toBe(true);
        else expect(part).toEqual(expected!.subarray(row * width, (row + 1) * width));
      }
    });

    test("gives a row that sees only itself its value as the type rounds it", async () => {
      const random = createRandom(31);
      const v = hardValues(random);
      const length = v.length / 32;
      const shape = { heads: 1, kvHeads: 1, headDim: 32, blockSize: 16, window: 1, type } as const;
      const [q, k] = [random.normals(v.length), random.normals(v.length)];
      const [out] = await runSchedule(
        backend(),
        { ...shape, lengths: [length] },
        [{ length, q, k, v }],
        [[length]],
      );
      const expected = v.slice();
      roundHeads(type, expected, 32);
      // Adding to 0 makes -0 to 0.
      expect(out).toEqual(expected.map((value) => value + 0));
    });
  });

  test("attention both ways sees all of a sequence and nothing of others", async () => {
    for (const type of KV_TYPES) {
      for (const each of [SHAPES[2]![1], SHAPES[3]![1], ...EDGES.slice(0, 3)]) {
        const shape = { ...each, bidirectional: true, type };
        await expectPlain(shape, [shape.lengths]);
        await expectPlain(shape, alone(shape));
        if (!exact) continue;
        const inputs = randomInputs(createRandom(28), shape);
        const together = await runSchedule(backend(), shape, inputs, [shape.lengths], 1);
        const apart = await runSchedule(backend(), shape, inputs, alone(shape), 2);
        expect(together.map(bits)).toEqual(apart.map(bits));
      }
    }
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
    const kv = backend().allocKv("cache", 48, { kvHeads: 1, headDim: 4, type: "f32" });
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
