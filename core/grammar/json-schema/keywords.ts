/**
 * The part of JSON Schema 2020-12 that is enforced. A keyword that is in none of these lists is refused: an answer
 * that only looks as if it had been checked would be worse than an error.
 */

/** Keywords that are enforced, with what limits them; the published table. */
export const KEYWORDS: Readonly<Record<string, string>> = {
  $ref: "`#` and `#/…` within the schema; recursion is fine",
  additionalProperties: "",
  allOf: "",
  anyOf: "",
  const: "",
  contains: "",
  dependentRequired: "",
  dependentSchemas: "",
  else: "",
  enum: "",
  exclusiveMaximum: "at most 15 digits",
  exclusiveMinimum: "at most 15 digits",
  format: "date, time, date-time, uuid, ipv4, email; others are refused",
  if: "where it can be negated, see `not`",
  items: "a schema",
  maxContains: "where `contains` can be negated, see `not`",
  maxItems: "",
  maxLength: "",
  maxProperties: "",
  maximum: "at most 15 digits",
  minContains: "",
  minItems: "",
  minLength: "",
  minProperties: "above 1 only where `required` or `additionalProperties: false` decide",
  minimum: "at most 15 digits",
  multipleOf: "a number of at most 12 decimal places that is up to 100 without its point",
  not: "of all keywords but `additionalProperties`, `format`, `multipleOf`, `oneOf`, `patternProperties`, `propertyNames` and `uniqueItems`",
  oneOf: "where the alternatives can be told apart or negated, see `not`",
  pattern: "the regular expressions described above",
  patternProperties: "at most 4 patterns",
  prefixItems: "",
  properties: "in this order",
  propertyNames: "`type`, `const`, `enum`, `pattern`, `format`, `minLength` and `maxLength`",
  required: "",
  then: "",
  type: "",
  uniqueItems: "lists of at most one item, or of at most 10 different values",
};

/** Keywords that say nothing about what is valid. */
export const ANNOTATIONS: ReadonlySet<string> = new Set([
  "$anchor",
  "$comment",
  "$defs",
  "$schema",
  "contentEncoding",
  "contentMediaType",
  "contentSchema",
  "default",
  "definitions",
  "deprecated",
  "description",
  "examples",
  "readOnly",
  "title",
  "writeOnly",
]);

/** `format`s and what they ask for, as regular expressions that match somewhere in a string. */
const DATE =
  "\\d{4}-(0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|\\d{4}-(0[469]|11)-(0[1-9]|[12]\\d|30)|\\d{4}-02-(0[1-9]|1\\d|2[0-8])";
const TIME = "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,9})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)";
const OCTET = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
export const FORMATS: Readonly<Record<string, string>> = {
  date: `^(${DATE})$`,
  time: `^${TIME}$`,
  "date-time": `^(${DATE})T${TIME}$`,
  uuid: "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
  ipv4: `^${OCTET}(\\.${OCTET}){3}$`,
  email: "^[A-Za-z0-9]+([._+-][A-Za-z0-9]+)*@[A-Za-z0-9]+(-[A-Za-z0-9]+)*(\\.[A-Za-z]{2,10}){1,3}$",
};

/** The largest `multipleOf`, without its point: a graph has a state for each remainder at each digit. */
export const MAX_DIVISOR = 100;

/** Its most decimal places: the digits of a number have to hold them. */
export const MAX_DECIMALS = 12;

/** Patterns of property names: names are told apart by all of them, so that each doubles the alternatives. */
export const MAX_NAME_PATTERNS = 4;

/** Values of a list without repetition: each doubles the states. */
export const MAX_UNIQUE_VALUES = 10;

/**
 * Keywords of schemas that say what is not valid. No schema that was sent may hold one.
 *
 * - a string that is none of these
 * - a string that a pattern does not match
 * - a number that is no whole number
 * - a string that is one of these
 */
export const NOT_IN = "not in";
export const NOT_PATTERN = "not pattern";
export const FRACTION = "fraction";
export const ONE_OF = "one of";
export const MADE: ReadonlySet<string> = new Set([NOT_IN, NOT_PATTERN, FRACTION, ONE_OF]);

/** JSON. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** A schema that is an object, and where it stands. */
export interface Part {
  readonly schema: JsonObject;
  /** As errors name it: `response_format.json_schema.schema.properties.a`. */
  readonly path: string;
}

/** A schema of any kind, and where it stands. */
export interface Place {
  readonly schema: Json;
  readonly path: string;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** An own member; schemas may well describe a property called `constructor`. */
export function member(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}
