import { OutOfMemoryError, RuntimeError } from "../errors.ts";

/**
 * Why an engine can never finish a step again. `died`: its worker ended; `stalled`: it made no progress for so
 * long that it was given up; `device`: the GPU was lost or refused a command; `memory`: there was none left;
 * `trap`: a kernel trapped; `defect`: anything else that a step threw.
 */
export type BreakReason = "died" | "stalled" | "device" | "memory" | "trap" | "defect";

/** Every reason, for whoever counts them. */
export const BREAK_REASONS: readonly BreakReason[] = [
  "died",
  "stalled",
  "device",
  "memory",
  "trap",
  "defect",
];

/** The end of an engine. */
export interface Breakage {
  /** For programs: a metric's label. */
  readonly reason: BreakReason;
  /** What its requests end with. */
  readonly error: RuntimeError;
}

/** Whether a backend of this name computes on a GPU. */
export function isGpu(backend: string): boolean {
  return backend.startsWith("webgpu");
}

/** What has become of an engine on `backend` when a step threw `cause`. */
export function breakageOf(cause: unknown, backend: string): Breakage {
  const reason = reasonOf(cause, backend);
  if (RuntimeError.is(cause)) return { reason, error: cause };
  const why = cause instanceof Error ? cause.message : String(cause);
  const code = reason === "memory" ? "INSUFFICIENT_RESOURCES" : "INTERNAL";
  return { reason, error: new RuntimeError(code, `Cannot compute a step: ${why}`, { cause }) };
}

function reasonOf(cause: unknown, backend: string): BreakReason {
  if (cause instanceof OutOfMemoryError) return "memory";
  if (isGpu(backend)) return "device";
  return isTrap(cause) ? "trap" : "defect";
}

/** `WebAssembly.RuntimeError` by its name, which is that of our own errors as well: those have codes. */
function isTrap(cause: unknown): boolean {
  return cause instanceof Error && cause.name === "RuntimeError" && !RuntimeError.is(cause);
}
