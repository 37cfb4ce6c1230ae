/**
 * The kernels that are no matrix products, alone, in every build: microseconds, bytes moved per second, and the relative error against
 * the reference backend, whose sums are in float64. Shapes are SmolLM2-135M's.
 *
 *     npm run bench:operations -- [--json]
 *
 * Builds take turns; the best repetition counts, since a neighbour can only slow one down. One thread; each figure includes the call.
 */
import { parseArgs } from "node:util";
import { createReferenceBackend } from "../../backends/reference/backend.ts";
import type { Backend, BatchLayout, Ops } from "../../core/tensor/backend.ts";
import { KV_TYPES, type KvType } from "../../core/tensor/kv-type.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import { download, loadValues, relativeError, upload } from "../conformance/backend/tensors.ts";
import { VARIANTS, wasmBackend } from "../fixtures/kernels.ts";
import { createRandom } from "../fixtures/random.ts";

const DIM = 576;
const HEADS = 9;
const KV_HEADS = 3;
const HEAD_DIM = 64;
const PROMPT = 128;
const CONTEXT = 1024;
const BLOCK = 16;

/** Turns that the builds take, and how long each is: the first let the optimising compiler take over. */
const TURNS = 5;
const TURN_MS = 40;

/** An operation with its inputs in a backend. */
interface Prepared {
  readonly record: (ops: Ops) => void;
  readonly out: Tensor;
  /** Read and written by one run. */
  readonly bytes: number;
}

interface Operation {
  readonly name: string;
  prepare(backend: Backend): Promise<Prepared>;
}

function rmsNorm(rows: number): Operation {
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

function addTo(rows: number): Operation {
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

function rope(rows: number, style: "norm" | "neox"): Operation {
  return {
    name: `rope_${style}, ${rows} × ${HEADS} heads`,
    prepare(backend) {
      const random = createRandom(3);
      const x = upload(backend, [rows, HEADS, HEAD_DIM], random.normals(rows * HEADS * HEAD_DIM));
      const turns = new Float32Array(rows * HEAD_DIM);
      // Quarter turns: after four of them everything is where it was.
      for (let i = 1; i < turns.length; i += 2) turns[i] = 1;
      const rotation = upload(backend, [rows, HEAD_DIM / 2, 2], turns);
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

/** `rows` rows at the end of a context, whose other positions come from earlier steps. */
function attention(rows: number, type: KvType): Operation {
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
      return {
        record: (ops) => ops.attention(out, q, k, v, kv, layout, options),
        out,
        bytes: CONTEXT * width * 2 * VALUE_BYTES[type],
      };
    },
  };
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

const OPERATIONS: readonly Operation[] = [
  rmsNorm(1),
  rmsNorm(PROMPT),
  addTo(PROMPT),
  rope(PROMPT, "norm"),
  rope(PROMPT, "neox"),
  ...KV_TYPES.flatMap((type) => [attention(1, type), attention(PROMPT, type)]),
];

interface Row {
  readonly operation: string;
  readonly build: string;
  readonly us: number;
  readonly gb_s: number;
  readonly error: number;
}

async function measure(operation: Operation): Promise<readonly Row[]> {
  const reference = createReferenceBackend();
  const exact = await operation.prepare(reference);
  await reference.run(exact.record);
  const expected = await download(reference, exact.out);
  const builds = await Promise.all(
    VARIANTS.map(async (build) => {
      const backend = await wasmBackend(build);
      return { build, backend, prepared: await operation.prepare(backend), best: Infinity };
    }),
  );
  for (let turn = 0; turn < TURNS; turn++) {
    for (const one of builds) {
      const end = performance.now() + TURN_MS;
      do {
        const start = performance.now();
        await one.backend.run(one.prepared.record);
        one.best = Math.min(one.best, performance.now() - start);
      } while (performance.now() < end);
    }
  }
  return Promise.all(
    builds.map(async ({ build, backend, prepared, best }) => ({
      operation: operation.name,
      build,
      us: best * 1000,
      gb_s: prepared.bytes / best / 1e6,
      error: relativeError(await download(backend, prepared.out), expected),
    })),
  );
}

const { values: flags } = parseArgs({ options: { json: { type: "boolean", default: false } } });
const rows: Row[] = [];
for (const operation of OPERATIONS) {
  for (const row of await measure(operation)) {
    rows.push(row);
    if (flags.json) continue;
    const { us, gb_s: rate, error } = row;
    console.log(
      `${row.operation.padEnd(32)} ${row.build.padEnd(10)} ${us.toFixed(1).padStart(8)} µs ` +
        `${rate.toFixed(1).padStart(6)} GB/s  error ${error.toExponential(1)}`,
    );
  }
}
if (flags.json) console.log(JSON.stringify({ node: process.version, rows }, undefined, 2));
