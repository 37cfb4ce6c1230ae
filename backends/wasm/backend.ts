import type { Backend, KvLayer } from "../../core/tensor/backend.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import type { Workload } from "../../core/tensor/workload.ts";
import { createArgs, type ArgsWriter } from "./args.ts";
import { createArena, type Arena } from "./arena.ts";
import { createExchange } from "./exchange.ts";
import { createSerialExecutor, type Executor } from "./executor.ts";
import { instantiateKernels, kernelMemory, type Kernels } from "./kernels.ts";
import { createOps } from "./ops.ts";
import type { OpsContext } from "./ops.ts";
import { createReduce, type Reduce } from "./reduce.ts";
import { HOME, KV_BLOCK, kvLayerBytes, MAX_HEAD_DIM, WasmKv, WasmTensor } from "./tensors.ts";
import { createLoadWeight } from "./load-weight.ts";
import { type MemoryPlan, planMemories } from "./memories.ts";
import { activationBytes, MOST_BYTES, STAGING_BYTES, wasmNeed } from "./need.ts";
import { CONTROL_BYTES } from "./threads/control.ts";
import type { MemberTask } from "./threads/member.ts";
import { createPool } from "./threads/pool.ts";

/** The stack of a kernel, as the build gives the first thread (`-zstack-size`). */
const STACK_BYTES = 65_536;

/** The same where memory is bounded, and so counted: there are two such pieces. */
const BOUNDED_STAGING_BYTES = 2 ** 17;

/** What to run on. */
export interface WasmBackendOptions {
  /** A compiled kernel module; a runtime may forbid compiling bytes, so the adapter brings it. */
  readonly module: WebAssembly.Module;
  /** Which build it is: `simd128`, `relaxed`, `relaxed16`. */
  readonly variant: string;
  /** How to instantiate a module that brings its memory, with neither `pool` nor `maxBytes`. */
  readonly instantiate?: (module: WebAssembly.Module) => Promise<Kernels>;
  /** Threads to share the work with. Then `module` has to be one from `shareMemory`. */
  readonly pool?: PoolStart;
  /** What it is going to hold: more than wasm32 addresses goes to several memories. One memory unless given. */
  readonly workload?: Workload;
  /** Bytes that each of several memories may grow to; all that wasm32 can address unless given. */
  readonly memoryBytes?: number;
  /** Linear memory never grows beyond this, and there is but one; all that wasm32 can address unless given. */
  readonly maxBytes?: number;
  /** What the machine has: more is not begun with, though it may be addressable. */
  readonly machineBytes?: number;
}

/** How an adapter brings threads. */
export interface PoolStart {
  /** Threads beside the calling one, at least 1. */
  readonly members: number;
  /**
   * Start a thread for each task that calls `serveAsMember`. It need not wait for them: they take part
   * from when they are ready. Returns a function that resolves when all have ended.
   */
  readonly start: (tasks: readonly MemberTask[]) => () => Promise<void>;
  /** A clock in milliseconds. */
  readonly now: () => number;
  /** Whether the calling thread may sleep in `Atomics.wait`; a browser's main thread may not. */
  readonly mayBlock: boolean;
  /** Nanoseconds of work from which an operation is shared; a sensible default unless given. */
  readonly leastShared?: number;
}

/**
 * Weights quantised in WASM memory, activations quantised to int8 for each product, integer dot products:
 * the strict path, whose results are the same bits on every engine and in every batch.
 */
