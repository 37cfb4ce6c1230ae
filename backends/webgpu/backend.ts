import type { Backend, KvLayer, KvShape, Ops, ReadInto } from "../../core/tensor/backend.ts";
import { OutOfMemoryError } from "../../core/errors.ts";
import { dequantize } from "../../core/quant/dequantize.ts";
import { byteLength } from "../../core/tensor/dtype.ts";
import type { DType, Tensor } from "../../core/tensor/tensor.ts";
import { checkQuery, type LogitQuery, type LogitSummary } from "../../core/tensor/logits.ts";
import type { MemoryNeed, Workload } from "../../core/tensor/workload.ts";
import { Bindings } from "./bindings.ts";
import { Commands } from "./commands.ts";
import { type Counters, createCounters } from "./counters.ts";
import type { OpenDevice } from "./device.ts";
import { encode } from "./encode.ts";
import { KvSlots } from "./kv-slots.ts";
import { createMatmulKernels } from "./matmul.ts";
import { Memory, USAGE } from "./memory.ts";
import { cacheBytes } from "./need.ts";
import { Pipelines } from "./pipelines.ts";
import { planStep } from "./planner.ts";
import { type Plan, Plans } from "./plans.ts";
import { type Profile, Profiler } from "./profile.ts";
import { Readback } from "./readback.ts";
import { type Op, type Owner, Recorder } from "./recorder.ts";
import { Reducer } from "./reduce.ts";
import { scratchWords } from "./scratch-words.ts";
import type { MatmulKernels } from "./spec.ts";
import { StepTables } from "./step-tables.ts";
import {
  type Activations,
  GpuKv,
  GpuTensor,
  KV_BLOCK,
  kvHeadBytes,
  MAX_HEAD_DIM,
  sizeOf,
  type Weights,
} from "./tensors.ts";
import { Uploader } from "./upload.ts";

/** How a backend uses its device. */
export interface WebGpuOptions {
  /** All buffers together take no more; unbounded unless given. */
  readonly maxBytes?: number;
  /** What is going to be loaded, where that is known: no more is taken for weights than they need. */
  readonly workload?: Workload;
  /** No arena of weights is larger; what the device can bind unless given. */
  readonly arenaBytes?: number;
  /** Whether the device outlives the backend; `close` destroys it unless given. */
  readonly keepsDevice?: boolean;
  /** The matrix kernels; those for the device unless given. */
  readonly matmul?: MatmulKernels;
  /** Take the time of every dispatch, for {@linkcode WebGpuBackend.takeProfile}. */
  readonly profile?: boolean;
}

/** A backend that computes on a GPU: the weights as they are in the file, activations and sums in f32. */
export class WebGpuBackend implements Backend {
  readonly name = "webgpu";
  readonly threads = 1;
  readonly kvBlock: number = KV_BLOCK;
  readonly failed: Promise<Error>;
  readonly #opened: OpenDevice;
  readonly #device: GPUDevice;
  readonly #workgroups: number;
  readonly #keepsDevice: boolean;
  readonly #counters = createCounters();
  readonly #used = { weights: 0, kv: 0, activations: 0 };
  readonly #memory: Memory;
  readonly #uploader: Uploader;
  readonly #bindings: Bindings;
  readonly #commands: Commands;
  readonly #readback: Readback;
  readonly #slots: KvSlots;
  readonly #plans: Plans;
  readonly #reducer: Reducer;
  readonly #matmul: MatmulKernels;
  readonly #tables = new StepTables();
  readonly #recorder: Recorder;
  readonly #profiler: Profiler | undefined;
  readonly #caches: GpuKv[] = [];
  #scratch = { word: 0, words: 0 };
  #fault: Error | undefined;
  /** A device keeps its listeners for ever, and they what they refer to. */
  #unwatch: () => void = () => {};
  #closed = false;

