import type { KvType } from "./kv-type.ts";
import type { LogitQuery, LogitSummary } from "./logits.ts";
import type { DType, Tensor } from "./tensor.ts";
import type { MemoryNeed, Workload } from "./workload.ts";

/**
 * A device that owns memory and runs the operations of transformers, decoders and encoders.
 *
 * Implemented once per device under `backends/`; nothing else in the project touches a device.
 */
export interface Backend {
  /** Shown to people and put into metrics: `wasm-simd128`, `wasm-relaxed`, `reference`. */
  readonly name: string;
  /** Threads that share the work of one operation. */
  readonly threads: number;
  /** `BatchLayout.blockSize` must be a multiple of this: how the cache is laid out. */
  readonly kvBlock: number;

  /**
   * Bring a weight `[rows, columns]` (or a vector `[n]`) in. The backend pulls the bytes that it wants
   * through `read`, in ascending order, straight to where it wants them, and may lay them out anew: no
   * second copy exists. Throws `RangeError` when it cannot fit.
   */
  loadWeight(
    label: string,
    dtype: DType,
    shape: readonly number[],
    read: ReadInto,
  ): Promise<Tensor>;
  /** Allocate zeroed activations. Throws `RangeError` when they cannot fit. */
  alloc(label: string, shape: readonly number[]): Tensor;
  /**
   * Allocate one layer's paged cache of `slots` positions, zeroed. Throws `RangeError` when it cannot fit
   * or the backend cannot cache heads of this size.
   */
  allocKv(label: string, slots: number, shape: KvShape): KvLayer;
  /**
   * Copy out the keys and values of `count` slots of a layer's cache from slot `first` on, both multiples of
   * `kvBlock`, as this kind of backend stores them; equal slots are equal bytes. A backend that cannot has
   * neither this nor `writeKv`. Rejects with `RangeError` for slots that are not there.
   */
  readKv?(layer: KvLayer, first: number, count: number): Promise<Uint8Array>;
  /** Put back what `readKv` gave, at slot `first` on. Throws `RangeError` where that is no such range. */
  writeKv?(layer: KvLayer, first: number, bytes: Uint8Array): void;
  /**
   * Make every byte of `count` slots of a layer's cache zero, from slot `first` on, both multiples of
   * `kvBlock`: after all steps before and before all that come. Throws `RangeError` for slots that are not
   * there.
   */
  zeroKv(layer: KvLayer, first: number, count: number): void;
  /** The first `rows` rows of a tensor, sharing its memory. */
  view(tensor: Tensor, rows: number): Tensor;
  /** Copy activations in, from element 0 on. */
  write(tensor: Tensor, values: Float32Array): void;
  /**
   * An activation tensor's values once all work before it is done. They are valid until the next
   * `run`, and the caller may overwrite them: a CPU backend hands out its own memory.
   */
  read(tensor: Tensor): Promise<Float32Array>;
  /**
   * Answer queries about rows of `logits`[rows, vocab], in order, once all work before is done. All
   * queries of a step come in one call, so that a GPU backend waits for a few bytes, once. Rejects with
   * `RangeError` for a row that is not there and for more candidates than `MAX_CANDIDATES`.
   */
  reduce(logits: Tensor, queries: readonly LogitQuery[]): Promise<readonly LogitSummary[]>;

  /**
   * Run one step. `record` is called once, synchronously; a CPU backend executes as it is called, a
   * GPU backend encodes commands and submits them together. Resolves when the step is queued.
   */
  run(record: (ops: Ops) => void): Promise<void>;
  /**
   * What a workload would take; nothing is taken. Throws `RangeError` where a single part of it is more than the
   * device can hold at one place.
   */
  need(workload: Workload): MemoryNeed;
  /** Bytes in use, for accounting. */
  memory(): { readonly weights: number; readonly kv: number; readonly activations: number };
  /**
   * Resolves where the device fails by itself, even while nothing is asked of it; all that is asked later rejects.
   * Absent where a device cannot.
   */
  readonly failed?: Promise<Error>;
  /** Release the device; the backend must not be used afterwards. */
  close(): Promise<void>;
}

/** What a model needs of a backend before it computes: memory. */
export type Allocator = Pick<Backend, "alloc" | "allocKv" | "view" | "write">;

/** Fill `into` with the weight's bytes from `byteOffset` on. Rejects when they are not there. */
export type ReadInto = (byteOffset: number, into: Uint8Array) => Promise<void>;

