import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { RuntimeError } from "../../../core/errors.ts";
import type { GgufModel } from "../../../core/gguf/gguf.ts";
import { openGguf } from "../../../core/gguf/parse.ts";
import { bytesSource } from "../../../core/gguf/source.ts";
import type { ByteSource } from "../../../core/gguf/source.ts";
import { arrayOf, typed, writeGguf } from "../../fixtures/gguf-writer.ts";
import type { WriteTensor, WriteValue } from "../../fixtures/gguf-writer.ts";
import { shared } from "../../fixtures/shared.ts";
import { hasStories260k, stories260kGguf } from "../../fixtures/stories260k.ts";

function open(
  metadata: Readonly<Record<string, WriteValue>>,
  tensors: readonly WriteTensor[] = [],
): Promise<GgufModel> {
  return openGguf(bytesSource(writeGguf({ metadata, tensors }), "test.gguf"));
}

const VECTOR: WriteTensor = {
  name: "v",
  shape: [3],
  type: "f32",
  data: Float32Array.of(1, 2, 3),
};

/** In memory, counting what is asked of it. */
function countingSource(bytes: Uint8Array): ByteSource & { reads: number; closed: number } {
  const inner = bytesSource(bytes, "test.gguf");
  const source = {
    ...inner,
    reads: 0,
    closed: 0,
    read: (offset: number, into: Uint8Array): Promise<void> => {
      source.reads++;
      return inner.read(offset, into);
    },
    close: (): Promise<void> => {
      source.closed++;
      return Promise.resolve();
    },
  };
  return source;
}

