import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { RuntimeError } from "../../../core/errors.ts";
import { buildGrammar } from "../../../core/grammar/build.ts";
import type { Grammar } from "../../../core/grammar/grammar.ts";
import { KEYWORDS } from "../../../core/grammar/json-schema/keywords.ts";
import { schemaExpression } from "../../../core/grammar/json-schema/schema.ts";
import { shared } from "../../fixtures/shared.ts";
import { matcherOf } from "./matches.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
interface Group {
  readonly description: string;
  readonly schema: Json;
  readonly tests: readonly {
    readonly description: string;
    readonly data: Json;
    readonly valid: boolean;
  }[];
}

/** A schema orders its properties, so that an instance may have to be written in another order. */
const MAX_ORDERS = 200;

/** An instance as text, its members in every order, up to so many. */
function* texts(value: Json): Generator<string> {
  if (Array.isArray(value)) {
    for (const items of products(value)) yield `[${items.join(",")}]`;
  } else if (typeof value === "object" && value !== null) {
    for (const keys of permutations(Object.keys(value))) {
      for (const members of products(keys.map((key) => value[key]!))) {
        yield `{${members.map((text, i) => `${JSON.stringify(keys[i])}:${text}`).join(",")}}`;
      }
    }
  } else {
    yield JSON.stringify(value);
  }
}

function* products(values: readonly Json[]): Generator<string[]> {
  const [first, ...others] = values;
  if (first === undefined) {
    yield [];
    return;
  }
  for (const rest of products(others)) for (const text of texts(first)) yield [text, ...rest];
}

function* permutations(keys: readonly string[]): Generator<string[]> {
  if (keys.length === 0) yield [];
  for (const [i, key] of keys.entries()) {
    for (const rest of permutations(keys.toSpliced(i, 1))) yield [key, ...rest];
  }
}

function isAccepted(matches: (text: string) => boolean, instance: Json): boolean {
  let tried = 0;
  for (const text of texts(instance)) {
    if (matches(text)) return true;
    if (++tried === MAX_ORDERS) return false;
  }
  return false;
}

/** `undefined` for a schema that is refused, `null` for one that nothing fits. */
function compile(schema: Json): Grammar | null | undefined {
  try {
    return buildGrammar("", schemaExpression(schema, "schema"), "schema");
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    if (error.code === "UNSUPPORTED_PARAMETER") return undefined;
    if (error.message.includes("no text fits it")) return null;
    throw error;
  }
}

const folder = shared("data/tools/json-schema-2020-12/");
const where = folder === undefined ? " (skipped: ../shared/data not present)" : "";

/** Instances that the suite calls valid and that are not generated; why. */
const NARROWER: readonly (readonly [RegExp, string])[] = [
  [/^format: invalid .* string is only an annotation by default$/, "formats are asserted"],
];

/** Groups of enforced keywords that are refused, as they stand beside other keywords or ask for too much. */
const REFUSED: Readonly<Record<string, readonly string[]>> = {
  dependentSchemas: ["dependencies with escaped characters"],
  multipleOf: ["float division = inf"],
  not: ["collect annotations inside a 'not', even if collection is disabled"],
  pattern: ["pattern with Unicode property escape requires unicode mode"],
  patternProperties: ["patternProperties with Unicode property escape"],
  uniqueItems: [
    "uniqueItems validation",
    "uniqueItems with an array of items",
    "uniqueItems with an array of items and additionalItems=false",
  ],
};

/** Keywords whose tests have another name. */
const FILES: Readonly<Record<string, string>> = {
  $ref: "ref",
  if: "if-then-else",
  then: "if-then-else",
  else: "if-then-else",
};

/** Of `format` those that are not asserted, of `$ref` those to other documents, anchors and refused keywords. */
const PARTLY = new Set(["format", "ref"]);

test.skipIf(folder === undefined)(
  `every keyword of the table passes the JSON Schema test suite, whatever is not enforced is refused${where}`,
  () => {
    const wrong: string[] = [];
    const refused = new Map<string, string[]>();
    const passed = new Map<string, number>();
    for (const file of readdirSync(folder!)) {
      const keyword = file.replace(".json", "");
      const groups = JSON.parse(readFileSync(`${folder}${file}`, "utf8")) as Group[];
      for (const { description, schema, tests } of groups) {
        const grammar = compile(schema);
        if (grammar === undefined) {
          refused.set(keyword, [...(refused.get(keyword) ?? []), description]);
          continue;
        }
        const matches = grammar === null ? () => false : matcherOf(grammar);
        for (const one of tests) {
          const accepted = isAccepted(matches, one.data);
          const name = `${keyword}: ${one.description}`;
          if (accepted === one.valid || NARROWER.some(([known]) => known.test(name))) {
            passed.set(keyword, (passed.get(keyword) ?? 0) + 1);
          } else {
            wrong.push(
              `${keyword}: ${description}: ${one.description}: ${accepted ? "accepted" : "rejected"}`,
            );
          }
        }
      }
    }
    expect(wrong).toEqual([]);
    for (const keyword of Object.keys(KEYWORDS)) {
      const name = FILES[keyword] ?? keyword;
      expect(passed.get(name) ?? 0, name).toBeGreaterThan(0);
      if (!PARTLY.has(name)) expect(refused.get(name) ?? [], name).toEqual(REFUSED[name] ?? []);
    }
  },
);
