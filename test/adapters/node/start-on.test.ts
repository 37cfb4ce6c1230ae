import { expect, test } from "vitest";
import { startOn } from "../../../adapters/node/start-on.ts";
import { createWasmBackend } from "../../../backends/wasm/backend.ts";
import { kernelModule } from "../../fixtures/kernels.ts";
import { memoryModel } from "../../fixtures/memory-model.ts";

const MIB = 2 ** 20;

test.for(["maxBytes", "machineBytes"] as const)(
  "a model that does not fit into %s is refused before anything of it is read",
  async (bound) => {
    const gguf = memoryModel({ vocabSize: 4000, dim: 256, hiddenDim: 512 });
    let reads = 0;
    const watched = {
      ...gguf,
      read: (...args: Parameters<typeof gguf.read>) => {
        reads++;
        return gguf.read(...args);
      },
    };
    const module = kernelModule("simd128");
    const backend = await createWasmBackend({ module, variant: "simd128", [bound]: 8 * MIB });
    const starting = startOn(backend, watched, {
      room: { contextSize: 64, parallel: 1 },
      started: 0,
      onProgress: undefined,
      signal: undefined,
    });
    await expect(starting).rejects.toMatchObject({
      code: "INSUFFICIENT_RESOURCES",
      message: expect.stringMatching(
        /it needs 1\d MiB: .* of weights, .* of keys and values, .* of activations; the wasm-simd128 backend may take 8\.0 MiB\. Use/,
      ) as string,
    });
    expect(reads).toBe(0);
  },
);
