import { toOtlpJson } from "./otlp.ts";
import type { Attributes, Span, Tracer } from "./span.ts";

/** Where spans go. */
export interface ExporterOptions {
  /** Of OTLP over HTTP, without `/v1/traces`: `http://127.0.0.1:4318`. */
  readonly endpoint: string;
  /** Sent along, for collectors that want credentials. */
  readonly headers?: Readonly<Record<string, string>>;
  /** `service.name`; `sirocco` unless given. */
  readonly serviceName?: string;
  /** Of this server. */
  readonly version: string;
  /** Share of traces that are recorded where the client does not say, 0 to 1; all unless given. */
  readonly sampleRatio?: number;
  /** Told of spans that were lost, as the collector could not be reached or took them too slowly. */
  readonly onLost?: (spans: number) => void;
}

/** A tracer that sends spans to a collector. */
export interface Exporter extends Tracer {
  /** Send what waits. Never rejects. */
  flush(): Promise<void>;
  /** Send what waits, and nothing afterwards. */
  close(): Promise<void>;
}

/** Spans that wait at most: some hundred requests, about a megabyte. */
const MAX_WAITING = 4096;
/** Spans of one message. */
const MAX_BATCH = 512;
/** How long the first of a batch waits for others. */
const BATCH_MS = 1000;
/** A collector that takes longer is treated as absent. */
const SEND_TIMEOUT_MS = 5000;

/** Send spans to a collector as OTLP/HTTP in JSON, in batches, without holding anything up. */
export function createExporter(options: ExporterOptions): Exporter {
  const { version, sampleRatio = 1, serviceName = "sirocco", onLost = () => {} } = options;
  const url = `${options.endpoint.replace(/\/+$/, "")}/v1/traces`;
  const resource: Attributes = { "service.name": serviceName, "service.version": version };
  let waiting: Span[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let sending: Promise<void> = Promise.resolve();
  let closed = false;

  async function send(spans: readonly Span[]): Promise<void> {
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", ...options.headers },
        body: JSON.stringify(toOtlpJson(spans, resource, version)),
        redirect: "error",
        signal: AbortSignal.timeout(SEND_TIMEOUT_MS),
      });
      await response.body?.cancel();
      if (!response.ok) onLost(spans.length);
    } catch {
      onLost(spans.length);
    }
  }

  async function sendAll(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, MAX_BATCH);
      waiting = waiting.slice(MAX_BATCH);
      await send(batch);
    }
  }

  function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    // One message at a time: a slow collector gets larger batches, not more of them.
    sending = sending.then(sendAll);
    return sending;
  }

  return {
    sample: () => Math.random() < sampleRatio,
    record(spans) {
      const room = Math.max(MAX_WAITING - waiting.length, 0);
      if (closed || spans.length > room) {
        onLost(spans.length);
        return;
      }
      waiting.push(...spans);
      if (waiting.length >= MAX_BATCH) void flush();
      else timer ??= setTimeout(() => void flush(), BATCH_MS);
    },
    flush,
    close() {
      closed = true;
      return flush();
    },
  };
}