describe("openGguf", () => {
  test("gives metadata of every type as it was written", async () => {
    const { metadata } = await open({
      u8: typed("u8", 255),
      i8: typed("i8", -128),
      u16: typed("u16", 65535),
      i16: typed("i16", -32768),
      u32: typed("u32", 2 ** 32 - 1),
      i32: typed("i32", -(2 ** 31)),
      f32: typed("f32", 0.1),
      f64: typed("f64", 0.1),
      u64: typed("u64", Number.MAX_SAFE_INTEGER),
      i64: typed("i64", Number.MIN_SAFE_INTEGER),
      yes: true,
      no: false,
      text: "Zo\u00eb \u2581 \u{1f600}",
      empty: "",
    });
    expect(Object.fromEntries(metadata)).toEqual({
      u8: 255,
      i8: -128,
      u16: 65535,
      i16: -32768,
      u32: 2 ** 32 - 1,
      i32: -(2 ** 31),
      f32: Math.fround(0.1),
      f64: 0.1,
      u64: Number.MAX_SAFE_INTEGER,
      i64: Number.MIN_SAFE_INTEGER,
      yes: true,
      no: false,
      text: "Zo\u00eb \u2581 \u{1f600}",
      empty: "",
    });
  });

  test("gives arrays of every type as they were written, compact where memory allows", async () => {
    const values = {
      u8: Uint8Array.of(1, 255),
      i8: Int8Array.of(-1, 1),
      u16: Uint16Array.of(1, 65535),
      i16: Int16Array.of(-1, 1),
      u32: Uint32Array.of(1, 2 ** 32 - 1),
      i32: Int32Array.of(-1, 1),
      f32: Float32Array.of(0.5, -1),
      f64: Float64Array.of(0.1),
      strings: ["a", "", "\u2581b"],
    };
    const { metadata } = await open({
      ...values,
      u64: arrayOf("u64", [0, Number.MAX_SAFE_INTEGER]),
      i64: arrayOf("i64", [-1, Number.MIN_SAFE_INTEGER]),
      bool: arrayOf("bool", [true, false]),
      none: arrayOf("string", []),
      nested: arrayOf("array", [arrayOf("u8", [1, 2]), arrayOf("string", ["x"])]),
    });
    expect(Object.fromEntries(metadata)).toEqual({
      ...values,
      u64: [0, Number.MAX_SAFE_INTEGER],
      i64: [-1, Number.MIN_SAFE_INTEGER],
      bool: [true, false],
      none: [],
      nested: [Uint8Array.of(1, 2), ["x"]],
    });
  });

  test("gives tensors with the shape slowest first, and their bytes", async () => {
    const bytes = Uint8Array.from({ length: 2 * 34 }, (_, i) => i);
    const model = await open({}, [
      VECTOR,
      { name: "m", shape: [2, 32], type: "q8_0", data: bytes },
      { name: "cube", shape: [2, 1, 4], type: "f16", data: new Float32Array(8).fill(1) },
    ]);
    expect([...model.tensors.keys()]).toEqual(["v", "m", "cube"]);
    const matrix = model.tensors.get("m")!;
    expect(matrix).toMatchObject({ type: "q8_0", shape: [2, 32], byteLength: 68, shard: 0 });
    expect(model.tensors.get("cube")!.shape).toEqual([2, 1, 4]);
    const got = new Uint8Array(34);
    await model.read(matrix, 34, got);
    expect(got).toEqual(bytes.subarray(34));
    await expect(model.read(matrix, 35, got)).rejects.toThrow(RangeError);
    await expect(model.read(matrix, -1, got)).rejects.toThrow(RangeError);
  });

  test("reads version 2", async () => {
    const bytes = writeGguf({ version: 2, metadata: { a: 1 }, tensors: [VECTOR] });
    const model = await openGguf(bytesSource(bytes));
    expect(model.version).toBe(2);
    expect(model.tensors.has("v")).toBe(true);
    expect(model.byteLength).toBe(bytes.byteLength);
  });

  test.each([1, 8, 64, 4096])("places tensors by general.alignment %i", async (alignment) => {
    const model = await open({ "general.alignment": alignment, pad: "x" }, [
      VECTOR,
      { ...VECTOR, name: "w", data: Float32Array.of(4, 5, 6) },
    ]);
    const got = new Float32Array(3);
    await model.read(model.tensors.get("w")!, 0, new Uint8Array(got.buffer));
    expect([...got]).toEqual([4, 5, 6]);
    expect(model.tensors.get("w")!.offset % alignment).toBe(0);
  });

  test("reads bytes that are not UTF-8 in a value as U+FFFD, and keeps a byte order mark", async () => {
    const { metadata } = await open({
      tokens: arrayOf("string", [Uint8Array.of(0x61, 0xff), "\ufeff"]),
    });
    expect(metadata.get("tokens")).toEqual(["a\ufffd", "\ufeff"]);
  });

  test("reads a header in a few chunks, whatever lies across their borders", async () => {
    const tokens = Array.from({ length: 60_000 }, (_, i) => `token ${i} \u2581`);
    const scores = Float32Array.from({ length: 150_000 }, (_, i) => -i);
    const long = "x".repeat(700_000);
    const source = countingSource(
      writeGguf({ metadata: { tokens, scores, long, last: 7 }, tensors: [VECTOR] }),
    );
    const { metadata, tensors } = await openGguf(source);
    expect(metadata.get("tokens")).toEqual(tokens);
    expect(metadata.get("scores")).toEqual(scores);
    expect(metadata.get("long")).toBe(long);
    expect(metadata.get("last")).toBe(7);
    expect(tensors.size).toBe(1);
    // 3.2 MB in chunks of 256 KiB, plus the long values that are read at once.
    expect(source.reads).toBeLessThan(18);
  });

  test("leaves out arrays of strings that are not wanted, and reads what is behind them", async () => {
    const tokens = Array.from({ length: 60_000 }, (_, i) => `token ${i} \u2581`);
    const bytes = writeGguf({
      metadata: { "x.tokens": tokens, "x.scores": Float32Array.of(1), "x.name": "n", kept: ["a"] },
      tensors: [VECTOR],
    });
    const { metadata, tensors } = await openGguf(bytesSource(bytes), undefined, (key) =>
      key.startsWith("x."),
    );
    expect([...metadata.keys()]).toEqual(["x.scores", "x.name", "kept"]);
    expect(metadata.get("kept")).toEqual(["a"]);
    const whole = await openGguf(bytesSource(bytes));
    expect([...tensors]).toEqual([...whole.tensors]);
  });

  test("judges strings that it leaves out as those that it reads", async () => {
    const bytes = writeGguf({ metadata: { tokens: ["one", "two", "three"] } });
    // The length of "two": magic to metadata count, the key and its length, three types and counts, "one".
    const at = 24 + 8 + "tokens".length + 4 + 4 + 8 + 8 + "one".length;
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(at, 2 ** 31, true);
    const errors = await Promise.all(
      [undefined, () => true].map((omitted) =>
        openGguf(bytesSource(bytes), undefined, omitted).then(
          () => "no error",
          (error: unknown) => (error as Error).message,
        ),
      ),
    );
    expect(errors[0]).toMatch(/string of .*tokens.* has 2147483648 bytes/);
    expect(errors[1]).toBe(errors[0]);
  });

  test("reads tens of thousands of tiny arrays as quickly as their bytes", async () => {
    const entries = Array.from({ length: 60_000 }, (_, i) => [`k${i}`, ["x"]] as const);
    const bytes = writeGguf({ metadata: Object.fromEntries(entries) });
    // Processor time: on a busy machine the clock says nothing.
    const began = process.cpuUsage();
    const { metadata } = await openGguf(bytesSource(bytes));
    expect(process.cpuUsage(began).user).toBeLessThan(2_000_000);
    expect(metadata.size).toBe(60_000);
    expect(metadata.get("k59999")).toEqual(["x"]);
  });

  test("closes its source when the model is closed, and when it is refused", async () => {
    const good = countingSource(writeGguf({}));
    const model = await openGguf(good);
    expect(good.closed).toBe(0);
    await model.close();
    expect(good.closed).toBe(1);
    const bad = countingSource(new Uint8Array(100));
    await expect(openGguf(bad)).rejects.toThrow(RuntimeError);
    expect(bad.closed).toBe(1);
  });
});

