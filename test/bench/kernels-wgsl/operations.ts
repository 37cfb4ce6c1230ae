/** The kernels of the GPU that are no products alone, through the backend and its profile. */
import { createReferenceBackend } from "../../../backends/reference/backend.ts";
import { WebGpuBackend } from "../../../backends/webgpu/backend.ts";
import type { OpenDevice } from "../../../backends/webgpu/device.ts";
import type { KernelProfile } from "../../../backends/webgpu/profile.ts";
import type { Backend } from "../../../core/tensor/backend.ts";
import { KV_TYPES } from "../../../core/tensor/kv-type.ts";
import type { LogitQuery } from "../../../core/tensor/logits.ts";
import { download, relativeError, upload } from "../../conformance/backend/tensors.ts";
import { createRandom } from "../../fixtures/random.ts";
import {
  addTo,
  attention,
  embed,
  gather,
  type Operation,
  PROMPT,
  rmsNorm,
  rope,
} from "../operations/cases.ts";
import { spreadOf } from "../statistics.ts";

/** SmolLM2's vocabulary. */
const VOCAB = 49152;

/** What one kernel of an operation took, by dispatch. */
export interface OperationRow {
  readonly operation: string;
  readonly kernel: string;
  readonly shape: string;
  readonly bestNs: number;
  readonly medianNs: number;
  /** Weights, activations, cache. */
  readonly bytes: number;
  /** Weight bytes as a multiple of those that there are; `null` where there are none. */
  readonly readTimes: number | null;
  /** Of the whole operation, against the reference backend. */
  readonly error: number;
}

/** Something to run again and again, and what came of it. */
interface Ready {
  run(): Promise<void>;
  result(): Promise<Float32Array>;
}

interface Case {
  readonly name: string;
  prepare(backend: Backend): Promise<Ready>;
}

function step(operation: Operation): Case {
  return {
    name: operation.name,
    async prepare(backend) {
      const { record, out } = await operation.prepare(backend);
      return { run: () => backend.run(record), result: () => download(backend, out) };
    },
  };
}

/** All that a step may ask about a row: some tokens, a penalty that is none, the best, a sum, a draw. */
function logits(rows: number): Case {
  return {
    name: `logits, ${rows} × ${VOCAB}`,
    prepare(backend) {
      const values = createRandom(7).normals(rows * VOCAB);
      const tensor = upload(backend, [rows, VOCAB], values);
      const changes = { count: 1, ids: Int32Array.of(5), terms: Float64Array.of(0, 1, 0, 0) };
      const queries = Array.from({ length: rows }, (_, row): LogitQuery => {
        return {
          row,
          tokens: [1, 2],
          changes,
          k: 40,
          mass: true,
          draw: { temperature: 1, random: 0.5 },
        };
      });
      let result = new Float32Array();
      return Promise.resolve({
        async run() {
          const answers = await backend.reduce(tensor, queries);
          result = Float32Array.from(
            answers
              .flatMap(({ max, mass, drawn, ids, logits: best }) => [
                [max, mass, drawn],
                [...ids],
                [...best],
              ])
              .flat(),
          );
        },
        result: () => Promise.resolve(result),
      });
    },
  };
}

const CASES: readonly Case[] = [
  ...[embed(1, "q8_0"), embed(PROMPT, "q8_0"), rmsNorm(1), rmsNorm(PROMPT)].map(step),
  ...[rope(PROMPT, "norm"), addTo(PROMPT), gather(1)].map(step),
  ...KV_TYPES.flatMap((type) => [attention(1, type, true), attention(PROMPT, type, true)]).map(
    step,
  ),
  logits(1),
  logits(8),
];

/** Measure all of them; `turns` repetitions of each. */
export async function measureOperations(
  open: () => Promise<OpenDevice>,
  turns: number,
): Promise<readonly OperationRow[]> {
  const rows: OperationRow[] = [];
  for (const one of CASES) {
    const backend = new WebGpuBackend(await open(), { profile: true });
    rows.push(...(await measureCase(backend, one, turns)));
    await backend.close();
  }
  return rows;
}

async function measureCase(
  backend: WebGpuBackend,
  one: Case,
  turns: number,
): Promise<readonly OperationRow[]> {
  const reference = await one.prepare(createReferenceBackend());
  const ready = await one.prepare(backend);
  await Promise.all([reference.run(), ready.run()]);
  const error = relativeError(await ready.result(), await reference.result());
  await backend.takeProfile();
  const times = new Map<string, { readonly kernel: KernelProfile; readonly ns: number[] }>();
  for (let turn = 0; turn < turns; turn++) {
    await ready.run();
    for (const kernel of (await backend.takeProfile()).kernels) {
      const key = `${kernel.kernel} ${kernel.shape}`;
      const seen = times.get(key) ?? { kernel, ns: [] };
      times.set(key, seen);
      seen.ns.push((kernel.ns ?? NaN) / kernel.dispatches);
    }
  }
  return [...times.values()].map(({ kernel, ns }): OperationRow => {
    const { least, median } = spreadOf(ns);
    const moved = kernel.weightBytes + kernel.activationBytes + kernel.cacheBytes;
    return {
      operation: one.name,
      kernel: kernel.kernel,
      shape: kernel.shape,
      bestNs: least,
      medianNs: median,
      bytes: moved / kernel.dispatches,
      readTimes: kernel.weightBytes === 0 ? null : kernel.weightBytes / kernel.leastWeightBytes,
      error,
    };
  });
}

/** As a table in Markdown. */
export function printOperations(rows: readonly OperationRow[]): void {
  console.log("| operation | kernel | µs | median | kB | × floor | GB/s | error |");
  console.log("| --- | --- | --- | --- | --- | --- | --- | --- |");
  for (const row of rows) {
    const cells = [
      row.operation,
      `\`${row.kernel}\``,
      (row.bestNs / 1e3).toFixed(1),
      (row.medianNs / 1e3).toFixed(1),
      (row.bytes / 1e3).toFixed(1),
      row.readTimes === null ? "" : row.readTimes.toFixed(0),
      (row.bytes / row.bestNs).toFixed(2),
      row.error.toExponential(0),
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
}
