import type { ReadInto } from "../../core/tensor/backend.ts";
import type { Memory } from "./memory.ts";
import { align, type Part } from "./tensors.ts";

/** Bytes read and handed on at once: the only memory that a weight ever takes in JavaScript. */
const CHUNK_BYTES = 2 ** 20;

/** Bytes handed to the queue before waiting for it: each write is kept until it is copied. */
const QUEUED_BYTES = 32 * 2 ** 20;

/** Takes weights into arenas, chunk by chunk. */
export class Uploader {
  readonly #queue: GPUQueue;
  readonly #memory: Memory;
  readonly #chunk = new Uint8Array(CHUNK_BYTES);
  #queued = 0;

  constructor(queue: GPUQueue, memory: Memory) {
    this.#queue = queue;
    this.#memory = memory;
  }

  /** Read rows of `rowBytes` bytes into their places, in ascending order. */
  async upload(parts: readonly Part[], rowBytes: number, read: ReadInto): Promise<void> {
    for (const { arena, word, firstRow, rows } of parts) {
      const buffer = this.#memory.arena(arena);
      const from = firstRow * rowBytes;
      const bytes = rows * rowBytes;
      for (let at = 0; at < bytes; at += CHUNK_BYTES) {
        const count = Math.min(CHUNK_BYTES, bytes - at);
        const padded = align(count, 4);
        await read(from + at, this.#chunk.subarray(0, count));
        this.#chunk.fill(0, count, padded);
        this.#queue.writeBuffer(buffer, 4 * word + at, this.#chunk, 0, padded);
        this.#queued += padded;
        if (this.#queued >= QUEUED_BYTES) await this.flush();
      }
    }
  }

  /** Let the device take what is queued. */
  async flush(): Promise<void> {
    if (this.#queued === 0) return;
    this.#queued = 0;
    this.#queue.submit([]);
    await this.#queue.onSubmittedWorkDone();
  }
}
