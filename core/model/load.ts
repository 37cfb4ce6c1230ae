import { RuntimeError } from "../errors.ts";
import { littleEndian } from "../numeric/little-endian.ts";
import type { GgufModel, TensorInfo } from "../gguf/gguf.ts";
import { dequantize } from "../quant/dequantize.ts";
import type { Backend, ReadInto } from "../tensor/backend.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { architectureOf } from "./architectures.ts";
import { readConfig } from "./config.ts";
import { checkLimits } from "./limits.ts";
import type { Model, ModelConfig, ModelLimits } from "./model.ts";
import { checkTensors, ROPE_FREQS } from "./tensors.ts";

/** Bytes of weights read so far, and in all. */
export type LoadProgress = (bytesDone: number, bytesTotal: number) => void;

/** The least divisor of a frequency: none speeds a rotation up, but rounding may leave just under one. */
const LEAST_DIVISOR = 0.5;

/**
 * Bring a model's weights into a backend and make the model.
 *
 * Weights are read once and in the order of the file, so that a source that only goes forward will do.
 * The backend stays the caller's: when this rejects, the caller closes it. Rejects with
 * `MODEL_UNSUPPORTED`, `MODEL_MALFORMED`, `INSUFFICIENT_RESOURCES` where the backend has no room, and
 * `ABORTED`; with `RangeError` for limits that make no sense.
 */
export async function loadModel(
  gguf: GgufModel,
  backend: Backend,
  limits: ModelLimits,
  onProgress?: LoadProgress,
  signal?: AbortSignal,
): Promise<Model> {
  checkLimits(limits);
  const { config, weights } = await loadWeights(gguf, backend, onProgress, signal);
  const architecture = architectureOf(config.architecture);
  return fitting("activations and cache", () =>
    architecture.create(backend, config, weights, limits),
  );
}

/** A model's configuration, complete, and its weights by their names. */
export interface LoadedWeights {
  readonly config: ModelConfig;
  readonly weights: ReadonlyMap<string, Tensor>;
}

/** The first half of {@linkcode loadModel}. */
export async function loadWeights(
  gguf: GgufModel,
  backend: Backend,
  onProgress?: LoadProgress,
  signal?: AbortSignal,
): Promise<LoadedWeights> {
  const config = readConfig(gguf);
  const infos = checkTensors(gguf, config);

  const total = infos.reduce((sum, info) => sum + info.byteLength, 0);
  let done = 0;
  const read = async (info: TensorInfo, offset: number, into: Uint8Array): Promise<void> => {
    if (signal?.aborted === true) {
      throw new RuntimeError("ABORTED", "Loading was aborted", { cause: signal.reason });
    }
    await gguf.read(info, offset, into);
    done += into.byteLength;
    onProgress?.(done, total);
  };

  const weights = new Map<string, Tensor>();
  let divisors: Float32Array | undefined;
  for (const info of infos) {
    if (info.name === ROPE_FREQS) {
      divisors = await readVector(info, read);
    } else {
      weights.set(info.name, await loadTensor(info, backend, read));
    }
  }
  return { config: divisors === undefined ? config : withDivisors(config, divisors), weights };
}

type ReadTensor = (info: TensorInfo, offset: number, into: Uint8Array) => Promise<void>;

/** Matrices go in as they are; vectors as float32, which is how backends take them. */
async function loadTensor(info: TensorInfo, backend: Backend, read: ReadTensor): Promise<Tensor> {
  const { name, type, shape } = info;
  if (shape.length > 1 || type === "f32") {
    const readInto: ReadInto = (offset, into) => read(info, offset, into);
    return fitting(name, () => backend.loadWeight(name, type, shape, readInto));
  }
  const values = await readVector(info, read);
  const bytes = littleEndian(values);
  return fitting(name, () =>
    backend.loadWeight(name, "f32", shape, (offset, into) => {
      into.set(bytes.subarray(offset, offset + into.byteLength));
      return Promise.resolve();
    }),
  );
}

/** A vector's values. */
async function readVector(info: TensorInfo, read: ReadTensor): Promise<Float32Array> {
  const bytes = new Uint8Array(info.byteLength);
  await read(info, 0, bytes);
  const values = new Float32Array(info.shape.reduce((size, dimension) => size * dimension, 1));
  dequantize(info.type, bytes, values);
  return values;
}

function withDivisors(config: ModelConfig, divisors: Float32Array): ModelConfig {
  if (config.rope.scaling.type !== "none") {
    throw new RuntimeError(
      "MODEL_UNSUPPORTED",
      `Cannot use model: it has both ${ROPE_FREQS} and ${config.rope.scaling.type} scaling of the rotation`,
    );
  }
  for (const [i, divisor] of divisors.entries()) {
    if (divisor >= LEAST_DIVISOR && divisor < Infinity) continue;
    throw new RuntimeError(
      "MODEL_MALFORMED",
      `Cannot use ${ROPE_FREQS}: divisor ${i} is ${divisor}, expected at least ${LEAST_DIVISOR}`,
    );
  }
  return { ...config, rope: { ...config.rope, scaling: { type: "llama3", divisors } } };
}

/** Turn a backend's "cannot fit" into the error that callers know. */
export async function fitting<T>(what: string, make: () => T | Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new RuntimeError(
      "INSUFFICIENT_RESOURCES",
      `Cannot load ${what}: ${cause.message}; use a smaller model, context or batch`,
      { cause },
    );
  }
}
