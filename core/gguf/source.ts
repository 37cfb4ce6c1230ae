import { RuntimeError } from "../errors.ts";

/** Random access to the bytes of a file, wherever it lies: on disk, behind range requests, in memory. */
export interface ByteSource {
  /** Bytes in all. */
  readonly size: number;
  /** Name for errors and for finding the siblings of a split file: a path or a URL. */
  readonly name: string;
  /**
   * Fill `into` from `offset` on. Rejects with `MODEL_MALFORMED` when the bytes are not all there; a
   * source that can only go forward rejects with `MODEL_UNSUPPORTED` when asked to go back.
   */
  read(offset: number, into: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** A source over bytes in memory. */
export function bytesSource(bytes: Uint8Array, name = "memory"): ByteSource {
  const source: ByteSource = {
    size: bytes.byteLength,
    name,
    async read(offset, into) {
      checkRange(source, offset, into.byteLength);
      into.set(bytes.subarray(offset, offset + into.byteLength));
    },
    close: () => Promise.resolve(),
  };
  return source;
}

/** For implementers of {@linkcode ByteSource}: throws `MODEL_MALFORMED` unless the bytes lie within the file. */
export function checkRange(source: ByteSource, offset: number, length: number): void {
  if (offset >= 0 && offset + length <= source.size) return;
  throw new RuntimeError(
    "MODEL_MALFORMED",
    `Cannot read ${source.name}: bytes ${offset} to ${offset + length} are wanted, it has ${source.size}`,
  );
}
