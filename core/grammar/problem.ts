/** Errors about a grammar that a client sent. */
import { RuntimeError } from "../errors.ts";

/** Characters of a grammar that a message repeats. */
const SHOWN = 60;

/** It cannot be what was meant: it has no meaning, or no text fits it. `param` is the field at fault. */
export function malformed(param: string, why: string): RuntimeError {
  return new RuntimeError("INVALID_REQUEST", `Cannot use '${param}': ${why}`, { param });
}

/** It means something that cannot be enforced here; to enforce something else instead would be worse. */
export function unsupported(param: string, why: string): RuntimeError {
  return new RuntimeError("UNSUPPORTED_PARAMETER", `Unsupported parameter '${param}': ${why}`, {
    param,
  });
}

/** It costs more than the limit allows. */
export function tooLarge(param: string, what: string, limit: number): RuntimeError {
  return malformed(param, `it needs more than ${limit} ${what}; make it smaller`);
}

/** A piece of a client's text for a message. */
export function shown(text: string): string {
  return JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);
}
