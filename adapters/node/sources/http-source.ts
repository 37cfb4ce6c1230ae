import { checkRange } from "../../../core/gguf/source.ts";
import type { ByteSource } from "../../../core/gguf/source.ts";
import { fetchRange } from "./fetch-range.ts";
import type { RangeRequest } from "./range-request.ts";
import { openRemote, type HttpSourceOptions } from "./remote.ts";

export type { HttpSourceOptions } from "./remote.ts";

/**
 * Bytes fetched at once for a smaller read, and kept: the next reads mostly follow it, and a norm's
 * weight of 16 KiB is not worth a round trip. Larger reads go straight to where they are wanted.
 */
const WINDOW_BYTES: number = 2 ** 20;
/**
 * A source over `http:` or `https:`, by range requests. Losing the connection resumes where it broke;
 * a file that changes meanwhile is refused. Rejects as {@linkcode requestRange} does, and with
 * `NOT_READY` when the server cannot be reached.
 */
export async function openHttpSource(
  url: string | URL,
  options: HttpSourceOptions = {},
): Promise<ByteSource> {
  const { target, close } = openRemote(url, options);
  try {
    return await sourceOver(target, options.retryDelayMs, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function sourceOver(
  target: RangeRequest,
  retryDelayMs: number | undefined,
  close: () => Promise<void>,
): Promise<ByteSource> {
  const { name } = target;
  const head = await fetchRange(target, 0, new Uint8Array(WINDOW_BYTES), { retryDelayMs });
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
        await fetchRange(target, at, rest, { known: file, retryDelayMs });
        return;
      }
      const ahead = new Uint8Array(Math.min(WINDOW_BYTES, file.size - at));
      await fetchRange(target, at, ahead, { known: file, retryDelayMs });
      rest.set(ahead.subarray(0, rest.byteLength));
      window = { start: at, bytes: ahead };
    },
    close,
  };
  return source;
}
