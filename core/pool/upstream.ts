import { RuntimeError } from "../errors.ts";
import { createBucket } from "../http/edge/bucket.ts";
import type { LogRecord } from "../http/deps.ts";
import * as health from "./health.ts";
import { createLeases } from "./leases.ts";
import type { Transport, TransportResponse } from "./transport.ts";

/** A server of somebody else that speaks OpenAI's API: vLLM, llama-server, a provider. */
export interface Upstream {
  /**
   * Send a request there. Rejects with `NOT_READY` where its breaker is open or its budget used up, with
   * `UPSTREAM_ERROR` where it fails or refuses, and with `ABORTED`.
   */
  ask(request: UpstreamRequest): Promise<TransportResponse>;
  /** Let go of connections. */
  close(): Promise<void>;
}

/** A request in OpenAI's form. */
export interface UpstreamRequest {
  /** `/v1/chat/completions`. */
  readonly path: string;
  /** JSON. */
  readonly body: string;
  /** Sent along beside our own. */
  readonly headers: Readonly<Record<string, string>>;
  /** Whether the answer comes piece by piece, so that its beginning can be waited for. */
  readonly stream: boolean;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** An upstream. */
export interface UpstreamOptions {
  /** `http://host:8000` or `https://host/v1`. */
  readonly url: string;
  /** Our key there; the clients' own keys are never sent on. */
  readonly key?: string;
  /** What it calls its model; the request's own name unless given. */
  readonly model?: string;
  /** Requests that it may get in a minute; any number unless given. */
  readonly requestsPerMinute?: number;
  /** How it is reached. */
  readonly transport: Transport;
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
  /** Hears when it goes away and comes back. */
  readonly log: (record: LogRecord) => void;
}

/** Paths of OpenAI's that such servers have in common. */
export const UPSTREAM_PATHS: ReadonlySet<string> = new Set([
  "/v1/chat/completions",
  "/v1/completions",
]);

/** A stream begins within this time or not at all; an answer in one piece is complete by the second. */
const STREAM_BEGINS_MS = 30_000;
const WHOLE_MS = 300_000;

/** Nothing has been asked. */
export function createUpstream(options: UpstreamOptions): Upstream {
  const { transport, now, key, model, requestsPerMinute } = options;
  const base = options.url.replace(/\/+$/, "").replace(/\/v1$/, "");
  const budget =
    requestsPerMinute === undefined ? undefined : createBucket(requestsPerMinute, 60_000, now);
  let state = health.HEALTHY;
  const trials = createLeases(now, WHOLE_MS);

  function become(next: health.NodeHealth): void {
    const was = state.out !== undefined;
    state = next;
    const is = state.out !== undefined;
    if (was === is) return;
    if (is) options.log({ level: "error", event: "upstream_out", why: state.out?.why ?? "lost" });
    else options.log({ level: "info", event: "upstream_back" });
  }

  return {
    async ask({ path, body, headers, stream, signal }) {
      const standing = health.standing(state, now());
      if (standing === "out" || (standing === "trial" && trials.count > 0))
        throw closed("its breaker is open");
      if (budget?.take(1) === false) throw closed("its budget for this minute is used up");
      const controller = new AbortController();
      const abort = (): void => controller.abort();
      signal.addEventListener("abort", abort, { once: true });
      if (signal.aborted) abort();
      const timer = setTimeout(abort, stream ? STREAM_BEGINS_MS : WHOLE_MS);
      const endTrial = standing === "trial" ? trials.take() : undefined;
      try {
        const response = await transport.send(base + path, {
          method: "POST",
          headers: {
            ...headers,
            "content-type": "application/json",
            ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
          },
          body: model === undefined ? body : withModel(body, model),
          signal: controller.signal,
        });
        const { status } = response;
        if (status === 200) {
          become(health.afterAnswer(state, now()));
          return response;
        }
        // It is the only one, but unlike the last node of a pool it has a rung below it.
        if (status >= 500) become(health.afterError(state, now(), false));
        abort();
        throw new RuntimeError("UPSTREAM_ERROR", `The upstream server answered with ${status}`);
      } catch (cause) {
        if (signal.aborted) throw new RuntimeError("ABORTED", "The client left", { cause });
        if (RuntimeError.is(cause)) throw cause;
        become(health.afterLoss(state, now()));
        throw new RuntimeError("UPSTREAM_ERROR", "The upstream server was not reached", { cause });
      } finally {
        endTrial?.();
        clearTimeout(timer);
        if (controller.signal.aborted) signal.removeEventListener("abort", abort);
      }
    },
    close: () => transport.close(),
  };
}

/** The body was checked before, so that it is an object with a model. */
function withModel(body: string, model: string): string {
  return JSON.stringify({ ...(JSON.parse(body) as object), model });
}

function closed(why: string): RuntimeError {
  return new RuntimeError("NOT_READY", `Cannot ask the upstream server: ${why}`);
}
