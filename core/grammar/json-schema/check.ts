/** Reads keywords of one schema object: each has its type, or the schema is refused by the keyword's name. */
import { MAX_SCHEMA_DEPTH, MAX_SCHEMA_NODES, MAX_SOURCE_CHARS } from "../limits.ts";
import { malformed, unsupported } from "../problem.ts";
import {
  ANNOTATIONS,
  isList,
  isObject,
  type Json,
  type JsonObject,
  KEYWORDS,
  member,
  type Part,
  type Place,
} from "./keywords.ts";

/** Types as JSON Schema names them; `integer` is a part of `number`. */
export const TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"] as const;
export type TypeName = (typeof TYPES)[number];

/** Throws `INVALID_REQUEST` for what is larger or deeper than a schema may be. */
export function checkSize(schema: unknown, param: string): Json {
  let nodes = 0;
  const visit = (value: unknown, depth: number): void => {
    if (++nodes > MAX_SCHEMA_NODES) {
      throw malformed(param, `a schema has at most ${MAX_SCHEMA_NODES} values`);
    }
    if (typeof value !== "object" || value === null) return;
    // Each level of a schema is two of JSON: the keyword and what it holds.
    if (depth > 2 * MAX_SCHEMA_DEPTH) {
      throw malformed(param, `a schema nests at most ${MAX_SCHEMA_DEPTH} levels deep`);
    }
    for (const item of Object.values(value)) visit(item, depth + 1);
  };
  visit(schema, 0);
  const text = JSON.stringify(schema);
  if (text === undefined || text.length > MAX_SOURCE_CHARS) {
    throw malformed(param, `a schema has at most ${MAX_SOURCE_CHARS} characters`);
  }
  return schema as Json;
}

/** Keywords that drafts have in common mean the same in all of them; other vocabularies may change any. */
const DIALECTS = "//json-schema.org/";

/** Throws for a keyword that is not enforced. */
export function checkKeywords({ schema, path }: Part, root: JsonObject): void {
  const dialect = member(schema, "$schema") ?? DIALECTS;
  if (typeof dialect !== "string" || !dialect.replace(/^https?:/, "").startsWith(DIALECTS)) {
    throw unsupported(`${path}.$schema`, "only the dialects of json-schema.org are known");
  }
  for (const key of Object.keys(schema)) {
    if (Object.hasOwn(KEYWORDS, key) || ANNOTATIONS.has(key)) continue;
    // It names the schema as a whole, which nothing here refers to by name.
    if (key === "$id" && schema === root) continue;
    throw unsupported(`${path}.${key}`, `the keyword '${key}' is not enforced here; remove it`);
  }
}

/** The types that a schema allows. */
export function typesOf({ schema, path }: Part): ReadonlySet<TypeName> | undefined {
  const given = member(schema, "type");
  if (given === undefined) return undefined;
  const names = isList(given) ? given : [given];
  const types = new Set<TypeName>();
  for (const name of names) {
    const type = TYPES.find((known) => known === name);
    if (type === undefined) {
      throw malformed(`${path}.type`, `expected some of ${TYPES.join(", ")}`);
    }
    types.add(type);
  }
  if (types.size === 0) throw malformed(`${path}.type`, "the list is empty");
  return types;
}

/** The types that all parts allow; `integer` only where `number` is not allowed. */
export function typesOfAll(parts: readonly Part[]): readonly TypeName[] {
  return TYPES.filter((type) => {
    const sets = parts.map(typesOf).filter((types) => types !== undefined);
    if (type === "integer") {
      const whole = sets.every((types) => types.has("integer") || types.has("number"));
      return whole && !sets.every((types) => types.has("number"));
    }
    return sets.every((types) => types.has(type));
  });
}

/** A count: a whole number from 0 on, or nothing. */
export function countOf({ schema, path }: Part, key: string): number | undefined {
  const value = member(schema, key);
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0) {
    throw malformed(`${path}.${key}`, "expected a whole number from 0 on");
  }
  return value;
}

