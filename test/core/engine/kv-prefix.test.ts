import { expect, test } from "vitest";
import { createReferenceBackend } from "../../../backends/reference/backend.ts";
import { createEngine } from "../../../core/engine/loop.ts";
import type { Backend } from "../../../core/tensor/backend.ts";
import { createLlamaEngine, describePrefixes, tokens } from "../../conformance/kv-prefix.ts";
import { wasmBackend } from "../../fixtures/kernels.ts";
import { createMemoryModel } from "./memory-model.ts";
import { collect, request, turn } from "./rig.ts";

const BACKENDS: Readonly<Record<string, () => Promise<Backend>>> = {
  reference: () => Promise.resolve(createReferenceBackend()),
  "wasm, one thread": () => wasmBackend("simd128"),
  "wasm, two threads": () => wasmBackend("simd128", 2),
};

for (const [name, create] of Object.entries(BACKENDS)) describePrefixes(name, create);

test("a prefix shorter than a block is nothing, and one that is aborted ends", async () => {
  const engine = await createLlamaEngine(createReferenceBackend());
  expect(await engine.savePrefix(tokens(15))).toMatchObject({ data: new Uint8Array(0) });
  const leaving = new AbortController();
  const saving = engine.savePrefix(tokens(300), leaving.signal);
  leaving.abort();
  await expect(saving).rejects.toMatchObject({ code: "ABORTED" });
  await expect(engine.savePrefix([99])).rejects.toMatchObject({ code: "INVALID_REQUEST" });
  await engine.close();
});

test("a backend that cannot copy its cache says so, and goes on answering", async () => {
  const memory = createMemoryModel({ maxRows: 64, maxLogitRows: 8, blocks: 64, blockSize: 4 });
  const engine = createEngine({
    ...memory,
    loadMs: 0,
    maxSequences: 8,
    maxWaiting: 8,
    yieldTurn: turn,
    now: () => performance.now(),
  });
  await expect(engine.savePrefix(tokens(8))).rejects.toMatchObject({ code: "MODEL_UNSUPPORTED" });
  expect((await collect(engine, request([1, 2, 3]))).tokens).toHaveLength(10);
  await engine.close();
});
