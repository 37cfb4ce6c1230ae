import { RuntimeError } from "../errors.ts";

/** The error for a file that contradicts the format, or itself. */
export function malformed(file: string, problem: string): RuntimeError {
  return new RuntimeError("MODEL_MALFORMED", `Cannot read ${file}: ${problem}`);
}

/** The error for a file that is sound but needs what this version does not have. */
export function unsupported(file: string, problem: string): RuntimeError {
  return new RuntimeError("MODEL_UNSUPPORTED", `Cannot read ${file}: ${problem}`);
}

/** Longest piece of a file's own text that an error repeats. */
const MAX_QUOTED = 80;

/** Text from a file, safe to show: shortened, and control characters escaped. */
export function quote(text: string): string {
  return JSON.stringify(text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text);
}
