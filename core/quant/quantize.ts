import { toBfloat16, toFloat16 } from "../numeric/float16.ts";
import { littleEndian } from "../numeric/little-endian.ts";
import { byteLength, WEIGHT_TYPES, type WeightType } from "../tensor/dtype.ts";
import { GRID_VALUES, GRIDS, roundTo, toGrid, type GridType } from "./grid.ts";
import { writeQ2K, writeQ3K, writeQ4K, writeQ5K, writeQ6K, type WriteBlock } from "./quantize-k.ts";
import { writeBlock } from "./quantize-legacy.ts";
import { writeIQ4NL, writeIQ4XS, writeMXFP4 } from "./quantize-table.ts";
import { fitScale, fitScaleAndMinimum } from "./scale-search.ts";

/** Turns values, whole blocks of the type, into bytes. */
type Quantize = (values: Float32Array) => Uint8Array;

const QUANTIZERS: Readonly<Record<WeightType, Quantize>> = {
  f32: littleEndian,
  f16: (values) => words(values, toFloat16),
  bf16: (values) => words(values, toBfloat16),
  q4_0: (values) => toGrids("q4_0", values),
  q4_1: (values) => toGrids("q4_1", values),
  q5_0: (values) => toGrids("q5_0", values),
  q5_1: (values) => toGrids("q5_1", values),
  q8_0: (values) => toGrids("q8_0", values),
  q2_k: (values) => toBlocks("q2_k", writeQ2K, values),
  q3_k: (values) => toBlocks("q3_k", writeQ3K, values),
  q4_k: (values) => toBlocks("q4_k", writeQ4K, values),
  q5_k: (values) => toBlocks("q5_k", writeQ5K, values),
  q6_k: (values) => toBlocks("q6_k", writeQ6K, values),
  iq4_nl: (values) => toBlocks("iq4_nl", writeIQ4NL, values),
  iq4_xs: (values) => toBlocks("iq4_xs", writeIQ4XS, values),
  mxfp4: (values) => toBlocks("mxfp4", writeMXFP4, values),
};

/** Raised whenever the same weights become other bytes: it is a part of what identifies a quantised model. */
export const QUANTIZER_VERSION = 1;

/** Types that weights can be turned into. */
export const TARGET_TYPES: readonly WeightType[] = Object.keys(QUANTIZERS) as WeightType[];

/**
 * Quantise values, which have to be finite, so that least is lost. Throws `RangeError` unless they are whole blocks.
 */
export function quantizeTo(type: WeightType, values: Float32Array): Uint8Array {
  byteLength(type, values.length);
  return QUANTIZERS[type](values);
}

function toBlocks(type: WeightType, write: WriteBlock, values: Float32Array): Uint8Array {
  const out = new Uint8Array(byteLength(type, values.length));
  const block = WEIGHT_TYPES[type];
  for (let from = 0, at = 0; from < values.length; from += block.values) {
    write(values, from, out, at);
    at += block.bytes;
  }
  return out;
}

/** Blocks of 32 values on one grid each. */
function toGrids(type: GridType, values: Float32Array): Uint8Array {
  const shape = GRIDS[type];
  const out = new Uint8Array(byteLength(type, values.length));
  const integers = new Int16Array(GRID_VALUES);
  for (let from = 0, at = 0; from < values.length; from += GRID_VALUES) {
    const to = from + GRID_VALUES;
    const { scale, minimum } = shape.shifted
      ? fitScaleAndMinimum(values, from, to, shape.most, Infinity)
      : { scale: fitScale(values, from, to, shape.least, shape.most), minimum: 0 };
    const grid = toGrid(scale, minimum);
    for (let i = 0; i < GRID_VALUES; i++) integers[i] = roundTo(shape, grid, values[from + i]!);
    writeBlock(type, grid, integers, out, at);
    at += WEIGHT_TYPES[type].bytes;
  }
  return out;
}

function words(values: Float32Array, round: (value: number) => number): Uint8Array {
  const out = new Uint8Array(2 * values.length);
  for (let i = 0; i < values.length; i++) {
    const bits = round(values[i]!);
    out[2 * i] = bits & 255;
    out[2 * i + 1] = bits >> 8;
  }
  return out;
}
