/** JSON values; what a cache key is made of. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };

/** Requests nest at most this deep (`core/http/wire/json.ts` refuses more), and keys add a few levels. */
const MAX_DEPTH = 128;

/**
 * JSON in the one form that RFC 8785 gives it: members by the UTF-16 units of their names, numbers and
 * text as ECMAScript writes them, no white space. Members that are `undefined` are left out. `-0` is `0`.
 * Throws `TypeError` for what JSON cannot say (NaN, functions) and `RangeError` beyond {@linkcode MAX_DEPTH}.
 */
export function canonicalJson(value: Json): string {
  return write(value, 0);
}

function write(value: Json, depth: number): string {
  if (depth > MAX_DEPTH)
    throw new RangeError(`Cannot write JSON nested deeper than ${MAX_DEPTH} levels`);
  if (value === null) return "null";
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "boolean") return value ? "true" : "false";
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError(`Cannot write ${value} as JSON`);
    return String(value === 0 ? 0 : value);
  }
  if (typeof value !== "object") throw new TypeError(`Cannot write a ${typeof value} as JSON`);
  return isList(value) ? writeList(value, depth) : writeObject(value, depth);
}

function isList(value: object): value is readonly Json[] {
  return Array.isArray(value);
}

function writeList(items: readonly Json[], depth: number): string {
  return `[${items.map((item) => write(item, depth + 1)).join(",")}]`;
}

function writeObject(value: { readonly [key: string]: Json | undefined }, depth: number): string {
  const members: string[] = [];
  // The default order of `sort` is that of UTF-16 units.
  for (const name of Object.keys(value).toSorted()) {
    const member = value[name];
    if (member !== undefined) members.push(`${JSON.stringify(name)}:${write(member, depth + 1)}`);
  }
  return `{${members.join(",")}}`;
}
