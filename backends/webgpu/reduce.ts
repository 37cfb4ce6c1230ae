import type { LogitQuery, LogitSummary } from "../../core/tensor/logits.ts";
import type { Bindings } from "./bindings.ts";
import type { Commands } from "./commands.ts";
import type { Counters } from "./counters.ts";
import { encode } from "./encode.ts";
import { WGSL } from "./generated.ts";
import { type Memory, USAGE } from "./memory.ts";
import type { Pipelines } from "./pipelines.ts";
import type { Profiler } from "./profile.ts";
import { readAnswers, writeQueries } from "./queries.ts";
import type { Readback } from "./readback.ts";
import type { KernelSpec } from "./spec.ts";
import type { Activations } from "./tensors.ts";

/** Room for the queries of a step and their results; more is taken when it is needed. */
const LEAST_BYTES = 2 ** 16;

const KERNELS = {
  change: module("logits-change"),
  maxima: module("logits-maxima"),
  best: module("logits-best"),
  masses: module("logits-masses", "exp", "logits-weight"),
  draw: module("logits-draw", "exp", "logits-weight"),
} as const;

function module(name: keyof typeof WGSL, ...snippets: (keyof typeof WGSL)[]): KernelSpec {
  const files = ["logits", ...snippets, name] as const;
  return { name, wgsl: files.map((file) => WGSL[file]).join("\n"), constants: {} };
}

/** A kernel, its workgroups, and about how many bytes of logits and maxima it reads. */
type Stage = readonly [
  kernel: KernelSpec,
  workgroups: readonly [number, number, number],
  bytes: number,
];

/** What it works with. */
export interface ReduceContext {
  readonly device: GPUDevice;
  readonly memory: Memory;
  readonly bindings: Bindings;
  readonly pipelines: Pipelines;
  readonly commands: Commands;
  readonly readback: Readback;
  readonly counters: Counters;
  readonly profiler: Profiler | undefined;
}

/** Answers queries about logits on the device: `Backend.reduce`. */
export class Reducer {
  readonly #context: ReduceContext;
  #tables: GPUBuffer | undefined;
  #results: GPUBuffer | undefined;
  #group: GPUBindGroup | undefined;
  #generation = -1;

  constructor(context: ReduceContext) {
    this.#context = context;
  }

  /** Answers in order. A row's changes come before what is asked later about it. */
  async reduce(logits: Activations, queries: readonly LogitQuery[]): Promise<LogitSummary[]> {
    const answers: LogitSummary[] = [];
    for (const batch of differentRows(queries)) answers.push(...(await this.#batch(logits, batch)));
    return answers;
  }

  async #batch(logits: Activations, queries: readonly LogitQuery[]): Promise<LogitSummary[]> {
    const { device, pipelines, commands, readback, counters, profiler } = this.#context;
    const tables = writeQueries(logits.place.word, logits.width, queries);
    const count = queries.length;
    const stages: Stage[] = [];
    const [some, all] = [4 * count * tables.groups, 4 * count * logits.width];
    if (tables.changes) stages.push([KERNELS.change, [count, 1, 1], some]);
    stages.push([KERNELS.maxima, [tables.groups, count, 1], all]);
    stages.push([KERNELS.best, [count, 1, 1], some]);
    if (tables.weights) {
      const temperatures = tables.draws ? 2 : 1;
      stages.push([KERNELS.masses, [tables.groups, count, temperatures], temperatures * all]);
      stages.push([KERNELS.draw, [count, 1, 1], some]);
    }
    const compiled = await Promise.all(stages.map(([kernel]) => pipelines.get(kernel)));
    const group = this.#bind(tables.words.byteLength, 4 * tables.resultWords);
    device.queue.writeBuffer(this.#tables!, 0, tables.words);

    const encoder = commands.encoder();
    const dispatches = stages.map(([{ name }, workgroups, activationBytes], i) => ({
      name,
      shape: `${logits.width}`,
      pipeline: compiled[i]!,
      group,
      offset: 0,
      workgroups,
      weightBytes: 0,
      leastWeightBytes: 0,
      activationBytes,
      cacheBytes: 0,
    }));
    encode(encoder, "reduce", dispatches, profiler);
    counters.dispatches += stages.length;
    const read = readback.record(encoder, this.#results!, [
      { offset: 0, bytes: 4 * tables.answerWords },
    ]);
    commands.flush();
    return readAnswers(await read(), logits.width, queries);
  }

  /** The bind group of buffers that are large enough. */
  #bind(tableBytes: number, resultBytes: number): GPUBindGroup {
    const { memory, bindings } = this.#context;
    bindings.refresh();
    const storage = USAGE.storage;
    const tables = this.#roomy(this.#tables, "queries", tableBytes, storage | USAGE.copyTarget);
    const results = this.#roomy(this.#results, "results", resultBytes, storage | USAGE.copySource);
    if (
      this.#group === undefined ||
      tables !== this.#tables ||
      results !== this.#results ||
      this.#generation !== bindings.generation
    ) {
      this.#group = bindings.make(undefined, tables, results);
    }
    for (const [old, now] of [
      [this.#tables, tables],
      [this.#results, results],
    ] as const) {
      if (old !== undefined && old !== now) memory.release(old);
    }
    this.#tables = tables;
    this.#results = results;
    this.#generation = bindings.generation;
    return this.#group;
  }

  #roomy(buffer: GPUBuffer | undefined, label: string, bytes: number, usage: number): GPUBuffer {
    if (buffer !== undefined && buffer.size >= bytes) return buffer;
    const size = 2 ** Math.ceil(Math.log2(Math.max(bytes, LEAST_BYTES)));
    return this.#context.memory.buffer(label, size, usage);
  }
}

/** Runs of queries in which no row comes twice: those are answered together. */
function* differentRows(queries: readonly LogitQuery[]): Generator<readonly LogitQuery[]> {
  let batch: LogitQuery[] = [];
  const rows = new Set<number>();
  for (const query of queries) {
    if (rows.has(query.row)) {
      yield batch;
      batch = [];
      rows.clear();
    }
    rows.add(query.row);
    batch.push(query);
  }
  if (batch.length > 0) yield batch;
}
