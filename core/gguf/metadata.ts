import type { MetadataValue } from "./gguf.ts";
import { malformed, quote } from "./problem.ts";

/** A metadata value that must be a whole number, or `fallback` where `file` has none. */
export function integerOf(
  file: string,
  metadata: ReadonlyMap<string, MetadataValue>,
  key: string,
  fallback: number,
): number {
  const value = metadata.get(key) ?? fallback;
  if (typeof value === "number" && Number.isInteger(value)) return value;
  const found = typeof value === "string" ? quote(value) : describe(value);
  throw malformed(file, `${key} is ${found}, expected a whole number`);
}

function describe(value: MetadataValue): string {
  return typeof value === "object" ? `an array of ${value.length}` : String(value);
}
