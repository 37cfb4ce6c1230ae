import { describe, expect, test } from "vitest";
import type { LogitQuery } from "../../../core/tensor/logits.ts";
import { changeLogits, MAX_CANDIDATES } from "../../../core/tensor/logits.ts";
import { reduceLogits, weightOf } from "../../../core/tensor/reduce-logits.ts";
import { createRandom } from "../../fixtures/random.ts";
import type { BackendSuite } from "../backend.ts";
import { bits, download, FOREIGN, upload } from "./tensors.ts";

/** Relative error of a sum of weights: what f32 arithmetic leaves. */
const MASS_ERROR = 2e-6;

/** Rows as models make them and as none should. */
const SHAPES: Readonly<Record<string, (normals: Float32Array) => Float32Array>> = {
  normal: (x) => x.map((value) => 4 * value),
  "with ties": (x) => x.map((value) => Math.round(2 * value) / 2),
  "all equal": (x) => x.map(() => 1.5),
  rising: (x) => x.map((_, id) => id / 64),
  falling: (x) => x.map((_, id) => -id / 64),
  "with both zeros": (x) => x.map((value, id) => (id % 2 === 0 ? 0 : -0) * Math.abs(value)),
  "with NaN": (x) => x.map((value, id) => (id % 3 === 0 ? NaN : value)),
  "with infinities": (x) => x.map((value, id) => [Infinity, value, -Infinity, NaN][id % 7] ?? 0),
  "far apart": (x) => x.map((value) => value * 1e38),
  "NaN alone": (x) => x.map(() => NaN),
  "minus infinity alone": (x) => x.map(() => -Infinity),
};

function drawAt(random: number): LogitQuery {
  return { row: 0, k: 0, draw: { temperature: 1, random } };
}

