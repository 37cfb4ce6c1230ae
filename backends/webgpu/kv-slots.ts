import type { Commands } from "./commands.ts";
import type { Piece, Readback } from "./readback.ts";
import { type GpuKv, KV_BLOCK, kvParts } from "./tensors.ts";

/** Reaches slots of caches from outside of steps: copies them out and in, and erases them. */
export class KvSlots {
  readonly #queue: GPUQueue;
  readonly #commands: Commands;
  readonly #readback: Readback;

  constructor(queue: GPUQueue, commands: Commands, readback: Readback) {
    this.#queue = queue;
    this.#commands = commands;
    this.#readback = readback;
  }

  /** `Backend.readKv` */
  async read(kv: GpuKv, first: number, count: number): Promise<Uint8Array> {
    const pieces = piecesOf(kv, first, count);
    if (pieces.length === 0) return new Uint8Array(0);
    const read = this.#readback.record(this.#commands.encoder(), kv.buffer, pieces);
    this.#commands.flush();
    return new Uint8Array(await read());
  }

  /** `Backend.writeKv` */
  write(kv: GpuKv, first: number, bytes: Uint8Array): void {
    const slotWords = kvParts(kv).reduce((sum, part) => sum + part.slotWords, 0);
    const pieces = piecesOf(kv, first, bytes.byteLength / (4 * slotWords));
    // What was recorded before is not to see it.
    this.#commands.flush();
    let at = 0;
    for (const piece of pieces) {
      const part = bytes.slice(at, at + piece.bytes);
      this.#queue.writeBuffer(kv.buffer, piece.offset, part);
      at += piece.bytes;
    }
  }

  /** `Backend.zeroKv` */
  zero(kv: GpuKv, first: number, count: number): void {
    const pieces = piecesOf(kv, first, count);
    const encoder = this.#commands.encoder();
    for (const { offset, bytes } of pieces) encoder.clearBuffer(kv.buffer, offset, bytes);
    this.#commands.submitLater();
  }
}

/** Where slots of a cache lie. Throws `RangeError` for slots that are not there. */
function piecesOf(kv: GpuKv, first: number, count: number): readonly Piece[] {
  const whole = [first, count].every((n) => Number.isInteger(n / KV_BLOCK) && n >= 0);
  if (!whole || first + count > kv.slots) {
    throw new RangeError(
      `Cannot reach ${count} slots from ${first} on of "${kv.label}": it has ${kv.slots} in blocks of ${KV_BLOCK}`,
    );
  }
  const pieces = kvParts(kv).map(({ word, slotWords }) => ({
    offset: 4 * (word + first * slotWords),
    bytes: 4 * count * slotWords,
  }));
  return pieces.filter(({ bytes }) => bytes > 0);
}
