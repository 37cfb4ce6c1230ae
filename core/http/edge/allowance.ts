import { RuntimeError } from "../../errors.ts";
import { createBucket, type Bucket } from "./bucket.ts";
import { toGoDuration } from "./go-duration.ts";

/** What a key may use. Absent limits do not apply. */
export interface KeyLimits {
  /** Requests that ask a model for something. */
  readonly requestsPerMinute?: number;
  /** Prompts and answers together. */
  readonly tokensPerMinute?: number;
}

/** What a key may still use. */
export interface Allowance {
  /** Count a request. Throws `RATE_LIMITED`. */
  request(): void;
  /**
   * Set tokens aside before they are computed, so that many requests at once cannot overrun the limit
   * together. Throws `RATE_LIMITED`.
   *
   * @param maxTokens As asked for; absent: `room`, or what one minute's limit leaves of it.
   */
  reserve(promptTokens: number, maxTokens: number | undefined, room: number): Reservation;
  /** OpenAI's `x-ratelimit-*`; nothing where nothing is limited. */
  headers(): Readonly<Record<string, string>>;
}

/** Tokens set aside for one request. */
export interface Reservation {
  /** What the answer may have. */
  readonly maxTokens: number;
  /** Give back what was not used, or owe what was used beyond; later calls do nothing. */
  settle(usedTokens: number): void;
}

const MINUTE_MS = 60_000;

/** No limits. */
export const UNLIMITED: Allowance = {
  request: () => {},
  reserve: (_promptTokens, maxTokens, room) => ({
    maxTokens: Math.min(maxTokens ?? room, room),
    settle: () => {},
  }),
  headers: () => NO_HEADERS,
};
const NO_HEADERS: Readonly<Record<string, string>> = {};

/** A full allowance. `now`: monotonic clock in milliseconds. */
export function createAllowance(limits: KeyLimits, now: () => number): Allowance {
  const requests = toBucket(limits.requestsPerMinute, now);
  const tokens = toBucket(limits.tokensPerMinute, now);
  if (requests === undefined && tokens === undefined) return UNLIMITED;
  return {
    request: () => take(requests, 1, "requests"),
    reserve(promptTokens, asked, room) {
      const most = tokens === undefined ? room : Math.min(room, tokens.limit - promptTokens);
      const maxTokens = Math.min(asked ?? Math.max(most, 1), room);
      const reserved = promptTokens + maxTokens;
      take(tokens, reserved, "tokens");
      let settled = false;
      return {
        maxTokens,
        settle(usedTokens) {
          if (settled) return;
          settled = true;
          tokens?.put(reserved - usedTokens);
        },
      };
    },
    headers: () => ({ ...describe(requests, "requests"), ...describe(tokens, "tokens") }),
  };
}

function toBucket(limit: number | undefined, now: () => number): Bucket | undefined {
  return limit === undefined ? undefined : createBucket(limit, MINUTE_MS, now);
}

function take(bucket: Bucket | undefined, amount: number, unit: string): void {
  if (bucket === undefined || bucket.take(amount)) return;
  const { limit } = bucket;
  if (amount > limit) {
    throw new RuntimeError(
      "RATE_LIMITED",
      `This request needs up to ${amount} ${unit}, and the key may use ${limit} a minute: shorten it or lower max_tokens`,
      { retryAfterSeconds: Infinity },
    );
  }
  throw new RuntimeError(
    "RATE_LIMITED",
    `The key may use ${limit} ${unit} a minute; ${Math.floor(bucket.left())} are left and ${amount} are needed`,
    { retryAfterSeconds: bucket.waitMs(amount) / 1000 },
  );
}

function describe(bucket: Bucket | undefined, unit: string): Record<string, string> {
  if (bucket === undefined) return {};
  return {
    [`x-ratelimit-limit-${unit}`]: String(bucket.limit),
    [`x-ratelimit-remaining-${unit}`]: String(Math.max(Math.floor(bucket.left()), 0)),
    [`x-ratelimit-reset-${unit}`]: toGoDuration(bucket.waitMs(bucket.limit)),
  };
}
