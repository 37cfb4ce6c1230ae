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
import { KV_TYPES } from "../../core/tensor/kv-type.ts";
import { download, relativeError } from "../conformance/backend/tensors.ts";
import { VARIANTS, wasmBackend } from "../fixtures/kernels.ts";
import { addTo, attention, type Operation, PROMPT, rmsNorm, rope } from "./operations/cases.ts";

/** Turns that the builds take, and how long each is: the first let the optimising compiler take over. */
const TURNS = 5;
const TURN_MS = 40;

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
