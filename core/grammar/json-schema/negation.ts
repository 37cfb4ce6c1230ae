/**
 * What is not valid by a schema, as a schema again: of keywords that stand together one has to fail, and most fail in
 * a way that other keywords can say. Keywords of which that is not so are refused by name.
 */
import { MAX_SCHEMA_DEPTH } from "../limits.ts";
import { unsupported } from "../problem.ts";
import {
  checkKeywords,
  countOf,
  dependentRequiredOf,
  listOf,
  mapOf,
  numberOf,
  requiredOf,
  resolve,
  schemaOf,
  schemasOf,
  textOf,
  TYPES,
  typesOf,
} from "./check.ts";
import {
  ANNOTATIONS,
  FRACTION,
  isObject,
  type Json,
  type JsonObject,
  member,
  NOT_IN,
  NOT_PATTERN,
  type Part,
  type Place,
} from "./keywords.ts";

/** Negates schemas within one root. */
export interface Negation {
  /** The same object for the same schema. Throws `UNSUPPORTED_PARAMETER` naming what cannot be negated. */
  negate(place: Place): Json;
  /** Whether a schema was made here, so that it may hold keywords that no client can send. */
  isMade(schema: JsonObject): boolean;
}

/** Keywords that say nothing without the one that they stand beside. */
const COMPANIONS: ReadonlySet<string> = new Set(["then", "else", "minContains", "maxContains"]);

