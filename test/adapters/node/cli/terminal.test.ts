import { assert, nat, property, string } from "fast-check";
import { expect, test } from "vitest";
import { formatBytes, printable, table } from "../../../../adapters/node/cli/terminal.ts";

test("printable takes escape sequences apart so that a terminal does not obey them", () => {
  expect(printable("a\u001B[31mred\u001B]0;title\u0007b")).toBe("a[31mred]0;titleb");
  expect(printable("one\rtwo\bthree\u009B2J")).toBe("onetwothree2J");
});

test("printable drops what makes text read in another order than it is", () => {
  expect(printable("user\u202Etxt.exe\u2066x\u2069")).toBe("usertxt.exex");
});

test("printable keeps lines, tabs and every other character", () => {
  const text = "Grüße\n\t世界 👩‍👩‍👧";
  expect(printable(text)).toBe(text);
});

test("printable lets no control character through but tab and line feed", () => {
  assert(
    property(string({ unit: nat(0x20_7f).map((code) => String.fromCodePoint(code)) }), (text) => {
      expect(printable(text).replaceAll(/[\t\n]/g, "")).not.toMatch(
        /\p{Cc}|[\u202A-\u202E\u2066-\u2069]/u,
      );
    }),
  );
});

test("table aligns columns and leaves no blanks at the end of a line", () => {
  expect(
    table(
      [
        ["a", "1"],
        ["long", "200"],
      ],
      [1],
    ),
  ).toBe("a       1\nlong  200");
});

test("formatBytes chooses the unit that people read", () => {
  expect([0, 1023, 1024, 4_796_032, 2 ** 31].map(formatBytes)).toEqual([
    "0 B",
    "1023 B",
    "1.0 KiB",
    "4.6 MiB",
    "2.0 GiB",
  ]);
});