  constructor(opened: OpenDevice, options: WebGpuOptions = {}) {
    const { device, traits } = opened;
    const {
      maxBytes = Infinity,
      arenaBytes = Infinity,
      workload,
      keepsDevice = false,
      matmul = createMatmulKernels(traits),
      profile = false,
    } = options;
    const counters = this.#counters;
    this.#opened = opened;
    this.#device = device;
    this.#workgroups = traits.workgroups;
    this.#keepsDevice = keepsDevice;
    this.#matmul = matmul;
    const memory = new Memory(device, counters, { maxBytes, arenaBytes, workload });
    const pipelines = new Pipelines(device, counters);
    this.#memory = memory;
    this.#uploader = new Uploader(device.queue, memory);
    this.#bindings = new Bindings(device, memory, pipelines, counters);
    const profiler = profile ? new Profiler(device, opened.timestamps) : undefined;
    this.#profiler = profiler;
    this.#commands = new Commands(device, counters, profiler);
    this.#readback = new Readback(memory, counters);
    this.#slots = new KvSlots(device.queue, this.#commands, this.#readback);
    this.#plans = new Plans(device.queue, pipelines, this.#bindings, counters);
    this.#reducer = new Reducer({
      device,
      memory,
      bindings: this.#bindings,
      pipelines,
      commands: this.#commands,
      readback: this.#readback,
      counters,
      profiler,
    });
    const own: Owner = {
      activations: (tensor) => this.#activations(tensor),
      weights: (tensor) => this.#weights(tensor),
      kv: (kv) => this.#kv(kv),
    };
    this.#recorder = new Recorder(own, this.#tables, ({ shape }, reads) => {
      return reads * 2 * shape.kvHeads * kvHeadBytes(shape.type, shape.headDim);
    });
    this.failed = this.#watch();
  }

  async loadWeight(
    label: string,
    dtype: DType,
    shape: readonly number[],
    read: ReadInto,
  ): Promise<Tensor> {
    this.#check();
    const columns = shape.at(-1) ?? 1;
    const rows = sizeOf(shape.slice(0, -1));
    // Vectors are read as f32 by what uses them.
    if (shape.length === 1 && dtype !== "f32") {
      return this.loadWeight(label, "f32", shape, await expanded(dtype, columns, read));
    }
    const parts = this.#memory.placeWeight(label, dtype, rows, columns);
    await this.#memory.settle();
    const rowBytes = byteLength(dtype, columns);
    await this.#uploader.upload(parts, rowBytes, read);
    this.#check();
    this.#used.weights += rows * rowBytes;
    return new GpuTensor(this, label, dtype, shape, { kind: "weights", parts });
  }

  alloc(label: string, shape: readonly number[]): Tensor {
    const values = sizeOf(shape);
    const word = this.#memory.placeActivations(label, values);
    this.#used.activations += 4 * values;
    return new GpuTensor(this, label, "f32", shape, {
      kind: "activations",
      word,
      rows: shape[0] ?? 1,
    });
  }

  allocKv(label: string, slots: number, shape: KvShape): KvLayer {
    const { headDim } = shape;
    if (slots % KV_BLOCK !== 0 || headDim % 4 !== 0 || headDim > MAX_HEAD_DIM) {
      throw new RangeError(
        `Cannot cache ${slots} slots of ${headDim} values for "${label}": slots come in blocks of ${KV_BLOCK}, ` +
          `head sizes in fours up to ${MAX_HEAD_DIM}`,
      );
    }
    const bytes = cacheBytes({ slots, shape });
    const usage = USAGE.storage | USAGE.copySource | USAGE.copyTarget;
    const buffer = this.#memory.buffer(label, bytes, usage);
    this.#used.kv += bytes;
    const kv = new GpuKv(this, label, slots, shape, buffer, this.#caches.length);
    this.#caches.push(kv);
    return kv;
  }

  async readKv(layer: KvLayer, first: number, count: number): Promise<Uint8Array> {
    this.#check();
    const bytes = await this.#slots.read(this.#kv(layer), first, count);
    this.#check();
    return bytes;
  }

  writeKv(layer: KvLayer, first: number, bytes: Uint8Array): void {
    this.#slots.write(this.#kv(layer), first, bytes);
  }

  zeroKv(layer: KvLayer, first: number, count: number): void {
    this.#slots.zero(this.#kv(layer), first, count);
  }

  view(tensor: Tensor, rows: number): Tensor {
    const whole = this.#own(tensor);
    if (!Number.isInteger(rows) || rows < 0 || rows > whole.rows) {
      throw new RangeError(`Cannot view ${rows} rows of "${whole.label}": it has ${whole.rows}`);
    }
    const shape = [rows, ...whole.shape.slice(1)];
    return new GpuTensor(this, whole.label, whole.dtype, shape, whole.place);
  }

  write(tensor: Tensor, values: Float32Array): void {
    const target = this.#activations(tensor);
    if (values.length > target.length) {
      throw new RangeError(
        `Cannot write ${values.length} values to "${target.label}": it holds ${target.length}`,
      );
    }
    this.#commands.flush();
    const buffer = this.#bindings.refresh();
    this.#device.queue.writeBuffer(buffer, 4 * target.place.word, values);
  }

  async read(tensor: Tensor): Promise<Float32Array> {
    const source = this.#activations(tensor);
    this.#check();
    if (source.length === 0) return new Float32Array(0);
    const buffer = this.#bindings.refresh();
    const encoder = this.#commands.encoder();
    const piece = { offset: 4 * source.place.word, bytes: 4 * source.length };
    const read = this.#readback.record(encoder, buffer, [piece]);
    this.#commands.flush();
    const bytes = await read();
    this.#check();
    return new Float32Array(bytes);
  }

  async reduce(logits: Tensor, queries: readonly LogitQuery[]): Promise<readonly LogitSummary[]> {
    const rows = this.#activations(logits);
    for (const query of queries) checkQuery(query, rows.label, rows.rows);
    this.#check();
    const answers = await this.#reducer.reduce(rows, queries);
    this.#check();
    return answers;
  }

  async run(record: (ops: Ops) => void): Promise<void> {
    this.#check();
    this.#recorder.begin();
    record(this.#recorder);
    const { ops, cacheReads } = this.#recorder;
    // What was recorded before must not see this step's tables.
    this.#commands.flush();
    const plan = this.#plans.find(this.#ready(ops)) ?? (await this.#plan(ops));
    await this.#memory.settle();
    this.#encode(plan, cacheReads);
    for (const bytes of cacheReads) this.#counters.cacheBytes += bytes;
    this.#counters.weightBytes += plan.weightBytes;
    this.#commands.submitLater();
  }

  need(workload: Workload): MemoryNeed {
    return this.#memory.need(workload);
  }

  memory(): { weights: number; kv: number; activations: number } {
    return { ...this.#used };
  }

  /** The device it computes on. */
  get opened(): OpenDevice {
    return this.#opened;
  }

  /** What was done so far. */
  counters(): Counters {
    return { ...this.#counters };
  }

  /** What was done since the last profile, dispatch by dispatch. Rejects with `TypeError` without `profile`. */
  async takeProfile(): Promise<Profile> {
    if (this.#profiler === undefined) {
      throw new TypeError("Cannot take a profile: the backend was made without one");
    }
    this.#commands.flush();
    const taken = await this.#profiler.take();
    this.#check();
    return taken;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#unwatch();
    this.#commands.drop();
    this.#memory.close();
    if (!this.#keepsDevice) this.#device.destroy();
    // Dawn ends the whole process where a thread ends before its promises do.
    await this.#readback.settled();
  }

  /** Make everything that the step binds, before its plan is looked for. */
  #ready(ops: readonly Op[]): readonly Op[] {
    this.#bindings.writeTables(this.#tables.words());
    this.#bindings.refresh();
    return ops;
  }

  async #plan(ops: readonly Op[]): Promise<Plan> {
    this.#reserveScratch(ops);
    this.#bindings.refresh();
    const planned = planStep(ops, {
      matmul: this.#matmul,
      scratch: this.#scratch.word,
      workgroups: this.#workgroups,
    });
    return this.#plans.make(ops, planned, (index) => this.#caches[index]!.buffer);
  }

  /** Scratch memory for the largest step that these tensors allow, so that it need not grow later. */
  #reserveScratch(ops: readonly Op[]): void {
    const words = scratchWords(ops, this.#matmul);
    if (words <= this.#scratch.words) return;
    this.#scratch = { word: this.#memory.placeActivations("scratch", words), words };
    this.#used.activations += 4 * words;
  }

  #encode(plan: Plan, cacheReads: readonly number[]): void {
    encode(this.#commands.encoder(), "step", plan.dispatches, this.#profiler);
    this.#counters.dispatches += plan.dispatches.length;
    this.#profiler?.step(plan.dispatches, cacheReads);
  }

  /** Resolves once, when the device is lost or reports an error; everything rejects from then on. */
  #watch(): Promise<Error> {
    return new Promise((resolve) => {
      const fail = (fault: Error): void => {
        if (this.#closed || this.#fault !== undefined) return;
        this.#fault = fault;
        resolve(fault);
      };
      const refused = ({ error }: GPUUncapturedErrorEvent): void => {
        // The class is not global in every runtime.
        const full = error.constructor.name === "GPUOutOfMemoryError";
        const message = `The GPU refused a command: ${error.message}`;
        fail(full ? new OutOfMemoryError(message) : new Error(message));
      };
      this.#device.addEventListener("uncapturederror", refused);
      this.#unwatch = () => this.#device.removeEventListener("uncapturederror", refused);
      const lost = async (): Promise<void> => {
        const { reason, message } = await this.#device.lost;
        fail(new Error(`The GPU was lost (${reason}): ${message}`));
      };
      void lost();
    });
  }

  #check(): void {
    if (this.#fault !== undefined) throw this.#fault;
  }

  #own(tensor: Tensor): GpuTensor {
    if (tensor instanceof GpuTensor && tensor.owner === this) return tensor;
    throw new TypeError(`Cannot use tensor "${tensor.label}": it belongs to another backend`);
  }

  #activations(tensor: Tensor): Activations {
    const own = this.#own(tensor);
    if (own.place.kind === "activations") return own as Activations;
    throw new TypeError(`Cannot use tensor "${tensor.label}" here: it is a weight`);
  }

  #weights(tensor: Tensor): Weights {
    const own = this.#own(tensor);
    if (own.place.kind === "weights") return own as Weights;
    throw new TypeError(`Cannot use tensor "${tensor.label}" here: it is no weight`);
  }

  #kv(kv: KvLayer): GpuKv {
    if (kv instanceof GpuKv && kv.owner === this) return kv;
    throw new TypeError(`Cannot use cache "${kv.label}": it belongs to another backend`);
  }
}

/** A source of a short vector's values as f32. */
async function expanded(dtype: DType, values: number, read: ReadInto): Promise<ReadInto> {
  const bytes = new Uint8Array(byteLength(dtype, values));
  await read(0, bytes);
  const floats = new Float32Array(values);
  dequantize(dtype, bytes, floats);
  const whole = new Uint8Array(floats.buffer);
  return (offset, into) => {
    into.set(whole.subarray(offset, offset + into.length));
    return Promise.resolve();
  };
}
