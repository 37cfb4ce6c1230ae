import { expect, test } from "vitest";
import { openGguf } from "../../../core/gguf/parse.ts";
import { bytesSource } from "../../../core/gguf/source.ts";
import { planSplit } from "../../../core/gguf/split-plan.ts";
import { writeGguf as writeModel, type WriteGgufOptions } from "../../../core/gguf/write.ts";
import type { GgufModel } from "../../../core/gguf/gguf.ts";
import { arrayOf, typed, writeGguf } from "../../fixtures/gguf-writer.ts";
import { memoryModel } from "../../fixtures/memory-model.ts";
import { tinyModelGguf } from "../../fixtures/tiny-model.ts";

async function written(model: GgufModel, options?: WriteGgufOptions): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  await writeModel(
    model,
    {
      write: (bytes) => {
        chunks.push(bytes.slice());
        return Promise.resolve();
      },
    },
    options,
  );
  return Buffer.concat(chunks);
}

test("writeGguf writes a file anew as it was, value types and all", async () => {
  const original = writeGguf({
    metadata: {
      "general.architecture": "llama",
      u8: typed("u8", 200),
      i8: typed("i8", -3),
      u16: typed("u16", 60_000),
      i16: typed("i16", -300),
      u32: typed("u32", 4e9),
      i32: typed("i32", -70_000),
      f32: typed("f32", 10_000),
      bool: true,
      text: "Grüße \u{1F600}",
      u64: typed("u64", 2n ** 40n),
      i64: typed("i64", -5n),
      f64: typed("f64", 0.1),
      texts: ["a", "", "\u2581b"],
      flags: arrayOf("bool", [true, false]),
      longs: arrayOf("u64", [1n, 2n ** 33n]),
      negative: arrayOf("i64", [-1n]),
      floats: Float32Array.of(0.5, -1),
      integers: Int32Array.of(-1, 2),
    },
    tensors: [
      { name: "a", shape: [3], type: "f32", data: Float32Array.of(1, 2, 3) },
      { name: "b", shape: [2, 32], type: "q8_0", data: new Uint8Array(68).fill(7) },
      { name: "c", shape: [2, 1, 5], type: "f16", data: new Float32Array(10) },
    ],
  });
  const model = await openGguf(bytesSource(original));
  expect(await written(model)).toEqual(Buffer.from(original));
});

test("writeGguf writes models that nobody read from a file, with the usual types", async () => {
  const model = memoryModel();
  const copy = await openGguf(bytesSource(await written(model)));
  expect([...copy.metadata]).toEqual(
    [...model.metadata].map(([key, value]) => [
      key,
      key.endsWith("epsilon") ? Math.fround(1e-5) : value,
    ]),
  );
  for (const info of model.tensors.values()) {
    const found = copy.tensors.get(info.name)!;
    const bytes = new Uint8Array(found.byteLength);
    await copy.read(found, 0, bytes);
    expect(bytes).toEqual(model.bytes.get(info.name));
  }
});

test("writeGguf refuses what it could not write down as it was", async () => {
  const nested = writeGguf({ metadata: { nested: arrayOf("array", [arrayOf("u8", [1])]) } });
  const model = await openGguf(bytesSource(nested));
  await expect(written(model)).rejects.toMatchObject({ code: "MODEL_UNSUPPORTED" });
});

test("writeGguf ends by its signal", async () => {
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(written(memoryModel(), { signal })).rejects.toThrow("enough");
});

test("planSplit cuts a model into files that openGguf reads as one", async () => {
  const model = await openGguf(bytesSource(tinyModelGguf(1)));
  const parts = planSplit(model, "tiny", { tensors: 5, bytes: 100_000 });
  expect(parts.length).toBeGreaterThan(3);
  expect(parts.every(({ tensors }) => tensors.length <= 5)).toBe(true);
  const files = new Map<string, Uint8Array>();
  for (const { name, metadata, types, tensors } of parts) {
    files.set(name, await written(model, { metadata, types, tensors }));
  }
  const name = `tiny-00001-of-0000${parts.length}.gguf`;
  const open = (part: string) => Promise.resolve(bytesSource(files.get(part)!, part));
  const joined = await openGguf(await open(name), open);
  expect([...joined.tensors.keys()].toSorted()).toEqual([...model.tensors.keys()].toSorted());
  expect(joined.metadata.get("split.tensors.count")).toBe(model.tensors.size);
  for (const info of model.tensors.values()) {
    const [one, other] = [new Uint8Array(info.byteLength), new Uint8Array(info.byteLength)];
    await model.read(info, 0, one);
    await joined.read(joined.tensors.get(info.name)!, 0, other);
    expect(other).toEqual(one);
  }
});
