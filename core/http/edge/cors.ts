/** For hono's CORS middleware: exactly these origins may send requests and read what is in our headers. */
export function corsOptions(origins: readonly string[]): {
  origin: string[];
  allowMethods: string[];
  allowHeaders: string[];
  exposeHeaders: string[];
  maxAge: number;
} {
  return {
    origin: [...origins],
    allowMethods: ["GET", "POST", "OPTIONS"],
    allowHeaders: REQUEST_HEADERS,
    exposeHeaders: RESPONSE_HEADERS,
    maxAge: PREFLIGHT_SECONDS,
  };
}

/** Browsers ask again after two hours at the latest. */
const PREFLIGHT_SECONDS = 7200;
const REQUEST_HEADERS = [
  "authorization",
  "content-type",
  "last-event-id",
  "traceparent",
  "tracestate",
  "x-api-key",
  "x-request-id",
  "x-sirocco-receipt",
  "x-sirocco-semantic",
];
const RESPONSE_HEADERS = [
  "cache-status",
  "retry-after",
  "retry-after-ms",
  "server-timing",
  "traceparent",
  "x-request-id",
  "x-should-retry",
  "x-sirocco-ignored",
  "x-sirocco-semantic-entry",
  "x-ratelimit-limit-requests",
  "x-ratelimit-limit-tokens",
  "x-ratelimit-remaining-requests",
  "x-ratelimit-remaining-tokens",
  "x-ratelimit-reset-requests",
  "x-ratelimit-reset-tokens",
];
