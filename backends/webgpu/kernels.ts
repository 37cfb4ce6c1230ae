import type { GateActivation, RopeStyle } from "../../core/tensor/backend.ts";
import { KV_GROUP, type KvType } from "../../core/tensor/kv-type.ts";
import { attentionGroup } from "./attention-group.ts";
import { byteLength, WEIGHT_TYPES } from "../../core/tensor/dtype.ts";
import { ACTIVATIONS } from "./epilogue.ts";
import { WGSL } from "./generated.ts";
import type { AttentionOp } from "./recorder.ts";
import type { Dispatch, KernelSpec, Work } from "./spec.ts";
import { LAYOUT } from "./step-tables.ts";
import {
  type Activations,
  type GpuKv,
  kvHeadBytes,
  kvParts,
  type Part,
  type Weights,
} from "./tensors.ts";

/** Invocations of every workgroup here. */
const LANES = 64;

/** Workgroups that go over many values in strides: enough for any device. */
const MOST_GROUPS = 1024;

const CACHE_TYPES: Readonly<Record<KvType, number>> = { f32: 0, f16: 1, q8_0: 2 };

type Name = keyof typeof WGSL;

/** A module of one file after others that it uses. */
export function kernel(
  name: Name,
  snippets: readonly Name[] = [],
  constants: Readonly<Record<string, number>> = {},
): KernelSpec {
  return { name, wgsl: [...snippets, name].map((file) => WGSL[file]).join("\n"), constants };
}

const floatBits = new Float32Array(1);
const wordBits = new Uint32Array(floatBits.buffer);

/** A float's bits. */
export function bitsOf(value: number): number {
  floatBits[0] = value;
  return wordBits[0]!;
}

/** What is done with memory by a kernel that touches so many values of activations. */
export function work(
  shape: string,
  values: number,
  weightBytes: number = 0,
  least: number = weightBytes,
): Work {
  return {
    shape,
    weightBytes,
    leastWeightBytes: least,
    activationBytes: 4 * values,
    cacheBytes: 0,
  };
}

/** Rows of a table that lie in one part of it. */
export function embedPart(out: Activations, table: Weights, part: Part, entry: number): Dispatch {
  const rowBytes = byteLength(table.dtype, table.width);
  return {
    kernel: kernel("embed", ["weights"], { TYPE: WEIGHT_TYPES[table.dtype].id }),
    params: Uint32Array.of(
      out.place.word,
      part.word,
      rowBytes,
      table.width,
      part.firstRow,
      part.rows,
      entry,
    ),
    workgroups: [Math.ceil(table.width / LANES), out.rows, 1],
    ...work(`${table.width}`, out.length, out.rows * rowBytes),
  };
}

export function rmsNorm(out: Activations, x: Activations, weight: Weights, eps: number): Dispatch {
  const { word } = weight.place.parts[0]!;
  return {
    kernel: kernel("rms-norm"),
    params: Uint32Array.of(out.place.word, x.place.word, word, weight.rows, bitsOf(eps)),
    workgroups: [x.width / weight.rows, x.rows, 1],
    ...work(`${weight.rows}`, 2 * x.length, 4 * x.length, 4 * weight.rows),
  };
}

/** Without its bias. */
export function layerNorm(
  out: Activations,
  x: Activations,
  weight: Weights,
  eps: number,
): Dispatch {
  const { word } = weight.place.parts[0]!;
  return {
    kernel: kernel("layer-norm"),
    params: Uint32Array.of(out.place.word, x.place.word, word, x.width, bitsOf(eps)),
    workgroups: [1, x.rows, 1],
    ...work(`${x.width}`, 2 * x.length, 4 * x.length, 4 * x.width),
  };
}

/** Add a bias to every row. */
export function addRow(x: Activations, bias: Weights): Dispatch {
  return {
    kernel: kernel("add-row"),
    params: Uint32Array.of(x.place.word, bias.place.parts[0]!.word, x.width),
    workgroups: [Math.ceil(x.width / LANES), x.rows, 1],
    ...work(`${x.width}`, 2 * x.length, 4 * x.length, 4 * x.width),
  };
}

export function gather(out: Activations, x: Activations, entry: number): Dispatch {
  return {
    kernel: kernel("gather"),
    params: Uint32Array.of(out.place.word, x.place.word, x.width, entry),
    workgroups: [Math.ceil(x.width / LANES), out.rows, 1],
    ...work(`${x.width}`, 2 * out.length),
  };
}

/** Go over `count` values, reading and writing `touched` in all. */
function overAll(
  name: KernelSpec,
  count: number,
  touched: number,
  params: readonly number[],
): Dispatch {
  return {
    kernel: name,
    params: Uint32Array.from(params),
    workgroups: [Math.min(MOST_GROUPS, Math.ceil(count / LANES)), 1, 1],
    ...work(`${count}`, touched),
  };
}

export function add(x: Activations, y: Activations): Dispatch {
  return overAll(kernel("add"), x.length, 3 * x.length, [x.place.word, y.place.word, x.length]);
}

export function gate(gates: Activations, ups: Activations, activation: GateActivation): Dispatch {
  return gateWords(gates.place.word, ups.place.word, gates.length, activation);
}

