import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { openModel } from "../../adapters/node/header.ts";
import { weightBytes } from "../../core/model/tensors.ts";
import { ROOT } from "./peers.ts";
import type { ModelFacts } from "./report.ts";

const FOLDER = process.env["SIROCCO_MODELS"] ?? path.join(ROOT, ".cache", "models");

interface Model {
  readonly label: string;
  readonly file: string;
  /** Script and arguments that make the file. */
  readonly make: readonly string[];
}

/** The models that are measured, by key. All but the 1.1 B one are the real SmolLM2-135M-Instruct. */
const MODELS: Readonly<Record<string, Model>> = {
  q4_0: smollm2("Q4_0-pure"),
  q4_k_m: smollm2("Q4_K_M"),
  q8_0: smollm2("Q8_0"),
  "1b": {
    label: "TinyLlama shape, 1.1 B, random weights, Q4_0",
    file: path.join(FOLDER, "random-1.1b.Q4_0-pure.gguf"),
    make: ["test/bench/models/random-llama.ts"],
  },
};

/** Keys of all models, in the order of the tables. */
export const MODEL_KEYS: readonly string[] = Object.keys(MODELS);

function smollm2(kind: string): Model {
  return {
    label: `SmolLM2-135M ${kind.replace("-pure", "")}`,
    file: path.join(FOLDER, `SmolLM2-135M-Instruct.${kind}.gguf`),
    make: ["test/bench/make-models.mjs", kind],
  };
}

/** Path of a model, made if it is not there. Throws `Error` where that fails. */
export function modelFile(key: string): string {
  const model = MODELS[key];
  if (model === undefined) throw new TypeError(`Cannot find the model "${key}"`);
  return made(model);
}

/** Path of SmolLM2-135M-Instruct in a quantisation that make-models.mjs knows, made if it is not there. Throws `Error` where that fails. */
export function smollm2File(kind: string): string {
  return made(smollm2(kind));
}

function made(model: Model): string {
  if (!existsSync(model.file)) {
    const { status } = spawnSync(process.execPath, model.make, {
      cwd: ROOT,
      stdio: ["ignore", "ignore", "inherit"],
    });
    if (status !== 0) throw new Error(`Cannot make ${model.file}: node ${model.make.join(" ")}`);
  }
  return model.file;
}

/** What the tables need to know of a model. */
export async function modelFacts(key: string): Promise<ModelFacts> {
  const { gguf } = await openModel(modelFile(key));
  try {
    const { total, perToken } = weightBytes(gguf);
    return {
      key,
      label: MODELS[key]?.label ?? key,
      weightBytes: total,
      bytesPerToken: perToken,
    };
  } finally {
    await gguf.close();
  }
}
