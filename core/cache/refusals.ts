import { RuntimeError, type ErrorCode } from "../errors.ts";
import { createLru } from "./lru.ts";
import type { Purges } from "./purges.ts";

/** Refusals that are remembered, so that a request that cannot succeed is not looked into again and again. */
export interface Refusals {
  /** Remember why a request was refused, where nothing but the request and its model decided that; whether it did. */
  keep(key: string, error: unknown, tags: readonly string[]): boolean;
  /** Why the request of this key is refused; `undefined` where that is not known. */
  find(key: string): Promise<Refusal | undefined>;
}

/** A refusal that is remembered. */
export interface Refusal {
  /** What was thrown, anew. */
  readonly error: RuntimeError;
  /** Milliseconds since it was. */
  readonly ageMs: number;
}

/** Options of {@linkcode createRefusals}. */
export interface RefusalOptions {
  /** What is void with an answer is so with a refusal. */
  readonly purges: Purges;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
}

/**
 * What a request is told that does not fit, that the template refuses, that asks for what cannot be done: after its
 * prompt was rendered and its tokens were counted, which takes tenths of a second for a long one. What an allowance, a
 * queue, a key or the moment decides is never among them.
 */
const LASTING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "CONTEXT_LENGTH_EXCEEDED",
  "TEMPLATE_FAILED",
  "UNSUPPORTED_PARAMETER",
  "UNSUPPORTED_MODALITY",
  "INVALID_REQUEST",
]);

/** Long enough for a client that tries over and over, short enough for nobody to wonder after a change. */
export const REFUSAL_FRESH_MS = 60_000;

/** A few thousand refusals: their messages are short. */
const MAX_BYTES = 1024 * 1024;

/** What a refusal takes beside its texts, roughly. */
const OVERHEAD = 300;

interface Kept {
  readonly code: ErrorCode;
  readonly message: string;
  readonly param: string | undefined;
  readonly tags: readonly string[];
  readonly storedAt: number;
  readonly at: number;
}

/** None is known. They are kept in this process only: to find out again costs less than to ask far away. */
export function createRefusals({ purges, wallClock, now }: RefusalOptions): Refusals {
  const kept = createLru<Kept>(MAX_BYTES);
  return {
    keep(key, error, tags) {
      // Where the same request may succeed later, the moment had a part in it.
      if (
        !RuntimeError.is(error) ||
        !LASTING.has(error.code) ||
        error.retryAfterSeconds !== undefined
      )
        return false;
      const { code, message, param } = error;
      const bytes = OVERHEAD + 2 * (key.length + message.length + (param?.length ?? 0));
      kept.set(key, { code, message, param, tags, storedAt: wallClock(), at: now() }, bytes);
      return true;
    },
    async find(key) {
      const found = kept.get(key);
      if (found === undefined) return undefined;
      const { code, message, param, tags, storedAt, at } = found;
      const ageMs = now() - at;
      if (ageMs >= REFUSAL_FRESH_MS || (await purges.covers(tags, storedAt))) {
        kept.delete(key);
        return undefined;
      }
      const error = new RuntimeError(code, message, param === undefined ? {} : { param });
      return { error, ageMs };
    },
  };
}
