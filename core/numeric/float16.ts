/** 16-bit floats as GGUF files hold them: IEEE 754 binary16, and bfloat16 (the upper half of binary32). */

// One cell seen as a float and as its bits: both views have the machine's byte order, so neither matters.
const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

/** 2^-24, the step of binary16's subnormal numbers. */
const SUBNORMAL_STEP = 2 ** -24;

/** The value of a binary16 number, given its 16 bits. Every binary16 value is a float32 too, so it is exact. */
export function fromFloat16(bits: number): number {
  const sign = (bits & 0x8000) << 16;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) {
    const magnitude = fraction * SUBNORMAL_STEP;
    return sign === 0 ? magnitude : -magnitude;
  }
  // 112 = 127 - 15, the distance of the two exponent biases; all ones stay all ones (infinity, NaN).
  const wide = exponent === 0x1f ? 0xff : exponent + 112;
  word[0] = sign | (wide << 23) | (fraction << 13);
  return float[0]!;
}

/**
 * The 16 bits of the binary16 number nearest to `value` as a float32, ties to even. Magnitudes from
 * 65520 on become infinity; every NaN becomes the quiet NaN of its sign.
 */
export function toFloat16(value: number): number {
  float[0] = value;
  const sign = (word[0]! >>> 16) & 0x8000;
  const magnitude = word[0]! & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 0x47800000 is 65536: from there on no rounding could come back into range.
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  // 0x38800000 is 2^-14, the smallest normal number; below it the step is fixed. Math.fround(|value|)
  // times 2^24 is exact in float64, so only the rounding below loses anything.
  if (magnitude < 0x38800000) return sign | roundHalfEven(Math.abs(float[0]) / SUBNORMAL_STEP);
  // Rounding may carry into the exponent, and from there into infinity: both are the right answer.
  const kept = (magnitude - 0x38000000) >>> 13;
  const dropped = magnitude & 0x1fff;
  const up = dropped > 0x1000 || (dropped === 0x1000 && (kept & 1) === 1);
  return sign | (up ? kept + 1 : kept);
}

/** The value of a bfloat16 number, given its 16 bits. */
export function fromBfloat16(bits: number): number {
  word[0] = bits << 16;
  return float[0]!;
}

/** The 16 bits of the bfloat16 number nearest to `value` as a float32, ties to even; every NaN becomes a quiet one. */
export function toBfloat16(value: number): number {
  float[0] = value;
  const bits = word[0]!;
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  // Rounding may carry into the exponent, and from there into infinity: both are the right answer.
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}
