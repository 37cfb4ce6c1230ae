/** What a model's products are given while it reads text of its own, as second moments. */
import { readFileSync } from "node:fs";
import { createWasmBackend } from "../../../backends/wasm/backend.ts";
import { instantiateKernels, type Kernels } from "../../../backends/wasm/kernels.ts";
import { WasmTensor } from "../../../backends/wasm/tensors.ts";
import { createEngine } from "../../../core/engine/loop.ts";
import type { GgufModel } from "../../../core/gguf/gguf.ts";
import { loadModel } from "../../../core/model/load.ts";
import { GREEDY } from "../../../core/sampler/params.ts";
import type { Backend, Ops } from "../../../core/tensor/backend.ts";
import type { Tensor } from "../../../core/tensor/tensor.ts";
import type { Tokenizer } from "../../../core/tokenizer/tokenizer.ts";
import { createRunner } from "../../fixtures/runner.ts";
import { OPENERS } from "./openers.ts";

/** The build is of no account: all give the same bits. */
const KERNELS = new URL("../../../kernels-simd/wasm/relaxed.wasm", import.meta.url);
/** Tokens of each text. All of them are five times the columns of the inputs. Shorter texts served worse. */
const TEXT_TOKENS = 256;
const LIMITS = { maxRows: TEXT_TOKENS, maxLogitRows: TEXT_TOKENS, blocks: 192, blockSize: 16 };

/** Sums of x · xᵀ[columns, columns], by the name of a product's first weight. */
export type Moments = ReadonlyMap<string, Float32Array>;

/** The moments of the inputs of those products whose weight is `wanted`. The same bits on every machine. */
export async function collectMoments(
  gguf: GgufModel,
  tokenizer: Tokenizer,
  wanted: (weight: string) => boolean,
): Promise<Moments> {
  const texts = await writeTexts(gguf, tokenizer);
  const { backend, kernels } = await createBackend();
  const model = await loadModel(gguf, backend, LIMITS);
  const moments = new Map<string, Float64Array>();

  const see = (x: Tensor, weight: Tensor): void => {
    if (!wanted(weight.label) || !(x instanceof WasmTensor)) return;
    const sums = moments.get(weight.label) ?? new Float64Array(x.width * x.width);
    moments.set(weight.label, sums);
    addMoments(sums, new Float32Array(kernels.memory.buffer, x.offset, x.length), x.width);
  };
  const watching = (ops: Ops): Ops => ({
    ...ops,
    matmul(x, products) {
      see(x, products[0]!.weight);
      ops.matmul(x, products);
    },
    gatedMatmul(x, gate, ...rest) {
      see(x, gate.weight);
      ops.gatedMatmul(x, gate, ...rest);
    },
  });
  const watched: Backend = {
    ...backend,
    run: (record) => backend.run((ops) => record(watching(ops))),
  };
  const runner = createRunner(watched, model);
  for (const tokens of texts) {
    runner.reset(0);
    await runner.step([{ sequence: 0, tokens, logits: tokens.map((_, i) => i) }]);
  }
  await backend.close();
  return new Map([...moments].map(([name, sums]) => [name, Float32Array.from(sums)]));
}

async function createBackend(): Promise<{ backend: Backend; kernels: Kernels }> {
  const module = new WebAssembly.Module(Uint8Array.from(readFileSync(KERNELS)));
  let kernels: Kernels | undefined;
  const instantiate = async (compiled: WebAssembly.Module): Promise<Kernels> =>
    (kernels = await instantiateKernels(compiled));
  const backend = await createWasmBackend({ module, variant: "relaxed", instantiate });
  return { backend, kernels: kernels! };
}

/** Let the model go on from each opener, with seeds of their own. */
async function writeTexts(gguf: GgufModel, tokenizer: Tokenizer): Promise<number[][]> {
  const { backend } = await createBackend();
  const model = await loadModel(gguf, backend, { ...LIMITS, maxRows: 64, maxLogitRows: 16 });
  const engine = createEngine({
    backend,
    model,
    loadMs: 0,
    maxSequences: OPENERS.length,
    maxWaiting: OPENERS.length,
    yieldTurn: () => new Promise((resolve) => setImmediate(resolve)),
    now: () => performance.now(),
  });
  const texts = await Promise.all(
    OPENERS.map(async ({ seed, text }) => {
      const tokens = tokenizer.encode(text);
      const sampling = { ...GREEDY, temperature: 0.9, topP: 0.97, seed };
      const maxTokens = TEXT_TOKENS - tokens.length;
      const asked = { tokens: tokens.slice(), maxTokens, sampling, stopTokens: [] };
      for await (const event of engine.generate(asked)) {
        if (event.type === "token") tokens.push(event.token);
      }
      return tokens;
    }),
  );
  await engine.close();
  return texts;
}

/** Rows of `x` are `columns` wide. The upper half is summed, and mirrored. */
function addMoments(sums: Float64Array, x: Float32Array, columns: number): void {
  for (let from = 0; from < x.length; from += columns) {
    for (let i = 0; i < columns; i++) {
      const one = x[from + i]!;
      for (let j = i; j < columns; j++) sums[i * columns + j]! += one * x[from + j]!;
    }
  }
  for (let i = 0; i < columns; i++) {
    for (let j = 0; j < i; j++) sums[i * columns + j] = sums[j * columns + i]!;
  }
}