/** The same for `count` values from words of the activations on. */
export function gateWords(
  gates: number,
  ups: number,
  count: number,
  activation: GateActivation,
): Dispatch {
  const constants = { ACTIVATION: ACTIVATIONS[activation] };
  return overAll(kernel("gate", ["exp", "activation"], constants), count, 3 * count, [
    gates,
    ups,
    count,
  ]);
}

export function gelu(x: Activations): Dispatch {
  return overAll(kernel("gelu", ["exp"]), x.length, 2 * x.length, [x.place.word, x.length]);
}

export function scale(x: Activations, factor: number): Dispatch {
  return overAll(kernel("scale"), x.length, 2 * x.length, [x.place.word, x.length, bitsOf(factor)]);
}

/** How heads rotate. */
export interface Rotation {
  readonly rotation: Activations;
  readonly style: RopeStyle;
}

/** A layer's cache as `CacheShape` of kernels-wgsl/cache.wgsl has it. */
function cacheShape(headDim: number, kv: GpuKv | undefined): number[] {
  const quads = Math.ceil(headDim / 4);
  const scales = Math.ceil(headDim / KV_GROUP);
  if (kv === undefined) return [headDim, 0, quads, scales, 0, 0, 0, 0];
  const [, values, keyScales, valueScales] = kvParts(kv).map(({ word }) => word);
  return [headDim, kv.shape.kvHeads, quads, scales, values!, keyScales!, valueScales!, 0];
}

/** Parameters of rope-store.wgsl after the shape. */
interface RopeStore {
  readonly q?: Activations;
  readonly k?: Activations;
  readonly v?: Activations;
  readonly turn?: Rotation | undefined;
  readonly slots?: number;
  readonly heads: number;
  readonly stored: number;
}

function ropeStoreParams(shape: readonly number[], given: RopeStore): Uint32Array {
  const { q, k, v, turn, slots = 0, heads, stored } = given;
  return Uint32Array.from([
    ...shape,
    q?.place.word ?? 0,
    k?.place.word ?? 0,
    v?.place.word ?? 0,
    turn?.rotation.place.word ?? 0,
    slots,
    heads,
    stored,
    turn === undefined ? 0 : turn.rotation.width / 2,
    turn?.style === "neox" ? 1 : 0,
  ]);
}

/** Rotate x alone. */
export function rope(x: Activations, turn: Rotation): Dispatch {
  const headDim = x.shape.at(-1)!;
  const heads = x.width / headDim;
  return {
    kernel: kernel("rope-store", ["cache"], { CACHE_TYPE: 0 }),
    params: ropeStoreParams(cacheShape(headDim, undefined), { q: x, turn, heads, stored: 0 }),
    workgroups: [heads, x.rows, 1],
    ...work(`${heads} × ${headDim}`, 2 * x.length + turn.rotation.length),
  };
}

/** Store the keys and values of an attention, after rotating its queries and keys where it says how. */
export function ropeStore(
  { q, k, v, kv, entry }: AttentionOp,
  turn: Rotation | undefined,
): Dispatch {
  const { headDim, kvHeads: stored, type } = kv.shape;
  const heads = turn === undefined ? 0 : q.width / headDim;
  const slots = entry + LAYOUT.slots;
  // What is rotated is read and written.
  const turned = turn === undefined ? k.length : 2 * (q.length + k.length) + turn.rotation.length;
  return {
    kernel: kernel("rope-store", ["cache"], { CACHE_TYPE: CACHE_TYPES[type] }),
    params: ropeStoreParams(cacheShape(headDim, kv), { q, k, v, turn, slots, heads, stored }),
    workgroups: [heads + 2 * stored, q.rows, 1],
    ...work(`${heads} + 2 × ${stored} × ${headDim}`, turned + v.length),
    cacheBytes: q.rows * 2 * stored * kvHeadBytes(type, headDim),
  };
}

export function attention(op: AttentionOp): Dispatch {
  const { out, q, kv, entry, tiles, tileRows, window, bidirectional } = op;
  const { headDim, kvHeads, type } = kv.shape;
  const heads = q.width / headDim;
  const { group, chunks } = attentionGroup(heads, kv.shape);
  return {
    kernel: kernel("attention", ["cache", "exp"], {
      CACHE_TYPE: CACHE_TYPES[type],
      FOURS: Math.ceil((tileRows * group) / 4),
    }),
    params: Uint32Array.from([
      ...cacheShape(headDim, kv),
      out.place.word,
      q.place.word,
      bitsOf(op.scale),
      window,
      // What a row sees ends with its own position, or with its sequence.
      entry + (bidirectional ? LAYOUT.ends : LAYOUT.positions),
      entry + LAYOUT.firstBlocks,
      entry + LAYOUT.blockSize,
      heads,
      heads / kvHeads,
      group,
      chunks,
      8,
      tiles,
    ]),
    // As many tiles as there can be; those that there are not return at once.
    workgroups: [kvHeads * chunks, q.rows, 1],
    ...work(`${heads} / ${kvHeads} × ${headDim}`, q.length + out.length),
  };
}
