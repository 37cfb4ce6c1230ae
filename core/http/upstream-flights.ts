import { shareAnswer, type SharedAnswer } from "../cache/shared-answer.ts";
import { sha256Text } from "../cache/scope.ts";
import { RuntimeError } from "../errors.ts";
import type { TransportResponse } from "../pool/transport.ts";
import type { Upstream, UpstreamRequest } from "../pool/upstream.ts";

/** What comes of another server's answer, in order: its head, then its bytes. */
type Part =
  | { readonly head: Pick<TransportResponse, "status" | "headers"> }
  | { readonly bytes: Uint8Array };

/** All of an answer is held while somebody may still join; nobody writes a conversation's turn as long as this. */
const MOST_BYTES = 64 * 1024 * 1024;

/** Answers of an upstream that are on their way, by who asked for what. */
const flights = new WeakMap<Upstream, Map<string, SharedAnswer<Part>>>();

/** An answer of an upstream, which may have been asked for by an equal request before. */
export interface JoinedUpstream {
  readonly response: TransportResponse;
  /** Whether somebody else had asked. */
  readonly collapsed: boolean;
}

/**
 * Ask an upstream, or join an equal request of the same tenant that is being answered: one place of its budget for
 * all who ask the same at one time. Equal are bodies of the same bytes, as what a field means there is not known
 * here. Nothing is kept when the answer has ended: it is another model's, which vouches for nothing. Rejects as
 * {@linkcode Upstream.ask} does.
 *
 * @param deadlineMs Milliseconds that this request waits; absent: any time.
 */
export async function joinUpstream(
  upstream: Upstream,
  tenant: string,
  request: UpstreamRequest,
  deadlineMs: number | undefined,
): Promise<JoinedUpstream> {
  const { path, body, signal } = request;
  const all = flights.get(upstream) ?? new Map<string, SharedAnswer<Part>>();
  flights.set(upstream, all);
  const key = JSON.stringify([tenant, path, sha256Text(new TextEncoder().encode(body))]);
  const running = all.get(key);
  const shared =
    running ??
    shareAnswer<Part>({
      start: (ended) => partsOf(upstream, { ...request, signal: ended }),
      // A second attempt could give another answer than the one whose beginning was passed on.
      retry: () => false,
      settled: () => void all.delete(key),
    });
  if (running === undefined) all.set(key, shared);
  const parts = shared.read(signal, deadlineMs);
  const first = await parts.next();
  if (first.done === true || !("head" in first.value)) throw new Error("An answer has no head");
  const response = { ...first.value.head, body: bytesOf(parts) };
  return { response, collapsed: running !== undefined };
}

async function* partsOf(
  upstream: Upstream,
  request: UpstreamRequest,
): AsyncGenerator<Part, void, undefined> {
  const { status, headers, body } = await upstream.ask(request);
  yield { head: { status, headers } };
  let size = 0;
  for await (const bytes of body) {
    size += bytes.byteLength;
    if (size > MOST_BYTES) {
      const why = `The upstream server's answer has more than ${MOST_BYTES} bytes`;
      throw new RuntimeError("UPSTREAM_ERROR", why);
    }
    yield { bytes };
  }
}

async function* bytesOf(
  parts: AsyncGenerator<Part, void, undefined>,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const part of parts) if ("bytes" in part) yield part.bytes;
  } finally {
    await parts.return();
  }
}
