import type {
  Backend,
  BatchLayout,
  Experts,
  LowRank,
  Ops,
  Product,
} from "../../core/tensor/backend.ts";
import type { WeightType } from "../../core/tensor/dtype.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import type { Operation } from "../../core/tensor/workload.ts";
import { sampleValues, sampleWeight } from "./samples.ts";

/** One operation on small inputs that are the same on every backend. */
export interface Case {
  /** For people: `matmul q4_0`. */
  readonly name: string;
  /** What an output's largest error may be, as a part of the root of its mean square. */
  readonly tolerance: number;
  record(ops: Ops): void;
  /** What is to be compared once it has run, by what it is called. */
  readonly outputs: readonly (readonly [what: string, tensor: Tensor])[];
}

/** Numbers of rows: backends have other kernels for one row, for a few and for many, and tiles of 32. */
const ROWS = [1, 2, 3, 8, 33] as const;
const MOST_ROWS = 33;

/** Columns of a product beside a remainder: a block of any type, and a whole number of any kernel's steps. */
const COLUMNS = 256;
/** Rows of the weights that are multiplied together: more than a tile of 64, fewer, and an odd number. */
const WEIGHT_ROWS = [72, 40, 33] as const;
/** Rows of a table. */
const TABLE_ROWS = 50;
/** Of an adapter's factors: odd, and more than a kernel takes at a time. */
const RANK = 9;
/** Width of what goes value by value: odd, so that something is left over. */
const WIDTH = 131;

/** Positions of a cache block, which every backend has. */
const BLOCK = 16;
/** Two sequences, in blocks out of order: first more than a block at once, then a row each. */
const SEQUENCES = [
  { blocks: [3, 0], first: 20 },
  { blocks: [1, 4], first: 3 },
] as const;
const BLOCKS = 5;
/** A window that such short sequences notice. */
const WINDOW = 5;

/** f32 in another order; an exponential of another kind. */
const CLOSE = 0.01;
/** x may be rounded to bytes, keys and values to what a cache holds. */
const ROUNDED = 0.1;
/** The same through three products one after another. */
const LAYERED = 0.3;

