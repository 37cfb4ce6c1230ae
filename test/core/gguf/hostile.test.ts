import { describe, expect, test } from "vitest";
import { RuntimeError } from "../../../core/errors.ts";
import { openGguf } from "../../../core/gguf/parse.ts";
import { bytesSource } from "../../../core/gguf/source.ts";
import type { ByteSource } from "../../../core/gguf/source.ts";
import { arrayOf, ByteWriter, typed, VALUE_TYPES, writeGguf } from "../../fixtures/gguf-writer.ts";
import type { WriteTensor, WriteValue } from "../../fixtures/gguf-writer.ts";

/** A header written field by field, so that any of them may lie. */
function raw(
  write: (out: ByteWriter) => void,
  { tensors = 0, entries = 0, version = 3 }: Partial<Record<string, number | bigint>> = {},
): Uint8Array {
  const out = new ByteWriter();
  out.bytes(new TextEncoder().encode("GGUF"));
  out.u32(Number(version));
  out.u64(tensors);
  out.u64(entries);
  write(out);
  return out.finish();
}

/** One entry whose value `write` makes. */
function entry(type: number, write: (out: ByteWriter) => void): Uint8Array {
  return raw(
    (out) => {
      out.text("key");
      out.u32(type);
      write(out);
    },
    { entries: 1 },
  );
}

interface RawTensor {
  readonly name?: string | Uint8Array;
  readonly dimensions?: number;
  readonly sizes?: readonly (number | bigint)[];
  readonly type?: number;
  readonly offset?: number | bigint;
}

/** One f32 tensor of four values, unless said otherwise, and 16 bytes of data. */
function tensor(fields: RawTensor): Uint8Array {
  const { name = "t", sizes = [4], type = 0, offset = 0 } = fields;
  return raw(
    (out) => {
      out.text(name);
      out.u32(fields.dimensions ?? sizes.length);
      for (const size of sizes) out.u64(size);
      out.u32(type);
      out.u64(offset);
      out.pad(32);
      out.bytes(new Uint8Array(16));
    },
    { tensors: 1 },
  );
}

function metadata(values: Readonly<Record<string, WriteValue>>): Uint8Array {
  const data = Float32Array.of(1, 2, 3);
  const tensors: WriteTensor[] = [{ name: "t", shape: [3], type: "f32", data }];
  return writeGguf({ metadata: values, tensors });
}

const nothing = (): void => undefined;
const MOST = 2n ** 64n - 1n;
const { array, string, u8, u32, u64, bool } = VALUE_TYPES;

