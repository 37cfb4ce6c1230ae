import { setTimeout as sleep } from "node:timers/promises";
import { RuntimeError } from "../../../core/errors.ts";
import { requestRange, TransientError } from "./range-request.ts";
import type { RangeRequest, RemoteFile } from "./range-request.ts";

/** Tries without a single byte of progress before giving up: with the delays, some four seconds. */
const MAX_TRIES = 5;
const RETRY_DELAY_MS = 250;
/** How a range is fetched. */
export interface FetchRangeOptions {
  /** The file that it has to be a part of. */
  readonly known?: RemoteFile | undefined;
  /** Wait before the second try, doubled for each further one; half of it is chance. 250 ms. */
  readonly retryDelayMs?: number | undefined;
  /** Told of bytes as they come. */
  readonly onBytes?: (count: number) => void;
}

/**
 * Fill `into` from `offset` on, or up to the end of a file that is not `known` yet. `bytes` is the
 * part that was filled.
 */
export async function fetchRange(
  target: RangeRequest,
  offset: number,
  into: Uint8Array,
  { known, retryDelayMs = RETRY_DELAY_MS, onBytes }: FetchRangeOptions = {},
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
        onBytes?.(chunk.byteLength);
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
