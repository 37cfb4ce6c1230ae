/** Whether a value is valid by a schema: what decides which values of an `enum` may be written. */
import { hasText } from "../char-graph.ts";
import { MAX_CONJUNCTIONS } from "../limits.ts";
import { tooLarge } from "../problem.ts";
import {
  countOf,
  dependentRequiredOf,
  mapOf,
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
  FRACTION,
  isList,
  isObject,
  type Json,
  type JsonObject,
  member,
  type Part,
  type Place,
} from "./keywords.ts";
import { divisorOf, isMultiple } from "./numeric.ts";
import { patternGraph, patternsOf } from "./string.ts";

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
    if (!isListed(value, schema) || !holdsTogether(value, part)) return false;
    if (typeof value === "number") return isNumberValid(value, part);
    if (typeof value === "string") return isStringValid(value, part);
    if (isList(value)) return isListValid(value, part);
    return !isObject(value) || isObjectValid(value, part);
  }

  /** Whether a value is valid by the schemas that a part is put together from. */
  function holdsTogether(value: Json, part: Part): boolean {
    const referred = resolve(part, root);
    if (referred !== undefined && !holds(value, referred)) return false;
    const fits = (place: Place): boolean => holds(value, place);
    if (!(schemasOf(part, "allOf")?.every(fits) ?? true)) return false;
    if (!(schemasOf(part, "anyOf")?.some(fits) ?? true)) return false;
    const exact = schemasOf(part, "oneOf");
    if (exact !== undefined && exact.filter(fits).length !== 1) return false;
    const not = schemaOf(part, "not");
    if (not !== undefined && fits(not)) return false;
    const condition = schemaOf(part, "if");
    if (condition !== undefined) {
      const follows = schemaOf(part, fits(condition) ? "then" : "else");
      if (follows !== undefined && !fits(follows)) return false;
    }
    return true;
  }

  function isListValid(value: readonly Json[], part: Part): boolean {
    if (value.length < (countOf(part, "minItems") ?? 0)) return false;
    if (value.length > (countOf(part, "maxItems") ?? Infinity)) return false;
    const prefix = schemasOf(part, "prefixItems") ?? [];
    const items = schemaOf(part, "items");
    const unique = member(part.schema, "uniqueItems") === true;
    if (unique && value.some((one, i) => value.slice(0, i).some((other) => isSame(one, other)))) {
      return false;
    }
    const contains = schemaOf(part, "contains");
    if (contains !== undefined) {
      const count = value.filter((one) => holds(one, contains)).length;
      if (count < (countOf(part, "minContains") ?? 1)) return false;
      if (count > (countOf(part, "maxContains") ?? Infinity)) return false;
    }
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
    const patterns = [...mapOf(part, "patternProperties")].map(
      ([pattern, place]) => [patternGraph(pattern, place.path), place] as const,
    );
    const names = schemaOf(part, "propertyNames");
    for (const [name, needed] of dependentRequiredOf(part)) {
      if (!Object.hasOwn(value, name)) continue;
      if (!needed.every((other) => Object.hasOwn(value, other))) return false;
    }
    for (const [name, place] of mapOf(part, "dependentSchemas")) {
      if (Object.hasOwn(value, name) && !holds(value, place)) return false;
    }
    return entries.every(([name, one]) => {
      if (names !== undefined && !holds(name, names)) return false;
      const own = properties.get(name);
      const places = patterns.filter(([graph]) => hasText(graph, name)).map(([, place]) => place);
      if (own !== undefined) places.push(own);
      else if (places.length === 0 && others !== undefined) places.push(others);
      return places.every((place) => holds(one, place));
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
  const divisor = divisorOf(part);
  if (member(part.schema, FRACTION) === true && Number.isInteger(value)) return false;
  return (
    value >= (numberOf(part, "minimum") ?? -Infinity) &&
    value <= (numberOf(part, "maximum") ?? Infinity) &&
    value > (numberOf(part, "exclusiveMinimum") ?? -Infinity) &&
    value < (numberOf(part, "exclusiveMaximum") ?? Infinity) &&
    (divisor === undefined || isMultiple(value, divisor))
  );
}

function isStringValid(value: string, part: Part): boolean {
  const length = Array.from(value).length;
  return (
    length >= (countOf(part, "minLength") ?? 0) &&
    length <= (countOf(part, "maxLength") ?? Infinity) &&
    patternsOf(part).every(({ graph }) => hasText(graph, value))
  );
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
