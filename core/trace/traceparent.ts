/** Where a request stands in a trace (W3C Trace Context). */
export interface TraceContext {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits: of whoever sent the request, or of our own span. */
  readonly spanId: string;
  /** Whether the trace is being recorded. */
  readonly sampled: boolean;
}

/** Longest `tracestate` that has to be passed on. */
export const MAX_TRACE_STATE = 512;

const TRACEPARENT =
  /^([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** The context of a `traceparent` header; `undefined` for what is none, which starts a trace of its own. */
export function parseTraceparent(header: string | null): TraceContext | undefined {
  const [, version, traceId, spanId, flags, more] = TRACEPARENT.exec(header ?? "") ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  // Version 00 has exactly these parts; later ones may have more, ff is none.
  if (version === "ff" || (version === "00" && more !== undefined)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** The `traceparent` header of a context. */
export function toTraceparent({ traceId, spanId, sampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`;
}

/** A fresh id of 16 bytes for a trace, 8 for a span, in hex. */
export function randomHex(bytes: 8 | 16): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  // All zeros would mean that there is none.
  if (random.every((byte) => byte === 0)) random[0] = 1;
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
