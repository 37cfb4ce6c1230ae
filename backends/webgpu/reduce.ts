import type { LogitQuery, LogitSummary } from "../../core/tensor/logits.ts";
import type { Bindings } from "./bindings.ts";
import type { Commands } from "./commands.ts";
import type { Counters } from "./counters.ts";
import { WGSL } from "./generated.ts";
import { type Memory, USAGE } from "./memory.ts";
import type { Pipelines } from "./pipelines.ts";
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

/** What it works with. */
export interface ReduceContext {
  readonly device: GPUDevice;
  readonly memory: Memory;
  readonly bindings: Bindings;
  readonly pipelines: Pipelines;
  readonly commands: Commands;
  readonly readback: Readback;
  readonly counters: Counters;
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
    const { device, pipelines, commands, readback, counters } = this.#context;
    const tables = writeQueries(logits.place.word, logits.width, queries);
    const count = queries.length;
    const stages: [KernelSpec, number, number, number][] = [];
    if (tables.changes) stages.push([KERNELS.change, count, 1, 1]);
    stages.push([KERNELS.maxima, tables.groups, count, 1], [KERNELS.best, count, 1, 1]);
    if (tables.weights) {
      stages.push([KERNELS.masses, tables.groups, count, tables.draws ? 2 : 1]);
      stages.push([KERNELS.draw, count, 1, 1]);
    }
    const compiled = await Promise.all(stages.map(([kernel]) => pipelines.get(kernel)));
    const group = this.#bind(tables.words.byteLength, 4 * tables.resultWords);
    device.queue.writeBuffer(this.#tables!, 0, tables.words);

    const encoder = commands.encoder();
    const pass = encoder.beginComputePass({ label: "reduce" });
    pass.setBindGroup(0, group, [0]);
    for (const [i, [, x, y, z]] of stages.entries()) {
      pass.setPipeline(compiled[i]!);
      pass.dispatchWorkgroups(x, y, z);
    }
    pass.end();
    counters.dispatches += stages.length;
    const read = readback.record(encoder, this.#results!, 0, 4 * tables.answerWords);
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
