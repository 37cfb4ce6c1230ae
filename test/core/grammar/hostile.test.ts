import { describe, expect, test } from "vitest";
import { RuntimeError } from "../../../core/errors.ts";
import { compileFormat } from "../../../core/grammar/compile.ts";
import type { AnswerFormat } from "../../../core/grammar/format.ts";
import { createMatchers } from "../../../core/grammar/matcher.ts";
import { tokenBytes } from "../../../core/grammar/token-bytes.ts";
import { pieceTokenizer } from "../../fixtures/scripted-engine.ts";

const chain = (rules: number): string =>
  Array.from({ length: rules }, (_, i) => `r${i} ::= r${i + 1}`).join("\n");

const schema = (value: unknown): AnswerFormat => ({ type: "json_schema", schema: value });
const deep = (levels: number): unknown =>
  Array.from({ length: levels }).reduce((inner) => ({ items: inner }), {});

/** What each of these wants is out of proportion; none may take long, whatever becomes of it. */
const HOSTILE: readonly (readonly [string, AnswerFormat])[] = [
  ["60,000 nested groups", { type: "gbnf", grammar: `root ::= ${"(".repeat(60_000)}` }],
  ["nested groups of a regex", { type: "regex", pattern: `${"(".repeat(500)}a${")".repeat(500)}` }],
  [
    "a chain of 5,000 rules",
    { type: "gbnf", grammar: `root ::= r0\n${chain(3000)}\nr3000 ::= "a"` },
  ],
  ["a circle of rules", { type: "gbnf", grammar: `root ::= r0\n${chain(900)}\nr900 ::= root` }],
  ["a billion repetitions", { type: "gbnf", grammar: 'root ::= "a"{1,999999999}' }],
  ["nested repetitions", { type: "regex", pattern: "((((a{99}){99}){99}){99}){99}" }],
  ["a pattern that blows up", schema({ type: "string", pattern: "(a|aa)*(b|bb)*c{50}(.*){20}$" })],
  ["many ways to say nothing", { type: "regex", pattern: "(((a*)*)*)*((b*)*)*c" }],
  ["minLength 1e9", schema({ type: "string", minLength: 1e9 })],
  ["maxItems 1e9", schema({ type: "array", maxItems: 1e9, minItems: 1e9 })],
  ["maxProperties 1e9", schema({ type: "object", maxProperties: 1e9 })],
  [
    "nested bounds",
    schema({ items: { items: { type: "string", maxLength: 1e5 }, maxItems: 1e5 }, maxItems: 1e5 }),
  ],
  ["a reference to itself", schema({ $ref: "#" })],
  [
    "a circle of references",
    schema({ $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } }, $ref: "#/$defs/a" }),
  ],
  [
    "a schema that needs itself",
    schema({ type: "object", properties: { a: { $ref: "#" } }, required: ["a"] }),
  ],
  ["a deep schema", schema(deep(2000))],
  ["an enum of 10,000 values", schema({ enum: Array.from({ length: 10_000 }, (_, i) => i) })],
  ["an enum of 30,000 values", schema({ enum: Array.from({ length: 30_000 }, (_, i) => i) })],
  [
    "alternatives that multiply",
    schema({
      allOf: Array.from({ length: 30 }, (_, i) => ({
        anyOf: [{ minLength: i }, { maxLength: 99 - i }],
      })),
    }),
  ],
  [
    "a large pattern twice",
    schema({
      type: "string",
      allOf: [{ pattern: "^([a-z]{50}[0-9]{50}){20}$" }, { pattern: "^([a-f0-9]{70}x?){40}$" }],
    }),
  ],
  [
    "5,000 properties",
    schema({
      properties: Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`p${i}`, {}])),
    }),
  ],
  [
    "5,000 properties and a count",
    schema({
      properties: Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`p${i}`, {}])),
      maxProperties: 2000,
    }),
  ],
  [
    "counts within counts",
    schema({ contains: { contains: { type: "null" }, maxContains: 40 }, maxContains: 300 }),
  ],
  [
    "fifty conditions",
    schema({
      type: "object",
      dependentRequired: Object.fromEntries(
        Array.from({ length: 50 }, (_, i) => [`p${i}`, [`p${i + 1}`]]),
      ),
    }),
  ],
  [
    "alternatives that overlap",
    schema({
      oneOf: Array.from({ length: 60 }, (_, i) => ({
        type: "object",
        properties: { a: { minimum: i }, b: { maxLength: i } },
        required: ["a"],
      })),
    }),
  ],
  ["a complement that blows up", schema({ not: { pattern: "(a|b)*a(a|b){30}$" } })],
  [
    "patterns of names that blow up",
    schema({
      patternProperties: Object.fromEntries(
        ["^(a|b)*a(a|b){12}$", "^[a-f]{40}", "x{30}$", ".*y.{9}$"].map((name) => [name, true]),
      ),
    }),
  ],
  [
    "negations of negations",
    schema(Array.from({ length: 60 }).reduce((inner) => ({ not: inner }), { minimum: 1 })),
  ],
  [
    "a chain of references, negated",
    schema({
      not: { $ref: "#/$defs/d0" },
      $defs: Object.fromEntries(
        Array.from({ length: 1500 }, (_, i) => [`d${i}`, { $ref: `#/$defs/d${(i + 1) % 1500}` }]),
      ),
    }),
  ],
  [
    "lists of lists without repetition",
    schema({ items: { uniqueItems: true, items: { enum: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] } } }),
  ],
  [
    "an enum of 20,000 values, negated",
    schema({ not: { enum: Array.from({ length: 10_000 }, (_, i) => i) } }),
  ],
  ["an unknown type", schema({ type: "dict" })],
  ["a schema that is none", schema(7)],
];

