import { RuntimeError } from "../errors.ts";
import { firstAllowed, isAllowed } from "../grammar/masks.ts";
import type { Matchers } from "../grammar/matcher.ts";
import type { GenerateRequest } from "./engine.ts";

/** Stands for the end of an answer that no token of the vocabulary ends. */
export const END = -1;

/** Keeps an answer to its constraint. Its state depends on the tokens alone, whatever becomes of the cache. */
export interface Steering {
  /** The tokens to choose from, where there is a choice. */
  mask(): Uint32Array | undefined;
  /**
   * The token to go on with in place of the one chosen, {@linkcode END} at the end of what the constraint allows.
   * Throws `INVALID_REQUEST` where it cannot be followed.
   */
  correct(chosen: number): number;
}

/** The steering that a request asks for, behind what has been emitted. Throws `INVALID_REQUEST`. */
export function steer(request: GenerateRequest, matchers: Matchers): Steering | undefined {
  const { constraint, stopTokens, emitted = [] } = request;
  if (constraint === undefined) return undefined;
  const { grammar, vocabulary, blank } = constraint;
  const matcher = matchers.start(grammar, vocabulary, stopTokens, blank);
  const stops = new Set(stopTokens);
  for (const token of emitted) {
    if (matcher.push(token)) continue;
    throw new RuntimeError(
      "INVALID_REQUEST",
      `Cannot go on: token ${token} does not fit what the answer has to be`,
    );
  }
  let mask: Uint32Array | undefined;
  /** Seen while others are asked, too: thrown when it is this request's turn. */
  let failure: unknown;

  return {
    mask() {
      mask = undefined;
      try {
        const next = matcher.mask();
        if (firstAllowed(next) >= 0) mask = next;
      } catch (error) {
        failure = error;
      }
      return mask;
    },
    correct(chosen) {
      if (failure !== undefined) throw failure;
      if (mask === undefined) {
        if (matcher.accepts) return END;
        throw new RuntimeError(
          "INVALID_REQUEST",
          "Cannot go on: no token of this model's vocabulary fits what the answer has to be",
        );
      }
      // Where all that is allowed is infinitely unlikely, or no number, chance has chosen something else.
      const token = isAllowed(mask, chosen) ? chosen : firstAllowed(mask);
      if (!stops.has(token)) matcher.push(token);
      return token;
    },
  };
}
