import { loadModel } from "../../core/model/load.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import type { WeightType } from "../../core/tensor/dtype.ts";
import type { KvType } from "../../core/tensor/kv-type.ts";
import { memoryModel } from "../fixtures/memory-model.ts";
import { createRunner, prefill } from "../fixtures/runner.ts";

/** A model with random weights of one type. */
export interface ModelCase {
  readonly matrices: WeightType;
  readonly kvType: KvType;
}

/** Layers of f32 sums in other orders; a cache that rounds may round another way. */
export const TOLERANCE = { f32: 1e-5, f16: 2e-3, q8_0: 1e-2 } as const;

const PROMPT = Array.from({ length: 37 }, (_, i) => (7 * i + 3) % 50);
const NEXT = [1, 2, 3, 4];

/** Logits after a prompt in chunks, and after each of some more tokens. */
export async function logitsOf(
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
