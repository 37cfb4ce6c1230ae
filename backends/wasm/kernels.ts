import type { WeightType } from "../../core/tensor/dtype.ts";
import { WEIGHT_TYPES } from "../../core/tensor/dtype.ts";
import type { KvType } from "../../core/tensor/kv-type.ts";
import { KV_TYPES } from "../../core/tensor/kv-type.ts";

/**
 * A kernel (`kernels-simd/src`): `args` is the offset of its arguments in linear memory, `first..last` a
 * range of its units. Units share no output, so that ranges may run in any order and on any thread.
 */
export type Kernel = (args: number, first: number, last: number) => void;

/** Kernels that do not depend on a weight type. */
const PLAIN_KERNELS = [
  "quantize_activations",
  "rms_norm",
  "rope_norm",
  "rope_neox",
  "swiglu",
  "add_to",
  "layer_norm",
  "geglu",
  "gelu",
  "scale",
  "add_row",
  "combine",
  "logit_maxima",
  "logit_best",
  "logit_masses",
  "logit_draw",
] as const;

type TypedKernel = "repack" | "embed" | "matmul";
type KvKernel = "kv_store" | "attention";

/** The name of a kernel's export. */
export type KernelName =
  | (typeof PLAIN_KERNELS)[number]
  | `${TypedKernel}_${WeightType}`
  | `${KvKernel}_${KvType}`;

const weightTypes = Object.keys(WEIGHT_TYPES) as readonly WeightType[];

/** Every kernel. Threads call them by their place in this list. */
export const KERNEL_NAMES: readonly KernelName[] = [
  ...PLAIN_KERNELS,
  ...KV_TYPES.flatMap((type) => [`kv_store_${type}` as const, `attention_${type}` as const]),
  ...weightTypes.flatMap((type) => [
    `repack_${type}` as const,
    `embed_${type}` as const,
    `matmul_${type}` as const,
  ]),
];

const IDS: ReadonlyMap<string, number> = new Map(KERNEL_NAMES.map((name, id) => [name, id]));

/** A kernel's place in {@linkcode Kernels.table}. */
export function kernelId(name: KernelName): number {
  return IDS.get(name)!;
}

/** What the component's interface (`kernels-simd/wit`) calls a kernel, as JavaScript spells it. */
export function interfaceName(name: KernelName): string {
  const type = weightTypes.find((one) => name.endsWith(`_${one}`));
  const words = type === undefined ? name : name.replace(type, type.replace("_", ""));
  return words.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** An instance of a kernel module. */
export interface Kernels {
  readonly memory: WebAssembly.Memory;
  /** First byte that is neither stack nor static data. */
  readonly heapBase: number;
  /** Where the instance's stack begins; it grows down. */
  readonly stackPointer: WebAssembly.Global;
  /** By {@linkcode kernelId}. */
  readonly table: readonly Kernel[];
}

/** Bytes of one page of WebAssembly memory. */
export const PAGE = 65_536;

/** wasm32 addresses 4 GiB: 65,536 pages. */
export const MAX_PAGES = 65_536;

/** Pages before anything is loaded: the modules ask for stack and static data only. */
const FIRST_PAGES = 16;

/** Below this no model fits that is worth sharing the work of. */
const LEAST_SHARED_PAGES = 4096;

/** A memory and the bytes that it may grow to. */
export interface BoundedMemory {
  readonly memory: WebAssembly.Memory;
  readonly mostBytes: number;
}

/**
 * A memory that kernel modules accept. A shared one goes with a module from `shareMemory`; where an engine refuses
 * to set so much address space aside, as browsers of phones do, it may grow to a half, a quarter and so on. Throws
 * `RangeError` where it refuses 256 MiB as well.
 */
export function kernelMemory(
  shared: boolean,
  maxBytes: number = MAX_PAGES * PAGE,
  create: (descriptor: WebAssembly.MemoryDescriptor) => WebAssembly.Memory = createMemory,
): BoundedMemory {
  let maximum = Math.max(FIRST_PAGES, Math.floor(maxBytes / PAGE));
  for (;;) {
    try {
      const memory = create({ initial: FIRST_PAGES, maximum, shared });
      return { memory, mostBytes: maximum * PAGE };
    } catch (error) {
      if (!shared || maximum / 2 < LEAST_SHARED_PAGES) throw error;
      maximum = Math.floor(maximum / 2);
    }
  }
}

function createMemory(descriptor: WebAssembly.MemoryDescriptor): WebAssembly.Memory {
  return new WebAssembly.Memory(descriptor);
}

/** Instantiate a compiled kernel module, over a memory of its own unless given. Throws where the module is not ours. */
export async function instantiateKernels(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory = kernelMemory(false).memory,
): Promise<Kernels> {
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  return kernelsOf(exports, memory);
}

/** What `instantiate` of the component's ES module (`kernels-simd/component`) has to be. */
export type InstantiateComponent = (
  getCoreModule: (path: string) => WebAssembly.Module,
  imports: Record<string, never>,
  instantiateCore: (
    module: WebAssembly.Module,
    imports: WebAssembly.Imports,
  ) => Promise<WebAssembly.Instance>,
) => unknown;

/**
 * Instantiate the kernels through the component's ES module, whose core module the host has compiled.
 * Calls go to the core instance inside of it, as fast as those of a plain module.
 */
export async function instantiateComponent(
  instantiate: InstantiateComponent,
  module: WebAssembly.Module,
): Promise<Kernels> {
  let core: WebAssembly.Instance | undefined;
  await instantiate(
    () => module,
    {},
    async (own, imports) => (core = await WebAssembly.instantiate(own, imports)),
  );
  const memory = core?.exports["memory"];
  if (core === undefined || !(memory instanceof WebAssembly.Memory)) {
    throw new TypeError('Cannot use kernel component: its core module has no export "memory"');
  }
  return kernelsOf(core.exports, memory);
}

/**
 * The kernels among an instance's exports. `heapBase` is for tools that drop the linker's `__heap_base`.
 * Throws `TypeError` where the exports are not ours.
 */
export function kernelsOf(
  exports: WebAssembly.Exports,
  memory: WebAssembly.Memory,
  heapBase?: number,
): Kernels {
  const global = (name: string): WebAssembly.Global => {
    const found = exports[name];
    if (found instanceof WebAssembly.Global) return found;
    throw new TypeError(`Cannot use kernel module: it has no export "${name}"`);
  };
  return {
    memory,
    heapBase: heapBase ?? Number(global("__heap_base").value),
    stackPointer: global("__stack_pointer"),
    table: KERNEL_NAMES.map((name) => {
      const found = exports[name];
      // The one place where WebAssembly's untyped exports become ours.
      if (typeof found === "function") return found as Kernel;
      throw new TypeError(`Cannot use kernel module: it has no export "${name}"`);
    }),
  };
}
