import { OutOfMemoryError } from "../../core/errors.ts";
import type { DType } from "../../core/tensor/tensor.ts";
import type { MemoryNeed, Workload } from "../../core/tensor/workload.ts";
import type { Counters } from "./counters.ts";
import { boundsOf, type DeviceBounds, gpuNeed, piecesOf, planArenas } from "./need.ts";
import { TENSOR_ALIGNMENT } from "./spec.ts";
import { align, type Part } from "./tensors.ts";

const MIB = 2 ** 20;

/** The first arena: a small model fits, and a tiny one does not waste much. */
const FIRST_ARENA_BYTES = 16 * MIB;

/** Activations grow at least by this much at once. */
const LEAST_ACTIVATION_BYTES = MIB;

/** What a `GPUBuffer` of ours may be used as; numbers, because a runtime need not have `GPUBufferUsage`. */
export const USAGE = {
  mapRead: 0x0001,
  copySource: 0x0004,
  copyTarget: 0x0008,
  uniform: 0x0040,
  storage: 0x0080,
  queryResolve: 0x0200,
} as const;

interface Arena {
  readonly buffer: GPUBuffer;
  used: number;
}

/** What a backend may take. */
export interface MemoryLimits {
  /** All buffers together. */
  readonly maxBytes: number;
  /** An arena of weights. */
  readonly arenaBytes: number;
  /** What is going to be loaded, where that is known: arenas are made to fit. */
  readonly workload?: Workload | undefined;
}

/** The buffers of a backend, none of which outlives it. */
export class Memory {
  readonly #device: GPUDevice;
  readonly #counters: Counters;
  readonly #planned: readonly number[];
  readonly #bounds: DeviceBounds;
  readonly #arenas: Arena[] = [];
  readonly #buffers = new Set<GPUBuffer>();
  #bytes = 0;
  #checks: Promise<void>[] = [];
  #activationWords = 0;
  #activations: GPUBuffer | undefined;

  constructor(device: GPUDevice, counters: Counters, limits: MemoryLimits) {
    const { maxBytes, arenaBytes, workload } = limits;
    this.#device = device;
    this.#counters = counters;
    this.#bounds = boundsOf(device, maxBytes, arenaBytes);
    this.#planned = workload === undefined ? [] : planArenas(workload, this.#bounds.maxArena);
  }

  /** Bytes of the largest buffer that can be bound whole. */
  get largestBuffer(): number {
    return this.#bounds.largestBuffer;
  }