export async function createWasmBackend(options: WasmBackendOptions): Promise<Backend> {
  const { module, variant, pool, maxBytes, machineBytes = Infinity, instantiate } = options;
  const { workload, memoryBytes } = options;
  if (instantiate !== undefined && (pool !== undefined || maxBytes !== undefined)) {
    throw new TypeError("Cannot bound or share a memory that the module brings itself");
  }
  const stagingBytes = maxBytes === undefined ? STAGING_BYTES : BOUNDED_STAGING_BYTES;
  const plan: MemoryPlan =
    workload === undefined || maxBytes !== undefined
      ? { count: 1, bytes: maxBytes ?? MOST_BYTES, room: Infinity }
      : planMemories(workload, stagingBytes, memoryBytes);
  const own =
    instantiate === undefined
      ? Array.from({ length: plan.count }, () => kernelMemory(pool !== undefined, plan.bytes))
      : [];
  const kernels =
    instantiate === undefined
      ? await Promise.all(own.map(({ memory }) => instantiateKernels(module, memory)))
      : await Promise.all(Array.from({ length: plan.count }, () => instantiate(module)));
  const mostBytes = own.reduce((sum, one) => sum + one.mostBytes, 0);
  const arenas = kernels.map(({ memory, heapBase }) => createArena(memory, heapBase));
  const memories = arenas.map((arena) => ({ arena, args: createArgs(arena) }));
  const executor =
    pool === undefined
      ? createSerialExecutor(kernels.map(({ table }) => table))
      : startPool(pool, module, kernels, arenas);
  return createKernelBackend({
    name: `wasm-${variant}`,
    memories,
    executor,
    roomBytes: plan.room,
    limitBytes: Math.min(own.length === 0 ? plan.count * plan.bytes : mostBytes, machineBytes),
    stagingBytes,
    createReduce: (context) => createReduce({ ...context, arena: arenas[HOME]! }),
  });
}

/** A memory and the arguments in it. */
export interface KernelMemory {
  readonly arena: Arena;
  readonly args: ArgsWriter;
}

/** Kernels and their memories, wherever they are. */
export interface KernelMachine {
  /** The backend's name. */
  readonly name: string;
  /** The home memory first. */
  readonly memories: readonly KernelMemory[];
  readonly executor: Executor;
  /** Bytes of each memory that weights and caches may take, where there are several. */
  readonly roomBytes?: number;
  /** What there is for all memory together; all that wasm32 can address unless given. */
  readonly limitBytes?: number;
  /** Bytes of a weight to read at once; a mebibyte unless given. */
  readonly stagingBytes?: number;
  readonly createReduce: (context: OpsContext) => Reduce;
}

