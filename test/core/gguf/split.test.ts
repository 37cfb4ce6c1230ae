import { describe, expect, test } from "vitest";
import type { GgufModel } from "../../../core/gguf/gguf.ts";
import { openGguf } from "../../../core/gguf/parse.ts";
import { bytesSource } from "../../../core/gguf/source.ts";
import type { ByteSource } from "../../../core/gguf/source.ts";
import { typed, writeGguf } from "../../fixtures/gguf-writer.ts";
import type { WriteValue } from "../../fixtures/gguf-writer.ts";

/** A folder of files that knows which of them are open. */
function folder(all: ReadonlyMap<string, Uint8Array>): {
  readonly open: (name: string) => Promise<ByteSource>;
  readonly openFiles: string[];
} {
  const openFiles: string[] = [];
  return {
    openFiles,
    open: (name) => {
      const bytes = all.get(name);
      if (bytes === undefined) return Promise.reject(new Error(`no ${name}`));
      openFiles.push(name);
      const close = (): Promise<void> => {
        openFiles.splice(openFiles.indexOf(name), 1);
        return Promise.resolve();
      };
      return Promise.resolve({ ...bytesSource(bytes, `/models/${name}`), close });
    },
  };
}

const fileName = (index: number): string => `m-0000${index + 1}-of-00003.gguf`;

function shard(
  index: number,
  metadata: Readonly<Record<string, WriteValue>> = {},
  tensor = `t${index}`,
): Uint8Array {
  return writeGguf({
    metadata: {
      "split.no": typed("u16", index),
      "split.count": typed("u16", 3),
      "split.tensors.count": typed("i32", 3),
      ...metadata,
    },
    tensors: [{ name: tensor, shape: [1], type: "f32", data: Float32Array.of(index) }],
  });
}

function files(changed: Readonly<Record<number, Uint8Array>> = {}): Map<string, Uint8Array> {
  return new Map([0, 1, 2].map((index) => [fileName(index), changed[index] ?? shard(index)]));
}

async function openAll(
  all: ReadonlyMap<string, Uint8Array>,
  first = fileName(0),
): Promise<{ readonly model: GgufModel; readonly openFiles: string[] }> {
  const { open, openFiles } = folder(all);
  try {
    return { model: await openGguf(await open(first), open), openFiles };
  } catch (error) {
    // Whatever goes wrong, nothing may stay open.
    expect(openFiles).toEqual([]);
    throw error;
  }
}

describe("openGguf of a split model", () => {
  test("joins the tensors of all files, reads each from its own, and closes all", async () => {
    const { model, openFiles } = await openAll(files());
    expect([...model.tensors].map(([name, { shard: index }]) => [name, index])).toEqual([
      ["t0", 0],
      ["t1", 1],
      ["t2", 2],
    ]);
    for (const tensor of model.tensors.values()) {
      const got = new Float32Array(1);
      await model.read(tensor, 0, new Uint8Array(got.buffer));
      expect(got[0]).toBe(tensor.shard);
    }
    expect(model.byteLength).toBe(
      [...files().values()].reduce((sum, { byteLength }) => sum + byteLength, 0),
    );
    expect(openFiles).toHaveLength(3);
    await model.close();
    expect(openFiles).toEqual([]);
  });

  test("asks for the first file when given another", async () => {
    await expect(openAll(files(), fileName(1))).rejects.toThrow(
      /file 2 of a model split into 3: open the first one/,
    );
  });

  test("says that siblings cannot be opened where they cannot", async () => {
    const source = bytesSource(shard(0), fileName(0));
    await expect(openGguf(source)).rejects.toMatchObject({
      code: "MODEL_UNSUPPORTED",
      message: expect.stringContaining("split into 3 files"),
    });
  });

  test("refuses a first file whose name does not say so", async () => {
    for (const name of ["model.gguf", "m-00001-of-00004.gguf"]) {
      const all = files();
      all.set(name, shard(0));
      await expect(openAll(all, name)).rejects.toThrow(/should end in -00001-of-00003\.gguf/);
    }
  });

  test("refuses a sibling that is another file's part, whose count differs, or that is missing", async () => {
    await expect(openAll(files({ 1: shard(2) }))).rejects.toThrow(/file 3 of 3, expected 2 of 3/);
    const four = shard(1, { "split.count": 4 });
    await expect(openAll(files({ 1: four }))).rejects.toThrow(/file 2 of 4, expected 2 of 3/);
    const all = files();
    all.delete(fileName(2));
    await expect(openAll(all)).rejects.toThrow(`no ${fileName(2)}`);
  });

  test("refuses a tensor that two files have, and a total that is wrong", async () => {
    await expect(openAll(files({ 2: shard(2, {}, "t0") }))).rejects.toThrow(/"t0" occurs twice/);
    const wrong = shard(0, { "split.tensors.count": 4 });
    await expect(openAll(files({ 0: wrong }))).rejects.toThrow(
      /hold 3 tensors, split\.tensors\.count is 4/,
    );
  });

  test("refuses a count beyond the limit, or a number beyond the count", async () => {
    const many = shard(0, { "split.count": 60_000 });
    await expect(openAll(files({ 0: many }))).rejects.toThrow(/60000, at most 512/);
    const beyond = shard(0, { "split.no": 3 });
    await expect(openAll(files({ 0: beyond }))).rejects.toThrow(/split\.no is 3, expected 0 to 2/);
    const text = shard(0, { "split.count": "3" });
    await expect(openAll(files({ 0: text }))).rejects.toThrow(/split\.count is "3"/);
  });
});
