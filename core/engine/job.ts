import type { RuntimeError } from "../errors.ts";
import type { Sequence } from "./sequence.ts";

/** What the loop does for one request: a sequence to compute, and what becomes of its logits. */
export interface Job {
  readonly sequence: Sequence;
  /** Its first row is about to be computed; called before every step that holds some. */
  begin(now: number): void;
  /**
   * Use logits, one row after another as they were wanted; they may be overwritten. Returns the next
   * token, where there is to be one.
   */
  take(rows: readonly Float32Array[], now: number): number | undefined;
  /** All is computed. */
  finish(reason: "stop" | "length"): void;
  /** It ends here, computed or not. */
  fail(error: RuntimeError): void;
}

/** What jobs add up, for the engine's statistics. */
export interface Tally {
  promptTokens: number;
  generatedTokens: number;
}

/** No token. */
export const NO_STOPS: ReadonlySet<number> = new Set();
