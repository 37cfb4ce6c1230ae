import { ERRORS, RuntimeError } from "../errors.ts";
import { linesOf } from "./lines.ts";
import { NodeFailure } from "./node-failure.ts";
import {
  parseRelayedLine,
  RELAYED_TYPE,
  relayedError,
  type RelayedEvent,
  type RelayedFailure,
} from "./relayed-events.ts";
import type { Head } from "../http/wire/format.ts";
import type { Transport } from "./transport.ts";

/** A request on its way to one node. */
export interface Attempt {
  readonly node: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** What the answer has to have; see `Relay`. */
  readonly fingerprint: string;
  readonly signal: AbortSignal;
}

/** An answer of which the first event is there. */
export interface Begun {
  readonly head: Head;
  /** So many tokens that were sent along it goes on behind. */
  readonly behind: number;
  /** Who computes it: the node that was asked, or whom that one names. */
  readonly by: string;
  /** All events. Throws {@linkcode NodeFailure}, and `RuntimeError` for what is the request's own fault. */
  readonly events: AsyncGenerator<RelayedEvent, void, undefined>;
}

/**
 * A node that has the request says so within a second, by an answer or by white space, and then every second.
 * Three without a byte mean that it is gone, though its connection may still be there.
 */
const SILENCE_MS = 3000;

/** Bytes of an error's body; a sentence or two. */
const MOST_ERROR_CHARS = 64 * 1024;

/**
 * Ask one node, and wait for its first event. Rejects with {@linkcode NodeFailure}, with `RuntimeError` for
 * what is the request's own fault, and with `ABORTED`. Whoever gets the answer has to read it to its end or
 * leave it by `return`.
 */
export async function attempt(transport: Transport, asked: Attempt): Promise<Begun> {
  const { node, signal } = asked;
  const watch = createWatch(signal);
  const fail = (error: unknown): unknown => {
    watch.end();
    if (signal.aborted) return new RuntimeError("ABORTED", "The client left");
    if (error instanceof NodeFailure) return error;
    if (RuntimeError.is(error))
      return error.code === "UPSTREAM_ERROR" ? new NodeFailure("lost", node, error) : error;
    return lost(node, watch.late ? "it went silent" : "its connection broke", error);
  };
  async function* read(
    lines: AsyncGenerator<string, void, undefined>,
  ): AsyncGenerator<RelayedEvent, void, undefined> {
    try {
      for await (const text of lines) {
        const line = parseRelayedLine(text);
        if ("end" in line) return;
        if ("failed" in line) throw toFailure(node, line.failed);
        if ("head" in line) throw lost(node, "it began twice");
        yield line;
      }
      throw lost(node, "its answer was cut off");
    } catch (error) {
      throw fail(error);
    } finally {
      watch.end();
    }
  }
  try {
    watch.touch();
    const { url, headers, body } = asked;
    const response = await transport.send(url, {
      method: "POST",
      headers: { ...headers, accept: RELAYED_TYPE, "content-type": "application/json" },
      body,
      signal: watch.signal,
    });
    if (response.status !== 200) throw await refusal(node, response.status, response.body);
    const type = response.headers.get("content-type") ?? "";
    if (!type.startsWith(RELAYED_TYPE)) throw other(node, `it answered with ${type.slice(0, 80)}`);
    const lines = linesOf(watch.over(response.body));
    const opening = await lines.next();
    const first = opening.done === true ? undefined : parseRelayedLine(opening.value);
    if (first !== undefined && "failed" in first) throw toFailure(node, first.failed);
    if (first === undefined || !("head" in first)) throw lost(node, "its answer was cut off");
    const { head, behind = 0, by = node } = first;
    if (head.fingerprint !== asked.fingerprint)
      throw other(node, `it is ${head.fingerprint.slice(0, 40)}`);
    const events = read(lines);
    const next = await events.next();
    return { head, behind, by, events: next.done === true ? events : after(next.value, events) };
  } catch (error) {
    throw fail(error);
  }
}

/** `first`, and then the others. */
async function* after(
  first: RelayedEvent,
  others: AsyncGenerator<RelayedEvent, void, undefined>,
): AsyncGenerator<RelayedEvent, void, undefined> {
  try {
    yield first;
    yield* others;
  } finally {
    await others.return();
  }
}

/** Ends a request whose node is silent. */
interface Watch {
  readonly signal: AbortSignal;
  readonly late: boolean;
  touch(): void;
  over(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined>;
  end(): void;
}

function createWatch(outer: AbortSignal): Watch {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  if (outer.aborted) abort();
  outer.addEventListener("abort", abort, { once: true });
  let timer: ReturnType<typeof setTimeout> | undefined;
  let late = false;
  const stop = (): void => clearTimeout(timer);
  const touch = (): void => {
    stop();
    timer = setTimeout(() => {
      late = true;
      abort();
    }, SILENCE_MS);
  };
  return {
    signal: controller.signal,
    get late() {
      return late;
    },
    touch,
    async *over(body) {
      for await (const bytes of body) {
        // Whoever reads slowly is not kept waiting: the clock runs only while we wait for the node.
        stop();
        yield bytes;
        touch();
      }
    },
    end() {
      stop();
      outer.removeEventListener("abort", abort);
      abort();
    },
  };
}

async function refusal(
  node: string,
  status: number,
  body: AsyncIterable<Uint8Array>,
): Promise<Error> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of body) {
    text += decoder.decode(bytes, { stream: true });
    if (text.length > MOST_ERROR_CHARS) break;
  }
  return toFailure(node, { status, ...readError(text) });
}

function readError(text: string): Omit<RelayedFailure, "status"> {
  try {
    const { error } = JSON.parse(text) as { error?: Partial<RelayedFailure> };
    const { message, param = null, code = null } = error ?? {};
    if (typeof message === "string") return { message, param, code };
  } catch {
    // A proxy in between, or no server of ours.
  }
  return { message: "A node of the pool failed to answer", param: null, code: null };
}

/** Whose fault an error is: the node's, where another may do better, or the request's. */
function toFailure(node: string, failure: RelayedFailure): Error {
  // The pool's key is ours and no client's: that it is wrong is no business of theirs.
  if (failure.status === 401 || failure.status === 403) {
    // What the key may not have of this request, it may have of others: clients must not be able to eject nodes.
    const kind = failure.param === null ? "error" : "other";
    return new NodeFailure(kind, node, notReady(new Error(failure.message)));
  }
  const error = relayedError(failure);
  const { code } = error;
  if (code === "QUEUE_FULL" || code === "RATE_LIMITED" || ERRORS[code].status === 503)
    return new NodeFailure("busy", node, error);
  if (code === "MODEL_MISMATCH" || code === "MODEL_NOT_FOUND" || code === "RELAY_LOOP")
    return new NodeFailure("other", node, notReady(error));
  if (code === "DEADLINE_EXCEEDED" || failure.status < 500) return error;
  return new NodeFailure("error", node, error);
}

function lost(node: string, why: string, cause?: unknown): NodeFailure {
  const told = new RuntimeError("UPSTREAM_ERROR", `A node of the pool was lost: ${why}`, { cause });
  return new NodeFailure("lost", node, told);
}

function other(node: string, why: string): NodeFailure {
  return new NodeFailure("other", node, notReady(new Error(`${node}: ${why}`)));
}

function notReady(cause: Error): RuntimeError {
  return new RuntimeError("NOT_READY", "No node of the pool can answer this request now", {
    cause,
  });
}
