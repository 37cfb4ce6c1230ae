import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { instantiateKernels, kernelMemory } from "../../backends/wasm/kernels.ts";
import { shareMemory } from "../../backends/wasm/shared-module.ts";
import { VARIANTS } from "../fixtures/kernels.ts";

const bytesOf = (variant: string): Uint8Array =>
  readFileSync(new URL(`../../kernels-simd/wasm/${variant}.wasm`, import.meta.url));

describe("shareMemory", () => {
  test.for([...VARIANTS])(
    "changes one byte of %s, which then takes a shared memory",
    async (variant) => {
      const bytes = bytesOf(variant);
      const shared = shareMemory(bytes);
      expect(shared.filter((byte, i) => byte !== bytes[i])).toHaveLength(1);
      const module = await WebAssembly.compile(shared);
      const { memory } = await instantiateKernels(module, kernelMemory(true));
      expect(memory.buffer).toBeInstanceOf(SharedArrayBuffer);
      await expect(instantiateKernels(module, kernelMemory(false))).rejects.toThrow(/shared/);
    },
  );

  test("throws for what is no module of ours", () => {
    const bytes = bytesOf("simd128");
    expect(() => shareMemory(shareMemory(bytes))).toThrow(TypeError);
    expect(() => shareMemory(new Uint8Array(0))).toThrow(TypeError);
    expect(() => shareMemory(bytes.subarray(0, 20))).toThrow(TypeError);
    expect(() => shareMemory(new Uint8Array(1000).fill(255))).toThrow(TypeError);
  });
});
