import type { GgufModel, TensorInfo } from "../../../core/gguf/gguf.ts";
import { dequantize } from "../../../core/quant/dequantize.ts";
import { byteLength, WEIGHT_TYPES } from "../../../core/tensor/dtype.ts";

/** Bytes of an f32. */
const VALUE = WEIGHT_TYPES.f32.bytes;

/**
 * The same model with every weight as the f32 that it stands for (`core/quant`), so that products take activations as they are. Dequantised
 * as it is read: no file is written. Closing it closes `gguf`.
 */
export function exactWeights(gguf: GgufModel): GgufModel {
  const exact = new Map<string, TensorInfo>();
  for (const [name, info] of gguf.tensors) {
    exact.set(name, { ...info, type: "f32", byteLength: byteLength("f32", valuesOf(info)) });
  }
  return {
    ...gguf,
    tensors: exact,
    async read({ name }, offset, into) {
      const info = gguf.tensors.get(name);
      if (info === undefined) throw new RangeError(`Cannot read ${name}: the model lacks it`);
      into.set(await readExact(gguf, info, offset, into.byteLength));
    },
  };
}

/** Bytes `offset..offset + length` of the tensor's f32 values; those of the blocks around them are computed too. */
async function readExact(
  gguf: GgufModel,
  info: TensorInfo,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const block = WEIGHT_TYPES[info.type];
  const first = Math.floor(offset / VALUE / block.values);
  const end = Math.ceil((offset + length) / VALUE / block.values);
  const bytes = new Uint8Array((end - first) * block.bytes);
  await gguf.read(info, first * block.bytes, bytes);
  const values = new Float32Array((end - first) * block.values);
  dequantize(info.type, bytes, values);
  return new Uint8Array(values.buffer, offset - first * block.values * VALUE, length);
}

function valuesOf({ shape }: TensorInfo): number {
  return shape.reduce((product, size) => product * size, 1);
}
