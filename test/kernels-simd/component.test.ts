import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, expect, test } from "vitest";
import { instantiate } from "sirocco/kernels";
import type { WeightType as WitType } from "../../kernels-simd/component/interfaces/sirocco-kernels-kernels.js";
import { createWasmBackend } from "../../backends/wasm/backend.ts";
import { instantiateComponent, instantiateKernels, kernelId } from "../../backends/wasm/kernels.ts";
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

describeBackend(
  "wasm-component",
  () =>
    createWasmBackend({
      module: core,
      variant: "component",
      instantiate: (module) => instantiateComponent(instantiate, module),
    }),
  {
    weightTypes: TYPES,
    tolerance: 2e-6,
    // As for the plain builds: test/backends/wasm.test.ts.
    matmulTolerance: (type) => (["f32", "f16", "bf16"].includes(type) ? 2e-6 : 2.5e-2),
    attentionTolerance: 2e-6,
    exact: true,
  },
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

describe("the interface, to which memory is nothing but offsets", () => {
  const PAGE = 65_536;

  test.for(TYPES)("multiplies %s to the bits of the plain build", async (type) => {
    const random = createRandom(TYPES.indexOf(type) + 1);
    const { memory, kernels } = await make();
    const plain = await instantiateKernels(kernelModule("simd128"));
    const wit = type.replace("_", "") as WitType;
    const block = WEIGHT_TYPES[type].values;
    for (const [rows, blocks, tokens] of [
      [1, 1, 1],
      [8, 2, 4],
      [21, 3, 7],
    ] as const) {
      const k = Math.max(block, 32) * blocks;
      const raw = randomWeight(random, type, rows * k);
      const x = random.normals(tokens * k);
      const panels = Math.ceil(rows / PANEL_ROWS);

      let next = Math.ceil(Math.max(memory.heapBase(), plain.heapBase) / 64) * 64;
      const take = (bytes: number): number => {
        const at = next;
        next = Math.ceil((next + bytes) / 64) * 64;
        return at;
      };
      const at = {
        raw: take(raw.length),
        panels: take(panels * panelBytes(type, k)),
        x: take(x.byteLength),
        records: take((tokens * k * 128) / 32),
        args: take(64),
        out: take(tokens * rows * 4),
      };
      const missing = Math.max(0, Math.ceil((next - Number(memory.size())) / PAGE));
      expect(memory.grow(missing)).toBe(true);

      memory.seek(at.raw);
      memory.write(raw);
      memory.seek(at.x);
      memory.write(new Uint8Array(x.buffer));
      kernels.repack(wit, { out: at.panels, raw: at.raw, rows, k }, 0, panels);
      kernels.quantizeActivations({ out: at.records, x: at.x, k }, 0, tokens);
      const source = isQuantized(type) ? at.records : at.x;
      const shape = { out: at.out, panels: at.panels, x: source, n: tokens, m: rows, k };
      kernels.matmul(wit, shape, 0, panels);

      plain.memory.grow(Math.max(0, Math.ceil((next - plain.memory.buffer.byteLength) / PAGE)));
      new Uint8Array(plain.memory.buffer, at.raw).set(raw);
      new Float32Array(plain.memory.buffer, at.x).set(x);
      const call = (kernel: number, units: number, ...args: readonly number[]): void => {
        new Uint32Array(plain.memory.buffer, at.args).set(args);
        plain.table[kernel]!(at.args, 0, units);
      };
      call(kernelId(`repack_${type}`), panels, at.panels, at.raw, rows, k);
      call(kernelId("quantize_activations"), tokens, at.records, at.x, k);
      call(kernelId(`matmul_${type}`), panels, at.out, at.panels, source, tokens, rows, k);

      const expected = new Uint8Array(plain.memory.buffer, at.out, tokens * rows * 4);
      expect(expected.some((byte) => byte !== 0)).toBe(true);
      expect(memory.read(at.out, tokens * rows * 4)).toEqual(expected.slice());
    }
  });

  test("says so when there is no room to grow", async () => {
    const { memory } = await make();
    const before = memory.size();
    expect(memory.grow(65_536)).toBe(false);
    expect(memory.size()).toBe(before);
  });
});