describe.skipIf(!hasStories260k)("stories260K (skipped: ../shared/data not present)", () => {
  test("openGguf reads the fixture, weights in place", async () => {
    const model = await openGguf(bytesSource(stories260kGguf()));
    expect(model.tensors.size).toBe(2 + 5 * 9);
    // The file of the same weights in another layout starts its f32 data at byte 256: norms first.
    const other = new Uint8Array(readFileSync(shared("data/model-stories260K/checkpoint_v1.bin")!));
    const norms = new Uint8Array(11 * 64 * 4);
    for (let layer = 0; layer < 5; layer++) {
      const part = (kind: string, index: number): Promise<void> =>
        model.read(model.tensors.get(kind)!, 0, norms.subarray(index * 256, (index + 1) * 256));
      await part(`blk.${layer}.attn_norm.weight`, layer);
      await part(`blk.${layer}.ffn_norm.weight`, 5 + layer);
      await part("output_norm.weight", 10);
    }
    expect(norms).toEqual(other.subarray(256, 256 + norms.byteLength));
  });
});

const vocabulary = shared("data/tokenizers/ggml-vocab/ggml-vocab-gpt-2.gguf");
test.skipIf(vocabulary === undefined)(
  "openGguf reads a file with a vocabulary alone (skipped: ../shared/data not present)",
  async () => {
    const bytes = new Uint8Array(readFileSync(vocabulary!));
    const { metadata, tensors } = await openGguf(bytesSource(bytes));
    expect(tensors.size).toBe(0);
    const tokens = metadata.get("tokenizer.ggml.tokens") as readonly string[];
    expect(tokens).toHaveLength(50_257);
    expect(tokens[262]).toBe("\u0120the");
    expect(metadata.get("tokenizer.ggml.merges")).toHaveLength(50_000);
  },
);
