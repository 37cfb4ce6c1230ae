/** Operations that are no products, with sizes of SmolLM2-135M, for benches of every backend. */
import type { Backend, BatchLayout, Ops } from "../../../core/tensor/backend.ts";
import { byteLength, type WeightType } from "../../../core/tensor/dtype.ts";
import type { KvType } from "../../../core/tensor/kv-type.ts";
import type { Tensor } from "../../../core/tensor/tensor.ts";
import { loadBytes, loadValues, upload } from "../../conformance/backend/tensors.ts";
import { createRandom } from "../../fixtures/random.ts";
import { randomWeight } from "../../fixtures/random-weights.ts";

const DIM = 576;
/** Tokens of a table to embed by: enough that its rows are not all in a cache. */
const VOCAB = 4096;
const HEADS = 9;
const KV_HEADS = 3;
const HEAD_DIM = 64;
/** Rows of a part of a prompt. */
export const PROMPT = 128;
const CONTEXT = 1024;
const BLOCK = 16;

/** An operation with its inputs in a backend. */
export interface Prepared {
  readonly record: (ops: Ops) => void;
  readonly out: Tensor;
  /** Read and written by one run. */
  readonly bytes: number;
}

export interface Operation {
  readonly name: string;
  prepare(backend: Backend): Promise<Prepared>;
}

export function rmsNorm(rows: number): Operation {
  return {
    name: `rms_norm, ${rows} × ${DIM}`,
    async prepare(backend) {
      const random = createRandom(1);
      const x = upload(backend, [rows, DIM], random.normals(rows * DIM));
      const weight = await loadValues(backend, [DIM], random.normals(DIM));
      const out = backend.alloc("out", [rows, DIM]);
      return { record: (ops) => ops.rmsNorm(out, x, weight, 1e-5), out, bytes: 8 * rows * DIM };
    },
  };
}

export function embed(rows: number, type: WeightType): Operation {
  return {
    name: `embed, ${rows} × ${DIM} of ${type}`,
    async prepare(backend) {
      const random = createRandom(5);
      const bytes = randomWeight(random, type, VOCAB * DIM);
      const table = await loadBytes(backend, type, [VOCAB, DIM], bytes);
      const tokens = Uint32Array.from({ length: rows }, () => random.int(0, VOCAB - 1));
      const out = backend.alloc("out", [rows, DIM]);
      return {
        record: (ops) => ops.embed(out, table, tokens),
        out,
        bytes: rows * (4 * DIM + byteLength(type, DIM)),
      };
    },
  };
}

export function gather(rows: number): Operation {
  return {
    name: `gather, ${rows} × ${DIM}`,
    prepare(backend) {
      const random = createRandom(6);
      const x = upload(backend, [PROMPT, DIM], random.normals(PROMPT * DIM));
      const out = backend.alloc("out", [rows, DIM]);
      const chosen = Uint32Array.from(random.shuffled(PROMPT).slice(0, rows));
      const record = (ops: Ops): void => ops.gather(out, x, chosen);
      return Promise.resolve({ record, out, bytes: 8 * rows * DIM });
    },
  };
}

export function addTo(rows: number): Operation {
  return {
    name: `add_to, ${rows} × ${DIM}`,
    prepare(backend) {
      const random = createRandom(2);
      const x = upload(backend, [rows, DIM], random.normals(rows * DIM));
      // Zeros: repetitions must not add up.
      const y = backend.alloc("y", [rows, DIM]);
      return Promise.resolve({
        record: (ops) => ops.addTo(x, y),
        out: x,
        bytes: 12 * rows * DIM,
      });
    },
  };
}

export function rope(rows: number, style: "norm" | "neox"): Operation {
  return {
    name: `rope_${style}, ${rows} × ${HEADS} heads`,
    prepare(backend) {
      const random = createRandom(3);
      const x = upload(backend, [rows, HEADS, HEAD_DIM], random.normals(rows * HEADS * HEAD_DIM));
      const rotation = upload(backend, [rows, HEAD_DIM / 2, 2], quarterTurns(rows));
      return Promise.resolve({
        record: (ops) => {
          for (let turn = 0; turn < 4; turn++) ops.rope(x, rotation, style);
        },
        out: x,
        bytes: 4 * 8 * rows * HEADS * HEAD_DIM,
      });
    },
  };
}

/**
 * `rows` rows at the end of a context, whose other positions come from earlier steps; `turned` as a model
 * does it, after the rotation of queries and keys.
 */
export function attention(rows: number, type: KvType, turned = false): Operation {
  return {
    name: `attention_${type}, ${rows} row${rows > 1 ? "s" : ""} at ${CONTEXT}`,
    async prepare(backend) {
      const random = createRandom(4);
      const kv = backend.allocKv("kv", CONTEXT, { kvHeads: KV_HEADS, headDim: HEAD_DIM, type });
      const width = KV_HEADS * HEAD_DIM;
      const tensors = (count: number): { q: Tensor; k: Tensor; v: Tensor; out: Tensor } => ({
        q: upload(backend, [count, HEADS, HEAD_DIM], random.normals(count * HEADS * HEAD_DIM)),
        k: upload(backend, [count, KV_HEADS, HEAD_DIM], random.normals(count * width)),
        v: upload(backend, [count, KV_HEADS, HEAD_DIM], random.normals(count * width)),
        out: backend.alloc("out", [count, HEADS, HEAD_DIM]),
      });
      const options = { scale: 1 / Math.sqrt(HEAD_DIM) };
      const before = tensors(CONTEXT - rows);
      await backend.run((ops) => {
        const layout = layoutOf(0, CONTEXT - rows);
        ops.attention(before.out, before.q, before.k, before.v, kv, layout, options);
      });
      const { q, k, v, out } = tensors(rows);
      const layout = layoutOf(CONTEXT - rows, rows);
      const rotation = upload(backend, [rows, HEAD_DIM / 2, 2], quarterTurns(rows));
      return {
        record: (ops) => {
          if (turned) for (const each of [q, k]) ops.rope(each, rotation, "norm");
          ops.attention(out, q, k, v, kv, layout, options);
        },
        out,
        bytes: CONTEXT * width * 2 * VALUE_BYTES[type],
      };
    },
  };
}

/** Of heads of `rows` rows: after four of them everything is where it was. */
function quarterTurns(rows: number): Float32Array {
  return Float32Array.from({ length: rows * HEAD_DIM }, (_, i) => i % 2);
}

/** Of one cached value. */
const VALUE_BYTES: Readonly<Record<KvType, number>> = { f32: 4, f16: 2, q8_0: 34 / 32 };

function layoutOf(first: number, rows: number): BatchLayout {
  const positions = Uint32Array.from({ length: rows }, (_, i) => first + i);
  return {
    positions,
    slots: positions,
    starts: Uint32Array.of(0, rows),
    blocks: Uint32Array.from({ length: CONTEXT / BLOCK }, (_, i) => i),
    blockSize: BLOCK,
  };
}
