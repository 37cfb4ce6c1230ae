import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeRun } from "../../../core/gguf/text-run.ts";
import { ByteWriter } from "../../fixtures/gguf-writer.ts";

function run(strings: readonly Uint8Array[]): Uint8Array {
  const out = new ByteWriter();
  for (const bytes of strings) out.text(bytes);
  return out.finish();
}

/** What decoding every string by itself gives. */
function oneByOne(strings: readonly Uint8Array[]): string[] {
  return strings.map((bytes) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
}

function decodeAll(strings: readonly Uint8Array[]): string[] {
  const bytes = run(strings);
  const into: string[] = [];
  expect(decodeRun(bytes, 0, bytes.byteLength, strings.length, into)).toBe(bytes.byteLength);
  return into;
}

describe("decodeRun", () => {
  test("gives what decoding one by one gives, for text", () => {
    const text = fc.string({ unit: "binary" }).map((value) => new TextEncoder().encode(value));
    fc.assert(
      fc.property(fc.array(text), (strings) => {
        expect(decodeAll(strings)).toEqual(oneByOne(strings));
      }),
    );
  });

  test("gives what decoding one by one gives, for bytes that are no text", () => {
    // Pieces of characters, so that broken ones often join up across two strings.
    const byte = fc.constantFrom(0x61, 0x80, 0x81, 0x96, 0xe2, 0xc3, 0xf0, 0x9f, 0xff, 0xc0);
    const piece = fc.array(byte, { maxLength: 4 }).map((bytes) => Uint8Array.from(bytes));
    fc.assert(
      fc.property(fc.array(piece), (strings) => {
        expect(decodeAll(strings)).toEqual(oneByOne(strings));
      }),
      { numRuns: 2000 },
    );
  });

  test("keeps a byte order mark and empty strings", () => {
    const strings = ["", "\ufeff", "", "a\ufeff"].map((text) => new TextEncoder().encode(text));
    expect(decodeAll(strings)).toEqual(["", "\ufeff", "", "a\ufeff"]);
  });

  test("stops at the end, at the number wanted, and before a hostile length", () => {
    const bytes = run(["one", "two", "three"].map((text) => new TextEncoder().encode(text)));
    for (const [to, most, expected] of [
      [bytes.byteLength, 2, ["one", "two"]],
      [bytes.byteLength - 1, 9, ["one", "two"]],
      [11 + 11 + 7, 9, ["one", "two"]],
      [11, 9, ["one"]],
      [10, 9, []],
      [0, 9, []],
    ] as const) {
      const into: string[] = [];
      expect(decodeRun(bytes, 0, to, most, into)).toBe(expected.length * 11);
      expect(into).toEqual(expected);
    }
    for (const length of [4n, 2n ** 32n + 3n, 2n ** 64n - 1n]) {
      new DataView(bytes.buffer).setBigUint64(11, length, true);
      const into: string[] = [];
      expect(decodeRun(bytes, 0, 22, 9, into)).toBe(11);
      expect(into).toEqual(["one"]);
    }
  });
});
