/** Computes products of random shapes with the matrix kernels and reports how far each is from its oracle. */
import { createMatmulKernels, fewRows, variantsFor } from "../../backends/webgpu/matmul.ts";
import type { Variant } from "../../backends/webgpu/matmul.ts";
import type { Epilogue, MatmulProduct } from "../../backends/webgpu/spec.ts";
import { dequantize } from "../../core/quant/dequantize.ts";
import { byteLength, WEIGHT_TYPES } from "../../core/tensor/dtype.ts";
import type { WeightType } from "../../core/tensor/dtype.ts";
import { createRandom } from "../fixtures/random.ts";
import type { Random } from "../fixtures/random.ts";
import { randomWeight } from "../fixtures/random-weights.ts";
import { openKernelDevice } from "./bench-device.ts";
import type { KernelDevice } from "./bench-device.ts";
import { report } from "./report.ts";
import { asItIs, exactDot, exactGated, roundedToBytes } from "./matmul-oracle.ts";
import type { Exact } from "./matmul-oracle.ts";

export interface MatmulTask {
  readonly types: readonly WeightType[];
  readonly without: readonly string[];
  readonly seed: number;
  /**
   * `one` variant for few rows of x or for many, `each` variant, both with an epilogue chosen by chance, or `all`
   * variants with all epilogues: a driver that compiles for the CPU takes seconds for each.
   */
  readonly extent: "one" | "each" | "all";
}

export interface MatmulFinding {
  /** Type, variant, epilogue, n, k, rows. */
  readonly what: string;
  readonly variant: Variant;
  /** Largest error as a fraction of Σ |terms|; NaN where a result is none. */
  readonly error: number;
}

/** Between tensors, so that one that is written too far is seen. */
const MARK_WORDS = 64;
const MARK = 12345;
const EPILOGUES: readonly Epilogue["type"][] = ["store", "add", "gate"];

interface Case {
  readonly type: WeightType;
  readonly variant: Variant;
  readonly epilogue: Epilogue["type"];
  readonly n: number;
  readonly k: number;
  readonly rows: readonly number[];
}

const task = JSON.parse(process.argv[2] ?? "") as MatmulTask;
const device = await openKernelDevice(task.without);
const random = createRandom(task.seed);
const findings: MatmulFinding[] = [];
for (const type of task.types) {
  for (const few of task.extent === "one" ? [anyOf([true, false])] : [true, false]) {
    const variants = variantsFor(device.traits, type, few);
    for (const variant of task.extent === "one" ? [anyOf(variants)] : variants) {
      for (const epilogue of task.extent === "all" ? EPILOGUES : [anyOf(EPILOGUES)]) {
        const each = randomCase(random, type, variant, few, epilogue);
        const what = `${type} ${variant} ${epilogue} n=${each.n} k=${each.k} rows=${each.rows.join()}`;
        findings.push({ what, variant, error: await errorOf(device, random, each) });
      }
    }
  }
}
report(findings);
device.close();

function anyOf<T>(choices: readonly T[]): T {
  return choices[random.int(0, choices.length - 1)]!;
}

function randomCase(
  chance: Random,
  type: WeightType,
  variant: Variant,
  few: boolean,
  epilogue: Epilogue["type"],
): Case {
  const n = few ? chance.int(1, fewRows({ few: variant, many: variant })) : chance.int(9, 43);
  // An odd number of blocks of 18 bytes ends in the middle of a word.
  const k = Math.max(WEIGHT_TYPES[type].values, 32) * chance.int(1, 5);
  const one = (): number => chance.int(1, 141);
  const first = one();
  if (epilogue === "store") return { type, variant, epilogue, n, k, rows: [first, one(), one()] };
  return { type, variant, epilogue, n, k, rows: epilogue === "add" ? [first] : [first, first] };
}

function epilogueOf(type: Epilogue["type"], residual: number): Epilogue {
  if (type === "add") return { type, residual };
  return type === "gate" ? { type, activation: "silu" } : { type };
}

/** The largest error among all results of a case. */
async function errorOf(on: KernelDevice, chance: Random, each: Case): Promise<number> {
  const { type, n, k, rows, epilogue } = each;
  const align = (word: number): number => Math.ceil(word / MARK_WORDS) * MARK_WORDS;
  const stride = Math.max(...rows) + 3;
  const raws = rows.map((count) => randomWeight(chance, type, count * k));
  const bytes = raws.map((raw) => align(Math.ceil(raw.length / 4)) * 4);
  const weights = new Uint8Array(bytes.reduce((sum, count) => sum + count, 0));
  const products: MatmulProduct[] = [];
  const x = chance.normals(n * k);
  // A block of zeros, and outliers as real activations have them.
  x.fill(0, 0, 32);
  x[x.length - 1] = 300;
  const outAt = align(n * k) + MARK_WORDS;
  const area = align(n * stride) + MARK_WORDS;
  let at = 0;
  for (const [i, raw] of raws.entries()) {
    weights.set(raw, at);
    products.push({ weight: at / 4, rows: rows[i]!, out: outAt + i * area, stride });
    at += bytes[i]!;
  }
  const residual = outAt + rows.length * area;
  const activations = new Float32Array(residual + area).fill(MARK);
  activations.set(x);
  const before = chance.normals(n * stride);
  activations.set(before, residual);
  on.load(weights, activations);
  const preference = { few: each.variant, many: each.variant };
  const kernels = createMatmulKernels(on.traits, preference);
  await on.run(
    kernels.plan({
      type,
      n,
      k,
      x: 0,
      products,
      scratch: 0,
      epilogue: epilogueOf(epilogue, residual),
    }),
  );
  const result = await on.read(0, activations.length);

  const seen = each.variant === "tile-int8" ? roundedToBytes(x) : asItIs(x);
  const floats = raws.map((raw, i) => {
    const values = new Float32Array(rows[i]! * k);
    dequantize(type, raw, values);
    return values;
  });
  if (byteLength(type, k) * rows[0]! !== raws[0]!.length) throw new Error("The case is not whole.");
  let worst = 0;
  const judge = (value: number, exact: Exact): void => {
    const error = Math.max(0, Math.abs(value - exact.value) - exact.slack) / (exact.size + 1e-30);
    worst = Number.isFinite(error) ? Math.max(worst, error) : Number.NaN;
    if (Number.isNaN(error)) throw new Error(`Not a number: ${value} for ${exact.value}`);
  };
  for (let token = 0; token < n; token++) {
    for (const [p, { out, rows: count }] of products.entries()) {
      if (epilogue === "gate" && p === 1) continue;
      for (let row = 0; row < count; row++) {
        const sum = exactDot(seen, floats[p]!, k, token, row);
        const place = token * stride + row;
        const exact =
          epilogue === "gate" ? exactGated(sum, exactDot(seen, floats[1]!, k, token, row)) : sum;
        judge(result[out + place]!, exact);
        if (epilogue !== "add") continue;
        const base = before[place]!;
        judge(result[residual + place]!, {
          value: sum.value + base,
          size: sum.size + Math.abs(base),
          slack: sum.slack,
        });
      }
      for (let row = count; row < stride; row++) {
        if (result[out + token * stride + row] !== MARK) throw new Error(`Row ${row} was written.`);
      }
    }
  }
  for (let i = n * k; i < outAt; i++) {
    if (result[i] !== MARK) throw new Error(`Word ${i} before the results was written.`);
  }
  return worst;
}