/** Operations write into `out`; nothing is allocated while a step is recorded. */
export interface Ops {
  /** out[n, d] = table[tokens[n], d] */
  embed(out: Tensor, table: Tensor, tokens: Uint32Array): void;
  /**
   * out = x / rms(x) * weight for each run of x[n, d] that is as long as the weight: a row, or, where the
   * weight is as long as a head, each head of it.
   */
  rmsNorm(out: Tensor, x: Tensor, weight: Tensor, eps: number): void;
  /** out[n, d] = (x[n, d] - mean(x[n])) / sqrt(variance(x[n]) + eps) * weight[d] + bias[d] (Ba et al. 2016). */
  layerNorm(out: Tensor, x: Tensor, weight: Tensor, bias: Tensor, eps: number): void;
  /**
   * out_i[n, m_i] = x[n, k] · weight_i[m_i, k]ᵀ (+ bias_i[m_i]) for each product; x is read, and where the
   * backend computes with integers quantised, once for all of them.
   */
  matmul(x: Tensor, products: readonly Product[]): void;
  /**
   * Rotate each head of x[n, heads, headDim] in place by `rotation`[n, dims / 2, 2], whose pairs are
   * (cos, sin): `norm` rotates elements (2i, 2i + 1), `neox` elements (i, i + dims / 2) of a head.
   */
  rope(x: Tensor, rotation: Tensor, style: RopeStyle): void;
  /**
   * Store k, v[n, kvHeads, headDim] in the cache at `layout.slots`, then
   * out[n, heads, headDim] = softmax(q·Kᵀ·scale)·V per sequence: over the positions up to a row's own, the
   * last `window` of them where there is a window, or over all that its sequence has.
   */
  attention(
    out: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    kv: KvLayer,
    layout: BatchLayout,
    options: AttentionOptions,
  ): void;
  /**
   * gate.out[n, m] = activation(x · gate.weightᵀ) * (x · up.weightᵀ), the gated half of a feed-forward layer
   * (Shazeer 2020: SwiGLU, or GEGLU); the activation is silu unless given. Neither product has a bias. What
   * `up.out` holds afterwards is the backend's affair.
   */
  gatedMatmul(x: Tensor, gate: Product, up: Product, activation?: GateActivation): void;
  /** gate[n, m] = activation(gate[n, m]) * up[n, m]: what {@linkcode Ops.gatedMatmul} does behind its products. */
  gate(gate: Tensor, up: Tensor, activation?: GateActivation): void;
  /**
   * out[n, m] += scales[n] · gain · (x[n, k] · downᵀ) · upᵀ, what an adapter adds to a product (Hu et al. 2021, LoRA). Rows
   * whose scale is 0 stay as they are, to the bit. `scales` is not kept: the same array may hold others in the next step.
   */
  addLowRank(out: Tensor, x: Tensor, factors: LowRank, scales: Float32Array): void;
  /**
   * A feed-forward layer of which each row takes the experts that its router chooses (Jiang et al. 2024,
   * Mixtral): out[n, d] = Σ share · (silu(x · gate_eᵀ) * (x · up_eᵀ)) · down_eᵀ over the `used` experts e with
   * the largest router[n, e], the first of equals. Shares are the softmax over those. Weights of experts that
   * no row takes are not read.
   */
  experts(out: Tensor, x: Tensor, router: Tensor, experts: Experts): void;
  /** x = x · Φ(x), Φ being the normal distribution function (Hendrycks and Gimpel 2016, GELU). */
  gelu(x: Tensor): void;
  /** x *= factor */
  scale(x: Tensor, factor: number): void;
  /** x[n, d] += y[n, d] */
  addTo(x: Tensor, y: Tensor): void;
  /** out[i, d] = x[rows[i], d] */
  gather(out: Tensor, x: Tensor, rows: Uint32Array): void;
}

/** One product of a {@linkcode Ops.matmul}. */
export interface Product {
  readonly weight: Tensor;
  readonly out: Tensor;
  /** [m], added to every row. */
  readonly bias?: Tensor;
}

/** A matrix [m, k] of a low rank as two factors, both of floats: gain · up · down. */
export interface LowRank {
  readonly down: Tensor; // [rank, k]
  readonly up: Tensor; // [m, rank]
  readonly gain: number;
}

/** What becomes of a gate: v / (1 + e^-v), or GELU by its approximation with tanh. */
export type GateActivation = "silu" | "gelu_tanh";

/** The experts of one layer. */
export interface Experts {
  readonly gate: Tensor; // [experts, m, d]
  readonly up: Tensor; // [experts, m, d]
  readonly down: Tensor; // [experts, d, m]
  /** Experts that a row takes. */
  readonly used: number;
  /** [experts] activations: how many rows took each is added. */
  readonly tally: Tensor;
}

/** Which elements of a head rotate together. GGUF's llama and mistral files are `norm`. */
export type RopeStyle = "norm" | "neox";

/** What attention needs beside its tensors. */
export interface AttentionOptions {
  /** Usually 1 / sqrt(headDim). */
  readonly scale: number;
  /** A row sees itself and the `window - 1` positions before it; absent means all. */
  readonly window?: number;
  /** A row sees its whole sequence, whose rows are all in this step; there is no window then. */
  readonly bidirectional?: boolean;
}

/** What one position of a layer's cache holds: keys and values [kvHeads, headDim], stored as `type`. */
export interface KvShape {
  readonly kvHeads: number;
  readonly headDim: number;
  readonly type: KvType;
}

/** One layer's paged cache of keys and values; only the backend knows how they are stored. */
export interface KvLayer {
  readonly label: string;
  readonly slots: number;
}

/** How the rows of a step belong to sequences. There is no prefill or decode phase, only rows. */
export interface BatchLayout {
  /** [n] position of each row in its sequence; consecutive within one sequence. */
  readonly positions: Uint32Array;
  /** [n] cache slot each row is written to. */
  readonly slots: Uint32Array;
  /** [s + 1] first row of each sequence; the last entry is n. */
  readonly starts: Uint32Array;
  /** [s, maxBlocks] cache blocks of each sequence, row-major. */
  readonly blocks: Uint32Array;
  /** Positions per cache block. */
  readonly blockSize: number;
}
