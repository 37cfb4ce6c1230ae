/** Fetches a file to disk: several ranges at once, and on from where it broke off. */
import { open, stat, type FileHandle } from "node:fs/promises";
import { request } from "undici";
import { RuntimeError } from "../../../core/errors.ts";
import { fetchRange } from "../sources/fetch-range.ts";
import { RangesIgnoredError, type RangeRequest } from "../sources/range-request.ts";
import { openRemote, type HttpSourceOptions } from "../sources/remote.ts";
import { describeWriteFailure } from "./disk-space.ts";
import { readResumeState, removeResumeState, writeResumeState } from "./resume-state.ts";

/** How a file is fetched. */
export interface DownloadOptions extends HttpSourceOptions {
  /** Where the bytes go; a file there is taken for what an earlier try left. */
  readonly path: string;
  /** Told the size as soon as it is known, and how much of it is there already; may reject. */
  readonly onSize: (size: number, have: number) => Promise<void>;
  /** Told of bytes as they come. */
  readonly onBytes: (count: number) => void;
  /** Bytes of a piece; 16 MiB unless given. */
  readonly pieceBytes?: number;
}

/**
 * Bytes of one range request: enough that the round trips of a redirection do not count, little enough to lose when
 * the connection breaks and to hold in memory, four at a time.
 */
const PIECE_BYTES: number = 16 * 2 ** 20;
/** Ranges at a time: one connection seldom fills a line. */
const WORKERS = 4;
/** Tries for a file that can only be had as a whole. */
const WHOLE_TRIES = 3;

/**
 * Fetch a file into `path`. When this rejects, what has been fetched stays for the next try. Rejects as `fetchRange`
 * does, and with `INSUFFICIENT_RESOURCES` where the disk is full.
 */
export async function download(url: string | URL, options: DownloadOptions): Promise<void> {
  const { target, close } = openRemote(url, options);
  try {
    await fetchPieces(target, options, close);
  } catch (error) {
    if (!(error instanceof RangesIgnoredError)) throw error;
    await fetchWhole(target, options);
  } finally {
    await close();
  }
}

async function fetchPieces(
  target: RangeRequest,
  { path, onSize, onBytes, pieceBytes = PIECE_BYTES, retryDelayMs }: DownloadOptions,
  giveUp: () => Promise<void>,
): Promise<void> {
  // One byte tells the size, and that it is still the file of the last time.
  const { file } = await fetchRange(target, 0, new Uint8Array(1), { retryDelayMs });
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  const done = new Set(isThere ? await readResumeState(path, file, pieceBytes) : []);
  const lengthOf = (piece: number): number => Math.min(pieceBytes, file.size - piece * pieceBytes);
  const have = [...done].reduce((sum, piece) => sum + lengthOf(piece), 0);
  await onSize(file.size, have);

  const handle = await open(path, done.size > 0 ? "r+" : "w");
  let next = 0;
  let saving = Promise.resolve();
  const pieces = Math.ceil(file.size / pieceBytes);
  const work = async (): Promise<void> => {
    const buffer = new Uint8Array(Math.min(pieceBytes, file.size));
    for (let piece = next++; piece < pieces; piece = next++) {
      if (done.has(piece)) continue;
      const into = buffer.subarray(0, lengthOf(piece));
      await fetchRange(target, piece * pieceBytes, into, { known: file, retryDelayMs, onBytes });
      await writeAll(handle, into, piece * pieceBytes);
      done.add(piece);
      // One after another, as all write the same file.
      saving = saving.then(() => writeResumeState(path, { file, piece: pieceBytes, done }));
      await saving;
    }
  };
  try {
    const workers = Array.from({ length: Math.min(WORKERS, pieces) }, work);
    // The first failure ends the others; all have ended before the file is closed.
    await Promise.all(workers).catch(async (error: unknown) => {
      next = pieces;
      await giveUp();
      await Promise.allSettled(workers);
      throw describeWriteFailure(error, path);
    });
    await handle.truncate(file.size);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await removeResumeState(path);
}

/** The file as one body, from its beginning at every try. */
async function fetchWhole(
  target: RangeRequest,
  { path, onSize, onBytes }: DownloadOptions,
): Promise<void> {
  await removeResumeState(path);
  for (let tries = 1; ; tries++) {
    try {
      await fetchBody(target, path, tries === 1 ? onSize : async () => {}, onBytes);
      return;
    } catch (error) {
      if (target.signal.aborted) throw target.signal.reason;
      if (RuntimeError.is(error)) throw error;
      if (tries >= WHOLE_TRIES) {
        const why = error instanceof Error ? error.message : String(error);
        throw new RuntimeError(
          "NOT_READY",
          `Cannot read ${target.name}: ${tries} tries failed, the last with: ${why}`,
          { cause: error },
        );
      }
    }
  }
}

async function fetchBody(
  { url, name, dispatcher, headers, signal }: RangeRequest,
  path: string,
  onSize: DownloadOptions["onSize"],
  onBytes: DownloadOptions["onBytes"],
): Promise<void> {
  const {
    statusCode,
    headers: received,
    body,
  } = await request(url, {
    dispatcher,
    signal,
    headers: { ...headers, "accept-encoding": "identity" },
  });
  let handle: FileHandle | undefined;
  try {
    const size = Number(received["content-length"] ?? NaN);
    if (statusCode !== 200 || !Number.isSafeInteger(size)) {
      throw new RuntimeError(
        "MODEL_UNSUPPORTED",
        `Cannot read ${name}: the server answered ${statusCode} with length ${size}, 200 and a length were expected`,
      );
    }
    await onSize(size, 0);
    handle = await open(path, "w");
    let at = 0;
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      if (at + chunk.byteLength > size) throw new Error("it sent more bytes than announced");
      await writeAll(handle, chunk, at);
      at += chunk.byteLength;
      onBytes(chunk.byteLength);
    }
    if (at < size) throw new Error(`it ended after ${at} of ${size} bytes`);
    await handle.sync();
  } catch (error) {
    body.on("error", () => undefined).destroy();
    throw describeWriteFailure(error, path);
  } finally {
    await handle?.close();
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.byteLength - done, at + done);
    done += bytesWritten;
  }
}
