import type { Counters } from "./counters.ts";
import { type Memory, USAGE } from "./memory.ts";
import { align } from "./tensors.ts";

/** Buffers: one may be mapped while the next step writes another. */
const RING = 3;

/** The smallest of them: what a few queries about logits answer. */
const LEAST_BYTES = 4096;

/** Bytes of a buffer; both are multiples of 4. */
export interface Piece {
  readonly offset: number;
  readonly bytes: number;
}

/** Brings bytes back from the device through a few buffers that can be mapped. */
export class Readback {
  readonly #memory: Memory;
  readonly #counters: Counters;
  readonly #buffers: (GPUBuffer | undefined)[] = Array.from({ length: RING });
  readonly #busy: boolean[] = Array.from({ length: RING }, () => false);
  readonly #pending = new Set<Promise<unknown>>();

  constructor(memory: Memory, counters: Counters) {
    this.#memory = memory;
    this.#counters = counters;
  }

  /**
   * Record a copy of pieces of `source`. What is returned is to be called once the commands are submitted; it
   * resolves to a copy of their bytes, one piece behind the other.
   */
  record(
    encoder: GPUCommandEncoder,
    source: GPUBuffer,
    pieces: readonly Piece[],
  ): () => Promise<ArrayBuffer> {
    const bytes = pieces.reduce((sum, piece) => sum + piece.bytes, 0);
    const slot = this.#take(bytes);
    const buffer = this.#buffers[slot]!;
    let at = 0;
    for (const piece of pieces) {
      encoder.copyBufferToBuffer(source, piece.offset, buffer, at, piece.bytes);
      at += piece.bytes;
    }
    this.#counters.readBytes += bytes;
    return async () => {
      const mapped = buffer.mapAsync(1, 0, bytes);
      this.#pending.add(mapped);
      try {
        await mapped;
        const copy = buffer.getMappedRange(0, bytes).slice(0);
        buffer.unmap();
        return copy;
      } finally {
        this.#pending.delete(mapped);
        this.#busy[slot] = false;
      }
    };
  }

  /** Resolves when no read is under way any more, well or not. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#pending);
  }

  /** A free slot whose buffer holds `bytes`. */
  #take(bytes: number): number {
    for (let slot = 0; slot < RING; slot++) {
      if (this.#busy[slot] === true) continue;
      this.#busy[slot] = true;
      const old = this.#buffers[slot];
      if (old !== undefined && old.size >= bytes) return slot;
      if (old !== undefined) this.#memory.release(old);
      const size = Math.max(LEAST_BYTES, align(bytes, 256));
      this.#buffers[slot] = this.#memory.buffer("readback", size, USAGE.mapRead | USAGE.copyTarget);
      return slot;
    }
    throw new RangeError(`Cannot read back: ${RING} reads are under way`);
  }
}
