import { setTimeout as sleep } from "node:timers/promises";
import { interceptors } from "undici";
import type { Dispatcher } from "undici";
import { RuntimeError } from "../../../core/errors.ts";
import { checkRange } from "../../../core/gguf/source.ts";
import type { ByteSource } from "../../../core/gguf/source.ts";
import { addressGuard, guardedAgent } from "./guarded-connections.ts";
import { requestRange, TransientError } from "./range-request.ts";
import type { RangeRequest, RemoteFile } from "./range-request.ts";

/** How a file is fetched. */
export interface HttpSourceOptions {
  /** Connections to use instead of our own; the caller closes them, and checks where names lead. */
  readonly dispatcher?: Dispatcher;
  /** Hosts that may have private addresses, as the URL names them; none unless given. */
  readonly allowHosts?: readonly string[];
  /** Ends the source: reads under way and later ones reject with its reason. */
  readonly signal?: AbortSignal;
  /** Sent with every request; `authorization` and `cookie` stay behind when another host takes over. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Wait before the second try, doubled for each further one; half of it is chance. 250 ms. */
  readonly retryDelayMs?: number;
}

/**
 * Bytes fetched at once for a smaller read, and kept: the next reads mostly follow it, and a norm's
 * weight of 16 KiB is not worth a round trip. Larger reads go straight to where they are wanted.
 */
const WINDOW_BYTES: number = 2 ** 20;
/** Tries without a single byte of progress before giving up: with the delays, some four seconds. */
const MAX_TRIES = 5;
const RETRY_DELAY_MS = 250;
/** Silence after which a server counts as gone. */
const SILENCE_MS = 30_000;
/** Enough for a loader that reads a few tensors at a time. */
const CONNECTIONS = 4;
/** Hosts of models usually redirect once, to where the bytes are. */
const MAX_REDIRECTIONS = 5;

/**
 * A source over `http:` or `https:`, by range requests. Losing the connection resumes where it broke;
 * a file that changes meanwhile is refused. Rejects as {@linkcode requestRange} does, and with
 * `NOT_READY` when the server cannot be reached.
 */
export async function openHttpSource(
  url: string | URL,
  options: HttpSourceOptions = {},
): Promise<ByteSource> {
  const address = new URL(url);
  const { allowHosts = [] } = options;
  // Queries carry signatures, and user names passwords: neither belongs in an error or a log.
  const name = `${address.origin}${address.pathname}`;
  const own =
    options.dispatcher === undefined
      ? guardedAgent(
          { connections: CONNECTIONS, headersTimeout: SILENCE_MS, bodyTimeout: SILENCE_MS },
          allowHosts,
        )
      : undefined;
  const closed = new AbortController();
  const signal =
    options.signal === undefined ? closed.signal : AbortSignal.any([closed.signal, options.signal]);
  const target: RangeRequest = {
    url: address,
    name,
    dispatcher: (options.dispatcher ?? own!).compose(
      addressGuard(allowHosts),
      interceptors.redirect({ maxRedirections: MAX_REDIRECTIONS }),
    ),
    headers: options.headers ?? {},
    signal,
  };
  const close = async (): Promise<void> => {
    closed.abort(new RuntimeError("ABORTED", `Cannot read ${name}: it was closed`));
    await own?.destroy();
  };
  try {
    return await sourceOver(target, options.retryDelayMs ?? RETRY_DELAY_MS, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function sourceOver(
  target: RangeRequest,
  retryDelayMs: number,
  close: () => Promise<void>,
): Promise<ByteSource> {
  const { name } = target;
  const head = await fetchRange(target, retryDelayMs, 0, new Uint8Array(WINDOW_BYTES));
  const { file } = head;
  let window = { start: 0, bytes: head.bytes };

  const source: ByteSource = {
    size: file.size,
    name,
    async read(offset, into) {
      target.signal.throwIfAborted();
      checkRange(source, offset, into.byteLength);
      const { start, bytes } = window;
      const known = offset < start ? 0 : Math.max(0, start + bytes.byteLength - offset);
      const copied = Math.min(known, into.byteLength);
      into.set(bytes.subarray(offset - start, offset - start + copied));
      if (copied === into.byteLength) return;

      const at = offset + copied;
      const rest = into.subarray(copied);
      if (rest.byteLength >= WINDOW_BYTES) {
        await fetchRange(target, retryDelayMs, at, rest, file);
        return;
      }
      const ahead = new Uint8Array(Math.min(WINDOW_BYTES, file.size - at));
      await fetchRange(target, retryDelayMs, at, ahead, file);
      rest.set(ahead.subarray(0, rest.byteLength));
      window = { start: at, bytes: ahead };
    },
    close,
  };
  return source;
}

/**
 * Fill `into` from `offset` on, or up to the end of a file that is not `known` yet. `bytes` is the
 * part that was filled.
 */
async function fetchRange(
  target: RangeRequest,
  retryDelayMs: number,
  offset: number,
  into: Uint8Array,
  known?: RemoteFile,
): Promise<{ readonly file: RemoteFile; readonly bytes: Uint8Array }> {
  let file = known;
  let done = 0;
  let tries = 0;
  const wanted = (): number => Math.min(into.byteLength, (file?.size ?? Infinity) - offset);
  while (file === undefined || done < wanted()) {
    const before = done;
    try {
      const part = await requestRange(target, offset + done, wanted() - done, file);
      file = part.file;
      for await (const chunk of part.body) {
        if (done + chunk.byteLength > wanted()) {
          throw new RuntimeError(
            "MODEL_UNSUPPORTED",
            `Cannot read ${target.name}: the server sent more bytes than it announced`,
          );
        }
        into.set(chunk, done);
        done += chunk.byteLength;
      }
      if (done === before) throw new TransientError("the server sent nothing");
    } catch (error) {
      if (target.signal.aborted) throw target.signal.reason;
      if (RuntimeError.is(error)) throw error;
      tries = done > before ? 1 : tries + 1;
      if (tries >= MAX_TRIES) throw unreachable(target.name, error);
      await pause(retryDelayMs * 2 ** (tries - 1), target.signal);
    }
  }
  return { file, bytes: into.subarray(0, done) };
}

/** Waits between half of and the full `delay`, so that many clients do not return at once. */
async function pause(delay: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(delay * (0.5 + Math.random() / 2), undefined, { signal });
  } catch {
    throw signal.reason;
  }
}

function unreachable(name: string, cause: unknown): RuntimeError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new RuntimeError(
    "NOT_READY",
    `Cannot read ${name}: ${MAX_TRIES} tries failed, the last with: ${why}`,
    { cause },
  );
}
