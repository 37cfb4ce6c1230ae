import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { sourceDigest } from "../../kernels-simd/build.ts";
import { VARIANTS } from "../fixtures/kernels.ts";

const wasm = (name: string): Buffer =>
  readFileSync(new URL(`../../kernels-simd/wasm/${name}`, import.meta.url));
const digests = JSON.parse(wasm("digests.json").toString()) as Record<string, string>;

test("the committed kernels were built from the committed source: run `npm run kernels`", () => {
  expect(digests["source"]).toBe(sourceDigest());
});

test.for([...VARIANTS])("%s.wasm is the file that was built", (variant) => {
  const digest = createHash("sha256")
    .update(wasm(`${variant}.wasm`))
    .digest("hex");
  expect(digest).toBe(digests[`${variant}.wasm`]);
});
