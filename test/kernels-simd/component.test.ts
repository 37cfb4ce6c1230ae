import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, expect, test } from "vitest";
import { instantiate } from "sirocco/kernels";
import { createKernelBackend, createWasmBackend } from "../../backends/wasm/backend.ts";
import {
  instantiateComponent,
  instantiateKernels,
  interfaceName,
  KERNEL_NAMES,
  kernelId,
  PAGE,
} from "../../backends/wasm/kernels.ts";
import type { Kernel, KernelName } from "../../backends/wasm/kernels.ts";
import { createRemoteMachine } from "../../backends/wasm/remote.ts";
import { isQuantized, PANEL_ROWS, panelBytes } from "../../backends/wasm/tensors.ts";
import { WEIGHT_TYPES } from "../../core/tensor/dtype.ts";
import type { WeightType } from "../../core/tensor/dtype.ts";
import { toModule } from "../../kernels-simd/component.ts";
import { describeBackend } from "../conformance/backend.ts";
import { kernelModule } from "../fixtures/kernels.ts";
import { randomWeight } from "../fixtures/random-weights.ts";
import { createRandom } from "../fixtures/random.ts";

const TYPES = Object.keys(WEIGHT_TYPES) as WeightType[];
const folder = new URL("../../kernels-simd/component/", import.meta.url);
const { resolve } = createRequire(import.meta.url);
const core = new WebAssembly.Module(readFileSync(resolve("sirocco/kernels.core.wasm")));

const SUITE = {
  weightTypes: TYPES,
  tolerance: 2e-6,
  // As for the plain builds: test/backends/wasm.test.ts.
  matmulTolerance: (type: WeightType) => (["f32", "f16", "bf16"].includes(type) ? 2e-6 : 2.5e-2),
  attentionTolerance: 2e-6,
  exact: true,
};

describeBackend(
  "wasm-component",
  () =>
    createWasmBackend({
      module: core,
      variant: "component",
      instantiate: (module) => instantiateComponent(instantiate, module),
    }),
  SUITE,
);

describeBackend(
  "wasm-component-remote",
  async () => {
    const { memory, kernels } = await make();
    const byName = kernels as unknown as Record<string, Kernel>;
    return createKernelBackend(createRemoteMachine("wasm-component-remote", memory, byName));
  },
  SUITE,
);

test("the ES module is what jco makes of the component", async () => {
  const made = await toModule(readFileSync(new URL("kernels.component.wasm", folder)));
  expect(made.size).toBeGreaterThan(3);
  for (const [name, bytes] of made) {
    expect(Buffer.from(bytes).equals(readFileSync(new URL(name, folder))), name).toBe(true);
  }
});

/** An instance. By the types it is there at once, but WebAssembly.instantiate takes its time. */
const make = (): Promise<ReturnType<typeof instantiate>> =>
  Promise.resolve(instantiate(() => core, {}));

test("the interface has every kernel and no other", async () => {
  const { kernels } = await make();
  expect(Object.keys(kernels).toSorted()).toEqual(KERNEL_NAMES.map(interfaceName).toSorted());
});

/** How a host sees kernels and their memory: enough to multiply with. */
interface Host {
  readonly base: number;
  grow(bytes: number): void;
  put(offset: number, values: Uint8Array): void;
  get(offset: number, length: number): Uint8Array;
  run(name: KernelName, args: number, units: number): void;
}

async function throughInterface(): Promise<Host> {
  const { memory, kernels } = await make();
  const byName = kernels as unknown as Record<string, Kernel>;
  return {
    base: memory.heapBase(),
    grow: (bytes) => {
      const pages = Math.ceil((bytes - Number(memory.size())) / PAGE);
      expect(memory.grow(Math.max(0, pages))).toBe(true);
    },
    put: (offset, values) => {
      memory.seek(offset);
      memory.write(values);
    },
    get: (offset, length) => memory.read(offset, length),
    run: (name, args, units) => byName[interfaceName(name)]!(args, 0, units),
  };
}

async function plain(): Promise<Host> {
  const { memory, heapBase, table } = await instantiateKernels(kernelModule("simd128"));
  const bytes = (): Uint8Array => new Uint8Array(memory.buffer);
  return {
    base: heapBase,
    grow: (size) => memory.grow(Math.max(0, Math.ceil((size - bytes().length) / PAGE))),
    put: (offset, values) => bytes().set(values, offset),
    get: (offset, length) => bytes().slice(offset, offset + length),
    run: (name, args, units) => table[kernelId(name)]!(args, 0, units),
  };
}

/** out[tokens, rows] as bytes. */
function multiply(host: Host, type: WeightType, shape: readonly number[], data: Data): Uint8Array {
  const [rows = 0, k = 0, tokens = 0] = shape;
  const panels = Math.ceil(rows / PANEL_ROWS);
  let next = host.base;
  const take = (bytes: number): number => {
    const at = Math.ceil(next / 64) * 64;
    next = at + bytes;
    return at;
  };
  const args = take(64);
  const raw = take(data.raw.length);
  const weights = take(panels * panelBytes(type, k));
  const x = take(data.x.byteLength);
  const records = take((tokens * k * 128) / 32);
  const out = take(tokens * rows * 4);
  host.grow(next);
  const run = (name: KernelName, units: number, ...fields: readonly number[]): void => {
    host.put(args, new Uint8Array(Uint32Array.from(fields).buffer));
    host.run(name, args, units);
  };
  host.put(raw, data.raw);
  host.put(x, new Uint8Array(data.x.buffer));
  run(`repack_${type}`, panels, weights, raw, rows, k);
  run("quantize_activations", tokens, records, x, k);
  const source = isQuantized(type) ? records : x;
  run(`matmul_${type}`, panels, out, weights, source, tokens, rows, k);
  return host.get(out, tokens * rows * 4);
}

interface Data {
  readonly raw: Uint8Array;
  readonly x: Float32Array;
}

describe("the interface, to which memory is nothing but offsets", () => {
  test.for(TYPES)("multiplies %s to the bits of the plain build", async (type) => {
    const random = createRandom(TYPES.indexOf(type) + 1);
    for (const [rows, blocks, tokens] of [
      [1, 1, 1],
      [8, 2, 4],
      [21, 3, 7],
    ] as const) {
      const k = Math.max(WEIGHT_TYPES[type].values, 32) * blocks;
      const data = { raw: randomWeight(random, type, rows * k), x: random.normals(tokens * k) };
      const shape = [rows, k, tokens];
      const expected = multiply(await plain(), type, shape, data);
      expect(expected.some((byte) => byte !== 0)).toBe(true);
      expect(multiply(await throughInterface(), type, shape, data)).toEqual(expected);
    }
  });

  test("says so when there is no room to grow", async () => {
    const { memory } = await make();
    const before = memory.size();
    expect(memory.grow(65_536)).toBe(false);
    expect(memory.size()).toBe(before);
  });
});
