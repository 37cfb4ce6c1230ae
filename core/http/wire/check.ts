import * as v from "valibot";
import { RuntimeError } from "../../errors.ts";

/** Characters of a rejected value that an error message repeats. */
const SHOWN = 60;

/**
 * `input` as `schema` has it. Throws `INVALID_REQUEST`, or `UNSUPPORTED_PARAMETER` for a field that the
 * schema does not know, with the path of the first thing wrong.
 *
 * @param at Where `input` stands in the body.
 * @param whole What to call `input` as a whole.
 */
export function check<T>(
  schema: v.GenericSchema<unknown, T>,
  input: unknown,
  at: readonly (string | number)[] = [],
  whole = "the request",
): T {
  const result = v.safeParse(schema, input, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const param = toParam([...at, ...(issue.path ?? []).map(({ key }) => key)]);
  if (issue.type === "strict_object" && issue.expected === "never") {
    throw unsupported(param, "it is not known here");
  }
  const missing = issue.type === "strict_object" && issue.received === "undefined";
  throw new RuntimeError(
    "INVALID_REQUEST",
    missing
      ? `Cannot accept ${whole}: '${param}' is missing`
      : `Cannot accept ${param === undefined ? "the body" : `'${param}'`}: expected ${issue.message}, received ${show(issue.input)}`,
    param === undefined ? {} : { param },
  );
}

/** The error for a parameter that is understood to exist but does nothing here. */
export function unsupported(param: string | undefined, why: string): RuntimeError {
  return new RuntimeError(
    "UNSUPPORTED_PARAMETER",
    `Unsupported parameter '${param ?? ""}': ${why}; remove it`,
    param === undefined ? {} : { param },
  );
}

/** The error for a field whose value cannot be. */
export function invalid(param: string, why: string): RuntimeError {
  return new RuntimeError("INVALID_REQUEST", `Cannot accept '${param}': ${why}`, { param });
}

/** `messages[0].content`, as OpenAI writes it. */
export function toParam(path: readonly unknown[]): string | undefined {
  let param = "";
  for (const key of path) {
    if (typeof key === "number") param += `[${key}]`;
    else param += `${param === "" ? "" : "."}${String(key).slice(0, SHOWN)}`;
  }
  return param === "" ? undefined : param;
}

function show(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  const text = typeof value === "string" ? JSON.stringify(value.slice(0, SHOWN)) : String(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}
