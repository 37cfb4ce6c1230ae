import { array, assert, constantFrom, nat, oneof, property } from "fast-check";
import { describe, expect, test } from "vitest";
import { createUtf8Stream } from "../../../core/tokenizer/utf8.ts";

function stream(pieces: readonly Uint8Array[]): string {
  const utf8 = createUtf8Stream();
  return pieces.map((piece) => utf8.push(piece)).join("") + utf8.end();
}

describe("createUtf8Stream", () => {
  test("holds back half a character until it is whole", () => {
    const utf8 = createUtf8Stream();
    const [a, b, c, d] = new TextEncoder().encode("🙂");
    expect([a, b, c].map((byte) => utf8.push(Uint8Array.of(byte!)))).toEqual(["", "", ""]);
    expect(utf8.push(Uint8Array.of(d!))).toBe("🙂");
    expect(utf8.end()).toBe("");
  });

  test.each([
    [[0xff], "\u{FFFD}"],
    [[0x80], "\u{FFFD}"],
    [[0xc0], "\u{FFFD}"],
    [[0xe0, 0x80], "\u{FFFD}\u{FFFD}"],
    [[0xed, 0xa0], "\u{FFFD}\u{FFFD}"],
    [[0xf5], "\u{FFFD}"],
    [[0x41, 0xe2, 0x41], "A\u{FFFD}A"],
  ])("does not wait for bytes that nothing can complete: %j", (bytes, text) => {
    expect(createUtf8Stream().push(Uint8Array.from(bytes))).toBe(text);
  });

  test("end turns what was held back into U+FFFD", () => {
    const utf8 = createUtf8Stream();
    expect(utf8.push(Uint8Array.of(0x41, 0xe2, 0x82))).toBe("A");
    expect(utf8.end()).toBe("\u{FFFD}");
    expect(utf8.end()).toBe("");
  });

  test("keeps a byte order mark", () => {
    expect(stream([Uint8Array.of(0xef, 0xbb, 0xbf, 0x41)])).toBe("\u{FEFF}A");
  });

  test("gives the same text however the bytes arrive", () => {
    const byte = oneof(nat(255), constantFrom(0xe2, 0x82, 0xac, 0xf0, 0x9f, 0xed, 0xc3, 0xbf));
    assert(
      property(array(byte, { maxLength: 24 }), (bytes) => {
        const whole = new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
        expect(stream(bytes.map((one) => Uint8Array.of(one)))).toBe(whole);
        expect(stream([Uint8Array.from(bytes)])).toBe(whole);
      }),
      { numRuns: 2000 },
    );
  });
});
