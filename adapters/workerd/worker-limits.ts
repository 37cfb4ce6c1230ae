import type { HttpLimits } from "../../core/http/deps.ts";

/** workerd notices that a client has left only when it writes to it: silence is kept short. */
export const WORKER_LIMITS: Partial<HttpLimits> = {
  bodyBytes: 256 * 1024,
  keepAliveMs: 250,
  wholeKeepAliveMs: 200,
};
