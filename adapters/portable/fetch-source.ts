import { RuntimeError } from "../../core/errors.ts";
import type { ByteSource } from "../../core/gguf/source.ts";
import { streamSource } from "../../core/gguf/stream-source.ts";

/**
 * A source over the body of a response, which is read as it comes and never kept. Throws
 * `MODEL_NOT_FOUND` and `MODEL_UNSUPPORTED` for what is no body of known length.
 */
export function responseSource(response: Response, name: string): ByteSource {
  const { ok, status, headers, body } = response;
  if (!ok) {
    const code = status === 404 || status === 410 ? "MODEL_NOT_FOUND" : "MODEL_UNSUPPORTED";
    throw new RuntimeError(code, `Cannot read ${name}: the server answered ${status}`);
  }
  const size = Number(headers.get("content-length") ?? NaN);
  // `content-length` counts compressed bytes, the body gives others.
  const encoded = (headers.get("content-encoding") ?? "identity") !== "identity";
  if (body === null || encoded || !Number.isSafeInteger(size)) {
    throw new RuntimeError(
      "MODEL_UNSUPPORTED",
      `Cannot read ${name}: the server did not say how long it is; serve it with content-length and ` +
        "without content-encoding",
    );
  }
  return streamSource(body, size, name);
}

/** Fetch a file and read it as it comes. Rejects as {@linkcode responseSource}, and with `NOT_READY`. */
export async function fetchSource(
  url: URL,
  get: (url: URL) => Promise<Response> = (address) => fetch(address),
): Promise<ByteSource> {
  // Queries carry signatures: they do not belong in an error.
  const name = `${url.origin}${url.pathname}`;
  let response: Response;
  try {
    response = await get(url);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RuntimeError("NOT_READY", `Cannot read ${name}: ${why}`, { cause });
  }
  return responseSource(response, name);
}
