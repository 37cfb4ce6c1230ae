/**
 * Each matrix product kernel alone, in every build: weight bytes per second (GB/s, what one token is bound by), operations per second
 * (GOPS, two a product, what many tokens are bound by), and the relative error against float64 over the dequantised weights, which is that
 * of rounding activations to 8 bits.
 *
 *     npm run bench:kernels -- [--types q4_0,q8_0] [--shapes 1536x576,14336x4096] [--tokens 1,8,128] [--builds simd128,relaxed,relaxed16]
 *                              [--ms 150] [--json]
 *
 * Builds take turns; of each the best repetition counts, since a neighbour can only slow one down, with the median beside it. One thread.
 * The default shapes are a matrix that stays in a cache and, at one token, one that does not.
 */
import { readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createArena } from "../../backends/wasm/arena.ts";
import { createArgs } from "../../backends/wasm/args.ts";
import { instantiateKernels, kernelId } from "../../backends/wasm/kernels.ts";
import {
  ACTIVATION_BYTES,
  isQuantized,
  PANEL_ROWS,
  panelBytes,
} from "../../backends/wasm/tensors.ts";
import { dequantize } from "../../core/quant/dequantize.ts";
import { WEIGHT_TYPES } from "../../core/tensor/dtype.ts";
import { randomWeight } from "../fixtures/random-weights.ts";
import { createRandom } from "../fixtures/random.ts";

const BUILDS = ["simd128", "relaxed", "relaxed16"];

/** Rows that are made and judged; a larger matrix repeats them. */
const DISTINCT_ROWS = 64;

/** Turns that the builds take; the first ones also let the engine's optimising compiler take over. */
const TURNS = 5;

const { values: options } = parseArgs({
  options: {
    types: { type: "string", default: Object.keys(WEIGHT_TYPES).join(",") },
    shapes: { type: "string", default: "1536x576,14336x4096" },
    tokens: { type: "string", default: "1,8,128" },
    builds: { type: "string", default: BUILDS.join(",") },
    ms: { type: "string", default: "150" },
    json: { type: "boolean", default: false },
  },
});
const milliseconds = Number(options.ms);

/** The problem's inputs, and the exact product's first rows for the first and the last token. */
function problem(type, rows, width, tokens) {
  const random = createRandom(WEIGHT_TYPES[type].id + 1);
  const distinct = Math.min(rows, DISTINCT_ROWS);
  const weight = randomWeight(random, type, distinct * width);
  if (type === "q8_0") weight.forEach((byte, i) => (weight[i] = byte === 0x80 ? 0x81 : byte));
  const values = new Float32Array(distinct * width);
  dequantize(type, weight, values);
  const x = random.normals(tokens * width);
  const exact = [0, tokens - 1].map((token) =>
    Float64Array.from({ length: distinct }, (_, row) => {
      let sum = 0;
      for (let c = 0; c < width; c++) sum += x[token * width + c] * values[row * width + c];
      return sum;
    }),
  );
  return { weight, x, exact, distinct };
}

