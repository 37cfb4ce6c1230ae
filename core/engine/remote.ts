import { RuntimeError } from "../errors.ts";
import type { Breakage } from "./breakage.ts";
import { createLatch } from "./latch.ts";
import type {
  EmbedRequest,
  EngineInfo,
  EngineStats,
  GenerateEvent,
  GenerateRequest,
  MortalEngine,
  ScoreRequest,
} from "./engine.ts";
import type { TokenBytes } from "../grammar/token-bytes.ts";
import { queueFull } from "./queue.ts";
import { createTokenStream } from "./token-stream.ts";
import {
  type Command,
  type EnginePort,
  type Outcome,
  type Report,
  type WireRequest,
  fromPlainBreakage,
  fromPlainError,
} from "./wire.ts";

/**
 * An engine behind a port. Whoever started the other side abandons it when that is gone, as not every kind of port
 * notices.
 */
export type RemoteEngine = MortalEngine;

/** What becomes of one request here. */
interface Reader {
  take(outcome: Outcome): void;
  fail(error: RuntimeError): void;
}

/**
 * The engine that `hostEngine` serves at the other end of a port. Resolves once that has said hello;
 * rejects with `INTERNAL` where the port closes before.
 *
 * @param now Monotonic clock in milliseconds.
 */
export function connectEngine(
  port: EnginePort,
  now: () => number = () => performance.now(),
): Promise<RemoteEngine> {
  return new Promise((resolve, reject) => {
    let connection: Connection | undefined;
    port.addEventListener("message", ({ data }) => {
      const report = data as Report;
      if (report.type === "hello") {
        connection = createConnection(port, report.info, report.stats, now);
        resolve(connection.engine);
      } else {
        connection?.hear(report);
      }
    });
    port.addEventListener("close", () => {
      const error = new RuntimeError("INTERNAL", "The engine is gone: its port was closed");
      connection?.engine.abandon({ reason: "died", error });
      reject(error);
    });
    port.start?.();
  });
}

interface Connection {
  readonly engine: RemoteEngine;
  hear(report: Exclude<Report, { type: "hello" }>): void;
}

