import { describe, expect, test } from "vitest";
import { createRandom } from "../../fixtures/random.ts";
import type { BackendSuite } from "../backend.ts";
import { bits, download, FOREIGN, loadValues, upload } from "./tensors.ts";

/** Allocation, views, copies, accounting and misuse. */
export function memoryTests({ backend }: BackendSuite): void {
  describe("memory", () => {
    test("alloc gives zeroed float32 tensors with their label and shape", async () => {
      const tensor = backend().alloc("zeros", [3, 2, 5]);
      expect(tensor).toMatchObject({ label: "zeros", dtype: "f32", shape: [3, 2, 5] });
      expect(await download(backend(), tensor)).toEqual(new Float32Array(30));
    });

    test("write then read gives the same bits back", async () => {
      const values = Float32Array.of(0, -0, 1.5, -3e38, 1e-45, Infinity, -Infinity, 1 / 3);
      const tensor = upload(backend(), [2, 4], values);
      expect(bits(await download(backend(), tensor))).toEqual(bits(values));
    });

    test("write of fewer values leaves the rest alone", async () => {
      const tensor = upload(backend(), [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6));
      backend().write(tensor, Float32Array.of(7, 8));
      expect(Array.from(await download(backend(), tensor))).toEqual([7, 8, 3, 4, 5, 6]);
    });

    test("write of more values than the tensor holds is a RangeError", () => {
      const tensor = backend().alloc("small", [2, 2]);
      expect(() => backend().write(tensor, new Float32Array(5))).toThrow(RangeError);
    });

    test("view shares the memory of the first rows", async () => {
      const tensor = upload(backend(), [3, 1, 2], Float32Array.of(1, 2, 3, 4, 5, 6));
      const view = backend().view(tensor, 2);
      expect(view).toMatchObject({ label: "input", dtype: "f32", shape: [2, 1, 2] });
      expect(Array.from(await download(backend(), view))).toEqual([1, 2, 3, 4]);
      backend().write(view, Float32Array.of(9));
      expect(Array.from(await download(backend(), tensor))).toEqual([9, 2, 3, 4, 5, 6]);
    });

    test("view of no rows is empty", async () => {
      const view = backend().view(backend().alloc("some", [3, 4]), 0);
      expect(view.shape).toEqual([0, 4]);
      expect(await download(backend(), view)).toHaveLength(0);
    });

    test.for([-1, 4, 1.5, NaN])("view of %s of 3 rows is a RangeError", (rows) => {
      const tensor = backend().alloc("rows", [3, 2]);
      expect(() => backend().view(tensor, rows)).toThrow(RangeError);
    });

    test("an operation on a view touches its rows only", async () => {
      const x = upload(backend(), [3, 2], Float32Array.of(1, 2, 3, 4, 5, 6));
      const y = upload(backend(), [3, 2], Float32Array.of(10, 20, 30, 40, 50, 60));
      await backend().run((ops) => ops.addTo(backend().view(x, 2), backend().view(y, 2)));
      expect(Array.from(await download(backend(), x))).toEqual([11, 22, 33, 44, 5, 6]);
    });

    test("what read gives may be overwritten without harm to later steps", async () => {
      const x = upload(backend(), [1, 4], Float32Array.of(1, 2, 3, 4));
      const zero = backend().alloc("zero", [1, 4]);
      await backend().run((ops) => ops.addTo(x, zero));
      (await backend().read(x)).fill(NaN);
      backend().write(x, Float32Array.of(1, 2, 3, 4));
      await backend().run((ops) => ops.addTo(x, zero));
      expect(Array.from(await download(backend(), x))).toEqual([1, 2, 3, 4]);
    });

    test("memory counts weights, caches and activations apart", async () => {
      const before = backend().memory();
      await loadValues(backend(), [64, 64], createRandom(1).normals(64 * 64));
      const loaded = backend().memory();
      expect(loaded.weights).toBeGreaterThanOrEqual(before.weights + 64 * 64);
      expect(loaded).toMatchObject({ kv: before.kv, activations: before.activations });

      backend().alloc("buffer", [64, 64]);
      const allocated = backend().memory();
      expect(allocated.activations).toBeGreaterThanOrEqual(loaded.activations + 4 * 64 * 64);
      expect(allocated).toMatchObject({ weights: loaded.weights, kv: loaded.kv });

      backend().allocKv("cache", 64, { kvHeads: 2, headDim: 16, type: "f32" });
      const cached = backend().memory();
      expect(cached.kv).toBeGreaterThanOrEqual(allocated.kv + 2 * 64 * 2 * 16);
      expect(cached).toMatchObject({ weights: loaded.weights });
    });

    test("allocKv gives a layer with its label and slots", () => {
      const layer = backend().allocKv("blk.3", 48, { kvHeads: 2, headDim: 16, type: "f32" });
      expect(layer).toMatchObject({ label: "blk.3", slots: 48 });
    });

    test("memory that no machine has is a RangeError", () => {
      expect(() => backend().alloc("huge", [2 ** 26, 2 ** 26])).toThrow(RangeError);
      expect(() =>
        backend().allocKv("huge", 2 ** 40, { kvHeads: 8, headDim: 128, type: "f32" }),
      ).toThrow(RangeError);
    });

    test("a tensor of another backend is a TypeError that names it", async () => {
      const x = backend().alloc("x", [4, 4]);
      expect(() => backend().view(FOREIGN, 1)).toThrow(TypeError);
      expect(() => backend().write(FOREIGN, new Float32Array(1))).toThrow(/foreign\.weight/);
      await expect(backend().read(FOREIGN)).rejects.toThrow(TypeError);
      await expect(backend().run((ops) => ops.addTo(x, FOREIGN))).rejects.toThrow(
        /foreign\.weight/,
      );
      await expect(
        backend().run((ops) => ops.matmul(x, [{ weight: FOREIGN, out: x }])),
      ).rejects.toThrow(TypeError);
    });

    test("an error thrown while recording rejects run, and the next run works", async () => {
      const x = upload(backend(), [1, 1], Float32Array.of(1));
      const failed = backend().run(() => {
        throw new Error("recording failed");
      });
      await expect(failed).rejects.toThrow("recording failed");
      await backend().run((ops) => ops.addTo(x, x));
      expect(Array.from(await download(backend(), x))).toEqual([2]);
    });
  });
}
