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
      const { memory } = await instantiateKernels(module, kernelMemory(true).memory);
      expect(memory.buffer).toBeInstanceOf(SharedArrayBuffer);
      await expect(instantiateKernels(module, kernelMemory(false).memory)).rejects.toThrow(
        /shared/,
      );
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

/** An engine that sets no more pages aside. */
const refusingBeyond =
  (pages: number) =>
  (descriptor: WebAssembly.MemoryDescriptor): WebAssembly.Memory => {
    if (descriptor.maximum! > pages) throw new RangeError("could not allocate memory");
    return new WebAssembly.Memory(descriptor);
  };

describe("kernelMemory", () => {
  test("takes a smaller shared memory where there is no room for a large one, and works with it", async () => {
    const { memory, mostBytes } = kernelMemory(true, undefined, refusingBeyond(20_000));
    expect(mostBytes).toBe(2 ** 30);
    expect(() => memory.grow(16_384)).toThrow(RangeError);
    const module = await WebAssembly.compile(shareMemory(bytesOf("simd128")));
    const kernels = await instantiateKernels(module, memory);
    expect(kernels.memory).toBe(memory);
  });

  test("throws where there is room for no model, or none was set aside", () => {
    expect(() => kernelMemory(true, undefined, refusingBeyond(4000))).toThrow(RangeError);
    expect(() => kernelMemory(false, undefined, refusingBeyond(20_000))).toThrow(RangeError);
  });
});