function createConnection(
  port: EnginePort,
  info: EngineInfo,
  firstStats: EngineStats,
  now: () => number,
): Connection {
  const readers = new Map<number, Reader>();
  /** Vocabularies that the host has. A model has one. */
  const vocabularies = new Map<TokenBytes, number>();
  let nextId = 0;
  let latest = firstStats;
  /** When the engine last finished a step, or got something to do. */
  let progressed = now();
  const latch = createLatch<Breakage>();
  /** Nobody is at the other end any more; an engine that broke by itself can still be closed. */
  let gone = false;
  let closed = false;
  let closing: PromiseWithResolve | undefined;

  const send = (command: Command): void => port.postMessage(command);

  /** Number a request and send it; its reader is known until it has ended. */
  function open(reader: Reader, command: (id: number) => Command): number {
    const id = nextId++;
    if (readers.size === 0) progressed = now();
    readers.set(id, reader);
    send(command(id));
    return id;
  }

  /** The caller has lost interest, or the request has ended: then the host has forgotten it as well. */
  function drop(id: number | undefined): void {
    if (id !== undefined && readers.delete(id)) send({ type: "abort", id });
  }

  function refusal(signal: AbortSignal | undefined, admitted: boolean): RuntimeError | undefined {
    if (signal?.aborted === true) return aborted();
    if (closing !== undefined) return hasBeenClosed();
    if (latch.value !== undefined) {
      const { error } = latch.value;
      return new RuntimeError("NOT_READY", error.message, { cause: error });
    }
    // The host would say so as well, but not before its step is over.
    return !admitted && readers.size >= info.maxRequests ? queueFull(readers.size) : undefined;
  }

  function toWire({ constraint, ...request }: Omit<GenerateRequest, "signal">): WireRequest {
    if (constraint === undefined) return request;
    let vocabulary = vocabularies.get(constraint.vocabulary);
    if (vocabulary === undefined) {
      vocabulary = vocabularies.size;
      vocabularies.set(constraint.vocabulary, vocabulary);
      send({ type: "vocabulary", id: vocabulary, vocabulary: constraint.vocabulary });
    }
    return { ...request, constraint: { ...constraint, vocabulary } };
  }

  function start({ signal, ...request }: GenerateRequest): AsyncIterator<GenerateEvent, undefined> {
    let id: number | undefined;
    const abort = (): void => stream.fail(aborted());
    const stream = createTokenStream(() => {
      signal?.removeEventListener("abort", abort);
      drop(id);
    });
    const refused = refusal(signal, request.admitted ?? false);
    if (refused !== undefined) {
      stream.fail(refused);
      return stream.iterator;
    }
    const reader: Reader = {
      take(outcome) {
        if (!("event" in outcome)) return;
        stream.push(outcome.event);
        if (outcome.event.type === "done") {
          readers.delete(outcome.id);
          stream.end();
        }
      },
      fail: (error) => stream.fail(error),
    };
    id = open(reader, (given) => ({ type: "generate", id: given, request: toWire(request) }));
    signal?.addEventListener("abort", abort);
    return stream.iterator;
  }

  function score({ signal, ...request }: ScoreRequest): Promise<Float64Array> {
    return result(
      { ...request, signal },
      (id) => ({ type: "score", id, request }),
      (outcome) => ("scores" in outcome ? outcome.scores : undefined),
    );
  }

  function embed({ signal, ...request }: EmbedRequest): Promise<Float32Array> {
    return result(
      { ...request, signal },
      (id) => ({ type: "embed", id, request }),
      (outcome) => ("embedding" in outcome ? outcome.embedding : undefined),
    );
  }

  /** The one result of a request. */
  async function result<T>(
    {
      signal,
      admitted = false,
    }: { readonly signal: AbortSignal | undefined; readonly admitted?: boolean },
    command: (id: number) => Command,
    find: (outcome: Outcome) => T | undefined,
  ): Promise<T> {
    const refused = refusal(signal, admitted);
    if (refused !== undefined) throw refused;
    let abort = nothing;
    try {
      return await new Promise<T>((resolve, reject) => {
        const take = (outcome: Outcome): void => {
          const found = find(outcome);
          if (found === undefined) return;
          readers.delete(outcome.id);
          resolve(found);
        };
        const id = open({ take, fail: reject }, command);
        abort = () => {
          drop(id);
          reject(aborted());
        };
        signal?.addEventListener("abort", abort);
      });
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  function hear(report: Exclude<Report, { type: "hello" }>): void {
    if (report.type === "closed") {
      closing?.resolve(report.error === undefined ? undefined : fromPlainError(report.error));
      return;
    }
    latest = report.stats;
    if (latest.stalledMs > 0 || latest.running > 0) progressed = now() - latest.stalledMs;
    // First of all: whoever sees a request fail may look for the reason.
    const breakage = report.breakage === undefined ? undefined : fromPlainBreakage(report.breakage);
    if (breakage !== undefined) latch.set(breakage);
    for (const outcome of report.outcomes) {
      const reader = readers.get(outcome.id);
      if ("error" in outcome) {
        readers.delete(outcome.id);
        reader?.fail(fromPlainError(outcome.error));
      } else {
        reader?.take(outcome);
      }
    }
    if (breakage !== undefined) endAll(breakage.error);
  }

  function stats(): EngineStats {
    // A request may be under way to the host, or the host unable to say that it is stuck.
    const idle = readers.size === 0 && latest.stalledMs === 0 && latch.value === undefined;
    return { ...latest, stalledMs: idle ? 0 : now() - progressed };
  }

  function abandon(found: Breakage): void {
    // The end that was asked for is no breakage.
    if (closed) return;
    gone = true;
    latch.set(found);
    endAll(found.error);
    // What is gone is closed.
    closing?.resolve(undefined);
  }

  /** Nobody is left to answer a request. */
  function endAll(error: RuntimeError): void {
    const abandoned = [...readers.values()];
    readers.clear();
    for (const reader of abandoned) reader.fail(error);
  }

  async function close(): Promise<void> {
    if (closing === undefined) {
      closing = promiseWithResolve();
      if (!gone) send({ type: "close" });
      else closing.resolve(undefined);
    }
    const error = await closing.promise;
    // Their own ends may be behind the word that all is closed, and nobody hears them any more.
    endAll(hasBeenClosed());
    closed = true;
    port.close?.();
    if (error !== undefined) throw error;
  }

  const engine: RemoteEngine = {
    info,
    generate: (request) => ({ [Symbol.asyncIterator]: () => start(request) }),
    score,
    embed,
    stats,
    close,
    get breakage() {
      return latch.value;
    },
    get broken() {
      return latch.promise;
    },
    abandon,
  };
  return { engine, hear };
}

interface PromiseWithResolve {
  readonly promise: Promise<RuntimeError | undefined>;
  resolve(error: RuntimeError | undefined): void;
}

function promiseWithResolve(): PromiseWithResolve {
  let resolve: PromiseWithResolve["resolve"] = nothing;
  const promise = new Promise<RuntimeError | undefined>((done) => (resolve = done));
  return { promise, resolve };
}

function nothing(): void {}

function aborted(): RuntimeError {
  return new RuntimeError("ABORTED", "The request was aborted");
}

function hasBeenClosed(): RuntimeError {
  return new RuntimeError("NOT_READY", "The engine has been closed");
}
