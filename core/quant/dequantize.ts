import { fromBfloat16, fromFloat16 } from "../numeric/float16.ts";
import { byteLength, WEIGHT_TYPES } from "../tensor/dtype.ts";
import type { WeightType } from "../tensor/dtype.ts";
import { readQ2K, readQ3K, readQ4K, readQ5K, readQ6K } from "./k-quants.ts";
import { readQ40, readQ41, readQ50, readQ51, readQ80 } from "./legacy-quants.ts";
import { readBits16 } from "./read-block.ts";
import { readIQ4NL, readIQ4XS, readMXFP4 } from "./table-quants.ts";
import type { ReadBlock } from "./read-block.ts";

const READERS: Readonly<Record<WeightType, ReadBlock>> = {
  f32: (bytes, at, out, to) => {
    out[to] = new DataView(bytes.buffer, bytes.byteOffset + at, 4).getFloat32(0, true);
  },
  f16: (bytes, at, out, to) => {
    out[to] = fromFloat16(readBits16(bytes, at));
  },
  bf16: (bytes, at, out, to) => {
    out[to] = fromBfloat16(readBits16(bytes, at));
  },
  q4_0: readQ40,
  q4_1: readQ41,
  q5_0: readQ50,
  q5_1: readQ51,
  q8_0: readQ80,
  q2_k: readQ2K,
  q3_k: readQ3K,
  q4_k: readQ4K,
  q5_k: readQ5K,
  q6_k: readQ6K,
  iq4_nl: readIQ4NL,
  iq4_xs: readIQ4XS,
  mxfp4: readMXFP4,
};

/**
 * Turn stored weights into floats: the readable definition of every type, against which each kernel
 * is tested.
 *
 * Results equal GGML's bit for bit. Scales are binary16 numbers and quants have few bits, so their
 * products are exact in float32 already; the one rounding is the last one, when `out` is written.
 *
 * Throws `RangeError` unless `bytes` are whole blocks that hold exactly `out.length` values.
 */
export function dequantize(type: WeightType, bytes: Uint8Array, out: Float32Array): void {
  const expected = byteLength(type, out.length);
  if (bytes.byteLength !== expected) {
    throw new RangeError(
      `Cannot dequantise ${bytes.byteLength} bytes into ${out.length} values: ${type} takes ${expected}`,
    );
  }
  const block = WEIGHT_TYPES[type];
  const read = READERS[type];
  for (let at = 0, to = 0; to < out.length; at += block.bytes, to += block.values) {
    read(bytes, at, out, to);
  }
}
