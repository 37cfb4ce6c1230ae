import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { sourceDigest } from "../../kernels-simd/build.ts";
import { VARIANTS } from "../fixtures/kernels.ts";

const kernels = (name: string): Buffer =>
  readFileSync(new URL(`../../kernels-simd/${name}`, import.meta.url));
const { source, ...files } = JSON.parse(kernels("wasm/digests.json").toString()) as Record<
  string,
  string
>;

test("the committed kernels were built from the committed source: run `npm run kernels`", () => {
  expect(source).toBe(sourceDigest());
});

test("every build is noted", () => {
  const builds = VARIANTS.map((variant) => `wasm/${variant}.wasm`);
  expect(Object.keys(files)).toEqual(
    expect.arrayContaining([...builds, "component/kernels.component.wasm"]),
  );
});

test.for(Object.entries(files))("%s is the file that was built", ([name, digest]) => {
  expect(createHash("sha256").update(kernels(name)).digest("hex")).toBe(digest);
});
