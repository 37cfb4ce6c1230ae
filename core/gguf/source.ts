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
  return {
    size: bytes.byteLength,
    name,
    read(offset, into) {
      into.set(bytes.subarray(offset, offset + into.byteLength));
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}
