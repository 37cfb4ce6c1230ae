/** Whether a value is valid by a schema: what decides which values of an `enum` may be written. */
import type { CharGraph } from "../char-graph.ts";
import { MAX_CONJUNCTIONS } from "../limits.ts";
import { tooLarge } from "../problem.ts";
import {
  countOf,
  numberOf,
  propertiesOf,
  requiredOf,
  resolve,
  schemaOf,
  schemasOf,
  type TypeName,
  typesOf,
} from "./check.ts";
import {
  isList,
  isObject,
  type Json,
  type JsonObject,
  member,
  type Part,
  type Place,
} from "./keywords.ts";
import { patternsOf } from "./string.ts";

/** Whether a value is valid by a part; throws where that takes too long. */
export type Validator = (value: Json, part: Part) => boolean;

/** A validator for schemas within `root`. */
export function createValidator(root: Json, param: string): Validator {
  let steps = 0;

  function holds(value: Json, { schema, path }: Place): boolean {
    if (!isObject(schema)) return schema !== false;
    return isValid(value, { schema, path });
  }

  function isValid(value: Json, part: Part): boolean {
    if (++steps > 20 * MAX_CONJUNCTIONS) {
      throw tooLarge(param, "checks of listed values", 20 * MAX_CONJUNCTIONS);
    }
    const { schema } = part;
    const types = typesOf(part);
    if (types !== undefined && !typesOfValue(value).some((type) => types.has(type))) return false;
    if (!isListed(value, schema)) return false;
    const referred = resolve(part, root);
    if (referred !== undefined && !holds(value, referred)) return false;
    const fits = (place: Place): boolean => holds(value, place);
    if (!(schemasOf(part, "allOf")?.every(fits) ?? true)) return false;
    if (!(schemasOf(part, "anyOf")?.some(fits) ?? true)) return false;
    const exact = schemasOf(part, "oneOf");
    if (exact !== undefined && exact.filter(fits).length !== 1) return false;
    if (typeof value === "number") return isNumberValid(value, part);
    if (typeof value === "string") return isStringValid(value, part);
    if (isList(value)) return isListValid(value, part);
    return !isObject(value) || isObjectValid(value, part);
  }

  function isListValid(value: readonly Json[], part: Part): boolean {
    if (value.length < (countOf(part, "minItems") ?? 0)) return false;
    if (value.length > (countOf(part, "maxItems") ?? Infinity)) return false;
    const prefix = schemasOf(part, "prefixItems") ?? [];
    const items = schemaOf(part, "items");
    return value.every((one, i) => {
      const place = prefix[i] ?? items;
      return place === undefined || holds(one, place);
    });
  }

  function isObjectValid(value: { readonly [key: string]: Json }, part: Part): boolean {
    const entries = Object.entries(value);
    if (entries.length < (countOf(part, "minProperties") ?? 0)) return false;
    if (entries.length > (countOf(part, "maxProperties") ?? Infinity)) return false;
    if (!requiredOf(part).every((name) => Object.hasOwn(value, name))) return false;
    const properties = propertiesOf(part);
    const others = schemaOf(part, "additionalProperties");
    return entries.every(([name, one]) => {
      const place = properties.get(name) ?? others;
      return place === undefined || holds(one, place);
    });
  }

  return isValid;
}

/** Whether a value is among those of `const` and `enum`. */
function isListed(value: Json, schema: JsonObject): boolean {
  const constant = member(schema, "const");
  if (constant !== undefined && !isSame(value, constant)) return false;
  const listed = member(schema, "enum");
  if (listed === undefined || !isList(listed)) return listed === undefined;
  if (typeof value === "object") return listed.some((one) => isSame(value, one));
  return simpleValues(listed).has(value);
}

const simple = new WeakMap<readonly Json[], ReadonlySet<Json>>();

/** A list as a set, for values that are equal where they are the same: each of thousands is looked up. */
function simpleValues(listed: readonly Json[]): ReadonlySet<Json> {
  let set = simple.get(listed);
  if (set === undefined) simple.set(listed, (set = new Set(listed)));
  return set;
}

function isNumberValid(value: number, part: Part): boolean {
  const divisor = numberOf(part, "multipleOf");
  return (
    value >= (numberOf(part, "minimum") ?? -Infinity) &&
    value <= (numberOf(part, "maximum") ?? Infinity) &&
    value > (numberOf(part, "exclusiveMinimum") ?? -Infinity) &&
    value < (numberOf(part, "exclusiveMaximum") ?? Infinity) &&
    (divisor === undefined || Number.isInteger(value / divisor))
  );
}

function isStringValid(value: string, part: Part): boolean {
  const length = Array.from(value).length;
  return (
    length >= (countOf(part, "minLength") ?? 0) &&
    length <= (countOf(part, "maxLength") ?? Infinity) &&
    patternsOf(part).every(({ graph }) => matches(graph, value))
  );
}

/** Whether a text is among those of a graph. */
function matches({ edges, final }: CharGraph, text: string): boolean {
  let at = new Set([0]);
  for (const char of text) {
    const point = char.codePointAt(0)!;
    const next = new Set<number>();
    for (const state of at) {
      for (const { set, to } of edges[state]!) {
        if (set.some(([low, high]) => low <= point && point <= high)) next.add(to);
      }
    }
    at = next;
  }
  return [...at].some((state) => final[state]);
}

function typesOfValue(value: Json): readonly TypeName[] {
  if (value === null) return ["null"];
  if (typeof value === "number")
    return Number.isInteger(value) ? ["integer", "number"] : ["number"];
  if (isList(value)) return ["array"];
  if (typeof value === "string") return ["string"];
  return typeof value === "boolean" ? ["boolean"] : ["object"];
}

/** Whether two values are equal; the order of members does not count. */
export function isSame(a: Json, b: Json): boolean {
  if (isList(a) && isList(b)) {
    return a.length === b.length && a.every((one, i) => isSame(one, b[i]!));
  }
  if (!isObject(a) || !isObject(b)) return a === b;
  const [left, right] = [Object.keys(a), Object.keys(b)];
  return (
    left.length === right.length &&
    left.every((key) => Object.hasOwn(b, key) && isSame(a[key]!, b[key]!))
  );
}
