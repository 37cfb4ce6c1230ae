import { RuntimeError } from "../errors.ts";
import { ANYONE as NOBODY_IN_PARTICULAR, MAX_PRIORITY } from "../engine/queue.ts";
import { ANYONE, type Caller } from "./edge/access.ts";

/** Milliseconds after which an answer is of no use any more; the second is Portkey's name for it. */
const TIMEOUT_HEADERS = ["x-sirocco-timeout-ms", "x-portkey-request-timeout"] as const;

/** A day: whoever means longer means no limit. */
const LONGEST_TIMEOUT_MS = 86_400_000;

/** Whose a request is and how it is queued, as the engine takes it. */
export interface Urgency {
  readonly tenant: string;
  readonly priority: number;
  readonly deadlineMs?: number;
}

/**
 * A request's place in the queue and its deadline, counted from when it arrived. Throws `INVALID_REQUEST`
 * for a header that is no number of milliseconds, and `DEADLINE_EXCEEDED` where the time is over already.
 *
 * @param elapsedMs Since the request arrived.
 */
export function urgency(headers: Headers, caller: Caller, elapsedMs: number): Urgency {
  // No key can have the engine's name for those without one.
  const tenant = caller === ANYONE ? NOBODY_IN_PARTICULAR : caller.tenant;
  const priority = Math.min(Math.max(Math.round(caller.priority), -MAX_PRIORITY), MAX_PRIORITY);
  const name = TIMEOUT_HEADERS.find((one) => headers.has(one));
  if (name === undefined) return { tenant, priority };
  const given = headers.get(name) ?? "";
  const timeout = /^\d{1,8}$/.test(given) ? Number(given) : 0;
  if (timeout < 1 || timeout > LONGEST_TIMEOUT_MS) {
    throw new RuntimeError(
      "INVALID_REQUEST",
      `Cannot accept ${name}: expected 1 to ${LONGEST_TIMEOUT_MS} milliseconds`,
      { param: name },
    );
  }
  const deadlineMs = timeout - elapsedMs;
  if (deadlineMs <= 0) {
    throw new RuntimeError("DEADLINE_EXCEEDED", `The ${timeout} ms of this request are over`);
  }
  return { tenant, priority, deadlineMs };
}
