import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { VARIANTS } from "../fixtures/kernels.ts";

/** The vector prefix, and the first and last number of relaxed SIMD (its specification, § Binary format). */
const VECTOR_PREFIX = 0xfd;
const FIRST_RELAXED = 0x100;
const LAST_RELAXED = 0x113;

/** i16x8.relaxed_dot_i8x16_i7x16_s and i32x4.relaxed_dot_i8x16_i7x16_add_s, exact for operands in 0..127. */
const EXACT = new Set([0x112, 0x113]);

/** Relaxed instructions in a module, found by their three bytes: what is no instruction would only add to them. */
function relaxedIn(bytes: Uint8Array): Set<number> {
  const found = new Set<number>();
  for (let i = 0; i + 2 < bytes.length; i++) {
    if (bytes[i] !== VECTOR_PREFIX || bytes[i + 2]! >= 0x80) continue;
    if (bytes[i + 1]! < 0x80) continue;
    const code = (bytes[i + 1]! & 0x7f) | (bytes[i + 2]! << 7);
    if (code >= FIRST_RELAXED && code <= LAST_RELAXED) found.add(code);
  }
  return found;
}

test.for([...VARIANTS])(
  "%s has no relaxed instruction whose result is the engine's to choose",
  (variant) => {
    const url = new URL(`../../kernels-simd/wasm/${variant}.wasm`, import.meta.url);
    const relaxed = relaxedIn(readFileSync(url));
    expect([...relaxed].filter((code) => !EXACT.has(code))).toEqual([]);
    expect(relaxed.size > 0).toBe(variant !== "simd128");
  },
);
