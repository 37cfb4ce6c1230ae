import type { GateActivation } from "../../core/tensor/backend.ts";
import type { WeightType } from "../../core/tensor/dtype.ts";

/**
 * The contract between the backend and the kernels in `kernels-wgsl`.
 *
 * Memory is a few big buffers, so that bind groups are few and made once: arenas of weights, one buffer of
 * all activations, one cache per layer. Every kernel binds them at the same places of group 0
 * ({@linkcode BINDINGS}) and declares those that it uses; where in a buffer its operands are, its
 * parameters tell. Offsets are in words of 32 bits, tensors begin at multiples of
 * {@linkcode TENSOR_ALIGNMENT} bytes, rows of weights follow each other as in the file without padding
 * (so a row of an odd number of 18-byte blocks ends in the middle of a word).
 */

/** Bindings of group 0, and how WGSL declares them. */
export const BINDINGS = {
  /** `var<storage, read> weights: array<u32>;` one arena; wider elements may be declared. */
  weights: 0,
  /** `var<storage, read_write> activations: array<f32>;` all activations, scratch memory included */
  activations: 1,
  /** `var<storage, read> tables: array<u32>;` what a step brings: tokens, positions, slots, blocks */
  tables: 2,
  /** `var<storage, read_write> cache: array<u32>;` keys and values of one layer */
  cache: 3,
  /** `var<uniform> params: Params;` at most {@linkcode PARAM_WORDS} words, `vec4` for arrays */
  params: 4,
} as const;

/** Bytes that a tensor's first byte is a multiple of, in arenas and among activations. */
export const TENSOR_ALIGNMENT = 256;

/** Words of a dispatch's parameters: what `minUniformBufferOffsetAlignment` makes them take anyway. */
export const PARAM_WORDS = 64;

/** What a device has, as far as kernels are chosen by it. */
export interface Traits {
  /** `shader-f16`: WGSL may say `enable f16;`. */
  readonly f16: boolean;
  /** `subgroups`: WGSL may say `enable subgroups;`. */
  readonly subgroups: boolean;
  /** Sizes that a subgroup may have; 0 to 0 without `subgroups`. */
  readonly subgroupSizes: readonly [least: number, most: number];
  /** `packed_4x8_integer_dot_product`: `dot4I8Packed` is native or emulated, but there. */
  readonly dot4: boolean;
  /** Invocations of a workgroup; 256 everywhere. */
  readonly invocations: number;
  /** Bytes of a workgroup's memory; 16384 everywhere. */
  readonly workgroupBytes: number;
  /** Workgroups in one dimension; 65535 everywhere. */
  readonly workgroups: number;
}

/** A pipeline: the same name and constants mean the same pipeline, which is compiled once. */
export interface KernelSpec {
  /** Unique with its constants; shown in profiles: `matvec-q4_0`. */
  readonly name: string;
  /** The whole module; its entry point is `main`. */
  readonly wgsl: string;
  /** Values of its `override` declarations. */
  readonly constants: Readonly<Record<string, number>>;
}

/** What a dispatch does with memory: a profile compares it with what cannot be done without. */
export interface Work {
  /** Sizes, for people; they tell apart what one kernel is used for: `1536 × 576`. */
  readonly shape: string;
  /** Bytes of weights that it reads, a byte as often as a workgroup asks for it. */
  readonly weightBytes: number;
  /** The same with each byte once. */
  readonly leastWeightBytes: number;
  /** Bytes of activations that it reads and writes, each operand once: the device's caches serve the repeats. */
  readonly activationBytes: number;
  /** Bytes that it stores in the cache; those that attention reads depend on the step. */
  readonly cacheBytes: number;
}

/** One dispatch of a step. */
export interface Dispatch extends Work {
  readonly kernel: KernelSpec;
  /** At most {@linkcode PARAM_WORDS}; floats by their bits. */
  readonly params: Uint32Array;
  /** Each within {@linkcode Traits.workgroups}. */
  readonly workgroups: readonly [x: number, y: number, z: number];
}

/** One product of a {@linkcode MatmulRequest}: out[n, rows] = x[n, k] · weight[rows, k]ᵀ. */
export interface MatmulProduct {
  /** Word of the arena where its first row begins. */
  readonly weight: number;
  readonly rows: number;
  /** Word of the activations where out[0, 0] is. */
  readonly out: number;
  /** Words from one row of `out` to the next: more than `rows` where a weight is split by rows. */
  readonly stride: number;
}

/** What becomes of the products. */
export type Epilogue =
  | { readonly type: "store" }
  /** One product: after `out` also residual[n, rows] += out, with `out`'s stride. */
  | { readonly type: "add"; readonly residual: number }
  /** Two products, gate and up, of equal shape: gate.out = activation(gate) * up; `up.out` is not written. */
  | { readonly type: "gate"; readonly activation: GateActivation };

/** Products of the same rows with weights of one type in one arena, to be computed in one dispatch. */
export interface MatmulRequest {
  readonly type: WeightType;
  /** Rows of x, at least 1. */
  readonly n: number;
  /** Columns: a multiple of the type's block. */
  readonly k: number;
  /** Word of the activations where x[0, 0] is; rows follow without gaps. */
  readonly x: number;
  /** 1 to {@linkcode MAX_PRODUCTS}; none overlaps another or x. */
  readonly products: readonly MatmulProduct[];
  readonly epilogue: Epilogue;
  /** Word of the activations from which on `scratchWords` of {@linkcode MatmulKernels} are free. */
  readonly scratch: number;
}

/** Products of one dispatch: queries, keys and values. */
export const MAX_PRODUCTS = 3;

/** The matrix kernels (`backends/webgpu/matmul.ts`). */
export interface MatmulKernels {
  /** Words of scratch memory that a request of this shape needs, e.g. for quantised activations. */
  scratchWords(type: WeightType, n: number, k: number): number;
  /** The dispatches that compute a request, in order; as a rule one. */
  plan(request: MatmulRequest): readonly Dispatch[];
}
