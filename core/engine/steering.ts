import { RuntimeError } from "../errors.ts";
import { firstAllowed, isAllowed } from "../grammar/masks.ts";
import type { Matcher, Matchers } from "../grammar/matcher.ts";
import type { GenerateRequest } from "./engine.ts";

/** Stands for the end of an answer that no token of the vocabulary ends. */
export const END = -1;

/**
 * Keeps an answer to its constraint, and brings it to an end before its tokens are used up. Its state depends on the
 * tokens alone, whatever becomes of the cache.
 */
export interface Steering {
  /** The tokens to choose from, where there is a choice. */
  mask(): Uint32Array | undefined;
  /**
   * The token to go on with in place of the one chosen, {@linkcode END} at the end of what the constraint allows.
   * Throws `INVALID_REQUEST` where it cannot be followed.
   */
  correct(chosen: number): number;
  /** Go on behind a token that {@linkcode Steering.correct} gave. */
  take(token: number): void;
  /** How the answer ended: `length` wherever the number of tokens had a say in what it is. */
  ending(reason: "stop" | "length"): "stop" | "length";
}

/**
 * The steering that a request asks for, behind what has been emitted, with tokens up to `limit`, prompt included.
 * Throws `INVALID_REQUEST` and `CONTEXT_LENGTH_EXCEEDED` where no answer could be complete by then.
 */
export function steer(
  request: GenerateRequest,
  matchers: Matchers,
  limit: number,
): Steering | undefined {
  const { constraint, stopTokens, emitted = [] } = request;
  if (constraint === undefined) return undefined;
  const { grammar, vocabulary, blank } = constraint;
  const matcher = matchers.start(grammar, vocabulary, stopTokens, blank);
  const stops = new Set(stopTokens);
  /** Tokens that may still come. */
  let room = limit - request.tokens.length;
  const ends = checkRoom(request, matcher, room);
  /** Whether something else could have been said with more tokens. */
  let shortened = false;
  let mask: Uint32Array | undefined;
  /** Seen while others are asked, too: thrown when it is this request's turn. */
  let failure: unknown;

  /** Of the tokens that may come next those after which the answer can still be complete in time. */
  function inTime(next: Uint32Array): Uint32Array {
    if (!ends || matcher.endsWithin(room - 1)) return next;
    const { mask: left, all, longest } = matcher.beginnings(room);
    // What was emitted elsewhere with more room may leave none here.
    if (longest < 0) return next;
    shortened ||= next.some((bits, word) => (bits & ~all[word]!) !== 0);
    return left;
  }

  for (const token of emitted) {
    // What the number of tokens forbade is seen again.
    if (ends && !matcher.endsWithin(room - 1)) inTime(matcher.mask());
    room--;
    if (matcher.push(token)) continue;
    throw new RuntimeError(
      "INVALID_REQUEST",
      `Cannot go on: token ${token} does not fit what the answer has to be`,
    );
  }

  return {
    mask() {
      mask = undefined;
      try {
        const next = inTime(matcher.mask());
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
      if (!ends || stops.has(token) || matcher.endsWithin(room - 1, token)) return token;
      // It would begin something for which there is no room.
      shortened = true;
      if (matcher.accepts) return stopTokens.find((stop) => isAllowed(matcher.mask(), stop)) ?? END;
      const { longest } = matcher.beginnings(room);
      return longest < 0 ? token : longest;
    },
    take(token) {
      if (token === END || stops.has(token)) return;
      matcher.push(token);
      room--;
    },
    ending(reason) {
      if (shortened) return "length";
      return matcher.finished ? "stop" : reason;
    },
  };
}

/** Whether the answer can be brought to an end in time; throws where it could be with more tokens only. */
function checkRoom({ maxTokens }: GenerateRequest, matcher: Matcher, room: number): boolean {
  if (matcher.endsWithin(room)) return true;
  const { shortest } = matcher;
  // It is too long to be looked for, or the vocabulary lacks what it takes: then it ends where it ends.
  if (shortest === Infinity) return false;
  const cannot = `Cannot answer within ${room} tokens: the shortest answer of this form takes ${shortest}`;
  if (room === maxTokens) {
    throw new RuntimeError("INVALID_REQUEST", `${cannot}; raise 'max_tokens'`, {
      param: "max_tokens",
    });
  }
  throw new RuntimeError("CONTEXT_LENGTH_EXCEEDED", `${cannot}, and the context holds no more`);
}
