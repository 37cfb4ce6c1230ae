/** The exports of a kernel module (`kernels-simd/src`). Offsets and sizes are unsigned 32-bit numbers. */
export interface Kernels {
  readonly memory: WebAssembly.Memory;
  /** First byte that is neither stack nor static data. */
  readonly heapBase: number;
  readonly quantizeActivations: (out: number, x: number, n: number, k: number) => void;
  readonly rmsNorm: (
    out: number,
    x: number,
    weight: number,
    n: number,
    d: number,
    eps: number,
  ) => void;
  readonly rope: Record<"norm" | "neox", RopeKernel>;
  readonly swiglu: (out: number, gate: number, up: number, count: number) => void;
  readonly addTo: (x: number, y: number, count: number) => void;
  readonly kvStore: (
    cacheK: number,
    cacheV: number,
    k: number,
    v: number,
    slots: number,
    n: number,
    kvHeads: number,
    headDim: number,
  ) => void;
  readonly attention: (
    out: number,
    q: number,
    cacheK: number,
    cacheV: number,
    blocks: number,
    position: number,
    n: number,
    shape: number,
    firstKvHead: number,
    lastKvHead: number,
  ) => void;
  /** Of each weight type: interleave rows into panels, take one row back out, multiply. */
  readonly repack: (type: string) => (out: number, raw: number, rows: number, k: number) => void;
  readonly row: (type: string) => (out: number, panels: number, index: number, k: number) => void;
  readonly matmul: (type: string) => MatmulKernel;
}

type RopeKernel = (
  x: number,
  rotation: number,
  n: number,
  heads: number,
  headDim: number,
  pairs: number,
) => void;

/** out[n, m] = x[n, k] · W[m, k]ᵀ for panels `first..last`; x is f32 or activation records. */
export type MatmulKernel = (
  out: number,
  panels: number,
  x: number,
  n: number,
  m: number,
  k: number,
  first: number,
  last: number,
) => void;

/** Bytes of one page of WebAssembly memory. */
export const PAGE = 65_536;

/** wasm32 addresses 4 GiB: 65,536 pages. */
export const MAX_PAGES = 65_536;

/** Pages before anything is loaded: the modules ask for stack and static data only. */
const FIRST_PAGES = 16;

/** Instantiate a compiled kernel module over a memory of its own. Throws where the module is not ours. */
export async function instantiateKernels(module: WebAssembly.Module): Promise<Kernels> {
  const memory = new WebAssembly.Memory({ initial: FIRST_PAGES, maximum: MAX_PAGES });
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  // The one place where WebAssembly's untyped exports become ours.
  // eslint-disable-next-line typescript/no-unnecessary-type-parameters
  const take = <F>(name: string): F => {
    const found = exports[name];
    if (typeof found !== "function") {
      throw new TypeError(`Cannot use kernel module: it has no export "${name}"`);
    }
    return found as F;
  };
  const base = exports["__heap_base"];
  if (!(base instanceof WebAssembly.Global)) {
    throw new TypeError('Cannot use kernel module: it has no export "__heap_base"');
  }
  return {
    memory,
    heapBase: Number(base.value),
    quantizeActivations: take("quantize_activations"),
    rmsNorm: take("rms_norm"),
    rope: { norm: take("rope_norm"), neox: take("rope_neox") },
    swiglu: take("swiglu"),
    addTo: take("add_to"),
    kvStore: take("kv_store"),
    attention: take("attention"),
    repack: (type) => take(`repack_${type}`),
    row: (type) => take(`row_${type}`),
    matmul: (type) => take(`matmul_${type}`),
  };
}