const MALFORMED: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ["an empty file", new Uint8Array(0), /the file ends at 0/],
  [
    "a file shorter than the preamble",
    raw(nothing).subarray(0, 23),
    /needs 24 bytes from byte 0 on: the file ends at 23/,
  ],
  ["another magic", new TextEncoder().encode("ggjt....".repeat(4)), /older than GGUF/],
  ["a Git LFS pointer", new TextEncoder().encode("version https://git-lfs.github.com"), /Git LFS/],
  ["a web page", new TextEncoder().encode("<!DOCTYPE html><html></html>"), /web page/],

  ["2^64 - 1 metadata entries", raw(nothing, { entries: MOST }), /beyond 2\^53/],
  ["2^53 metadata entries", raw(nothing, { entries: 2n ** 53n }), /beyond 2\^53/],
  ["65 537 metadata entries", raw(nothing, { entries: 65_537 }), /is 65537, at most 65536/],
  [
    "more entries than bytes",
    raw(nothing, { entries: 1000 }),
    /is 1000, which needs 13000 bytes from byte 24 on: the file ends at 24/,
  ],
  ["2^64 - 1 tensors", raw(nothing, { tensors: MOST }), /beyond 2\^53/],
  ["200 001 tensors", raw(nothing, { tensors: 200_001 }), /is 200001, at most 200000/],
  ["more tensors than bytes", raw(nothing, { tensors: 100 }), /is 100, which needs 3200 bytes/],

  ["a key of 2^63 bytes", raw((o) => (o.u64(2n ** 63n), o.u64(0)), { entries: 1 }), /beyond 2\^53/],
  [
    "a key of 65 536 bytes",
    raw((o) => (o.text("k".repeat(65_536)), o.u32(u8), o.u8(0)), { entries: 1 }),
    /has 65536 bytes, at most 65535/,
  ],
  [
    "a key longer than the file",
    raw((o) => (o.u64(5000), o.u64(0)), { entries: 1 }),
    /its header needs 5000 bytes from byte 32 on: the file ends at 40/,
  ],
  [
    "a key that is not UTF-8",
    raw((o) => (o.text(Uint8Array.of(0xc3, 0x28)), o.u32(u8), o.u8(0)), { entries: 1 }),
    /key 0 is not valid UTF-8/,
  ],
  [
    "a key that occurs twice",
    raw((o) => [1, 2].forEach(() => (o.text("same"), o.u32(u8), o.u8(0))), { entries: 2 }),
    /"same" occurs twice/,
  ],
  ["an unknown value type", entry(13, (o) => o.u64(0)), /value type 13 of "key"/],
  ["a value type of 2^32 - 1", entry(2 ** 32 - 1, (o) => o.u64(0)), /value type 4294967295/],
  ["a boolean of 2", entry(bool, (o) => o.u8(2)), /boolean .* is 2/],
  ["an integer of 2^53", entry(u64, (o) => o.u64(2n ** 53n)), /beyond 2\^53/],
  ["an integer of -2^53", entry(VALUE_TYPES.i64, (o) => o.u64(2n ** 64n - 2n ** 53n)), /beyond/],
  [
    "a value cut short",
    entry(u64, (o) => o.u32(0)),
    /needs 8 bytes from byte 39 on: the file ends at 43/,
  ],
  ["a string of 2^64 - 1 bytes", entry(string, (o) => o.u64(MOST)), /beyond 2\^53/],
  [
    "a string beyond 16 MiB",
    entry(string, (o) => o.u64(2 ** 24 + 1)),
    /string of "key" has 16777217 bytes, at most 16777216/,
  ],
  ["a string longer than the file", entry(string, (o) => o.u64(1000)), /needs 1000 bytes/],

  ["an array of unknown type", entry(array, (o) => (o.u32(99), o.u64(0))), /value type 99/],
  ["an array of 2^64 - 1", entry(array, (o) => (o.u32(u8), o.u64(MOST))), /beyond 2\^53/],
  [
    "an array of 2 000 001",
    entry(array, (o) => (o.u32(u8), o.u64(2_000_001))),
    /elements of "key" is 2000001, at most 2000000/,
  ],
  [
    "an array longer than the file",
    entry(array, (o) => (o.u32(u32), o.u64(1_000_000))),
    /"key" is 1000000, which needs 4000000 bytes from/,
  ],
  [
    "an array of strings longer than the file",
    entry(array, (o) => (o.u32(string), o.u64(1_000_000), o.u64(0))),
    /which needs 8000000 bytes from/,
  ],
  [
    "arrays in arrays in arrays",
    metadata({ deep: arrayOf("array", [arrayOf("array", [arrayOf("u8", [1])])]) }),
    /nested deeper than 2/,
  ],
  [
    "arrays that nest 100 000 times",
    entry(array, (o) => {
      for (let i = 0; i < 100_000; i++) {
        o.u32(array);
        o.u64(1);
      }
    }),
    /nested deeper than 2/,
  ],
  [
    "arrays that hold too much together",
    entry(array, (o) => {
      o.u32(array);
      o.u64(5);
      for (let i = 0; i < 5; i++) {
        o.u32(u8);
        o.u64(1_900_000);
        o.bytes(new Uint8Array(1_900_000));
      }
    }),
    /is 1900000, at most 399995 may be/,
  ],
  [
    "65 537 arrays in an array",
    entry(array, (o) => {
      o.u32(array);
      o.u64(65_537);
      o.bytes(new Uint8Array(65_537 * 12));
    }),
    /arrays in "key" is 65537, at most 65536/,
  ],

  ["alignment 0", metadata({ "general.alignment": typed("u32", 0) }), /power of two/],
  ["alignment 48", metadata({ "general.alignment": typed("u32", 48) }), /is 48, expected a power/],
  ["alignment 2^31", metadata({ "general.alignment": 2 ** 31 }), /up to 65536/],
  ["a negative alignment", metadata({ "general.alignment": typed("i32", -32) }), /is -32/],
  ["alignment as text", metadata({ "general.alignment": "32" }), /is "32", expected a whole/],

  ["a tensor of no dimensions", tensor({ sizes: [] }), /has 0 dimensions/],
  ["a tensor of five dimensions", tensor({ sizes: [1, 1, 1, 1, 1] }), /has 5 dimensions, 1 to 4/],
  ["2^32 - 1 dimensions", tensor({ dimensions: 2 ** 32 - 1 }), /4294967295 dimensions/],
  ["a dimension of 0", tensor({ sizes: [4, 0] }), /dimension 1 of tensor "t" is 0/],
  ["a dimension of 2^64 - 1", tensor({ sizes: [MOST] }), /beyond 2\^53/],
  // 2^32 · 2^32 is 0 in 64 bits: the shape of CVE-2025-53630 and its kin.
  ["dimensions whose product wraps to 0", tensor({ sizes: [2 ** 32, 2 ** 32] }), /more than 2\^53/],
  [
    "dimensions whose product wraps to 4",
    tensor({ sizes: [2n ** 31n, 2n ** 31n + 1n, 4n] }),
    /more than 2\^53/,
  ],
  ["bytes beyond 2^53", tensor({ sizes: [2n ** 52n] }), /the file ends at/],
  // Declared larger than the file, as in CVE-2026-7482.
  ["a tensor larger than the file", tensor({ sizes: [5] }), /takes 20 bytes from byte 64 on/],
  ["an offset beyond the file", tensor({ offset: 32 }), /from byte 96 on, but the file ends at 80/],
  ["an offset of 2^53 - 32", tensor({ offset: 2n ** 53n - 32n }), /the file ends at 80/],
  ["an offset of 2^64 - 32", tensor({ offset: 2n ** 64n - 32n }), /beyond 2\^53/],
  ["an offset off the alignment", tensor({ offset: 4 }), /begins at 4, which is no multiple of 32/],
  ["rows of half a block", tensor({ type: 8, sizes: [16] }), /16 values: q8_0 needs a multiple of/],
  ["a tensor name of 65 bytes", tensor({ name: "n".repeat(65) }), /has 65 bytes, at most 64/],
  ["a tensor name that is not UTF-8", tensor({ name: Uint8Array.of(0xff) }), /not valid UTF-8/],
  [
    "a tensor that occurs twice",
    writeGguf({
      tensors: [1, 2].map(() => ({
        name: "same",
        shape: [1],
        type: "f32",
        data: Float32Array.of(1),
      })),
    }),
    /"same" occurs twice/,
  ],
];

