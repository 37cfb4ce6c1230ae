import { RuntimeError } from "../errors.ts";
import type { HttpLimits } from "./deps.ts";
import { streamBody } from "./sse.ts";

/** A file that is sent as it is; adapters bring it. */
export interface SharedFile {
  /** Its name, without a folder. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Its media type. */
  readonly type: string;
  /** `count` bytes from `first` on, in pieces, read as they are asked for; leaving the loop closes the file. */
  read(first: number, count: number): AsyncGenerator<Uint8Array<ArrayBuffer>, void>;
}

/** The longest time that timers take: the body of a file has no signs of life to send between its bytes. */
const NEVER_MS = 2 ** 31 - 1;

/** Downloads of model files at a time: each holds a file and a connection for as long as its client likes. */
const MOST_DOWNLOADS = 16;

/** Headers of what only pages of this origin load, which share their memory with nobody. */
export const ISOLATED: Readonly<Record<string, string>> = {
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
};

/** Sends files of models, a limited number at a time. */
export interface Downloads {
  /**
   * All of a file, or the range that is asked for (RFC 9110, 14: one range of bytes; several at once are
   * answered with the whole). `tag` identifies its content. Throws `QUEUE_FULL`.
   */
  send(request: Request, file: SharedFile, tag: string): Response;
}

/** What sends a server's model files. */
export function createDownloads(limits: Pick<HttpLimits, "stallMs">): Downloads {
  let running = 0;

  async function* counted(
    file: SharedFile,
    first: number,
    count: number,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
    running++;
    try {
      yield* file.read(first, count);
    } finally {
      running--;
    }
  }

  return {
    send(request, file, tag) {
      const etag = `"${tag}"`;
      const headers: Record<string, string> = {
        ...ISOLATED,
        "accept-ranges": "bytes",
        "cache-control": "private, no-cache",
        "content-type": file.type,
        etag,
      };
      if (request.headers.get("if-none-match") === etag) {
        return new Response(null, { status: 304, headers });
      }
      const range = rangeOf(request.headers, etag, file.size);
      if (range === "unsatisfiable") {
        const size = { "content-range": `bytes */${file.size}` };
        return new Response(null, { status: 416, headers: { ...headers, ...size } });
      }
      const { first, count } = range ?? { first: 0, count: file.size };
      headers["content-length"] = String(count);
      if (range !== undefined) {
        headers["content-range"] = `bytes ${first}-${first + count - 1}/${file.size}`;
      }
      const status = range === undefined ? 200 : 206;
      if (request.method === "HEAD") return new Response(null, { status, headers });
      if (running >= MOST_DOWNLOADS) {
        throw new RuntimeError(
          "QUEUE_FULL",
          `Cannot send the model: ${running} downloads are under way, as many as there may be`,
        );
      }
      return new Response(bodyOf(counted(file, first, count), limits), { status, headers });
    },
  };
}

/** A file that browsers load the page's program from. */
export function sendCode(file: SharedFile, limits: Pick<HttpLimits, "stallMs">): Response {
  return new Response(bodyOf(file.read(0, file.size), limits), {
    headers: {
      ...ISOLATED,
      // For workers; modules in the page obey the page's own policy.
      "content-security-policy":
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; worker-src 'self'",
      "cache-control": "no-cache",
      "content-length": String(file.size),
      "content-type": file.type,
    },
  });
}

function bodyOf(
  pieces: AsyncGenerator<Uint8Array<ArrayBuffer>, void>,
  { stallMs }: Pick<HttpLimits, "stallMs">,
): ReadableStream<Uint8Array> {
  const release = (): void => void pieces.return();
  return streamBody(pieces, { keepAliveMs: NEVER_MS, stallMs }, release, "");
}

/** The range of bytes that is wanted, where it is one and of this content. */
function rangeOf(
  headers: Headers,
  etag: string,
  size: number,
): { readonly first: number; readonly count: number } | "unsatisfiable" | undefined {
  const condition = headers.get("if-range");
  if (condition !== null && condition !== etag) return undefined;
  const [, from, to] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(headers.get("range") ?? "") ?? [];
  if (from === undefined || to === undefined || (from === "" && to === "")) return undefined;
  if (from === "") {
    const count = Math.min(Number(to), size);
    return count === 0 ? "unsatisfiable" : { first: size - count, count };
  }
  const first = Number(from);
  const last = to === "" ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== "" && Number(to) < first) return undefined;
  return first >= size ? "unsatisfiable" : { first, count: last - first + 1 };
}
