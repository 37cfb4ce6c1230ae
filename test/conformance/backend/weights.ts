import { describe, expect, test } from "vitest";
import { dequantize } from "../../../core/quant/dequantize.ts";
import { byteLength, WEIGHT_TYPES } from "../../../core/tensor/dtype.ts";
import { createRandom } from "../../fixtures/random.ts";
import { randomWeight } from "../../fixtures/random-weights.ts";
import type { BackendSuite } from "../backend.ts";
import { bits, download, loadBytes, loadValues } from "./tensors.ts";

/** Loading weights, and reading them back row by row. */
export function weightTests({ backend, weightTypes }: BackendSuite): void {
  describe.for([...weightTypes])("loadWeight of %s", (type) => {
    const random = createRandom(WEIGHT_TYPES[type].id + 100);

    test("reads every byte once, in ascending order, and none that is not there", async () => {
      for (const rows of [1, 7, 33]) {
        const shape = [rows, 3 * WEIGHT_TYPES[type].values];
        const bytes = randomWeight(random, type, shape[0]! * shape[1]!);
        let at = 0;
        const weight = await backend().loadWeight("ordered", type, shape, async (offset, into) => {
          expect(offset).toBe(at);
          at += into.length;
          expect(at).toBeLessThanOrEqual(bytes.length);
          await Promise.resolve();
          into.set(bytes.subarray(offset, at));
        });
        expect(at).toBe(bytes.length);
        expect(weight).toMatchObject({ label: "ordered", dtype: type, shape });
      }
    });

    test("embed gives the rows exactly as the dequantiser does", async () => {
      for (const [rows, blocks] of [
        [1, 1],
        [9, 3],
        [37, 2],
      ] as const) {
        const columns = blocks * WEIGHT_TYPES[type].values;
        const bytes = randomWeight(random, type, rows * columns);
        const values = new Float32Array(rows * columns);
        dequantize(type, bytes, values);
        const table = await loadBytes(backend(), type, [rows, columns], bytes);
        const tokens = Uint32Array.from({ length: 11 }, () => random.int(0, rows - 1));
        const out = backend().alloc("out", [tokens.length, columns]);
        await backend().run((ops) => ops.embed(out, table, tokens));
        const actual = await download(backend(), out);
        for (const [i, token] of tokens.entries()) {
          const row = values.subarray(token * columns, (token + 1) * columns);
          expect(bits(actual.subarray(i * columns, (i + 1) * columns))).toEqual(bits(row));
        }
      }
    });

    test("rejects with the error of a read that fails", async () => {
      const failure = new Error("the disk is gone");
      const loading = backend().loadWeight("lost", type, [2, WEIGHT_TYPES[type].values], () =>
        Promise.reject(failure),
      );
      await expect(loading).rejects.toBe(failure);
    });

    if (WEIGHT_TYPES[type].values > 1) {
      test("refuses rows that are not whole blocks", async () => {
        const loading = backend().loadWeight("ragged", type, [2, 16], () => Promise.resolve());
        await expect(loading).rejects.toThrow(RangeError);
      });
    }
  });

  describe("loadWeight", () => {
    test("takes a vector", async () => {
      const values = createRandom(3).normals(13);
      const vector = await loadValues(backend(), [13], values);
      expect(vector.shape).toEqual([13]);
    });

    test("takes a weight larger than any sensible staging buffer", async () => {
      const [rows, columns] = [5003, 257];
      const bytes = randomWeight(createRandom(4), "f32", rows * columns);
      expect(bytes.length).toBe(byteLength("f32", rows * columns));
      const table = await loadBytes(backend(), "f32", [rows, columns], bytes);
      const out = backend().alloc("out", [2, columns]);
      await backend().run((ops) => ops.embed(out, table, Uint32Array.of(rows - 1, 0)));
      const expected = new Float32Array(bytes.buffer);
      const actual = await download(backend(), out);
      expect(actual.subarray(0, columns)).toEqual(expected.subarray((rows - 1) * columns));
      expect(actual.subarray(columns)).toEqual(expected.subarray(0, columns));
    });
  });
}
