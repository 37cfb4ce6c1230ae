/** One range request: what is asked, what must come back. */
import { request } from "undici";
import type { Dispatcher } from "undici";
import { RuntimeError } from "../../../core/errors.ts";

/** The file that a server holds, as its first answer described it. */
export interface RemoteFile {
  readonly size: number;
  /** `ETag`, or `Last-Modified` where there is none: equal as long as the file is the same. */
  readonly validator: string | undefined;
}

/** The bytes of a part of a file, still arriving. */
export interface Part {
  readonly file: RemoteFile;
  readonly body: AsyncIterable<Uint8Array>;
}

export interface RangeRequest {
  readonly url: URL;
  /** For errors: the URL without what might be a secret. */
  readonly name: string;
  readonly dispatcher: Dispatcher;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** Answers that another try may better. */
const TRANSIENT: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** A failure that another try may better. */
export class TransientError extends Error {
  override readonly name = "TransientError";
}

/** The server sends whole files only: they can be stored, and not read in place. */
export class RangesIgnoredError extends RuntimeError {
  constructor(name: string) {
    super(
      "MODEL_UNSUPPORTED",
      `Cannot read ${name}: the server answered 200, which means that it ignores range requests: download the file (sirocco pull) and open it by its path`,
    );
  }
}

/**
 * Ask for `length` bytes from `offset` on; a server may send fewer. With `known`, the file must still
 * be that one.
 *
 * Rejects with a `RuntimeError` where trying again is pointless: `MODEL_NOT_FOUND` (404, 410),
 * `MODEL_UNSUPPORTED` (no range requests, no access), `MODEL_MALFORMED` (the file has changed).
 */
export async function requestRange(
  { url, name, dispatcher, headers, signal }: RangeRequest,
  offset: number,
  length: number,
  known?: RemoteFile,
): Promise<Part> {
  const last = Math.min(offset + length, known?.size ?? Infinity) - 1;
  const isStrong = known?.validator?.startsWith('"') === true;
  const response = await request(url, {
    dispatcher,
    signal,
    headers: {
      ...headers,
      range: `bytes=${offset}-${last}`,
      // Ranges count bytes of what is sent, so a compressed body would be of no use.
      "accept-encoding": "identity",
      ...(isStrong ? { "if-range": known.validator } : {}),
    },
  });
  const { statusCode, body } = response;
  const header = (key: string): string | undefined => {
    const value = response.headers[key];
    return Array.isArray(value) ? value[0] : value;
  };
  try {
    checkStatus(name, statusCode, isStrong);
    const file = checkPart(name, header, offset, last, known);
    return { file, body };
  } catch (error) {
    // An unread body would hold its connection for ever.
    body.on("error", () => undefined).destroy();
    throw error;
  }
}

function checkStatus(name: string, status: number, conditional: boolean): void {
  if (status === 206) return;
  if (TRANSIENT.has(status)) throw new TransientError(`the server answered ${status}`);
  const problem = (code: "MODEL_NOT_FOUND" | "MODEL_UNSUPPORTED", what: string): RuntimeError =>
    new RuntimeError(code, `Cannot read ${name}: the server answered ${status}, ${what}`);
  switch (status) {
    case 200:
      if (conditional) throw changed(name);
      throw new RangesIgnoredError(name);
    case 404:
    case 410:
      throw problem("MODEL_NOT_FOUND", "there is no such file");
    case 401:
    case 403:
      throw problem(
        "MODEL_UNSUPPORTED",
        "access is refused: check the address and the credentials",
      );
    case 416:
      throw problem("MODEL_UNSUPPORTED", "the file is empty or shorter than it was");
    default:
      throw problem("MODEL_UNSUPPORTED", "206 was expected");
  }
}

function checkPart(
  name: string,
  header: (key: string) => string | undefined,
  offset: number,
  last: number,
  known: RemoteFile | undefined,
): RemoteFile {
  const range = header("content-range");
  const [, first, end, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(range ?? "") ?? [];
  const size = Number(total);
  const fits = Number(first) === offset && Number(end) >= offset && Number(end) <= last;
  if (!fits || !Number.isSafeInteger(size) || Number(end) >= size) {
    throw new RuntimeError(
      "MODEL_UNSUPPORTED",
      `Cannot read ${name}: bytes ${offset}-${last} were asked for, the server sent "${range ?? "no Content-Range"}"`,
    );
  }
  const encoding = header("content-encoding") ?? "identity";
  if (encoding !== "identity") {
    throw new RuntimeError(
      "MODEL_UNSUPPORTED",
      `Cannot read ${name}: the server compresses it (${encoding}), so ranges mean nothing`,
    );
  }
  const validator = header("etag") ?? header("last-modified");
  if (known !== undefined && (known.size !== size || known.validator !== validator)) {
    throw changed(name);
  }
  return { size, validator };
}

function changed(name: string): RuntimeError {
  return new RuntimeError(
    "MODEL_MALFORMED",
    `Cannot read ${name}: the file on the server has changed since it was opened; open it anew`,
  );
}