/** A few hundred milliseconds each where nothing else runs. */
const MAX_MS = 4000;

const letters = pieceTokenizer(
  ["a", "b", "c", "aa", "ab", '"', "{", "}", "[", "]", ",", ":", "0", "1", " ", "(", ")"].map(
    (text) => new TextEncoder().encode(text),
  ),
);

describe("a grammar that asks for too much is refused or served, at once", () => {
  test.each(HOSTILE)("%s", (_, format) => {
    const begun = performance.now();
    try {
      const grammar = compileFormat(format, "format");
      const matcher = createMatchers().start(grammar, tokenBytes(letters), [], false);
      for (let i = 0; i < 20; i++) {
        const mask = matcher.mask();
        const token = Array.from({ length: letters.vocabSize }).findIndex(
          (_any, id) => ((mask[0]! >>> id) & 1) === 1,
        );
        if (token < 0) break;
        matcher.push(token);
      }
    } catch (error) {
      if (!RuntimeError.is(error)) throw error;
      expect(["INVALID_REQUEST", "UNSUPPORTED_PARAMETER"]).toContain(error.code);
    }
    expect(performance.now() - begun).toBeLessThan(MAX_MS);
  });

  test("a grammar that leaves everything open ends with an error, not with a long wait", () => {
    const rules = Array.from(
      { length: 60 },
      (_, i) => `x${i} ::= ("a" | "a" x${(i + 1) % 60} "b"?)+`,
    );
    const grammar = compileFormat(
      {
        type: "gbnf",
        grammar: `root ::= (${rules.map((_, i) => `x${i}`).join(" | ")})+\n${rules.join("\n")}`,
      },
      "format",
    );
    const matcher = createMatchers().start(grammar, tokenBytes(letters), [], false);
    const begun = performance.now();
    expect(() => {
      for (let i = 0; i < 200; i++) {
        matcher.mask();
        matcher.push(0);
      }
    }).toThrow("too many alternatives");
    expect(performance.now() - begun).toBeLessThan(2 * MAX_MS);
  });

  test("thousands of different grammars leave nothing behind but the last ones", () => {
    const matchers = createMatchers();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 2000; i++) {
      const grammar = compileFormat(
        { type: "regex", pattern: `a{${i % 50}}b{${Math.floor(i / 50)}}c*` },
        "format",
      );
      matchers.start(grammar, tokenBytes(letters), [], false).mask();
    }
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(200 * 1024 * 1024);
  });
});
