import type { ReadHeaders } from "./arrival.ts";

/** Longest `x-request-id` that is taken over; the length of common tracing ids with room to spare. */
const MAX_LENGTH = 128;

/**
 * The request's id: the client's own `x-request-id`, freed of anything that could forge a log line or
 * a header, or else a fresh one.
 */
export function requestId(headers: ReadHeaders, randomId: () => string): string {
  const given = headers.get("x-request-id") ?? "";
  const safe = given.replaceAll(/[^\w.:/+=@-]/g, "").slice(0, MAX_LENGTH);
  return safe === "" ? `req_${randomId()}` : safe;
}
