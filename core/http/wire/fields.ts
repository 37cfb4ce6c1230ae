import * as v from "valibot";

/** A number within bounds; JSON has no NaN, and an overflow such as 1e999 is above every maximum. */
export function number(min: number, max: number): v.GenericSchema<unknown, number> {
  const message = `a number from ${min} to ${max}`;
  return v.pipe(v.number(message), v.minValue(min, message), v.maxValue(max, message));
}

/** A whole number within bounds. */
export function integer(min: number, max: number): v.GenericSchema<unknown, number> {
  const message = `a whole number from ${min} to ${max}`;
  return v.pipe(
    v.number(message),
    v.safeInteger(message),
    v.minValue(min, message),
    v.maxValue(max, message),
  );
}

/** Text of a bounded length, in UTF-16 units. */
export function text(min: number, max: number): v.GenericSchema<unknown, string> {
  const message =
    min === 0 ? `text of at most ${max} characters` : `text of ${min} to ${max} characters`;
  return v.pipe(v.string(message), v.minLength(min, message), v.maxLength(max, message));
}

/** `true` or `false`. */
export function flag(): v.GenericSchema<unknown, boolean> {
  return v.boolean("true or false");
}

/** A list of a bounded length. */
export function list<T>(
  item: v.GenericSchema<unknown, T>,
  min: number,
  max: number,
  what: string,
): v.GenericSchema<unknown, T[]> {
  const message = `an array of ${min} to ${max} ${what}`;
  // The length is checked before the items: ten million of them must cost nothing.
  const bounded = v.pipe(
    v.custom<unknown[]>((input) => Array.isArray(input), message),
    v.minLength(min, message),
    v.maxLength(max, message),
  );
  return v.pipe(bounded, v.array(item, message));
}

/** A field that may be absent; `null` means the same, as in OpenAI's own description. */
export function maybe<T>(
  schema: v.GenericSchema<unknown, T>,
): v.GenericSchema<unknown, T | undefined> {
  return v.pipe(
    v.nullish(schema),
    v.transform((value) => value ?? undefined),
  );
}

/** An object with these fields and no others. */
export function object<const E extends v.ObjectEntries>(
  entries: E,
): v.GenericSchema<unknown, v.InferOutput<v.StrictObjectSchema<E, string>>> {
  return v.pipe(plainObject(), v.strictObject(entries, "an object"));
}

/** An object of bounded size whose keys match `keys`. */
export function record<T>(
  keys: RegExp,
  value: v.GenericSchema<unknown, T>,
  max: number,
  what: string,
): v.GenericSchema<unknown, Readonly<Record<string, T>>> {
  const message = `an object of at most ${max} ${what}`;
  return v.pipe(
    plainObject(message),
    v.check((input) => {
      const names = Object.keys(input);
      return names.length <= max && names.every((name) => keys.test(name));
    }, message),
    v.record(v.string(), value, message),
  );
}

function plainObject(message = "an object"): v.GenericSchema<unknown, Record<string, unknown>> {
  return v.custom<Record<string, unknown>>(
    (input) => typeof input === "object" && input !== null && !Array.isArray(input),
    message,
  );
}
