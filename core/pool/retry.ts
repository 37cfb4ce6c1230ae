/** Retries may be this share of the requests that run: Envoy's number. More would double an overload. */
const RETRY_SHARE = 0.2;

/** So few are always allowed, or a quiet pool could retry nothing. */
const LEAST_RETRIES = 3;

/** Envoy's first and longest pause before another attempt, in milliseconds. */
const BACKOFF_MS = 25;
const LONGEST_BACKOFF_MS = 250;

/** Whether another retry fits into the budget, with so many requests and retries under way. */
export function mayRetry(running: number, retries: number): boolean {
  return retries < Math.max(LEAST_RETRIES, Math.floor(running * RETRY_SHARE));
}

/**
 * How long to wait before attempt `attempt` ≥ 2, in milliseconds: anything up to a bound that doubles, so that
 * requests that failed together do not come back together.
 *
 * @param random From 0 to below 1.
 */
export function backoffMs(attempt: number, random: number): number {
  return Math.min(BACKOFF_MS * 2 ** (attempt - 2), LONGEST_BACKOFF_MS) * random;
}
