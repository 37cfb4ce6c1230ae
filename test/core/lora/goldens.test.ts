import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createReferenceBackend } from "../../../backends/reference/backend.ts";
import { openGguf } from "../../../core/gguf/parse.ts";
import { bytesSource } from "../../../core/gguf/source.ts";
import { adaptModel } from "../../../core/lora/adapted-model.ts";
import { checkLora } from "../../../core/lora/check.ts";
import { readGgufLora } from "../../../core/lora/gguf-lora.ts";
import { loadLora } from "../../../core/lora/load-lora.ts";
import type { LoraFile } from "../../../core/lora/lora-file.ts";
import { openPeftLora } from "../../../core/lora/peft-lora.ts";
import { loadModel } from "../../../core/model/load.ts";
import type { Model } from "../../../core/model/model.ts";
import type { Backend } from "../../../core/tensor/backend.ts";
import { toHalves } from "../../fixtures/checkpoint.ts";
import { writeGguf } from "../../fixtures/gguf-writer.ts";
import { wasmBackend } from "../../fixtures/kernels.ts";
import { memoryFolder } from "../../fixtures/memory-folder.ts";
import { createRunner, greedy, prefill } from "../../fixtures/runner.ts";
import { writeSafetensors } from "../../fixtures/safetensors-writer.ts";
import { goldenModel, goldenValues, readGoldens } from "../../goldens/cases.ts";

/** What is in `lora.json`, which `lora.py` computes with NumPy. */
interface LoraGoldens {
  readonly model: string;
  readonly adapters: Readonly<
    Record<
      string,
      { readonly modules: readonly string[]; readonly rank: number; readonly alpha: number }
    >
  >;
  readonly cases: readonly {
    readonly uses: readonly { readonly name: string; readonly scale: number }[];
    readonly logits: readonly number[];
    readonly greedy: readonly number[];
    readonly margin: number;
  }[];
}

const GOLDENS = JSON.parse(
  readFileSync(new URL("../../goldens/lora.json", import.meta.url), "utf8"),
) as LoraGoldens;
const CHECKPOINT = readGoldens().cases.find(({ name }) => name === GOLDENS.model)!;
const MODEL = goldenModel(CHECKPOINT);
const NAMES = Object.keys(GOLDENS.adapters);
const HEAD_DIM = Number(CHECKPOINT.metadata["llama.attention.key_length"]);

interface Factor {
  readonly weight: string;
  readonly letter: "a" | "b";
  readonly shape: readonly [number, number];
  readonly values: Float32Array<ArrayBuffer>;
}

function factorsOf(adapter: string): readonly Factor[] {
  const { modules, rank } = GOLDENS.adapters[adapter]!;
  return CHECKPOINT.tensors.flatMap(([weight, [m = 0, k = 0]]) => {
    if (!modules.includes(weight.split(".").at(-2)!)) return [];
    const one = (letter: "a" | "b", shape: readonly [number, number]): Factor => {
      const values = goldenValues(`${adapter} ${weight}.lora_${letter}`, shape, "matrix");
      return { weight, letter, shape, values: Float32Array.from(values) };
    };
    return [one("a", [rank, k]), one("b", [m, rank])];
  });
}

/** The adapter as llama.cpp's converter writes it. */
async function ggufLora(adapter: string): Promise<LoraFile> {
  const bytes = writeGguf({
    metadata: {
      "general.architecture": "llama",
      "general.type": "adapter",
      "adapter.type": "lora",
      "adapter.lora.alpha": { type: "f32", value: GOLDENS.adapters[adapter]!.alpha },
    },
    tensors: factorsOf(adapter).map(({ weight, letter, shape, values }) => ({
      name: `${weight}.lora_${letter}`,
      shape,
      type: "f32",
      data: values,
    })),
  });
  const name = `${adapter}.gguf`;
  return readGgufLora(await openGguf(bytesSource(bytes, name)), name);
}

/** The adapter as PEFT saves it: other names, and rows of queries and keys in another order. */
function peftLora(adapter: string): Promise<LoraFile> {
  const { rank, alpha } = GOLDENS.adapters[adapter]!;
  const tensors = factorsOf(adapter).map(({ weight, letter, shape, values }) => {
    const module = CHECKPOINT.parameters[weight]!.replace(/\.weight$/, "");
    const bytes = new Uint8Array(values.buffer);
    const turned = letter === "b" && /attn_[qk]\./.test(weight);
    const data = turned ? toHalves(bytes, 4 * shape[1], HEAD_DIM) : bytes;
    const name = `base_model.model.${module}.lora_${letter.toUpperCase()}.weight`;
    return [name, { dtype: "F32", shape, data }] as const;
  });
  const config = {
    peft_type: "LORA",
    r: rank,
    lora_alpha: alpha,
    bias: "none",
    use_dora: false,
    modules_to_save: null,
    rank_pattern: {},
    alpha_pattern: {},
  };
  const folder = memoryFolder({
    "adapter_config.json": config,
    "adapter_model.safetensors": writeSafetensors(Object.fromEntries(tensors)),
  });
  return openPeftLora(folder, MODEL);
}

const LIMITS = { maxRows: 16, maxLogitRows: 1, blocks: 8, blockSize: 16 };

/** The model as if every row took these adapters. */
function taking(model: Model, uses: LoraGoldens["cases"][number]["uses"]): Model {
  return {
    ...model,
    forward: (ops, batch) =>
      model.forward(ops, {
        ...batch,
        lora: uses.map(({ name, scale }) => ({
          index: NAMES.indexOf(name),
          scales: new Float32Array(batch.tokens.length).fill(scale),
        })),
      }),
  };
}

const BACKENDS: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["reference", () => Promise.resolve(createReferenceBackend())],
  ["simd128", () => wasmBackend("simd128")],
  ["relaxed16", () => wasmBackend("relaxed16")],
];

for (const [form, open] of [
  ["a GGUF file", ggufLora],
  ["PEFT's safetensors", peftLora],
] as const) {
  describe.for(BACKENDS)(`adapters from ${form} on %s`, ([, create]) => {
    test("give the logits and the tokens that NumPy gives with merged weights", async () => {
      for (const golden of GOLDENS.cases) {
        const backend = await create();
        const loaded = [];
        const alone = await loadModel(MODEL, backend, LIMITS);
        for (const name of NAMES) {
          const file = await open(name);
          checkLora(file, MODEL);
          loaded.push(await loadLora({ name, file }, backend));
          await file.close();
        }
        const model = taking(adaptModel(alone, loaded), golden.uses);
        const runner = createRunner(backend, model);
        const logits = await prefill(runner, model, CHECKPOINT.prompt);
        const errors = golden.logits.map((logit, i) => Math.abs(logit - logits[i]!));
        expect(Math.max(...errors)).toBeLessThanOrEqual(2e-4);
        expect(golden.margin).toBeGreaterThan(4 * 2e-4);
        expect(await greedy(runner, model, logits, golden.greedy.length)).toEqual(golden.greedy);
        await backend.close();
      }
    });
  });
}
