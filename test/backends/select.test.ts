import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { selectKernels } from "../../backends/wasm/select.ts";
import { kernelModule, VARIANTS } from "../fixtures/kernels.ts";

const builds = VARIANTS.map((variant) => ({ variant, module: kernelModule(variant) }));

test("selectKernels takes the fastest build and says what each measured", async () => {
  const choice = await selectKernels(builds, () => performance.now());
  expect(VARIANTS).toContain(choice.variant);
  for (const variant of VARIANTS) expect(choice.reason).toContain(variant);
});

test("selectKernels turns a build down that computes wrongly, however fast", async () => {
  const bytes = readFileSync(new URL("../../kernels-simd/wasm/relaxed.wasm", import.meta.url));
  const honest = await selectKernels(builds.slice(0, 2), quickening());
  expect(honest.variant).toBe("relaxed");
  const broken = { variant: "broken", module: new WebAssembly.Module(sabotage(bytes)) };
  const choice = await selectKernels([builds[0]!, broken], quickening());
  expect(choice.variant).toBe("simd128");
  expect(choice.reason).toContain("broken computes wrongly");
});

/** A clock by which each measurement takes less than the one before, so that the last build is fastest. */
function quickening(): () => number {
  let calls = 0;
  let time = 0;
  return () => {
    calls++;
    if (calls % 2 === 0) time += 1e6 - calls;
    return time;
  };
}

/** Turns `i32x4.relaxed_dot_i8x16_i7x16_add_s` (0xfd 0x93 0x02) into a relaxed multiply-add of floats. */
function sabotage(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = Uint8Array.from(bytes);
  for (let i = 0; i + 2 < out.length; i++) {
    if (out[i] === 0xfd && out[i + 1] === 0x93 && out[i + 2] === 0x02) out[i + 1] = 0x85;
  }
  return out;
}