/** A negation for schemas within `root`. */
export function createNegation(root: Json): Negation {
  const made = new WeakSet<JsonObject>();
  const known = new Map<JsonObject, Json>();
  const open = new Set<JsonObject>();

  function make(schema: JsonObject): JsonObject {
    made.add(schema);
    return schema;
  }

  function negate({ schema, path }: Place): Json {
    if (!isObject(schema)) return schema === false;
    const before = known.get(schema);
    if (before !== undefined) return before;
    const part = { schema, path };
    if (open.has(schema)) throw unsupported(path, "a schema that needs itself cannot be negated");
    if (!made.has(schema)) checkKeywords(part, isObject(root) ? root : {});
    if (open.size > MAX_SCHEMA_DEPTH) {
      throw unsupported(path, `what is negated nests deeper than ${MAX_SCHEMA_DEPTH} levels`);
    }
    open.add(schema);
    const failures = Object.keys(schema).flatMap((key) => failuresOf(key, part));
    open.delete(schema);
    const negated = failures.length === 0 ? false : make({ anyOf: failures });
    known.set(schema, negated);
    return negated;
  }

  function one(schema: JsonObject): Json[] {
    return [make(schema)];
  }

  /** The ways in which each keyword fails; nothing for one whose failing nothing can say. */
  const failing: Readonly<Record<string, (part: Part, key: string) => Json[] | undefined>> = {
    type: otherTypes,
    const: (part, key) => otherValues([member(part.schema, key)!], part, key),
    enum: (part, key) => otherValues(listOf(part, key)!, part, key),
    $ref: (part) => [negate(resolve(part, root)!)],
    not: (part, key) => [schemaOf(part, key)!.schema],
    allOf: (part, key) => schemasOf(part, key)!.map(negate),
    anyOf: (part, key) => one({ allOf: schemasOf(part, key)!.map(negate) }),
    if: failedConditions,
    minimum: (part, key) => one({ type: "number", exclusiveMaximum: numberOf(part, key)! }),
    maximum: (part, key) => one({ type: "number", exclusiveMinimum: numberOf(part, key)! }),
    exclusiveMinimum: (part, key) => one({ type: "number", maximum: numberOf(part, key)! }),
    exclusiveMaximum: (part, key) => one({ type: "number", minimum: numberOf(part, key)! }),
    minLength: (part, key) => fewer("string", "maxLength", countOf(part, key)!),
    maxLength: (part, key) => one({ type: "string", minLength: countOf(part, key)! + 1 }),
    pattern: (part, key) => one({ type: "string", [NOT_PATTERN]: textOf(part, key)! }),
    minItems: (part, key) => fewer("array", "maxItems", countOf(part, key)!),
    maxItems: (part, key) => one({ type: "array", minItems: countOf(part, key)! + 1 }),
    prefixItems: (part, key) => failedPrefix(schemasOf(part, key)!),
    items(part, key) {
      // `contains` cannot say behind which item.
      if (member(part.schema, "prefixItems") !== undefined) return undefined;
      return one({ type: "array", contains: negate(schemaOf(part, key)!) });
    },
    contains: failedContains,
    minProperties: (part, key) => fewer("object", "maxProperties", countOf(part, key)!),
    maxProperties: (part, key) => one({ type: "object", minProperties: countOf(part, key)! + 1 }),
    required: (part) =>
      requiredOf(part).map((name) => make({ type: "object", properties: { [name]: false } })),
    properties: (part, key) =>
      [...mapOf(part, key)].map(([name, value]) =>
        make({ type: "object", required: [name], properties: { [name]: negate(value) } }),
      ),
    dependentRequired: (part) =>
      [...dependentRequiredOf(part)].flatMap(([name, needed]) =>
        needed.map((other) =>
          make({ type: "object", required: [name], properties: { [other]: false } }),
        ),
      ),
    dependentSchemas: (part, key) =>
      [...mapOf(part, key)].map(([name, value]) =>
        make({ type: "object", required: [name], allOf: [negate(value)] }),
      ),
    // What forbids nothing cannot fail.
    additionalProperties: ({ schema }, key) => (member(schema, key) === true ? [] : undefined),
    uniqueItems: ({ schema }, key) => (member(schema, key) === false ? [] : undefined),
  };

  function failuresOf(key: string, part: Part): Json[] {
    if (ANNOTATIONS.has(key) || COMPANIONS.has(key) || key === "$id") return [];
    const failures = Object.hasOwn(failing, key) ? failing[key]!(part, key) : undefined;
    if (failures === undefined) {
      throw unsupported(`${part.path}.${key}`, `'${key}' cannot be negated here`);
    }
    return failures;
  }

  function fewer(type: string, key: string, count: number): Json[] {
    return count === 0 ? [] : one({ type, [key]: count - 1 });
  }

  function otherTypes(part: Part): Json[] {
    const types = typesOf(part)!;
    const others = TYPES.filter(
      (type) => !types.has(type) && !(type === "integer" || type === "number"),
    ).map((type): Json => make({ type }));
    if (types.has("number")) return others;
    const whole = types.has("integer");
    return [...others, make(whole ? { type: "number", [FRACTION]: true } : { type: "number" })];
  }

  /** All values but these. */
  function otherValues(values: readonly Json[], part: Part, key: string): Json[] {
    const others: Json[] = [];
    const strings = values.filter((value) => typeof value === "string");
    others.push(make({ type: "string", [NOT_IN]: strings }));
    const numbers = values.filter((value) => typeof value === "number").toSorted((a, b) => a - b);
    for (let i = 0; i <= numbers.length; i++) {
      others.push(
        make({
          type: "number",
          ...(i === 0 ? {} : { exclusiveMinimum: numbers[i - 1]! }),
          ...(i === numbers.length ? {} : { exclusiveMaximum: numbers[i]! }),
        }),
      );
    }
    const plain = [null, true, false].filter((value) => !values.includes(value));
    if (plain.length > 0) others.push(make({ enum: plain }));
    const nested = values.filter((value) => typeof value === "object" && value !== null);
    if (nested.some((value) => Object.keys(value).length > 0)) {
      throw unsupported(
        `${part.path}.${key}`,
        "lists and objects that hold something cannot be ruled out",
      );
    }
    const [lists, objects] = [nested.some(Array.isArray), nested.some(isObject)];
    others.push(make(lists ? { type: "array", minItems: 1 } : { type: "array" }));
    others.push(make(objects ? { type: "object", minProperties: 1 } : { type: "object" }));
    return others;
  }

  function failedConditions(part: Part): Json[] {
    const condition = schemaOf(part, "if")!;
    const [then, otherwise] = [schemaOf(part, "then"), schemaOf(part, "else")];
    return [
      ...(then === undefined ? [] : [make({ allOf: [condition.schema, negate(then)] })]),
      ...(otherwise === undefined ? [] : [make({ allOf: [negate(condition), negate(otherwise)] })]),
    ];
  }

  function failedPrefix(places: readonly Place[]): Json[] {
    return places.map((place, i) =>
      make({
        type: "array",
        minItems: i + 1,
        prefixItems: [...Array.from({ length: i }, () => true), negate(place)],
      }),
    );
  }

  function failedContains(part: Part): Json[] {
    const { schema } = schemaOf(part, "contains")!;
    const min = countOf(part, "minContains") ?? 1;
    const max = countOf(part, "maxContains");
    const counted = (minContains: number, more: JsonObject): Json =>
      make({ type: "array", contains: schema, minContains, ...more });
    return [
      ...(min === 0 ? [] : [counted(0, { maxContains: min - 1 })]),
      ...(max === undefined ? [] : [counted(max + 1, {})]),
    ];
  }

  return { negate, isMade: (schema) => made.has(schema) };
}
