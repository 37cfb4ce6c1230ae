import type { Backend, KvLayer } from "../../core/tensor/backend.ts";
import { kvHeadBytes } from "../../core/tensor/kv-type.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import { createArgs, type ArgsWriter } from "./args.ts";
import { createArena, type Arena } from "./arena.ts";
import { createSerialExecutor, type Executor } from "./executor.ts";
import { instantiateKernels, kernelId, kernelMemory, type Kernels } from "./kernels.ts";
import { createOps } from "./ops.ts";
import type { OpsContext } from "./ops.ts";
import { createReduce, type Reduce } from "./reduce.ts";
import { KV_BLOCK, MAX_HEAD_DIM, PANEL_ROWS, WasmKv, WasmTensor } from "./tensors.ts";
import { activationBytes, MOST_BYTES, planWeight, wasmNeed } from "./need.ts";
import { CONTROL_BYTES } from "./threads/control.ts";
import type { MemberTask } from "./threads/member.ts";
import { createPool } from "./threads/pool.ts";

/** The stack of a kernel, as the build gives the first thread (`-zstack-size`). */
const STACK_BYTES = 65_536;

/** Bytes of a weight that are read at once, before they are laid out anew: small beside any model. */
const STAGING_BYTES = 2 ** 20;

/** The same where memory is bounded, and so counted: there are two such pieces. */
const BOUNDED_STAGING_BYTES = 2 ** 17;

/** Nanoseconds to lay a byte of weights out, roughly: what is worth sharing. */
const REPACK_NS = 0.2;

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
  /** Linear memory never grows beyond this; all that wasm32 can address unless given. */
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
  if (instantiate !== undefined && (pool !== undefined || maxBytes !== undefined)) {
    throw new TypeError("Cannot bound or share a memory that the module brings itself");
  }
  const own = instantiate === undefined ? kernelMemory(pool !== undefined, maxBytes) : undefined;
  const kernels =
    instantiate === undefined
      ? await instantiateKernels(module, own?.memory)
      : await instantiate(module);
  const arena = createArena(kernels.memory, kernels.heapBase);
  const args = createArgs(arena);
  const executor =
    pool === undefined
      ? createSerialExecutor(kernels.table)
      : startPool(pool, module, kernels, () => arena.take("stack", STACK_BYTES) + STACK_BYTES);
  return createKernelBackend({
    name: `wasm-${variant}`,
    arena,
    args,
    executor,
    limitBytes: Math.min(own?.mostBytes ?? MOST_BYTES, machineBytes),
    stagingBytes: maxBytes === undefined ? STAGING_BYTES : BOUNDED_STAGING_BYTES,
    createReduce: (context) => createReduce({ ...context, arena }),
  });
}

/** Kernels and their memory, wherever they are. */
export interface KernelMachine {
  /** The backend's name. */
  readonly name: string;
  readonly arena: Arena;
  readonly args: ArgsWriter;
  readonly executor: Executor;
  /** What there is for all memory together; all that wasm32 can address unless given. */
  readonly limitBytes?: number;
  /** Bytes of a weight to read at once; a mebibyte unless given. */
  readonly stagingBytes?: number;
  readonly createReduce: (context: OpsContext) => Reduce;
}

