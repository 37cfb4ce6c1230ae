import { RuntimeError } from "../errors.ts";
import type { TransportResponse } from "../pool/transport.ts";
import { UPSTREAM_PATHS } from "../pool/upstream.ts";
import type { HttpLimits } from "./deps.ts";
import type { Exchange } from "./exchange.ts";
import { toFailure } from "./failure.ts";
import { streamBody } from "./sse.ts";
import { SSE } from "./wire/framing.ts";

/*
 * Answers of other servers, passed on as they are. What is piece by piece stays so: the next piece is taken off
 * the wire when the client has taken the last one.
 */

/** An answer in one piece; vectors of 2048 texts are the largest. */
const MOST_WHOLE_BYTES = 64 * 1024 * 1024;

/** An event of a stream that never ends. */
const MOST_FRAME_CHARS = 4 * 1024 * 1024;

/** nginx's number for a client that left. */
const LEFT = 499;

/** An answer in one piece. Rejects with `UPSTREAM_ERROR` where it breaks off. */
export async function passWhole({ status, headers, body }: TransportResponse): Promise<Response> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const bytes of body) {
      size += bytes.byteLength;
      if (size > MOST_WHOLE_BYTES) throw new RangeError(`more than ${MOST_WHOLE_BYTES} bytes`);
      parts.push(bytes);
    }
  } catch (cause) {
    throw broken(cause);
  }
  const declared = headers.get("content-length");
  if (declared !== null && Number(declared) !== size) throw broken();
  const type = headers.get("content-type") ?? "application/json";
  return new Response(new Blob(parts as Uint8Array<ArrayBuffer>[]), {
    status,
    headers: { "content-type": type },
  });
}

/** A stream of events. Where it breaks off an error is its last event, and no `[DONE]` follows. */
export function passEvents(
  { body }: TransportResponse,
  exchange: Exchange,
  limits: HttpLimits,
): Response {
  let status = LEFT;
  async function* frames(): AsyncGenerator<string, void, undefined> {
    try {
      let last = "";
      for await (const frame of framesOf(body)) {
        last = frame;
        yield frame;
      }
      const endsWithDone = UPSTREAM_PATHS.has(exchange.path);
      if (endsWithDone && !/^data: ?\[DONE\]/m.test(last)) throw broken();
      status = 200;
    } catch (error) {
      exchange.fail(error);
      const failure = toFailure(RuntimeError.is(error) ? error : broken(error));
      ({ status } = failure);
      yield SSE.frame(failure.body);
    }
  }
  const source = frames();
  exchange.startStreaming();
  const release = (): void => {
    source.return().catch(() => {});
    exchange.end(status);
  };
  return new Response(streamBody(source, limits, release, SSE.ping), { headers: SSE.headers });
}

/** The events of a stream, each with the blank line behind it. */
async function* framesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of body) {
    rest = (rest + decoder.decode(bytes, { stream: true })).replaceAll("\r\n", "\n");
    let from = 0;
    for (let end; (end = rest.indexOf("\n\n", from)) !== -1; from = end + 2)
      yield rest.slice(from, end + 2);
    rest = rest.slice(from);
    if (rest.length > MOST_FRAME_CHARS) throw broken();
  }
}

function broken(cause?: unknown): RuntimeError {
  return new RuntimeError("UPSTREAM_ERROR", "The answer of another server broke off", { cause });
}