/** Reductions of logits, against plain loops. */
export function reduceTests({ backend }: BackendSuite): void {
  describe("reduce", () => {
    test.for(Object.keys(SHAPES))("of rows %s finds what plain loops find", async (name) => {
      const random = createRandom(7);
      for (const vocab of [1, 3, 4, 127, 128, 129, 1000, 4099, 40_000]) {
        const rows = [0, 1].map(() => SHAPES[name]!(random.normals(vocab)));
        const values = new Float32Array(2 * vocab);
        for (const [i, row] of rows.entries()) values.set(row, i * vocab);
        const logits = upload(backend(), [2, vocab], values);
        for (const k of [0, 1, 2, 5, 40, MAX_CANDIDATES]) {
          const query = { k, mass: true, tokens: [vocab - 1, 0] };
          const [first, second] = await backend().reduce(logits, [
            { ...query, row: 1, draw: { temperature: 0.7, random: random.next() } },
            { ...query, row: 0 },
          ]);
          expect(second!.drawn).toBe(-1);
          for (const [i, actual] of [second!, first!].entries()) {
            const expected = reduceLogits(rows[i]!.slice(), { ...query, row: 0 });
            expect(actual.ids).toEqual(expected.ids);
            expect(bits(actual.logits)).toEqual(bits(expected.logits));
            expect(actual.tokenLogits[0]).toBe(rows[i]!.at(-1));
            expect(actual.tokenLogits[1]).toBe(rows[i]![0]);
            expect(actual.max).toBe(expected.max);
            expect(Math.abs(actual.mass - expected.mass)).toBeLessThanOrEqual(
              MASS_ERROR * expected.mass,
            );
          }
        }
      }
    });

    test("draws the token at which the running sum passes", async () => {
      const random = createRandom(3);
      for (const vocab of [1, 5, 128, 1000, 5001]) {
        const row = random.normals(vocab).map((value) => 3 * value);
        const logits = upload(backend(), [1, vocab], row);
        const max = row.reduce((a, b) => Math.max(a, b));
        for (const temperature of [0.05, 0.7, 1, 3, 1e30]) {
          const sums = new Float64Array(vocab + 1);
          for (let id = 0; id < vocab; id++) {
            sums[id + 1] = sums[id]! + weightOf(row[id]!, max, temperature);
          }
          const mass = sums[vocab]!;
          for (const share of [0, ...Array.from({ length: 30 }, () => random.next()), 1 - 2e-16]) {
            const draw = { temperature, random: share };
            const [summary] = await backend().reduce(logits, [{ row: 0, k: 0, draw }]);
            const { drawn, drawnLogit } = summary!;
            expect(sums[drawn]! / mass).toBeLessThanOrEqual(share + MASS_ERROR);
            expect(sums[drawn + 1]! / mass).toBeGreaterThanOrEqual(share - MASS_ERROR);
            expect(drawnLogit).toBe(row[drawn]);
          }
        }
      }
    });

    test("draws nothing impossible, and token 0 where all is", async () => {
      const impossible = upload(backend(), [1, 300], new Float32Array(300).fill(NaN));
      expect((await backend().reduce(impossible, [drawAt(0.5)]))[0]!.drawn).toBe(0);
      const one = new Float32Array(300).fill(-Infinity);
      one[0] = NaN;
      one[170] = -5;
      const single = upload(backend(), [1, 300], one);
      for (const random of [0, 0.5, 1 - 2e-16]) {
        expect((await backend().reduce(single, [drawAt(random)]))[0]!.drawn).toBe(170);
      }
      const infinite = upload(backend(), [1, 3], Float32Array.of(1, Infinity, 2));
      expect((await backend().reduce(infinite, [drawAt(0.9)]))[0]!.drawn).toBe(1);
    });

    test("changes logits exactly, one after another, and leaves them changed", async () => {
      const row = Float32Array.of(1.1, -2.3, 0.7, 5, -1);
      const changes = {
        count: 4,
        ids: Int32Array.of(0, 0, 1, 77, 3),
        terms: Float64Array.of(0.3, 1, 0, 0, 0, 1.3, 0.1, 0.2, 0, 1.3, 0.3, 0.2, 9, 9, 9, 9),
      };
      const logits = upload(backend(), [1, 5], row);
      const [summary] = await backend().reduce(logits, [{ row: 0, k: 2, tokens: [0], changes }]);
      const expected = row.slice();
      expected[0] = Math.fround(Math.fround(Math.fround(1.1) + 0.3) / 1.3 - 0.1 - 0.2);
      expected[1] = Math.fround(Math.fround(-2.3) * 1.3 - 0.3 - 0.2);
      expect(summary!.tokenLogits[0]).toBe(row[0]);
      expect([...summary!.ids]).toEqual([3, 0].toSorted((a, b) => expected[b]! - expected[a]!));
      expect(bits(await download(backend(), logits))).toEqual(bits(expected));
    });

    test("chooses and draws only what a mask allows, whatever is changed", async () => {
      const random = createRandom(13);
      for (const vocab of [1, 31, 32, 33, 200, 4099]) {
        const row = random.normals(vocab).map((value) => 4 * value);
        const mask = new Uint32Array(Math.ceil(vocab / 32));
        mask.forEach((_, word) => {
          mask[word] = [0, 0xffff_ffff, random.int(0, 0xffff_ffff)][random.int(0, 2)]!;
        });
        const one = random.int(0, vocab - 1);
        mask[one >>> 5]! |= 1 << (one & 31);
        const expected = row.map((value, id) =>
          ((mask[id >>> 5]! >>> (id & 31)) & 1) === 1 ? value : -Infinity,
        );
        const logits = upload(backend(), [1, vocab], row);
        const changes = { count: 1, ids: Int32Array.of(0), terms: Float64Array.of(9, 1.3, 0, 0) };
        changeLogits(expected, changes);
        const draw = { temperature: 0.8, random: random.next() };
        const query = { row: 0, k: Math.min(9, vocab), mass: true, tokens: [vocab - 1], draw };
        const [summary] = await backend().reduce(logits, [{ ...query, mask, changes }]);
        const plain = reduceLogits(expected.slice(), query);
        expect(summary!.ids).toEqual(plain.ids);
        expect(bits(summary!.logits)).toEqual(bits(plain.logits));
        expect(summary!.tokenLogits[0]).toBe(row.at(-1));
        expect(summary!.drawnLogit).toBeGreaterThan(-Infinity);
        expect(Math.abs(summary!.mass - plain.mass)).toBeLessThanOrEqual(MASS_ERROR * plain.mass);
        expect(bits(await download(backend(), logits))).toEqual(bits(expected));
      }
    });

    test("refuses rows that are not there, too many candidates and foreign tensors", async () => {
      const logits = backend().alloc("logits", [2, 9]);
      for (const query of [
        { row: 2, k: 1 },
        { row: -1, k: 1 },
        { row: 0.5, k: 1 },
        { row: 0, k: -1 },
        { row: 0, k: MAX_CANDIDATES + 1 },
      ]) {
        await expect(backend().reduce(logits, [query])).rejects.toThrow(RangeError);
      }
      await expect(backend().reduce(FOREIGN, [])).rejects.toThrow(TypeError);
      expect(await backend().reduce(logits, [])).toHaveLength(0);
    });
  });
}