const UNSUPPORTED: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ["version 1", raw(nothing, { version: 1 }), /version 1; supported are 2 and 3/],
  ["version 4", raw(nothing, { version: 4 }), /version 4/],
  ["version 0", raw(nothing, { version: 0 }), /version 0/],
  ["a big-endian file", raw(nothing, { version: 0x03000000 }), /big-endian/],
  ["a big-endian magic", new TextEncoder().encode("FUGG".padEnd(24, "\0")), /big-endian/],
  ["an iq3_s tensor", tensor({ type: 21 }), /tensor "t" has type iq3_s \(21\); supported are f32/],
  ["a tensor of unknown type", tensor({ type: 4_000_000_000 }), /unknown \(4000000000\)/],
];

/** Fails a test that reads or allocates more than the file has. */
function guarded(bytes: Uint8Array): ByteSource {
  const source = bytesSource(bytes, "hostile.gguf");
  return {
    ...source,
    read(offset, into) {
      expect(offset + into.byteLength).toBeLessThanOrEqual(bytes.byteLength);
      expect(into.buffer.byteLength).toBeLessThanOrEqual(bytes.byteLength);
      return source.read(offset, into);
    },
  };
}

async function refusal(bytes: Uint8Array): Promise<RuntimeError> {
  const began = performance.now();
  const error: unknown = await openGguf(guarded(bytes)).then(
    () => expect.fail("it was accepted"),
    (reason: unknown) => reason,
  );
  expect(performance.now() - began).toBeLessThan(2000);
  expect(error).toBeInstanceOf(RuntimeError);
  return error as RuntimeError;
}

describe("openGguf refuses", () => {
  test.each(MALFORMED)("%s as malformed", async (_, bytes, message) => {
    const error = await refusal(bytes);
    expect(error.message).toMatch(message);
    expect(error.message).toContain("Cannot read hostile.gguf: ");
    expect(error.code).toBe("MODEL_MALFORMED");
  });

  test.each(UNSUPPORTED)("%s as unsupported", async (_, bytes, message) => {
    const error = await refusal(bytes);
    expect(error.message).toMatch(message);
    expect(error.code).toBe("MODEL_UNSUPPORTED");
  });

  test("text from the file without its control characters, and shortened", async () => {
    const evil = `\u001b[31m\n${"x".repeat(5000)}`;
    const bytes = raw((o) => [1, 2].forEach(() => (o.text(evil), o.u32(u8), o.u8(0))), {
      entries: 2,
    });
    const { message } = await refusal(bytes);
    expect(message.length).toBeLessThan(200);
    expect(Array.from(message).every((character) => character >= " ")).toBe(true);
  });

  test("a header longer than 64 MiB", async () => {
    // Five strings of 16 MiB, all of whose bytes exist.
    const length = 2 ** 24;
    const heads = [0, 1, 2, 3, 4].map((i) => {
      const head = new ByteWriter();
      head.text(`k${i}`);
      head.u32(string);
      head.u64(length);
      return head.finish();
    });
    const preamble = raw(nothing, { entries: heads.length });
    const entryBytes = heads[0]!.byteLength + length;
    const size = preamble.byteLength + heads.length * entryBytes;
    const source: ByteSource = {
      size,
      name: "long.gguf",
      async read(offset, into) {
        into.fill(0);
        const place = (bytes: Uint8Array, at: number): void => {
          const start = Math.max(at, offset);
          const end = Math.min(at + bytes.byteLength, offset + into.byteLength);
          if (start < end) into.set(bytes.subarray(start - at, end - at), start - offset);
        };
        place(preamble, 0);
        for (const [i, bytes] of heads.entries())
          place(bytes, preamble.byteLength + i * entryBytes);
      },
      close: () => Promise.resolve(),
    };
    await expect(openGguf(source)).rejects.toMatchObject({
      code: "MODEL_MALFORMED",
      message: expect.stringContaining("a header ends by 67108864"),
    });
  });
});
