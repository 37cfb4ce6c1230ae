import { expect, test } from "vitest";
import { fromBfloat16, fromFloat16, toFloat16 } from "../../../core/numeric/float16.ts";

/** The definition in IEEE 754, by arithmetic instead of bits. */
function float16ByDefinition(bits: number): number {
  const sign = bits >= 0x8000 ? -1 : 1;
  const exponent = Math.floor(bits / 1024) % 32;
  const fraction = bits % 1024;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * 2 ** -14 * (fraction / 1024);
  return sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
}

test("fromFloat16 is exact for all 65536 patterns, the sign of zero included", () => {
  for (let bits = 0; bits < 65536; bits++) {
    const got = fromFloat16(bits);
    if (!Object.is(got, float16ByDefinition(bits))) expect.fail(`${bits.toString(16)} gave ${got}`);
  }
});

test("toFloat16 gives back every pattern that fromFloat16 reads", () => {
  for (let bits = 0; bits < 65536; bits++) {
    const isNaN = (bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0;
    const expected = isNaN ? 0x7e00 : bits;
    const got = toFloat16(fromFloat16(bits));
    if ((isNaN ? got & 0x7fff : got) !== expected) expect.fail(`${bits.toString(16)} gave ${got}`);
  }
});

test("toFloat16 rounds to the nearer neighbour and ties to even", () => {
  for (let bits = 0; bits < 0x7c00; bits++) {
    const low = float16ByDefinition(bits);
    // The value after the largest finite number would be 65536, which is where infinity begins.
    const high = bits === 0x7bff ? 65536 : float16ByDefinition(bits + 1);
    const middle = (low + high) / 2;
    const nearMiddle = Math.abs(middle) * 2 ** -23;
    const even = bits % 2 === 0 ? bits : bits + 1;
    expect(toFloat16(middle)).toBe(even);
    expect(toFloat16(middle - nearMiddle)).toBe(bits);
    expect(toFloat16(middle + nearMiddle)).toBe(bits + 1);
    expect(toFloat16(-middle)).toBe(0x8000 | even);
  }
});

test("toFloat16 sends what is too large to infinity and keeps NaN a NaN", () => {
  expect(toFloat16(65519.99)).toBe(0x7bff);
  expect(toFloat16(65520)).toBe(0x7c00);
  expect(toFloat16(-1e30)).toBe(0xfc00);
  expect(toFloat16(Infinity)).toBe(0x7c00);
  expect(fromFloat16(toFloat16(NaN))).toBeNaN();
});

test("fromBfloat16 is the float32 whose upper half is the pattern, for all 65536 patterns", () => {
  const view = new DataView(new ArrayBuffer(4));
  for (let bits = 0; bits < 65536; bits++) {
    view.setUint16(0, bits);
    const got = fromBfloat16(bits);
    if (!Object.is(got, view.getFloat32(0))) expect.fail(`${bits.toString(16)} gave ${got}`);
  }
});
