import { RuntimeError } from "../errors.ts";
import type { HttpLimits } from "./deps.ts";
import { OWN_TIMERS, type TimeLimit } from "./time-limit.ts";
import { parseJson } from "./wire/json.ts";

/**
 * The text of a request's JSON body. Nothing is believed: the type is checked first, and bytes are counted
 * as they arrive. Throws `UNSUPPORTED_MEDIA_TYPE`, `REQUEST_TOO_LARGE`, `REQUEST_TIMEOUT`, `ABORTED`,
 * `INVALID_REQUEST`.
 */
export async function readText(request: Request, limits: HttpLimits): Promise<string> {
  checkType(request.headers);
  return decodeBody(await (readBefore.get(request) ?? readBytes(request, limits)));
}

/** Bodies that were read before it was clear who answers. */
const readBefore = new WeakMap<Request, Promise<Uint8Array>>();

/**
 * The bytes of a request's body, which {@linkcode readText} and {@linkcode readJson} then find read. Throws what
 * they throw, and makes them throw it again.
 */
export function readAhead(
  request: Request,
  limits: HttpLimits,
  time: TimeLimit,
): Promise<Uint8Array> {
  const bytes = readBytes(request, limits, time);
  readBefore.set(request, bytes);
  return bytes;
}

/** The text of a body. Throws `INVALID_REQUEST`. */
export function decodeBody(bytes: Uint8Array): string {
  try {
    return UTF_8.decode(bytes);
  } catch (cause) {
    throw new RuntimeError("INVALID_REQUEST", "Cannot read the body: it is not UTF-8", { cause });
  }
}

/** Holds nothing between two whole texts. */
const UTF_8 = new TextDecoder("utf-8", { fatal: true });

/** The JSON of a request's body. Throws what {@linkcode readText} and {@linkcode parseBody} throw. */
export async function readJson(request: Request, limits: HttpLimits): Promise<unknown> {
  return parseBody(await readText(request, limits));
}

/** The value of a body's text. Nesting is checked before parsing. Throws `INVALID_REQUEST`. */
export function parseBody(text: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    const why = cause instanceof SyntaxError ? cause.message : "it is not valid JSON";
    throw new RuntimeError("INVALID_REQUEST", `Cannot read the body: ${why}`, { cause });
  }
}

/**
 * A page of another site can make a browser send `text/plain` without asking, but not
 * `application/json`: this check is what keeps such pages out.
 */
function checkType(headers: Headers): void {
  const type = headers.get("content-type") ?? "";
  if (!/^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i.test(type.trim())) {
    throw new RuntimeError(
      "UNSUPPORTED_MEDIA_TYPE",
      `Cannot read a body of type ${JSON.stringify(type.slice(0, 100))}: send content-type application/json`,
    );
  }
  const encoding = headers.get("content-encoding") ?? "identity";
  if (encoding.toLowerCase() !== "identity") {
    throw new RuntimeError(
      "UNSUPPORTED_MEDIA_TYPE",
      `Cannot read a body with content-encoding ${JSON.stringify(encoding.slice(0, 100))}: send it uncompressed`,
    );
  }
}

async function readBytes(
  request: Request,
  limits: HttpLimits,
  time: TimeLimit = OWN_TIMERS,
): Promise<Uint8Array> {
  const tooLarge = () =>
    new RuntimeError(
      "REQUEST_TOO_LARGE",
      `Cannot read the body: it exceeds ${limits.bodyBytes} bytes`,
    );
  const tooLate = () =>
    new RuntimeError(
      "REQUEST_TIMEOUT",
      `Cannot wait for the body longer than ${limits.bodyTimeoutMs / 1000} s`,
    );
  const declared = request.headers.get("content-length");
  if (declared !== null) {
    const length = Number(declared);
    if (length > limits.bodyBytes) throw tooLarge();
    // HTTP lets no more bytes through than were declared; most bodies come so, and reading one at once
    // takes a third of the time.
    if (length >= 0) {
      const whole = await time.within(leftUnlessWhole(request.arrayBuffer()), limits.bodyTimeoutMs);
      if (whole === undefined) throw tooLate();
      if (whole.byteLength > limits.bodyBytes) throw tooLarge();
      return new Uint8Array(whole);
    }
  }
  if (request.body === null) return new Uint8Array();

  const reader = request.body.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  let late = false;
  // Cancelling ends the pending read; a race per chunk would pile up reactions on one promise.
  const timer = setTimeout(() => {
    late = true;
    reader.cancel().catch(() => {});
  }, limits.bodyTimeoutMs);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.byteLength;
      if (size > limits.bodyBytes) {
        reader.cancel().catch(() => {});
        throw tooLarge();
      }
      chunks.push(value);
    }
  } catch (error) {
    if (RuntimeError.is(error)) throw error;
    throw left(error);
  } finally {
    clearTimeout(timer);
  }
  if (late) throw tooLate();
  return concatenate(chunks, size);
}

async function leftUnlessWhole(body: Promise<ArrayBuffer>): Promise<ArrayBuffer> {
  try {
    return await body;
  } catch (cause) {
    throw left(cause);
  }
}

function left(cause: unknown): RuntimeError {
  return new RuntimeError("ABORTED", "The client left before its body was complete", { cause });
}

function concatenate(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}
