import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson, type Json } from "../../../core/cache/canonical-json.ts";

describe("canonicalJson", () => {
  test("orders members by UTF-16 units, as the example in section 3.2.3 of RFC 8785 wants", () => {
    const given = {
      "\u20ac": "Euro Sign",
      "\r": "Carriage Return",
      "\ufb33": "Hebrew Letter Dalet With Dagesh",
      "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face",
      "\u0080": "Control",
      "\u00f6": "Latin Small Letter O With Diaeresis",
    };
    const order = [...canonicalJson(given).matchAll(/:"([A-Z][^":]*(?:: [^"]*)?)"/g)].map(
      ([, name]) => name,
    );
    expect(order).toEqual([
      "Carriage Return",
      "One",
      "Control",
      "Latin Small Letter O With Diaeresis",
      "Euro Sign",
      "Emoji: Grinning Face",
      "Hebrew Letter Dalet With Dagesh",
    ]);
  });

  test("writes numbers as appendix B of RFC 8785 does", () => {
    const numbers: [number, string][] = [
      [0, "0"],
      [-0, "0"],
      [5e-324, "5e-324"],
      [-5e-324, "-5e-324"],
      [1.7976931348623157e308, "1.7976931348623157e+308"],
      [9007199254740992, "9007199254740992"],
      [1e21, "1e+21"],
      [9.999999999999997e22, "9.999999999999997e+22"],
      [0.000001, "0.000001"],
    ];
    for (const [number, text] of numbers) expect(canonicalJson(number)).toBe(text);
  });

  test("means what it was made from, whatever the order of members", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const text = canonicalJson(value);
        // -0 is the one value of which JSON text and memory disagree.
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(JSON.parse(text) as Json)).toBe(text);
        expect(canonicalJson(shuffled(value as Json))).toBe(text);
      }),
    );
  });

  test("refuses what JSON cannot say, and nesting without end", () => {
    expect(() => canonicalJson(Number.NaN)).toThrow(TypeError);
    let deep: Json = 1;
    for (let i = 0; i < 200; i++) deep = [deep];
    expect(() => canonicalJson(deep)).toThrow(/nested deeper/);
  });
});

function shuffled(value: Json): Json {
  if (Array.isArray(value)) return value.map((item) => shuffled(item as Json));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([k, v]) => [k, shuffled(v as Json)] as const);
  return Object.fromEntries(entries.toReversed());
}
