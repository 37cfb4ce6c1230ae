/**
 * The kernels of the WebGPU backend alone, by the device's own clock: the matrix kernels in every variant that the device can run, with
 * weight bytes per second beside those of the floor (each byte once), operations per second (two a product), and the largest error among
 * some rows as a fraction of Σ |terms|; the others with the bytes that they move and their error against the reference.
 *
 *     npm run bench:kernels-wgsl -- [--driver lavapipe|SwiftShader] [--kernels products,operations] [--types q4_0,q8_0] [--shapes 1536x576]
 *                                   [--tokens 1,64] [--turns 7] [--json]
 *
 * Without a driver the system's GPU computes. Variants take turns; the best turn counts, with the median beside it.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type OpenDevice, openDevice } from "../../backends/webgpu/device.ts";
import { createMatmulKernels, variantsFor } from "../../backends/webgpu/matmul.ts";
import type { Variant } from "../../backends/webgpu/matmul.ts";
import type { Dispatch } from "../../backends/webgpu/spec.ts";
import { dequantize } from "../../core/quant/dequantize.ts";
import { byteLength } from "../../core/tensor/dtype.ts";
import type { WeightType } from "../../core/tensor/dtype.ts";
import { createRandom } from "../fixtures/random.ts";
import { randomWeight } from "../fixtures/random-weights.ts";
import { openGpu } from "../gpu/adapter.ts";
import { openKernelDevice } from "../gpu/bench-device.ts";
import type { KernelDevice } from "../gpu/bench-device.ts";
import { GPU_DRIVERS, gpuEnvironment } from "../gpu/drivers.ts";
import { measureOperations, printOperations } from "./kernels-wgsl/operations.ts";
import { asItIs, exactDot, roundedToBytes } from "../gpu/matmul-oracle.ts";

/** Rows of x that count as few (backends/webgpu/matmul.ts); both kinds of variants can be tried below. */
const FEW = 8;
/** Rows of the weight whose results are judged. */
const JUDGED = 16;

const { values: options } = parseArgs({
  options: {
    driver: { type: "string" },
    kernels: { type: "string", default: "products,operations" },
    types: { type: "string", default: "q4_0,q8_0,q4_k,q6_k,f16" },
    shapes: { type: "string", default: "1536x576" },
    tokens: { type: "string", default: "1,64" },
    turns: { type: "string", default: "7" },
    json: { type: "boolean", default: false },
  },
});

interface Row {
  readonly type: WeightType;
  readonly shape: string;
  readonly tokens: number;
  readonly variant: Variant;
  readonly bestNs: number;
  readonly medianNs: number;
  /** Weight bytes that the dispatch asks for, as a multiple of those that there are. */
  readonly readTimes: number;
  readonly gigabytesPerSecond: number;
  readonly gigaflops: number;
  readonly error: number;
}

if (options.driver === undefined) await measure();
else again(options.driver);

/** Run this again in a process whose environment names the driver. */
function again(name: string): void {
  const driver = GPU_DRIVERS.find((each) => each.name.toLowerCase() === name.toLowerCase());
  if (driver === undefined) throw new RangeError(`Cannot use driver "${name}": there is none such`);
  const rest = process.argv.slice(2).filter((arg, i, all) => {
    return arg !== "--driver" && all[i - 1] !== "--driver" && !arg.startsWith("--driver=");
  });
  const { status } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), ...rest], {
    env: gpuEnvironment(driver),
    stdio: ["ignore", "inherit", "inherit"],
  });
  process.exitCode = status ?? 1;
}

async function measure(): Promise<void> {
  const device = await openKernelDevice();
  const wanted = options.kernels.split(",");
  const rows = wanted.includes("products") ? await measureProducts(device) : [];
  const { description } = device;
  device.close();
  const operations = wanted.includes("operations")
    ? await measureOperations(openHere, Number(options.turns))
    : [];
  if (options.json) {
    console.log(JSON.stringify({ device: description, rows, operations }));
    return;
  }
  console.log(`${description}\n`);
  if (rows.length > 0) print(rows);
  if (operations.length > 0) printOperations(operations);
}

/** The device of this process. */
async function openHere(): Promise<OpenDevice> {
  const opened = await openDevice(await openGpu());
  if (opened === undefined) throw new Error("Cannot bench: the driver offers no adapter");
  return opened;
}

async function measureProducts(device: KernelDevice): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const type of options.types.split(",") as WeightType[]) {
    for (const shape of options.shapes.split(",")) {
      for (const tokens of options.tokens.split(",").map(Number)) {
        rows.push(...(await measureShape(device, type, shape, tokens)));
      }
    }
  }
  return rows;
}

async function measureShape(
  device: KernelDevice,
  type: WeightType,
  shape: string,
  n: number,
): Promise<Row[]> {
  const [rows = 0, k = 0] = shape.split("x").map(Number);
  const random = createRandom(1);
  const weight = randomWeight(random, type, rows * k);
  const x = random.normals(n * k);
  const activations = new Float32Array(n * (k + rows));
  activations.set(x);
  device.load(weight, activations);
  const floats = new Float32Array(JUDGED * k);
  dequantize(type, weight.subarray(0, byteLength(type, JUDGED * k)), floats);
  const tried: { variant: Variant; dispatch: Dispatch; error: number; ns: number[] }[] = [];
  for (const variant of variantsFor(device.traits, type, n <= FEW)) {
    const [dispatch] = createMatmulKernels(device.traits, { few: variant, many: variant }).plan({
      type,
      n,
      k,
      x: 0,
      products: [{ weight: 0, rows, out: n * k, stride: rows }],
      epilogue: { type: "store" },
      scratch: 0,
    });
    await device.run([dispatch!]);
    const out = await device.read(n * k, n * rows);
    const seen = variant === "tile-int8" ? roundedToBytes(x) : asItIs(x);
    let error = 0;
    for (const token of new Set([0, n - 1])) {
      for (let row = 0; row < JUDGED; row++) {
        const { value, size, slack } = exactDot(seen, floats, k, token, row);
        const difference = Math.abs(out[token * rows + row]! - value);
        error = Math.max(error, (difference - slack) / size);
      }
    }
    tried.push({ variant, dispatch: dispatch!, error, ns: [] });
  }
  for (let turn = 0; turn < Number(options.turns); turn++) {
    for (const each of tried) each.ns.push(...(await device.time([each.dispatch])));
  }
  return tried.map(({ variant, dispatch, error, ns }) => {
    const sorted = ns.toSorted((a, b) => a - b);
    const bestNs = sorted[0]!;
    return {
      type,
      shape,
      tokens: n,
      variant,
      error,
      bestNs,
      medianNs: sorted[sorted.length >> 1]!,
      readTimes: dispatch.weightBytes / weight.length,
      gigabytesPerSecond: dispatch.weightBytes / bestNs,
      gigaflops: (2 * n * rows * k) / bestNs,
    };
  });
}

function print(rows: readonly Row[]): void {
  console.log(
    "| type | rows × columns | tokens | variant | µs | median | reads | GB/s | GFLOP/s | error |",
  );
  console.log("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
  for (const row of rows) {
    const cells = [
      row.type,
      row.shape.replace("x", " × "),
      row.tokens,
      row.variant,
      (row.bestNs / 1e3).toFixed(0),
      (row.medianNs / 1e3).toFixed(0),
      row.readTimes,
      row.gigabytesPerSecond.toFixed(2),
      row.gigaflops.toFixed(1),
      row.error.toExponential(0),
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
  console.log("");
}
