import type { Kernels } from "./kernels.ts";
import { instantiateKernels } from "./kernels.ts";
import { createArena } from "./arena.ts";
import { PANEL_ROWS, panelBytes } from "./tensors.ts";

/** A build of the kernels. All give the same bits; which is fastest depends on the CPU and the engine. */
export interface KernelBuild {
  /** `simd128` runs everywhere; `relaxed` and `relaxed16` need relaxed SIMD. */
  readonly variant: string;
  readonly module: WebAssembly.Module;
}

/** The chosen build and why. */
export interface KernelChoice extends KernelBuild {
  /** For people: what each build measured, or why it was turned down. */
  readonly reason: string;
}

/** The probe: a Q4_0 product of this shape, enough work to time and small enough to start with. */
const ROWS = 256;
const COLUMNS = 512;
const TOKENS = 4;

/** Q4_0 blocks hold 32 values in 18 bytes. */
const BLOCK_VALUES = 32;
const BLOCK_BYTES = 18;

/**
 * Timed repetitions: some 3 ms a build. The first run checks the engine's quick compiler, the last its
 * optimising one, which by then has taken over: an engine is known whose quick one multiplies wrongly.
 */
const REPETITIONS = 40;

/**
 * Choose among builds: each must give the bits of the first (`simd128`) before and after warming up, and
 * the fastest of those that do wins. `now` is a clock in milliseconds.
 */
export async function selectKernels(
  builds: readonly KernelBuild[],
  now: () => number,
): Promise<KernelChoice> {
  const [baseline, ...others] = builds;
  if (baseline === undefined) throw new TypeError("Cannot select kernels from no build");
  const first = await probe(baseline.module, now);
  let best: KernelBuild = baseline;
  let least = first.ms;
  const notes = [`${baseline.variant} ${first.ms.toFixed(2)} ms`];
  for (const build of others) {
    const result = await probe(build.module, now);
    const right = sameBits(result.before, first.after) && sameBits(result.after, first.after);
    notes.push(`${build.variant} ${right ? `${result.ms.toFixed(2)} ms` : "computes wrongly"}`);
    if (right && result.ms < least) {
      best = build;
      least = result.ms;
    }
  }
  return { ...best, reason: notes.join(", ") };
}

interface Probe {
  readonly before: Uint32Array;
  readonly after: Uint32Array;
  readonly ms: number;
}

async function probe(module: WebAssembly.Module, now: () => number): Promise<Probe> {
  const kernels = await instantiateKernels(module);
  const multiply = prepare(kernels);
  const before = multiply();
  let after = before;
  let ms = Infinity;
  for (let i = 0; i < REPETITIONS; i++) {
    const start = now();
    after = multiply();
    ms = Math.min(ms, now() - start);
  }
  return { before, after, ms };
}

/** Lay a fixed problem out in the kernels' memory; each call multiplies and returns the result's bits. */
function prepare(kernels: Kernels): () => Uint32Array {
  const arena = createArena(kernels.memory, kernels.heapBase);
  const rawBytes = (ROWS * COLUMNS * BLOCK_BYTES) / BLOCK_VALUES;
  const raw = arena.take("probe weights", rawBytes);
  const panels = arena.take("probe panels", (ROWS / PANEL_ROWS) * panelBytes("q4_0", COLUMNS));
  const x = arena.take("probe input", TOKENS * COLUMNS * 4);
  const records = arena.take("probe records", (TOKENS * COLUMNS * 128) / 32);
  const out = arena.take("probe output", TOKENS * ROWS * 4);
  const random = generator();
  const bytes = arena.u8(raw, rawBytes);
  for (let i = 0; i < rawBytes; i++) bytes[i] = random();
  // Scales between 2^-6 and 2^-5: an f16 of random bits might be anything.
  for (let i = 1; i < rawBytes; i += BLOCK_BYTES) bytes[i] = 0x24;
  const input = arena.f32(x, TOKENS * COLUMNS);
  for (let i = 0; i < input.length; i++) input[i] = random() - 127.5;
  kernels.repack("q4_0")(panels, raw, ROWS, COLUMNS);
  kernels.quantizeActivations(records, x, TOKENS, COLUMNS);
  const matmul = kernels.matmul("q4_0");
  return () => {
    matmul(out, panels, records, TOKENS, ROWS, COLUMNS, 0, ROWS / PANEL_ROWS);
    return arena.u32(out, TOKENS * ROWS).slice();
  };
}

/** Bytes from a linear congruential generator (Numerical Recipes' constants): the same everywhere. */
function generator(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  };
}

function sameBits(a: Uint32Array, b: Uint32Array): boolean {
  return a.length === b.length && a.every((bits, i) => bits === b[i]);
}
