import type { RopeStyle } from "../../core/tensor/backend.ts";
import { KV_GROUP, type KvType } from "../../core/tensor/kv-type.ts";
import { attentionGroup } from "./attention-group.ts";
import { byteLength, WEIGHT_TYPES } from "../../core/tensor/dtype.ts";
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

function kernel(
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
function work(shape: string, values: number, weightBytes = 0, least = weightBytes): Work {
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
    params: Uint32Array.of(out.place.word, x.place.word, word, x.width, bitsOf(eps)),
    workgroups: [1, x.rows, 1],
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

function overAll(name: KernelSpec, a: Activations, b: Activations): Dispatch {
  return {
    kernel: name,
    params: Uint32Array.of(a.place.word, b.place.word, a.length),
    workgroups: [Math.min(MOST_GROUPS, Math.ceil(a.length / LANES)), 1, 1],
    ...work(`${a.width}`, 3 * a.length),
  };
}

export function add(x: Activations, y: Activations): Dispatch {
  return overAll(kernel("add"), x, y);
}

export function gate(gates: Activations, ups: Activations): Dispatch {
  return overAll(kernel("gate", ["exp"]), gates, ups);
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

export function attention({ out, q, kv, entry, scale, window }: AttentionOp): Dispatch {
  const { headDim, kvHeads, type } = kv.shape;
  const heads = q.width / headDim;
  const { group, chunks } = attentionGroup(heads, kv.shape);
  return {
    kernel: kernel("attention", ["cache", "exp"], {
      CACHE_TYPE: CACHE_TYPES[type],
      FOURS: Math.ceil(group / 4),
    }),
    params: Uint32Array.from([
      ...cacheShape(headDim, kv),
      out.place.word,
      q.place.word,
      bitsOf(scale),
      window,
      entry + LAYOUT.positions,
      entry + LAYOUT.firstBlocks,
      entry + LAYOUT.blockSize,
      heads,
      heads / kvHeads,
      group,
      chunks,
      8,
    ]),
    workgroups: [kvHeads * chunks, q.rows, 1],
    ...work(`${heads} / ${kvHeads} × ${headDim}`, q.length + out.length),
  };
}