/** A backend over kernels. */
export function createKernelBackend(machine: KernelMachine): Backend {
  const { name, arena, args, executor, stagingBytes = STAGING_BYTES } = machine;
  const { limitBytes = MOST_BYTES } = machine;
  const owner = {};
  const used = { weights: 0, kv: 0, activations: 0 };
  let staging = { offset: 0, bytes: 0 };

  const take = (kind: keyof typeof used, label: string, bytes: number): number => {
    const offset = arena.take(label, bytes);
    used[kind] += bytes;
    return offset;
  };
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
  const stage = (bytes: number): number => {
    if (bytes > staging.bytes) staging = { offset: take("weights", "staging", bytes), bytes };
    return staging.offset;
  };
  const context: OpsContext = {
    arena,
    args,
    executor,
    own,
    owner,
    scratch: (n) => take("activations", "scratch", n),
  };
  const { ops, begin } = createOps(context);
  const reduce = machine.createReduce(context);

  return {
    name,
    threads: executor.threads,
    kvBlock: KV_BLOCK,

    async loadWeight(label, dtype, shape, read) {
      const plan = planWeight(dtype, shape, stagingBytes);
      const { vector, rows, columns, rowBytes, panel, atOnce, pieceBytes } = plan;
      // A vector is kept as plain f32, so its panel is only a way-station.
      const target = vector ? stage(plan.staged) + 2 * rowBytes : take("weights", label, plan.kept);
      const raw = stage(plan.staged);
      const panels = vector ? Math.ceil(target / 64) * 64 : target;
      const repack = kernelId(`repack_${dtype}`);
      // While one piece is laid out, the next is read into the other half of the staging memory.
      const fetch = (row: number): Promise<void> => {
        const bytes = Math.min(atOnce, rows - row) * rowBytes;
        const half = raw + ((row / atOnce) % 2) * pieceBytes;
        return arena.fill(half, bytes, (into) => read(row * rowBytes, into));
      };
      let next = fetch(0);
      for (let row = 0; row < rows; row += atOnce) {
        await next;
        const count = Math.min(atOnce, rows - row);
        const from = raw + ((row / atOnce) % 2) * pieceBytes;
        if (row + atOnce < rows) next = fetch(row + atOnce);
        const to = panels + (row / PANEL_ROWS) * panel;
        executor.part(Math.ceil(count / PANEL_ROWS), panel * REPACK_NS);
        executor.step(repack, args.put(to, from, count, columns));
        executor.run();
      }
      if (!vector) return new WasmTensor(owner, label, dtype, shape, target, true);
      const plain = take("weights", label, plan.kept);
      arena.put(raw, new Uint32Array(1));
      executor.part(1, 0);
      executor.step(kernelId(`embed_${dtype}`), args.put(plain, panels, raw, columns));
      executor.run();
      return new WasmTensor(owner, label, "f32", shape, plain, false);
    },

    alloc(label, shape) {
      const values = shape.reduce((product, size) => product * size, 1);
      const offset = take("activations", label, activationBytes(values));
      return new WasmTensor(owner, label, "f32", shape, offset, false);
    },

    allocKv(label, slots, shape) {
      const { kvHeads, headDim, type } = shape;
      if (slots % KV_BLOCK !== 0 || headDim % 4 !== 0 || headDim > MAX_HEAD_DIM) {
        throw new RangeError(
          `Cannot cache ${slots} slots of ${headDim} values for "${label}": slots come in blocks of ${KV_BLOCK}, ` +
            `head sizes in fours up to ${MAX_HEAD_DIM}`,
        );
      }
      const offset = take("kv", label, slots * kvHeads * 2 * kvHeadBytes(type, headDim));
      return new WasmKv(owner, label, slots, offset, shape);
    },

    // An async function turns what these throw into a rejection.
    // eslint-disable-next-line typescript/require-await
    async readKv(layer, first, count) {
      const { offset, slotBytes } = slotsOf(layer, first, count);
      const words = arena.get(offset + first * slotBytes, (count * slotBytes) / 4);
      return new Uint8Array(words.slice().buffer);
    },

    writeKv(layer, first, bytes) {
      const { slotBytes } = ownKv(layer);
      const { offset } = slotsOf(layer, first, bytes.byteLength / slotBytes);
      // A copy begins at a multiple of four, which the bytes need not.
      arena.put(offset + first * slotBytes, new Uint32Array(bytes.slice().buffer));
    },

    zeroKv(layer, first, count) {
      const { offset, slotBytes } = slotsOf(layer, first, count);
      arena.clear(offset + first * slotBytes, count * slotBytes);
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

    need: (workload) => wasmNeed(workload, stagingBytes, limitBytes),
    memory: () => ({ ...used }),
    close: () => executor.close(),
  };
}

/** Start a pool's members and lead it. */
function startPool(
  pool: PoolStart,
  module: WebAssembly.Module,
  kernels: Kernels,
  takeStack: () => number,
): Executor {
  const control = new SharedArrayBuffer(CONTROL_BYTES);
  const { memory, table } = kernels;
  const tasks = Array.from({ length: pool.members }, (_, index): MemberTask => ({
    module,
    memory,
    control,
    index,
    stackTop: takeStack(),
  }));
  return createPool({ ...pool, control, table, ended: pool.start(tasks) });
}