/** The case of an operation on a backend, whose memory it takes. */
export async function createCase(
  backend: Backend,
  operation: Operation,
  random: () => number,
): Promise<Case> {
  const input = (label: string, shape: readonly number[]): Tensor => {
    const tensor = backend.alloc(label, shape);
    backend.write(tensor, sampleValues(random, sizeOf(shape)));
    return tensor;
  };
  const weight = (type: WeightType, rows: number, columns: number): Promise<Tensor> =>
    load(backend, type, [rows, columns], sampleWeight(random, type, rows * columns));
  const vector = (length: number): Promise<Tensor> =>
    load(backend, "f32", [length], sampleWeight(random, "f32", length));
  const plain = (name: string, out: Tensor, record: Case["record"]): Case => {
    return { name, tolerance: CLOSE, record, outputs: [["", out]] };
  };
  switch (operation.kind) {
    case "embed": {
      const table = await weight(operation.type, TABLE_ROWS, COLUMNS);
      const out = backend.alloc("out", [3, COLUMNS]);
      const tokens = Uint32Array.of(TABLE_ROWS - 1, 0, 7);
      return plain(`embed ${operation.type}`, out, (ops) => ops.embed(out, table, tokens));
    }
    case "rmsNorm": {
      const { eps, heads } = operation;
      const row = heads === undefined ? [WIDTH + 1] : [heads, WIDTH + 1];
      const x = input("x", [3, ...row]);
      const by = await vector(WIDTH + 1);
      const out = backend.alloc("out", [3, ...row]);
      return plain("rmsNorm", out, (ops) => ops.rmsNorm(out, x, by, eps));
    }
    case "layerNorm": {
      const x = input("x", [3, WIDTH]);
      const [by, bias] = [await vector(WIDTH), await vector(WIDTH)];
      const out = backend.alloc("out", [3, WIDTH]);
      return plain("layerNorm", out, (ops) => ops.layerNorm(out, x, by, bias, operation.eps));
    }
    case "matmul":
    case "gatedMatmul":
      return productCase(backend, operation, input, weight, vector);
    case "experts":
      return expertsCase(backend, operation, input, (type, shape) =>
        load(backend, type, shape, sampleWeight(random, type, sizeOf(shape))),
      );
    case "rope": {
      const x = input("x", [3, 2, operation.headDim]);
      const rotation = input("rotation", [3, operation.dims / 2, 2]);
      return plain("rope", x, (ops) => ops.rope(x, rotation, operation.style));
    }
    case "attention":
      return attentionCase(backend, operation, input);
    case "gate": {
      const [gate, up] = [input("gate", [3, WIDTH]), input("up", [3, WIDTH])];
      return plain("gate", gate, (ops) => ops.gate(gate, up, operation.activation));
    }
    case "addLowRank": {
      const [down, up] = operation.types;
      return lowRankCase(input, {
        down: await weight(down, RANK, COLUMNS),
        up: await weight(up, WIDTH, RANK),
        gain: 0.5,
      });
    }
    case "gelu": {
      const x = input("x", [3, WIDTH]);
      return plain("gelu", x, (ops) => ops.gelu(x));
    }
    case "scale": {
      const x = input("x", [3, WIDTH]);
      return plain("scale", x, (ops) => ops.scale(x, 1.5));
    }
    case "addTo": {
      const [x, y] = [input("x", [3, WIDTH]), input("y", [3, WIDTH])];
      return plain("addTo", x, (ops) => ops.addTo(x, y));
    }
    case "gather": {
      const x = input("x", [4, WIDTH]);
      const out = backend.alloc("out", [2, WIDTH]);
      return plain("gather", out, (ops) => ops.gather(out, x, Uint32Array.of(3, 1)));
    }
    default:
      return unknown(operation);
  }
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function unknown(operation: never): never {
  throw new TypeError(`Cannot test ${JSON.stringify(operation)}`);
}

/** Load a weight from its bytes. */
function load(
  backend: Backend,
  type: WeightType,
  shape: readonly number[],
  bytes: Uint8Array,
): Promise<Tensor> {
  return backend.loadWeight(`self-test ${type}`, type, shape, (offset, into) => {
    into.set(bytes.subarray(offset, offset + into.length));
    return Promise.resolve();
  });
}

type Input = (label: string, shape: readonly number[]) => Tensor;

/** A product with every number of rows. */
async function productCase(
  backend: Backend,
  operation: Extract<Operation, { kind: "matmul" | "gatedMatmul" }>,
  input: Input,
  weight: (type: WeightType, rows: number, columns: number) => Promise<Tensor>,
  vector: (length: number) => Promise<Tensor>,
): Promise<Case> {
  const { kind, types } = operation;
  const gated = kind === "gatedMatmul";
  // Rows of another length than whole steps have kernels of their own.
  const columns = COLUMNS + (operation.columns % 32);
  const x = input("x", [MOST_ROWS, columns]);
  const weights: Tensor[] = [];
  for (const [i, type] of types.entries()) {
    weights.push(await weight(type, WEIGHT_ROWS[gated ? 0 : i % WEIGHT_ROWS.length]!, columns));
  }
  const biases: Tensor[] = [];
  if (!gated && operation.biased === true) {
    for (const each of weights) biases.push(await vector(each.shape[0]!));
  }
  const runs = ROWS.map((rows) => {
    const products = weights.map((each, i): Product => {
      const bias = biases[i];
      const out = backend.alloc("out", [rows, each.shape[0]!]);
      return { weight: each, out, ...(bias === undefined ? {} : { bias }) };
    });
    const sum = input("sum", [rows, weights[0]!.shape[0]!]);
    return { rows, products, sum, x: backend.view(x, rows) };
  });
  const added = !gated && operation.added;
  return {
    name: `${kind} ${[...new Set(types)].join(" ")}${added ? " added" : ""}`,
    tolerance: ROUNDED,
    record(ops) {
      for (const run of runs) {
        const [gate, up] = run.products;
        if (gated) ops.gatedMatmul(run.x, gate!, up!, operation.activation);
        else ops.matmul(run.x, run.products);
        if (added) ops.addTo(run.sum, gate!.out);
      }
    },
    outputs: runs.flatMap(({ rows, products, sum }) => {
      const outs = (gated ? products.slice(0, 1) : products).map(({ out }) => out);
      return [...outs, ...(added ? [sum] : [])].map((out) => [`of ${rows} rows`, out] as const);
    }),
  };
}

/** Rows of which one takes no part. */
function lowRankCase(input: Input, factors: LowRank): Case {
  const scales = Float32Array.of(1, 0, -0.75);
  const x = input("x", [scales.length, COLUMNS]);
  const out = input("out", [scales.length, WIDTH]);
  return {
    name: `addLowRank ${factors.down.dtype} ${factors.up.dtype}`,
    tolerance: CLOSE,
    record: (ops) => ops.addLowRank(out, x, factors, scales),
    outputs: [["", out]],
  };
}

/** Rows that take two of three experts. */
async function expertsCase(
  backend: Backend,
  { types: [gate, up, down] }: Extract<Operation, { kind: "experts" }>,
  input: Input,
  weight: (type: WeightType, shape: readonly number[]) => Promise<Tensor>,
): Promise<Case> {
  const [experts, rows] = [3, 5];
  const layer: Experts = {
    gate: await weight(gate, [experts, COLUMNS, COLUMNS]),
    up: await weight(up, [experts, COLUMNS, COLUMNS]),
    down: await weight(down, [experts, COLUMNS, COLUMNS]),
    used: 2,
    tally: backend.alloc("tally", [experts]),
  };
  const [x, router] = [input("x", [rows, COLUMNS]), input("router", [rows, experts])];
  const out = backend.alloc("out", [rows, COLUMNS]);
  return {
    name: `experts ${[...new Set([gate, up, down])].join(" ")}`,
    tolerance: LAYERED,
    record: (ops) => ops.experts(out, x, router, layer),
    outputs: [
      ["", out],
      ["'s counts", layer.tally],
    ],
  };
}

/** A prompt of two sequences, then a row of each. */
function attentionCase(
  backend: Backend,
  operation: Extract<Operation, { kind: "attention" }>,
  input: Input,
): Case {
  const { heads, cache, scale, window, rotation, bidirectional } = operation;
  const { kvHeads, headDim } = cache;
  const kv = backend.allocKv("self-test", BLOCKS * BLOCK, cache);
  const options = {
    scale,
    ...(window === undefined ? {} : { window: Math.min(window, WINDOW) }),
    ...(bidirectional === true ? { bidirectional } : {}),
  };
  const prompt = layoutOf(SEQUENCES.map(({ first }) => ({ from: 0, count: first })));
  const next = layoutOf(SEQUENCES.map(({ first }) => ({ from: first, count: 1 })));
  // A sequence that is seen both ways comes whole.
  const runs = (bidirectional === true ? [prompt] : [prompt, next]).map((layout) => {
    const rows = layout.positions.length;
    return {
      layout,
      q: input("q", [rows, heads, headDim]),
      k: input("k", [rows, kvHeads, headDim]),
      v: input("v", [rows, kvHeads, headDim]),
      turns: input("rotation", [rows, (rotation?.dims ?? headDim) / 2, 2]),
      out: backend.alloc("out", [rows, heads, headDim]),
    };
  });
  return {
    name: `attention ${cache.type}`,
    tolerance: ROUNDED,
    record(ops) {
      for (const { layout, q, k, v, turns, out } of runs) {
        if (rotation !== undefined) {
          ops.rope(q, turns, rotation.style);
          ops.rope(k, turns, rotation.style);
        }
        ops.attention(out, q, k, v, kv, layout, options);
      }
    },
    outputs: runs.map(({ out, layout }) => [`of ${layout.positions.length} rows`, out]),
  };
}

/** The layout of so many rows of each sequence. */
function layoutOf(rows: readonly { readonly from: number; readonly count: number }[]): BatchLayout {
  const positions: number[] = [];
  const slots: number[] = [];
  const starts = [0];
  for (const [i, { from, count }] of rows.entries()) {
    for (let position = from; position < from + count; position++) {
      const block = SEQUENCES[i]!.blocks[Math.floor(position / BLOCK)]!;
      positions.push(position);
      slots.push(block * BLOCK + (position % BLOCK));
    }
    starts.push(positions.length);
  }
  return {
    positions: Uint32Array.from(positions),
    slots: Uint32Array.from(slots),
    starts: Uint32Array.from(starts),
    blocks: Uint32Array.from(SEQUENCES.flatMap(({ blocks }) => blocks)),
    blockSize: BLOCK,
  };
}
