import type { TraceContext } from "./traceparent.ts";

/** What a span may say. Whole numbers become integers. */
export type AttributeValue = string | number | boolean | readonly string[];

/** Attributes by name; absent ones are left out. */
export type Attributes = Readonly<Record<string, AttributeValue | undefined>>;

/** A span that has ended. */
export interface Span extends TraceContext {
  /** The span that it is a part of; none where the trace begins here. */
  readonly parentId: string | undefined;
  /** `tracestate` as it came. */
  readonly traceState: string | undefined;
  /** `chat model`, or the stage. */
  readonly name: string;
  /** `server`: a whole request. */
  readonly kind: "server" | "internal";
  /** Milliseconds since 1970, with fractions. */
  readonly startMs: number;
  /** The same. */
  readonly endMs: number;
  /** What is known of it; never prompts, answers or keys. */
  readonly attributes: Attributes;
  /** Set where it failed: what went wrong, by its stable code. */
  readonly error: string | undefined;
}

/** Decides which traces are recorded, and takes their spans. */
export interface Tracer {
  /** Whether a trace that begins here is recorded. */
  sample(): boolean;
  /** Take spans that have ended; must not throw and does not wait. */
  record(spans: readonly Span[]): void;
}