/** A backend over kernels. */
export function createKernelBackend(machine: KernelMachine): Backend {
  const { name, memories, executor, stagingBytes = STAGING_BYTES } = machine;
  const { limitBytes = MOST_BYTES, roomBytes = Infinity } = machine;
  const { arena, args } = memories[HOME]!;
  const owner = {};
  const used = { weights: 0, kv: 0, activations: 0 };

  const take = (kind: keyof typeof used, label: string, bytes: number, memory = HOME): number => {
    const offset = memories[memory]!.arena.take(label, bytes);
    used[kind] += bytes;
    return offset;
  };
  /** Bytes of a memory that weights and caches may still take. */
  const left = (memory: number): number => roomBytes - memories[memory]!.arena.used;
  const own = (tensor: Tensor): WasmTensor => {
    if (!(tensor instanceof WasmTensor) || tensor.owner !== owner) {
      throw new TypeError(`Cannot use tensor "${tensor.label}": it belongs to another backend`);
    }
    return tensor;
  };
  const ownKv = (layer: KvLayer): WasmKv => {
    if (!(layer instanceof WasmKv) || layer.owner !== owner) {
      throw new TypeError(`Cannot use cache "${layer.label}": it belongs to another backend`);
    }
    return layer;
  };
  /** Our own cache, if it has these slots and they are whole blocks. */
  const slotsOf = (layer: KvLayer, first: number, count: number): WasmKv => {
    const kv = ownKv(layer);
    const whole = [first, count].every((n) => Number.isInteger(n / KV_BLOCK) && n >= 0);
    if (whole && first + count <= kv.slots) return kv;
    throw new RangeError(
      `Cannot reach ${count} slots from ${first} on of "${kv.label}": it has ${kv.slots} in blocks of ${KV_BLOCK}`,
    );
  };
  const context: OpsContext = {
    arena,
    args,
    memories,
    exchange: createExchange(
      memories.map((memory) => memory.arena),
      (memory, bytes) => take("activations", "exchange", bytes, memory),
    ),
    executor,
    own,
    owner,
    scratch: (n) => take("activations", "scratch", n),
  };
  const loadWeight = createLoadWeight({
    owner,
    memories,
    executor,
    stagingBytes,
    take: (label, bytes, memory) => take("weights", label, bytes, memory),
    left,
  });
  const { ops, begin } = createOps(context);
  const reduce = machine.createReduce(context);

  return {
    name,
    threads: executor.threads,
    kvBlock: KV_BLOCK,

    loadWeight,

    alloc(label, shape) {
      const values = shape.reduce((product, size) => product * size, 1);
      const offset = take("activations", label, activationBytes(values));
      return new WasmTensor(owner, label, "f32", shape, offset, false);
    },

    allocKv(label, slots, shape) {
      const { headDim } = shape;
      if (slots % KV_BLOCK !== 0 || headDim % 4 !== 0 || headDim > MAX_HEAD_DIM) {
        throw new RangeError(
          `Cannot cache ${slots} slots of ${headDim} values for "${label}": slots come in blocks of ${KV_BLOCK}, ` +
            `head sizes in fours up to ${MAX_HEAD_DIM}`,
        );
      }
      const bytes = kvLayerBytes(slots, shape);
      // Where none has room, the first one says so.
      const memory = Math.max(
        HOME,
        memories.findIndex((_, candidate) => left(candidate) >= bytes),
      );
      const offset = take("kv", label, bytes, memory);
      return new WasmKv(owner, label, slots, memory, offset, shape);
    },

    // An async function turns what these throw into a rejection.
    // eslint-disable-next-line typescript/require-await
    async readKv(layer, first, count) {
      const { memory, offset, slotBytes } = slotsOf(layer, first, count);
      const words = memories[memory]!.arena.get(
        offset + first * slotBytes,
        (count * slotBytes) / 4,
      );
      return new Uint8Array(words.slice().buffer);
    },

    writeKv(layer, first, bytes) {
      const { slotBytes } = ownKv(layer);
      const { memory, offset } = slotsOf(layer, first, bytes.byteLength / slotBytes);
      // A copy begins at a multiple of four, which the bytes need not.
      const words = new Uint32Array(bytes.slice().buffer);
      memories[memory]!.arena.put(offset + first * slotBytes, words);
    },

    zeroKv(layer, first, count) {
      const { memory, offset, slotBytes } = slotsOf(layer, first, count);
      memories[memory]!.arena.clear(offset + first * slotBytes, count * slotBytes);
    },

    view(tensor, rows) {
      const whole = own(tensor);
      if (!Number.isInteger(rows) || rows < 0 || rows > whole.rows) {
        throw new RangeError(`Cannot view ${rows} rows of "${whole.label}": it has ${whole.rows}`);
      }
      const shape = [rows, ...whole.shape.slice(1)];
      return new WasmTensor(owner, whole.label, whole.dtype, shape, whole.offset, whole.panels);
    },

    write(tensor, values) {
      const target = own(tensor);
      if (values.length > target.length) {
        throw new RangeError(
          `Cannot write ${values.length} values to "${target.label}": it holds ${target.length}`,
        );
      }
      arena.put(target.offset, values);
    },

    // eslint-disable-next-line typescript/require-await
    async read(tensor) {
      const source = own(tensor);
      return arena.get(source.offset, source.length);
    },

    // eslint-disable-next-line typescript/require-await
    async reduce(logits, queries) {
      return reduce(own(logits), queries);
    },

    // eslint-disable-next-line typescript/require-await
    async run(record) {
      begin();
      executor.beginStep();
      record(ops);
      executor.endStep();
    },

    need: (workload) => wasmNeed(workload, stagingBytes, limitBytes, memories.length),
    memory: () => ({ ...used }),
    close: () => executor.close(),
  };
}

/** Start a pool's members and lead it. */
function startPool(
  pool: PoolStart,
  module: WebAssembly.Module,
  kernels: readonly Kernels[],
  arenas: readonly Arena[],
): Executor {
  const control = new SharedArrayBuffer(CONTROL_BYTES);
  const tasks = Array.from({ length: pool.members }, (_, index): MemberTask => ({
    module,
    memories: kernels.map(({ memory }) => memory),
    control,
    index,
    stackTops: arenas.map((arena) => arena.take("stack", STACK_BYTES) + STACK_BYTES),
  }));
  const tables = kernels.map(({ table }) => table);
  return createPool({ ...pool, control, tables, ended: pool.start(tasks) });
}