/** One build with the problem in its memory: `run` multiplies once and resolves with the seconds it took. */
async function layOut(build, type, rows, width, tokens, { weight, x, exact, distinct }) {
  const file = fileURLToPath(new URL(`../../kernels-simd/wasm/${build}.wasm`, import.meta.url));
  const kernels = await instantiateKernels(await WebAssembly.compile(await readFile(file)));
  const arena = createArena(kernels.memory, kernels.heapBase);
  const raw = arena.take("weights", weight.length);
  const chunk = (distinct / PANEL_ROWS) * panelBytes(type, width);
  const bytes = (rows / PANEL_ROWS) * panelBytes(type, width);
  const panels = arena.take("panels", bytes);
  const input = arena.take("input", x.length * 4);
  const records = isQuantized(type)
    ? arena.take("records", (x.length / 32) * ACTIVATION_BYTES)
    : input;
  const out = arena.take("output", tokens * rows * 4);
  arena.u8(raw, weight.length).set(weight);
  const args = createArgs(arena);
  const kernel = (name) => kernels.table[kernelId(name)];
  kernel(`repack_${type}`)(args.put(panels, raw, distinct, width), 0, distinct / PANEL_ROWS);
  const memory = arena.u8(0, panels + bytes);
  for (let at = chunk; at < bytes; at += chunk) {
    memory.copyWithin(panels + at, panels, panels + Math.min(chunk, bytes - at));
  }
  arena.f32(input, x.length).set(x);
  if (records !== input) {
    kernel("quantize_activations")(args.put(records, input, width, tokens), 0, tokens);
  }
  const multiply = kernel(`matmul_${type}`);
  const product = args.put(out, panels, records, tokens, rows, width);
  const result = (token) => arena.f32(out + token * rows * 4, distinct);
  return {
    build,
    bytes,
    times: [],
    run() {
      const start = performance.now();
      multiply(product, 0, rows / PANEL_ROWS);
      this.times.push((performance.now() - start) / 1000);
    },
    bits: () => Buffer.from(arena.u8(out, tokens * rows * 4)).toString("latin1"),
    error: () =>
      Math.max(relativeError(result(0), exact[0]), relativeError(result(tokens - 1), exact[1])),
  };
}

/** Norm of the difference over the norm of what is exact. */
function relativeError(actual, exact) {
  let difference = 0;
  let norm = 0;
  for (const [i, value] of exact.entries()) {
    difference += (actual[i] - value) ** 2;
    norm += value ** 2;
  }
  return Math.sqrt(difference / norm);
}

/** Rows of the table for one type, shape and number of tokens. */
async function measure(type, shape, tokens) {
  const [rows, width] = shape.split("x").map(Number);
  if (rows % DISTINCT_ROWS !== 0 || width % WEIGHT_TYPES[type].values !== 0) return [];
  const inputs = problem(type, rows, width, tokens);
  const builds = [];
  for (const build of options.builds.split(",")) {
    builds.push(await layOut(build, type, rows, width, tokens, inputs));
  }
  for (let turn = 0; turn < TURNS; turn++) {
    for (const one of builds) {
      const end = performance.now() + milliseconds / TURNS;
      do one.run();
      while (performance.now() < end);
    }
  }
  const bits = builds[0].bits();
  return builds.map((one) => {
    const times = one.times.toSorted((a, b) => a - b);
    const [best, median] = [times[0], times[Math.floor(times.length / 2)]];
    return {
      type,
      shape,
      tokens,
      build: one.build,
      gb_s: one.bytes / best / 1e9,
      gops: (2 * rows * width * tokens) / best / 1e9,
      gops_median: (2 * rows * width * tokens) / median / 1e9,
      error: one.error(),
      same_bits: one.bits() === bits,
    };
  });
}

const results = [];
if (!options.json) {
  console.log("type   shape        tokens  build       GB/s    GOPS  (median)  error    bits");
}
for (const type of options.types.split(",")) {
  for (const shape of options.shapes.split(",")) {
    for (const tokens of options.tokens.split(",").map(Number)) {
      for (const row of await measure(type, shape, tokens)) {
        results.push(row);
        if (options.json) continue;
        console.log(
          `${row.type.padEnd(6)} ${row.shape.padEnd(12)} ${String(row.tokens).padStart(6)}  ${row.build.padEnd(9)} ` +
            `${row.gb_s.toFixed(1).padStart(6)} ${row.gops.toFixed(1).padStart(7)} ${row.gops_median.toFixed(1).padStart(9)}  ` +
            `${row.error.toExponential(1)}  ${row.same_bits ? "same" : "DIFFERENT"}`,
        );
      }
    }
  }
}
if (options.json) {
  const { version } = process;
  console.log(JSON.stringify({ node: version, cpu: cpus()[0]?.model, results }, null, 2));
}
