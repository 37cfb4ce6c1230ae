import type { Attributes, AttributeValue, Span } from "./span.ts";

/** OTLP's number for each kind of span, and of a status that is an error. */
const KINDS = { internal: 1, server: 2 } as const;
const STATUS_ERROR = 2;
const SAMPLED = 1;

/** Spans as the body of an OTLP/HTTP request in JSON (opentelemetry-proto 1.x, ExportTraceServiceRequest). */
export function toOtlpJson(spans: readonly Span[], resource: Attributes, version: string): object {
  return {
    resourceSpans: [
      {
        resource: { attributes: toAttributes(resource) },
        scopeSpans: [{ scope: { name: "sirocco", version }, spans: spans.map(toSpan) }],
      },
    ],
  };
}

function toSpan(span: Span): object {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentId === undefined ? {} : { parentSpanId: span.parentId }),
    ...(span.traceState === undefined ? {} : { traceState: span.traceState }),
    flags: SAMPLED,
    name: span.name,
    kind: KINDS[span.kind],
    startTimeUnixNano: toNanos(span.startMs),
    endTimeUnixNano: toNanos(span.endMs),
    attributes: toAttributes(span.attributes),
    ...(span.error === undefined ? {} : { status: { code: STATUS_ERROR, message: span.error } }),
  };
}

/** As a decimal text: nanoseconds since 1970 exceed what a double counts; microseconds do not. */
function toNanos(milliseconds: number): string {
  return `${Math.round(milliseconds * 1000)}000`;
}

function toAttributes(attributes: Attributes): object[] {
  return Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: toValue(value) }],
  );
}

function toValue(value: AttributeValue): object {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "number")
    return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  return { arrayValue: { values: value.map((one) => ({ stringValue: one })) } };
}