  /** What a workload would take; see {@linkcode gpuNeed}. */
  need(workload: Workload): MemoryNeed {
    return gpuNeed(workload, this.#bounds);
  }

  /** Bytes of all buffers. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * A zeroed buffer. Throws `RangeError` where it is beyond a limit; whether the device has so much is
   * known after {@linkcode settle}.
   */
  buffer(label: string, bytes: number, usage: number): GPUBuffer {
    const largest = this.largestBuffer;
    if (bytes > largest) {
      throw new RangeError(
        `Cannot make a buffer of ${bytes} bytes for "${label}": the device binds ${largest}`,
      );
    }
    if (this.#bytes + bytes > this.#bounds.maxBytes) {
      throw new RangeError(
        `Cannot take ${bytes} bytes of GPU memory for "${label}": ${this.#bytes} of ${this.#bounds.maxBytes} are in use`,
      );
    }
    this.#device.pushErrorScope("out-of-memory");
    const buffer = this.#device.createBuffer({ label, size: bytes, usage });
    const beside = this.#bytes;
    const check = async (): Promise<void> => {
      const error = await this.#device.popErrorScope();
      if (error === null) return;
      throw new OutOfMemoryError(
        `Cannot take ${bytes} bytes of GPU memory for "${label}" beside ${beside}: ${error.message}`,
      );
    };
    this.#checks.push(check());
    // Whoever settles next learns of a failure.
    this.#checks.at(-1)!.catch(() => {});
    this.#bytes += bytes;
    this.#buffers.add(buffer);
    this.#counters.buffers++;
    return buffer;
  }

  /** Give a buffer back. */
  release(buffer: GPUBuffer): void {
    this.#bytes -= buffer.size;
    this.#buffers.delete(buffer);
    buffer.destroy();
  }

  /** Rejects with `RangeError` where the device could not make a buffer. */
  async settle(): Promise<void> {
    if (this.#checks.length === 0) return;
    const checks = this.#checks;
    this.#checks = [];
    await Promise.all(checks);
  }

  /** Places for a weight's rows: in one arena, or split where no arena is large enough. */
  placeWeight(label: string, dtype: DType, rows: number, columns: number): Part[] {
    const parts: Part[] = [];
    const pieces = piecesOf(label, dtype, rows, columns, this.#bounds.maxArena);
    for (const { firstRow, rows: count, bytes } of pieces) {
      const arena = this.#arenaWith(bytes);
      const { used } = this.#arenas[arena]!;
      this.#arenas[arena]!.used += bytes;
      parts.push({ arena, word: used / 4, firstRow, rows: count });
    }
    return parts;
  }

  #arenaWith(bytes: number): number {
    const fitting = this.#arenas.findIndex(({ buffer, used }) => buffer.size - used >= bytes);
    if (fitting >= 0) return fitting;
    const total = this.#arenas.reduce((sum, { buffer }) => sum + buffer.size, 0);
    const { maxArena, maxBytes } = this.#bounds;
    const roomy = Math.min(Math.max(FIRST_ARENA_BYTES, total / 2), maxArena);
    const wanted = this.#planned[this.#arenas.length] ?? roomy;
    const left = maxBytes - this.#bytes;
    const size = align(Math.max(bytes, Math.min(wanted, left)), TENSOR_ALIGNMENT);
    const usage = USAGE.storage | USAGE.copyTarget;
    const buffer = this.buffer(`weights ${this.#arenas.length}`, size, usage);
    this.#arenas.push({ buffer, used: 0 });
    return this.#arenas.length - 1;
  }

  arena(index: number): GPUBuffer {
    return this.#arenas[index]!.buffer;
  }

  /** The word at which a tensor of activations begins. Throws `RangeError` where they are too many. */
  placeActivations(label: string, values: number): number {
    const word = this.#activationWords;
    const bytes = align(4 * (word + values), TENSOR_ALIGNMENT);
    if (!(bytes <= this.largestBuffer)) {
      throw new RangeError(
        `Cannot allocate "${label}": all activations would take ${bytes} bytes, the device binds ${this.largestBuffer}`,
      );
    }
    const current = this.#activations?.size ?? 0;
    if (bytes > current && this.#bytes - current + bytes > this.#bounds.maxBytes) {
      throw new RangeError(
        `Cannot allocate "${label}": ${this.#bytes - current + bytes} bytes of GPU memory, ${this.#bounds.maxBytes} are allowed`,
      );
    }
    this.#activationWords = bytes / 4;
    return word;
  }

  /** The buffer of all activations, with room for all that were placed; another one once it has grown. */
  activations(): GPUBuffer {
    const current = this.#activations;
    const needed = Math.max(4 * this.#activationWords, TENSOR_ALIGNMENT);
    if (current !== undefined && current.size >= needed) return current;
    // The first has just what a model asked for; who asks for more may do so again.
    const roomy =
      current === undefined
        ? needed
        : Math.min(Math.max(needed, 2 * current.size, LEAST_ACTIVATION_BYTES), this.largestBuffer);
    const affordable = this.#bounds.maxBytes - this.#bytes >= roomy ? roomy : needed;
    const usage = USAGE.storage | USAGE.copySource | USAGE.copyTarget;
    const buffer = this.buffer("activations", affordable, usage);
    if (current !== undefined) {
      const encoder = this.#device.createCommandEncoder();
      encoder.copyBufferToBuffer(current, 0, buffer, 0, current.size);
      this.#device.queue.submit([encoder.finish()]);
      this.#counters.submits++;
      this.release(current);
    }
    this.#activations = buffer;
    return buffer;
  }

  /** Destroy every buffer. */
  close(): void {
    for (const buffer of this.#buffers) buffer.destroy();
    this.#buffers.clear();
    this.#bytes = 0;
  }
}
