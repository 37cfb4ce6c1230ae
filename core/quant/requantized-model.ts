/** A model with its weights in other types, made while they are read: there is never a second copy of them. */
import { RuntimeError } from "../errors.ts";
import type { GgufModel, MetadataValue, TensorInfo } from "../gguf/gguf.ts";
import { byteLength, WEIGHT_TYPES, type WeightType } from "../tensor/dtype.ts";
import { dequantize } from "./dequantize.ts";
import { quantizeTo } from "./quantize.ts";

/** `general.file_type` for a file with mostly this type (llama.h, `enum llama_ftype`). */
const FILE_TYPES: Readonly<Record<WeightType, number>> = {
  f32: 0,
  f16: 1,
  q4_0: 2,
  q4_1: 3,
  q8_0: 7,
  q5_0: 8,
  q5_1: 9,
  q2_k: 10,
  q3_k: 11,
  q4_k: 14,
  q5_k: 16,
  q6_k: 18,
  iq4_nl: 25,
  iq4_xs: 30,
  bf16: 32,
  mxfp4: 38,
};

/** `general.quantization_version`: what GGML's blocks look like today. */
const QUANTIZATION_VERSION = 2;

/** Bits a weight below which the output matrix is kept finer, since its errors go straight into the answer. */
const FINE_BITS = 6;

/** Values that are turned at once: enough to read in one go, little enough for any memory. */
const GROUP_VALUES = 2 ** 18;

/** Matrices that stay as they are: small, and what they decide is decided by little. */
const KEPT = /ffn_gate_inp|position_embd|token_types|_norm/;

/**
 * A model whose matrices have `target` as their type. A row that is no whole number of blocks takes the nearest type
 * with smaller ones; the output matrix is kept at 6 bits at least, unless `pure`. The model given is read and closed
 * through the one returned.
 */
export function requantize(model: GgufModel, target: WeightType, pure = false): GgufModel {
  const output = model.tensors.has("output.weight") ? "output.weight" : "token_embd.weight";
  const typeOf = (info: TensorInfo): WeightType => {
    const columns = info.shape.at(-1) ?? 1;
    if (info.shape.length < 2 || !info.name.endsWith(".weight") || KEPT.test(info.name)) {
      return info.type;
    }
    const isCoarse = bits(target) < FINE_BITS;
    return fitting(!pure && isCoarse && info.name === output ? "q6_k" : target, columns);
  };
  const tensors = new Map<string, TensorInfo>();
  for (const info of model.tensors.values()) {
    const type = typeOf(info);
    const values = info.shape.reduce((product, size) => product * size, 1);
    tensors.set(info.name, { ...info, type, byteLength: byteLength(type, values) });
  }
  const metadata = new Map<string, MetadataValue>(model.metadata);
  metadata.set("general.file_type", FILE_TYPES[target]);
  metadata.set("general.quantization_version", QUANTIZATION_VERSION);
  const readers = new Map<string, ReadTensor>();
  let byteLengthOfAll = 0;
  for (const { byteLength: bytes } of tensors.values()) byteLengthOfAll += bytes;
  return {
    ...model,
    metadata,
    types: new Map(model.types)
      .set("general.file_type", "u32")
      .set("general.quantization_version", "u32"),
    tensors,
    byteLength: byteLengthOfAll,
    async read(tensor, offset, into) {
      const source = model.tensors.get(tensor.name)!;
      if (source.type === tensor.type) return model.read(source, offset, into);
      if (offset < 0 || offset + into.byteLength > tensor.byteLength) {
        throw new RangeError(`Cannot read bytes ${offset} on of ${tensor.name}`);
      }
      let reader = readers.get(tensor.name);
      if (reader === undefined) {
        // One tensor is read after another: the last one's buffers are of no use any more.
        readers.clear();
        reader = turnedReader(model, source, tensor);
        readers.set(tensor.name, reader);
      }
      await reader(offset, into);
    },
  };
}

function bits(type: WeightType): number {
  const { bytes, values } = WEIGHT_TYPES[type];
  return (8 * bytes) / values;
}

/** What stands in where a row is no whole number of blocks of 256. */
const SMALLER: Partial<Readonly<Record<WeightType, WeightType>>> = {
  q2_k: "q4_0",
  q3_k: "q4_0",
  q4_k: "q5_0",
  q5_k: "q5_1",
  q6_k: "q8_0",
  iq4_xs: "iq4_nl",
};

function fitting(type: WeightType, columns: number): WeightType {
  const fits = columns % WEIGHT_TYPES[type].values === 0;
  const found = fits ? type : (SMALLER[type] ?? "f16");
  return columns % WEIGHT_TYPES[found].values === 0 ? found : "f16";
}

type ReadTensor = (offset: number, into: Uint8Array) => Promise<void>;

/** Reads a tensor in groups of whole rows, of which the last is remembered. */
function turnedReader(model: GgufModel, from: TensorInfo, to: TensorInfo): ReadTensor {
  const columns = from.shape.at(-1)!;
  const rows = from.shape.slice(0, -1).reduce((product, size) => product * size, 1);
  const groupRows = Math.max(1, Math.floor(GROUP_VALUES / columns));
  const rowBytes = { from: byteLength(from.type, columns), to: byteLength(to.type, columns) };
  const groupBytes = groupRows * rowBytes.to;
  let known = -1;
  let turned = new Uint8Array(0);

  const bring = async (group: number): Promise<void> => {
    if (group === known) return;
    const first = group * groupRows;
    const count = Math.min(groupRows, rows - first);
    const bytes = new Uint8Array(count * rowBytes.from);
    await model.read(from, first * rowBytes.from, bytes);
    const values = new Float32Array(count * columns);
    dequantize(from.type, bytes, values);
    checkFinite(from.name, values);
    turned = quantizeTo(to.type, values) as Uint8Array<ArrayBuffer>;
    known = group;
  };
  return async (offset, into) => {
    for (let done = 0; done < into.byteLength;) {
      const at = offset + done;
      await bring(Math.floor(at / groupBytes));
      const start = at % groupBytes;
      const length = Math.min(turned.byteLength - start, into.byteLength - done);
      into.set(turned.subarray(start, start + length), done);
      done += length;
    }
  };
}

function checkFinite(name: string, values: Float32Array): void {
  for (const value of values) {
    if (Number.isFinite(value)) continue;
    throw new RuntimeError(
      "MODEL_MALFORMED",
      `Cannot quantise ${name}: it holds ${value}, only finite weights can be`,
    );
  }
}
