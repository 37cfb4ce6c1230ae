/** A real model gives the same bits by every schedule, on any number of threads, with every build. */
import { existsSync, readFileSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { bytesSource } from "../../core/gguf/source.ts";
import { VARIANTS, type Variant, wasmBackend } from "../fixtures/kernels.ts";
import type { Environment } from "../runtimes/environment.ts";
import { createIdentityRig, SAMPLINGS, type Schedule } from "../runtimes/identity.ts";

const MODEL = new URL("../../.cache/models/SmolLM2-135M-Instruct.Q4_1.gguf", import.meta.url);
const missing = !existsSync(MODEL);

/** Given, every schedule takes that many prompts of each kind; 20 take about half an hour. */
const ASKED = process.env["SIROCCO_IDENTITY_PROMPTS"];

interface Place {
  readonly variant: Variant;
  readonly threads: number;
  /** Batch and chunk. */
  readonly schedules: readonly (readonly [number, number])[];
}

const EVERY = [1, 8].flatMap((batch) => [1, 7, 64].map((chunk) => [batch, chunk] as const));
const FULL: readonly Place[] = [1, 2].flatMap((threads) =>
  VARIANTS.map((variant) => ({ variant, threads, schedules: EVERY })),
);
/** Each build, each number of threads, each batch and each chunk, but not each with each. */
const SHORT: readonly Place[] = [
  { variant: "simd128", threads: 1, schedules: [[1, 64]] },
  { variant: "relaxed", threads: 2, schedules: [[8, 7]] },
  { variant: "relaxed16", threads: 1, schedules: [[8, 1]] },
];
const places = ASKED === undefined ? SHORT : FULL;
const prompts = Number(ASKED ?? 2);
const samplings = Object.entries(SAMPLINGS).slice(0, ASKED === undefined ? 1 : undefined);

const environment: Environment = {
  kernels: [],
  models: ["smollm2"],
  prompts,
  model: () => Promise.resolve(bytesSource(readFileSync(MODEL))),
  yieldTurn: () => setImmediate(),
};

/** By kind of sampling: what the first place found. */
const expected = new Map<string, string>();

test.skipIf(missing).for([...places])(
  `SmolLM2 with $variant kernels on $threads thread(s)${missing ? " (skipped: run `npm run model:smollm2` first)" : ""}`,
  { timeout: 120_000 * Math.max(1, prompts) },
  async ({ variant, threads, schedules }) => {
    const rig = await createIdentityRig(environment, "smollm2", () =>
      wasmBackend(variant, threads),
    );
    try {
      for (const [kind, sampling] of samplings) {
        for (const [batch, chunk] of schedules) {
          const schedule: Schedule = { batch, chunk, prompts };
          const digest = await rig.digest(schedule, sampling);
          if (!expected.has(kind)) expected.set(kind, digest);
          expect(digest, `${kind}, batch ${batch}, chunk ${chunk}`).toBe(expected.get(kind));
          if (ASKED !== undefined) console.log(variant, threads, kind, batch, chunk, digest);
        }
      }
    } finally {
      await rig.close();
    }
  },
);
