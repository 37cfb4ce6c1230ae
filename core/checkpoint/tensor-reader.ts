/** Readers of a tensor's bytes, one on top of another: what a GGUF file would hold, made while it is read. */
import { toFloat16 } from "../numeric/float16.ts";
import { littleEndian } from "../numeric/little-endian.ts";
import { dequantize } from "../quant/dequantize.ts";
import { byteLength, type WeightType } from "../tensor/dtype.ts";

/** Fill `into` from byte `offset` of a tensor on. */
export type TensorReader = (offset: number, into: Uint8Array) => Promise<void>;

/** A tensor in memory. */
export function constantReader(bytes: Uint8Array): TensorReader {
  return async (offset, into) => {
    into.set(bytes.subarray(offset, offset + into.byteLength));
  };
}

/** Tensors of `partBytes` bytes each, one behind another. */
export function stackedReader(parts: readonly TensorReader[], partBytes: number): TensorReader {
  return async (offset, into) => {
    let done = 0;
    while (done < into.byteLength) {
      const part = Math.floor((offset + done) / partBytes);
      const from = (offset + done) % partBytes;
      const length = Math.min(into.byteLength - done, partBytes - from);
      await parts[part]!(from, into.subarray(done, done + length));
      done += length;
    }
  };
}

/** A vector of `values` numbers as float32, each with `added`; it is read as a whole the first time. */
export function float32Reader(
  read: TensorReader,
  type: WeightType,
  values: number,
  added = 0,
): TensorReader {
  let bytes: Uint8Array | undefined;
  return async (offset, into) => {
    if (bytes === undefined) {
      const stored = new Uint8Array(byteLength(type, values));
      await read(0, stored);
      const numbers = new Float32Array(values);
      dequantize(type, stored, numbers);
      bytes = littleEndian(added === 0 ? numbers : numbers.map((value) => value + added));
    }
    into.set(bytes.subarray(offset, offset + into.byteLength));
  };
}

/** Binary16 numbers out of bytes, each of which `values` gives a value. */
export function widenedReader(read: TensorReader, values: Float32Array): TensorReader {
  const halves = Uint16Array.from(values, toFloat16);
  return async (offset, into) => {
    const first = offset >> 1;
    const bytes = new Uint8Array(Math.ceil((offset + into.byteLength) / 2) - first);
    await read(first, bytes);
    for (let i = 0; i < into.byteLength; i++) {
      const at = offset + i;
      const half = halves[bytes[(at >> 1) - first]!]!;
      into[i] = at % 2 === 0 ? half & 255 : half >> 8;
    }
  };
}

/**
 * Rows of heads in GGUF's order: rows 2i and 2i + 1 of a head were rows i and i + headRows / 2, since its rotation
 * turns neighbours. A head is read as a whole and kept until the next one is wanted.
 *
 * @param rowBytes Bytes of a row; of a vector, of one element.
 */
export function pairedReader(read: TensorReader, rowBytes: number, headRows: number): TensorReader {
  const headBytes = rowBytes * headRows;
  const half = headRows / 2;
  let head: Uint8Array | undefined;
  let known = -1;
  const bring = async (wanted: number): Promise<Uint8Array> => {
    if (head !== undefined && wanted === known) return head;
    const fresh = new Uint8Array(headBytes);
    await read(wanted * headBytes, fresh);
    head = fresh;
    known = wanted;
    return fresh;
  };
  return async (offset, into) => {
    let done = 0;
    while (done < into.byteLength) {
      const at = offset + done;
      const rows = await bring(Math.floor(at / headBytes));
      const row = Math.floor((at % headBytes) / rowBytes);
      const column = at % rowBytes;
      const from = ((row % 2) * half + (row >> 1)) * rowBytes + column;
      const length = Math.min(rowBytes - column, into.byteLength - done);
      into.set(rows.subarray(from, from + length), done);
      done += length;
    }
    // The last byte of a tensor is read once: nothing is kept for ever.
    if (Math.floor((offset + done) / headBytes) !== known) head = undefined;
  };
}