/** A number, or nothing. */
export function numberOf({ schema, path }: Part, key: string): number | undefined {
  const value = member(schema, key);
  if (value === undefined || (typeof value === "number" && Number.isFinite(value))) return value;
  throw malformed(`${path}.${key}`, "expected a number");
}

/** A text, or nothing. */
export function textOf({ schema, path }: Part, key: string): string | undefined {
  const value = member(schema, key);
  if (value === undefined || typeof value === "string") return value;
  throw malformed(`${path}.${key}`, "expected text");
}

/** The list of a keyword, or nothing. */
export function listOf({ schema, path }: Part, key: string): readonly Json[] | undefined {
  const value = member(schema, key);
  if (value === undefined || isList(value)) return value;
  throw malformed(`${path}.${key}`, "expected a list");
}

/** The schemas of a keyword that holds a list of them, at least one; or nothing. */
export function schemasOf(part: Part, key: string): readonly Place[] | undefined {
  const list = listOf(part, key);
  if (list?.length === 0) throw malformed(`${part.path}.${key}`, "the list is empty");
  return list?.map((schema, i) => ({ schema, path: `${part.path}.${key}[${i}]` }));
}

/** The schema of a keyword, or nothing. */
export function schemaOf({ schema, path }: Part, key: string): Place | undefined {
  const value = member(schema, key);
  return value === undefined ? undefined : { schema: value, path: `${path}.${key}` };
}

/** The schemas of a keyword that holds them by name. */
export function mapOf({ schema, path }: Part, key: string): ReadonlyMap<string, Place> {
  const value = member(schema, key) ?? {};
  if (!isObject(value)) throw malformed(`${path}.${key}`, "expected an object");
  return new Map(
    Object.entries(value).map(([name, one]) => [
      name,
      { schema: one, path: `${path}.${key}.${name}` },
    ]),
  );
}

const properties = new WeakMap<JsonObject, ReadonlyMap<string, Place>>();

/** The schemas of properties by name. */
export function propertiesOf(part: Part): ReadonlyMap<string, Place> {
  let places = properties.get(part.schema);
  if (places === undefined) properties.set(part.schema, (places = mapOf(part, "properties")));
  return places;
}

/** The names that have to be there where another one is. */
export function dependentRequiredOf(part: Part): ReadonlyMap<string, readonly string[]> {
  const named = [...mapOf(part, "dependentRequired")];
  return new Map(
    named.map(([name, { schema, path }]) => [
      name,
      namesOf(isList(schema) ? schema : undefined, path),
    ]),
  );
}

/** The names of properties that have to be there. */
export function requiredOf(part: Part): readonly string[] {
  return namesOf(listOf(part, "required") ?? [], `${part.path}.required`);
}

function namesOf(list: readonly Json[] | undefined, path: string): readonly string[] {
  if (list?.every((name) => typeof name === "string") === true) return list;
  throw malformed(path, "expected a list of names");
}

/** What a `$ref` refers to. */
export function resolve({ schema, path }: Part, root: Json): Place | undefined {
  const given = textOf({ schema, path }, "$ref");
  if (given === undefined) return undefined;
  const at = `${path}.$ref`;
  if (given !== "#" && !given.startsWith("#/")) {
    throw unsupported(at, "only references to '#' and '#/…' within the schema are followed");
  }
  let target: Json | undefined = root;
  for (const raw of given.split("/").slice(1)) {
    let step: string;
    try {
      step = decodeURIComponent(raw).replaceAll("~1", "/").replaceAll("~0", "~");
    } catch {
      throw malformed(at, "it is not a JSON Pointer");
    }
    if (isList(target)) target = /^(0|[1-9]\d*)$/.test(step) ? target[Number(step)] : undefined;
    else target = isObject(target) ? member(target, step) : undefined;
    if (target === undefined) throw malformed(at, "there is nothing at the place it refers to");
  }
  return { schema: target, path: `${at}(${given})` };
}
