import type { EngineChange } from "../../core/engine/engine-succession.ts";
import type { LogRecord } from "../../core/http/deps.ts";

/** What the log says of a change of an engine's state: one line for each. */
export function engineRecord(change: EngineChange): LogRecord {
  switch (change.type) {
    case "broken":
      return error("engine_broken", change.error.message, { reason: change.reason });
    case "not_opened":
      return error("engine_not_opened", change.error.message, { retry_ms: change.delayMs });
    case "given_up":
      return error("engine_given_up", change.error.message);
    case "replaced":
      return {
        level: "info",
        event: "engine_replaced",
        backend: change.backend,
        degraded: change.degraded,
        ms: Math.round(change.tookMs),
      };
    default:
      return change satisfies never;
  }
}

function error(
  event: string,
  message: string,
  more: Readonly<Record<string, string | number>> = {},
): LogRecord {
  return { level: "error", event, ...more, message };
}
