import { createBytes } from "../self-test/samples.ts";
import { createArgs } from "./args.ts";
import { createArena } from "./arena.ts";
import type { KernelName, Kernels } from "./kernels.ts";
import { instantiateKernels, kernelId } from "./kernels.ts";
import { ACTIVATION_BYTES, PANEL_ROWS, panelBytes } from "./tensors.ts";

/** A build of the kernels. All give the same bits; which is fastest depends on the CPU and the engine. */
export interface KernelBuild {
  /** `simd128` runs everywhere; `relaxed` and `relaxed16` need relaxed SIMD. */
  readonly variant: string;
  readonly module: WebAssembly.Module;
  /** How to instantiate a module that brings its memory. */
  readonly instantiate?: (module: WebAssembly.Module) => Promise<Kernels>;
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
 * The builds take turns, so that a busy moment hits all of them, and each turn is long enough in all
 * (some 10 ms a build) for the engine's optimising compiler to have taken over by the last. The first run
 * checks the quick compiler: an engine is known whose quick one multiplies wrongly.
 */
const TURNS = 5;
const REPETITIONS = 80;

/**
 * Choose among builds: each must give the bits of the first (`simd128`) before and after warming up, and
 * the fastest of those that do wins. `now` is a clock in milliseconds.
 */
export async function selectKernels(
  builds: readonly KernelBuild[],
  now: () => number,
): Promise<KernelChoice> {
  const probes = await Promise.all(builds.map((build) => prepare(build, now)));
  for (let turn = 0; turn < TURNS; turn++) {
    for (const probe of probes) probe.run();
  }
  const [baseline] = probes;
  if (baseline === undefined) throw new TypeError("Cannot select kernels from no build");
  const sound = probes.filter((probe) => probe.results.every((bits) => sameBits(bits, baseline)));
  const best = sound.reduce((least, probe) => (probe.ms < least.ms ? probe : least), baseline);
  const notes = probes.map((probe) =>
    sound.includes(probe)
      ? `${probe.build.variant} ${probe.ms.toFixed(2)} ms`
      : `${probe.build.variant} computes wrongly`,
  );
  return { ...best.build, reason: notes.join(", ") };
}

/** One build's fixed problem, its least time so far and every result that it gave. */
interface Probe {
  readonly build: KernelBuild;
  readonly results: readonly Uint32Array[];
  readonly ms: number;
  run(): void;
}

async function prepare(build: KernelBuild, now: () => number): Promise<Probe> {
  const multiply = layOut(await instantiateKernels(build.module));
  const results: Uint32Array[] = [];
  let ms = Infinity;
  return {
    build,
    results,
    get ms() {
      return ms;
    },
    run() {
      for (let i = 0; i < REPETITIONS; i++) {
        const start = now();
        const bits = multiply();
        ms = Math.min(ms, now() - start);
        // The first and the last of a turn tell the compilers apart.
        if (i === 0 || i === REPETITIONS - 1) results.push(bits.slice());
      }
    },
  };
}

/** Lay a fixed problem out in the kernels' memory; each call multiplies and gives the result's bits. */
function layOut(kernels: Kernels): () => Uint32Array {
  const arena = createArena(kernels.memory, kernels.heapBase);
  const rawBytes = (ROWS * COLUMNS * BLOCK_BYTES) / BLOCK_VALUES;
  const raw = arena.take("probe weights", rawBytes);
  const panels = arena.take("probe panels", (ROWS / PANEL_ROWS) * panelBytes("q4_0", COLUMNS));
  const x = arena.take("probe input", TOKENS * COLUMNS * 4);
  const records = arena.take("probe records", (TOKENS * COLUMNS * ACTIVATION_BYTES) / 32);
  const out = arena.take("probe output", TOKENS * ROWS * 4);
  const random = createBytes();
  const bytes = arena.u8(raw, rawBytes);
  for (let i = 0; i < rawBytes; i++) bytes[i] = random();
  // Scales between 2^-6 and 2^-5: an f16 of random bits might be anything.
  for (let i = 1; i < rawBytes; i += BLOCK_BYTES) bytes[i] = 0x24;
  const input = arena.f32(x, TOKENS * COLUMNS);
  for (let i = 0; i < input.length; i++) input[i] = random() - 127.5;
  const args = createArgs(arena);
  const call = (name: KernelName, at: number, units: number): void =>
    kernels.table[kernelId(name)]!(at, 0, units);
  call("repack_q4_0", args.put(panels, raw, ROWS, COLUMNS), ROWS / PANEL_ROWS);
  call("quantize_activations", args.put(records, x, COLUMNS, TOKENS), TOKENS);
  const product = args.put(out, panels, records, TOKENS, ROWS, COLUMNS);
  return () => {
    call("matmul_q4_0", product, ROWS / PANEL_ROWS);
    return arena.words.subarray(out / 4, out / 4 + TOKENS * ROWS);
  };
}

/** Whether a result is the baseline's last. */
function sameBits(bits: Uint32Array, baseline: Probe): boolean {
  const expected = baseline.results.at(-1);
  return bits.every((word, i) => word === expected?.[i]);
}
