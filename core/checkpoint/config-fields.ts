import { RuntimeError } from "../errors.ts";
import { quote } from "../gguf/problem.ts";
import { asObject, type JsonObject } from "./folder.ts";

/** Typed access to `config.json`. Ranges are checked with the metadata that is made of it. */
export interface ConfigFields {
  /** For errors. */
  readonly file: string;
  /** A finite number, or `undefined` where it is absent or null. Throws `MODEL_MALFORMED` for another type. */
  number(name: string): number | undefined;
  /** The same for one that has to be there. */
  required(name: string): number;
  text(name: string): string | undefined;
  flag(name: string): boolean | undefined;
  object(name: string): JsonObject | undefined;
  /** As it stands. */
  raw(name: string): unknown;
}

/** Access to an object of `file`. */
export function configFields(file: string, values: JsonObject): ConfigFields {
  const read = <T>(name: string, is: (value: unknown) => value is T): T | undefined => {
    const value = values[name];
    if (value === undefined || value === null) return undefined;
    if (is(value)) return value;
    throw problem(file, `${name} is ${quote(JSON.stringify(value))}`);
  };
  const number = (name: string): number | undefined => read(name, isNumber);
  return {
    file,
    number,
    required(name) {
      const value = number(name);
      if (value === undefined) throw problem(file, `${name} is missing`);
      return value;
    },
    text: (name) => read(name, (value) => typeof value === "string"),
    flag: (name) => read(name, (value) => typeof value === "boolean"),
    object: (name) => asObject(values[name]),
    raw: (name) => values[name],
  };
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function problem(file: string, what: string): RuntimeError {
  return new RuntimeError("MODEL_MALFORMED", `Cannot read ${file}: ${what}`);
}
