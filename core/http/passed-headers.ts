import { MAX_TRACE_STATE } from "../trace/traceparent.ts";
import { RuntimeError } from "../errors.ts";
import type { AppDeps } from "./deps.ts";
import type { Exchange } from "./exchange.ts";

/**
 * The headers of a client's request that go along where it is passed on: which request and trace it belongs
 * to, what is left of its time, what it wishes of caches. Keys, cookies and addresses never do. Throws
 * `DEADLINE_EXCEEDED` where nothing is left.
 *
 * @param deadlineAt By the monotonic clock; absent: any time.
 */
export function passedHeaders(
  { headers }: Request,
  exchange: Exchange,
  deps: Pick<AppDeps, "now">,
  deadlineAt: number | undefined,
): Readonly<Record<string, string>> {
  const { traceparent } = exchange.trace;
  const passed: Record<string, string> = { "x-request-id": exchange.id };
  if (traceparent !== undefined) {
    passed["traceparent"] = traceparent;
    const state = headers.get("tracestate");
    if (state !== null && state.length <= MAX_TRACE_STATE) passed["tracestate"] = state;
  }
  const cacheControl = headers.get("cache-control");
  if (cacheControl !== null) passed["cache-control"] = cacheControl;
  if (deadlineAt !== undefined) {
    const left = Math.floor(deadlineAt - deps.now());
    if (left < 1) throw new RuntimeError("DEADLINE_EXCEEDED", "The time of this request is over");
    passed["x-sirocco-timeout-ms"] = String(left);
  }
  return passed;
}
