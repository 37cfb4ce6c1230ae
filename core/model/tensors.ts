import { RuntimeError } from "../errors.ts";
import type { GgufModel, TensorInfo } from "../gguf/gguf.ts";
import { byteLength } from "../tensor/dtype.ts";
import { architectureOf } from "./architectures.ts";
import type { ModelConfig } from "./model.ts";

/** Divisors of the rotation's frequencies, in files of the Llama 3 kind: [rope.dims / 2], f32. */
export const ROPE_FREQS = "rope_freqs.weight";

/**
 * The model's tensors in the order in which they lie in the file, checked to be those that the
 * configuration calls for: none missing, none of another shape, none that would be left out.
 *
 * A tensor too many is a bias, a norm of queries or an adapter, and to leave it out would give nonsense.
 * Throws `MODEL_MALFORMED` or `MODEL_UNSUPPORTED`.
 */
export function checkTensors(gguf: GgufModel, config: ModelConfig): readonly TensorInfo[] {
  const present = (name: string): boolean => gguf.tensors.has(name);
  const shapes = new Map(architectureOf(config.architecture).shapes(config, present));
  if (gguf.tensors.has(ROPE_FREQS)) shapes.set(ROPE_FREQS, [config.rope.dims / 2]);
  for (const [name, shape] of shapes) checkTensor(gguf.tensors.get(name), name, shape);
  for (const name of gguf.tensors.keys()) {
    if (shapes.has(name)) continue;
    throw new RuntimeError(
      "MODEL_UNSUPPORTED",
      `Cannot use tensor ${JSON.stringify(name).slice(0, 80)}: the ${config.architecture} network ` +
        `of ${config.layers} layers has no such weight`,
    );
  }
  return [...gguf.tensors.values()].toSorted((a, b) => a.shard - b.shard || a.offset - b.offset);
}

/** Whether the embedding is the output matrix too. */
function isTied(gguf: GgufModel): boolean {
  return !gguf.tensors.has("output.weight");
}

function checkTensor(info: TensorInfo | undefined, name: string, shape: readonly number[]): void {
  if (info === undefined) {
    throw new RuntimeError("MODEL_MALFORMED", `Cannot use model: tensor ${name} is missing`);
  }
  if (info.shape.length !== shape.length || info.shape.some((size, i) => size !== shape[i])) {
    throw new RuntimeError(
      "MODEL_MALFORMED",
      `Cannot use tensor ${name}: its shape is [${info.shape.join(", ")}], expected [${shape.join(", ")}]`,
    );
  }
}

/** How much a model weighs; tokens per second times `perToken` is the memory bandwidth in use. */
export interface WeightBytes {
  /** Bytes of all tensors. */
  readonly total: number;
  /**
   * Bytes that a step of one row reads: all, but of an embedding that is not the head only one row, and of
   * experts only those that it takes.
   */
  readonly perToken: number;
}

/** Bytes of a model's tensors as they are in the file. */
export function weightBytes(gguf: GgufModel): WeightBytes {
  const taken = shareOfExperts(gguf);
  let total = 0;
  let perToken = 0;
  for (const { name, byteLength: bytes } of gguf.tensors.values()) {
    total += bytes;
    perToken += name.includes(EXPERTS) ? bytes * taken : bytes;
  }
  const embedding = gguf.tensors.get("token_embd.weight");
  // Nor is it one where there is none.
  const headless = gguf.tensors.has("position_embd.weight");
  if (embedding === undefined || (isTied(gguf) && !headless)) return { total, perToken };
  const row = byteLength(embedding.type, embedding.shape.at(-1) ?? 1);
  return { total, perToken: perToken - embedding.byteLength + row };
}

/** What is in the names of tensors that hold all experts of a layer. */
const EXPERTS = "_exps.";

/** Which part of its experts a row takes. */
function shareOfExperts({ metadata }: GgufModel): number {
  const prefix = String(metadata.get("general.architecture"));
  const [used, count] = [
    metadata.get(`${prefix}.expert_used_count`),
    metadata.get(`${prefix}.expert_count`),
  ];
  return typeof used === "number" && typeof count === "number" && count > 0 ? used / count : 1;
}
