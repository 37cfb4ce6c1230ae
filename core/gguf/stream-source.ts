import { malformed, unsupported } from "./problem.ts";
import { checkRange } from "./source.ts";
import type { ByteSource } from "./source.ts";

/**
 * Bytes behind the furthest one read that can still be read. The header is read in chunks of up to
 * 256 KiB, so its reader has seen the beginning of the first tensor when the tensors' turn comes.
 */
const LOOK_BACK_BYTES: number = 2 ** 20;

/** Part of the stream that is still remembered. */
interface Chunk {
  /** Offset in the stream of its first byte. */
  readonly start: number;
  readonly bytes: Uint8Array;
}

/**
 * A source over a stream, which can only go forward: reads have to ascend, and read ahead no more than
 * {@linkcode LOOK_BACK_BYTES} before going back to what was skipped. Reads wait for one another.
 *
 * `size` is the stream's length, from `Content-Length` or the like; a stream of another length rejects
 * with `MODEL_MALFORMED`. `close` cancels the stream.
 */
export function streamSource(
  stream: ReadableStream<Uint8Array>,
  size: number,
  name: string,
): ByteSource {
  const reader = stream.getReader();
  const kept: Chunk[] = [];
  /** Bytes that the stream has given so far. */
  let received = 0;
  let previous: Promise<void> = Promise.resolve();

  const pull = async (): Promise<Chunk> => {
    const { done, value } = await reader.read();
    if (done) throw malformed(name, `the stream ended at byte ${received} of ${size}`);
    const chunk: Chunk = { start: received, bytes: value };
    received += value.byteLength;
    if (received > size)
      throw malformed(name, `the stream is longer than the ${size} bytes announced`);
    kept.push(chunk);
    return chunk;
  };
  const forget = (end: number): void => {
    const isOld = ({ start, bytes }: Chunk): boolean =>
      start + bytes.byteLength <= end - LOOK_BACK_BYTES;
    const fresh = kept.findIndex((chunk) => !isOld(chunk));
    kept.splice(0, fresh === -1 ? kept.length : fresh);
  };
  const readInOrder = async (offset: number, into: Uint8Array): Promise<void> => {
    const oldest = kept[0]?.start ?? received;
    if (offset < oldest) {
      throw unsupported(
        name,
        `byte ${offset} is wanted, but a stream only goes forward and byte ${oldest} is the first ` +
          "still at hand: open the file by its path or from a server with range requests",
      );
    }
    const end = offset + into.byteLength;
    for (const chunk of kept) copyOverlap(chunk, offset, into);
    let reached = received;
    while (reached < end) {
      const chunk = await pull();
      copyOverlap(chunk, offset, into);
      reached = chunk.start + chunk.bytes.byteLength;
      // Within the loop, so that a large tensor is not kept here as a whole; and by what was read, not by
      // what arrived, as a chunk may be larger than all that is remembered.
      forget(Math.min(reached, end));
    }
  };

  const source: ByteSource = {
    size,
    name,
    async read(offset, into) {
      checkRange(source, offset, into.byteLength);
      const mine = previous.then(() => readInOrder(offset, into));
      // The next read goes ahead whether or not this one failed; its caller hears of it all the same.
      previous = mine.catch(() => undefined);
      await mine;
    },
    close: () => reader.cancel(),
  };
  return source;
}

/** Copies what `chunk` has of the bytes [offset, offset + into.byteLength). */
function copyOverlap(chunk: Chunk, offset: number, into: Uint8Array): void {
  const start = Math.max(chunk.start, offset);
  const end = Math.min(chunk.start + chunk.bytes.byteLength, offset + into.byteLength);
  if (start < end) {
    into.set(chunk.bytes.subarray(start - chunk.start, end - chunk.start), start - offset);
  }
}
