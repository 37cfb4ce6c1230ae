import type { CacheDirectives } from "./directives.ts";

/** What may be done with an answer of some age. */
export type Use = "fresh" | "stale-while-revalidate" | "only-on-error" | "no";

/** How long an answer serves beyond its freshness, in milliseconds (RFC 5861). */
export interface StaleLimits {
  /** While it is computed again. */
  readonly whileRevalidateMs: number;
  /** Where computing fails. */
  readonly ifErrorMs: number;
}

/**
 * What a request may be given of an answer (RFC 9111 section 4.2, RFC 5861): by its age, how long it is
 * fresh, and the request's own wishes, which can narrow everything and, by `max-stale`, widen.
 */
export function mayUse(
  ageMs: number,
  freshMs: number,
  asked: CacheDirectives,
  limits: StaleLimits,
): Use {
  const overdue = ageMs - freshMs;
  const forError = asked.staleIfError === undefined ? limits.ifErrorMs : asked.staleIfError * 1000;
  const onError: Use = overdue <= forError ? "only-on-error" : "no";
  if (asked.noCache) return onError;
  if (asked.maxAge !== undefined && ageMs > asked.maxAge * 1000) return onError;
  if (asked.minFresh !== undefined && -overdue < asked.minFresh * 1000) return onError;
  if (overdue < 0) return "fresh";
  if (asked.maxStale !== undefined && overdue <= asked.maxStale * 1000) return "fresh";
  // A client that names an age wants nothing older, refreshed behind its back or not.
  if (asked.maxAge === undefined && overdue < limits.whileRevalidateMs)
    return "stale-while-revalidate";
  return onError;
}
