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
  /**
   * The tokens to choose from behind guesses of the next ones, where there is a choice. Asked for without guesses
   * first, then behind one more of them each time.
   */
  mask(guesses: readonly number[]): Uint32Array | undefined;
  /** The same for whoever guesses, at any time. */
  preview(guesses: readonly number[]): Uint32Array | undefined;
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

/** A place in an answer, and how many tokens may still come. */
interface Place {
  readonly matcher: Matcher;
  readonly room: number;
}

/** What may come at a place. */
interface Choices extends Place {
  /** Absent where there is no choice. */
  readonly mask: Uint32Array | undefined;
  /** Whether something else could be said with more tokens. */
  readonly shortened: boolean;
  /** Seen while others are asked, too: thrown when it is this request's turn. */
  readonly failure?: unknown;
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
  let room = limit - request.tokens.length;
  const ends = checkRoom(request, matcher, room);
  let shortened = false;
  /** What was asked for and has not been chosen from, this place and those behind guesses. */
  let asked: Choices[] = [];

  /** Of the tokens that may come those after which the answer can still be complete in time. */
  function choicesAt(place: Place): Choices {
    const next = place.matcher.mask();
    const free = { ...place, mask: next, shortened: false };
    if (!ends || place.matcher.endsWithin(place.room - 1)) return free;
    const { mask, all, longest } = place.matcher.beginnings(place.room);
    // What was emitted elsewhere with more room may leave none here.
    if (longest < 0) return free;
    return { ...place, mask, shortened: next.some((bits, word) => (bits & ~all[word]!) !== 0) };
  }

  /** The place behind guesses; nothing where they do not fit. */
  function behind(guesses: readonly number[]): Place | undefined {
    if (guesses.length === 0) return { matcher, room };
    const fork = matcher.fork();
    return guesses.every((guess) => fork.push(guess))
      ? { matcher: fork, room: room - guesses.length }
      : undefined;
  }

  function look(guesses: readonly number[]): Choices {
    try {
      const place = behind(guesses);
      const choices = place && choicesAt(place);
      if (choices?.mask !== undefined && firstAllowed(choices.mask) >= 0) return choices;
      return { matcher, room, shortened: false, ...choices, mask: undefined };
    } catch (failure) {
      return { matcher, room, mask: undefined, shortened: false, failure };
    }
  }

  for (const token of emitted) {
    // What the number of tokens forbade is seen again.
    if (ends && !matcher.endsWithin(room - 1)) {
      shortened ||= choicesAt({ matcher, room }).shortened;
    }
    room--;
    if (matcher.push(token)) continue;
    throw new RuntimeError(
      "INVALID_REQUEST",
      `Cannot go on: token ${token} does not fit what the answer has to be`,
    );
  }

  return {
    mask(guesses) {
      if (guesses.length === 0) asked = [];
      const choices = look(guesses);
      asked.push(choices);
      return choices.mask;
    },
    preview: (guesses) => look(guesses).mask,
    correct(chosen) {
      const [choices] = asked;
      if (choices === undefined) throw new Error("Cannot choose a token before asking for a mask");
      if (choices.failure !== undefined) throw choices.failure;
      if (choices.mask === undefined) {
        if (matcher.accepts) return END;
        throw new RuntimeError(
          "INVALID_REQUEST",
          "Cannot go on: no token of this model's vocabulary fits what the answer has to be",
        );
      }
      shortened ||= choices.shortened;
      // Where all that is allowed is infinitely unlikely, or no number, chance has chosen something else.
      const token = isAllowed(choices.mask, chosen) ? chosen : firstAllowed(choices.mask);
      if (!ends || stops.has(token) || matcher.endsWithin(room - 1, token)) return token;
      // It would begin something for which there is no room.
      shortened = true;
      if (matcher.accepts) return stopTokens.find((stop) => isAllowed(matcher.mask(), stop)) ?? END;
      const { longest } = matcher.beginnings(room);
      return longest < 0 ? token : longest;
    },
    take(token) {
      asked.shift();
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
