// Runs in a process of its own, on the driver of its environment, in Node, Bun or Deno: small models of
// several types on the GPU beside the reference. Reports the largest error of a row of logits.
import { createReferenceBackend } from "../../backends/reference/backend.ts";
import { loadModel } from "../../core/model/load.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import type { WeightType } from "../../core/tensor/dtype.ts";
import type { KvType } from "../../core/tensor/kv-type.ts";
import { relativeError } from "../conformance/backend/tensors.ts";
import { memoryModel } from "../fixtures/memory-model.ts";
import { createRunner, prefill } from "../fixtures/runner.ts";
import { createGpu } from "./backend.ts";
import { report } from "./drivers.ts";

/** What is computed. */
export interface ModelCase {
  readonly matrices: WeightType;
  readonly kvType: KvType;
}

/** What came of it. */
export interface ModelResult extends ModelCase {
  readonly worst: number;
}

const PROMPT = Array.from({ length: 37 }, (_, i) => (7 * i + 3) % 50);
const NEXT = [1, 2, 3, 4];

/** Logits after a prompt in chunks, and after each of some more tokens. */
async function logitsOf(
  backend: Backend,
  { matrices, kvType }: ModelCase,
): Promise<Float32Array[]> {
  const gguf = memoryModel({
    matrices,
    dim: 256,
    hiddenDim: 256,
    headDim: 32,
    heads: 8,
    kvHeads: 2,
  });
  const limits = { maxRows: 16, maxLogitRows: 2, blocks: 8, blockSize: 16, kvType };
  const model = await loadModel(gguf, backend, limits);
  const runner = createRunner(backend, model);
  const rows = [await prefill(runner, model, PROMPT)];
  for (const token of NEXT) rows.push(await prefill(runner, model, [token]));
  return rows;
}

const results: ModelResult[] = [];
for (const one of JSON.parse(process.argv[2]!) as ModelCase[]) {
  const gpu = await createGpu();
  const actual = await logitsOf(gpu, one);
  await gpu.close();
  const expected = await logitsOf(createReferenceBackend(), one);
  const errors = actual.map((row, i) => relativeError(row, expected[i]!));
  results.push({ ...one, worst: errors.reduce((a, b) => (b <= a ? a : b), 0) });
}
report(results);
