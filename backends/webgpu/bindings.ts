import type { Counters } from "./counters.ts";
import { type Memory, USAGE } from "./memory.ts";
import type { Pipelines } from "./pipelines.ts";
import { BINDINGS, PARAM_WORDS } from "./spec.ts";

/** Parameters of 16384 dispatches: dozens of kinds of steps. */
const PARAM_BYTES = 4 * 2 ** 20;

/** Bytes from one dispatch's parameters to the next. */
export const PARAM_STRIDE: number = 4 * PARAM_WORDS;

/** The tables of a large step: 64 sequences of 4096 positions in blocks of 16. */
const TABLE_BYTES = 2 ** 18;

/**
 * Bind groups, made once for each pair of an arena and a cache, and the buffers that all of them hold:
 * activations, the step's tables, parameters.
 */
export class Bindings {
  readonly params: GPUBuffer;
  /** Changes when bind groups made before no longer serve. */
  generation = 0;
  readonly #device: GPUDevice;
  readonly #memory: Memory;
  readonly #pipelines: Pipelines;
  readonly #counters: Counters;
  readonly #groups = new Map<string, GPUBindGroup>();
  /** Stand in where a kernel binds no arena and no cache. */
  readonly #noWeights: GPUBuffer;
  readonly #noCache: GPUBuffer;
  #activations: GPUBuffer | undefined;
  #tables: GPUBuffer;

  constructor(device: GPUDevice, memory: Memory, pipelines: Pipelines, counters: Counters) {
    this.#device = device;
    this.#memory = memory;
    this.#pipelines = pipelines;
    this.#counters = counters;
    const target = USAGE.copyTarget;
    this.params = memory.buffer("parameters", PARAM_BYTES, USAGE.uniform | target);
    this.#tables = memory.buffer("tables", TABLE_BYTES, USAGE.storage | target);
    this.#noWeights = memory.buffer("no weights", 256, USAGE.storage);
    this.#noCache = memory.buffer("no cache", 256, USAGE.storage);
  }

  /** The activations as they are now; bind groups of smaller ones are forgotten. */
  refresh(): GPUBuffer {
    const buffer = this.#memory.activations();
    if (buffer !== this.#activations) {
      this.#activations = buffer;
      this.#forget();
    }
    return buffer;
  }

  /** Bring a step's tables in. */
  writeTables(words: Uint32Array): void {
    if (words.byteLength > this.#tables.size) {
      this.#memory.release(this.#tables);
      const size = 2 ** Math.ceil(Math.log2(words.byteLength));
      this.#tables = this.#memory.buffer("tables", size, USAGE.storage | USAGE.copyTarget);
      this.#forget();
    }
    this.#device.queue.writeBuffer(this.#tables, 0, words);
  }

  /** The bind group of an arena and a cache; `refresh` comes first. */
  group(
    arena: number | undefined,
    cacheIndex: number | undefined,
    cache?: GPUBuffer,
  ): GPUBindGroup {
    const key = `${arena} ${cacheIndex}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      const weights = arena === undefined ? this.#noWeights : this.#memory.arena(arena);
      group = this.make(weights, this.#tables, cache ?? this.#noCache);
      this.#groups.set(key, group);
    }
    return group;
  }

  /** A bind group of the caller's own. */
  make(weights: GPUBuffer | undefined, tables: GPUBuffer, cache: GPUBuffer): GPUBindGroup {
    this.#counters.bindGroups++;
    return this.#device.createBindGroup({
      layout: this.#pipelines.layout,
      entries: [
        { binding: BINDINGS.weights, resource: { buffer: weights ?? this.#noWeights } },
        { binding: BINDINGS.activations, resource: { buffer: this.refresh() } },
        { binding: BINDINGS.tables, resource: { buffer: tables } },
        { binding: BINDINGS.cache, resource: { buffer: cache } },
        { binding: BINDINGS.params, resource: { buffer: this.params, size: PARAM_STRIDE } },
      ],
    });
  }

  #forget(): void {
    this.#groups.clear();
    this.generation++;
  }
}
