import { byteLength } from "../../core/tensor/dtype.ts";
import type { OpenDevice } from "./device.ts";
import { createMatmulKernels, defaultPreference } from "./matmul.ts";
import type { Preference, Variant } from "./matmul.ts";
import { BINDINGS, PARAM_WORDS } from "./spec.ts";
import type { Dispatch } from "./spec.ts";

/** A product of the size of a small model's, of the most usual type: what is fast there is fast beside it. */
const TYPE = "q4_0";
const ROWS = 1024;
const COLUMNS = 1024;
/** Rows of x in a step of generation and in a part of a prompt. */
const FEW = 1;
const MANY = 64;
/** Repetitions of a variant; the best counts, as neighbours only slow one down. */
const TURNS = 3;
/** Dispatches of a repetition: one alone is shorter than what it takes to submit it. */
const REPEATS = 8;
/**
 * Milliseconds after which no further variant is tried. A GPU's driver compiles one in a few; drivers that
 * compile for the CPU take seconds, and there the first, which asks least of a compiler, stays.
 */
const BUDGET_MS = 1000;

/** Without tiles of bytes: they round x, and whoever wants that names it. */
const FEW_VARIANTS: readonly Variant[] = ["share", "team-32", "team-8", "team-1"];
const MANY_VARIANTS: readonly Variant[] = ["share", "tile", "tile-f16"];

/**
 * Try the variants of the matrix kernels on a device and return the fastest for few and for many rows of
 * x, whatever the device is called. Rejects when the driver cannot run any of them.
 */
export async function measureMatmul(opened: OpenDevice): Promise<Preference> {
  const { traits } = opened;
  const sharing = defaultPreference(traits).few === "share";
  const possible = (variant: Variant): boolean =>
    variant === "share" ? sharing : variant !== "tile-f16" || traits.f16;
  const bench = new Bench(opened.device);
  try {
    const few = await bench.fastest(opened, FEW, FEW_VARIANTS.filter(possible));
    const many = await bench.fastest(opened, MANY, MANY_VARIANTS.filter(possible));
    return { few, many };
  } finally {
    bench.close();
  }
}

class Bench {
  readonly #device: GPUDevice;
  readonly #buffers: GPUBuffer[] = [];
  readonly #layout: GPUBindGroupLayout;
  readonly #group: GPUBindGroup;
  readonly #params: GPUBuffer;

  constructor(device: GPUDevice) {
    this.#device = device;
    // What TypeScript's library does not declare: GPUBufferUsage and GPUShaderStage.
    const [storage, uniform, copyTarget, compute] = [0x80, 0x40, 0x08, 4];
    const buffer = (size: number, usage: number): GPUBuffer => {
      const made = device.createBuffer({ size, usage });
      this.#buffers.push(made);
      return made;
    };
    const weights = buffer(byteLength(TYPE, ROWS * COLUMNS), storage);
    const activations = buffer(4 * MANY * (COLUMNS + ROWS), storage);
    this.#params = buffer(4 * PARAM_WORDS, uniform | copyTarget);
    const bound: readonly [number, GPUBufferBindingType, GPUBuffer][] = [
      [BINDINGS.weights, "read-only-storage", weights],
      [BINDINGS.activations, "storage", activations],
      [BINDINGS.params, "uniform", this.#params],
    ];
    this.#layout = device.createBindGroupLayout({
      entries: bound.map(([binding, type]) => ({
        binding,
        visibility: compute,
        buffer: { type },
      })),
    });
    this.#group = device.createBindGroup({
      layout: this.#layout,
      entries: bound.map(([binding, , resource]) => ({ binding, resource: { buffer: resource } })),
    });
  }

  async fastest({ traits }: OpenDevice, n: number, variants: readonly Variant[]): Promise<Variant> {
    let best: { variant: Variant; ms: number } | undefined;
    const start = performance.now();
    for (const variant of variants) {
      const kernels = createMatmulKernels(traits, { few: variant, many: variant });
      const [dispatch] = kernels.plan({
        type: TYPE,
        n,
        k: COLUMNS,
        x: 0,
        products: [{ weight: 0, rows: ROWS, out: n * COLUMNS, stride: ROWS }],
        epilogue: { type: "store" },
        scratch: 0,
      });
      const ms = await this.#time(dispatch!);
      if (best === undefined || ms < best.ms) best = { variant, ms };
      if (performance.now() - start > BUDGET_MS) break;
    }
    return best!.variant;
  }

  /** Milliseconds of the fastest of some repetitions. */
  async #time({ kernel, params, workgroups }: Dispatch): Promise<number> {
    const pipeline = await this.#device.createComputePipelineAsync({
      layout: this.#device.createPipelineLayout({ bindGroupLayouts: [this.#layout] }),
      compute: {
        module: this.#device.createShaderModule({ code: kernel.wgsl }),
        entryPoint: "main",
        constants: { ...kernel.constants },
      },
    });
    this.#device.queue.writeBuffer(this.#params, 0, params.slice());
    let best = Infinity;
    for (let turn = 0; turn < TURNS; turn++) {
      const encoder = this.#device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, this.#group);
      for (let i = 0; i < REPEATS; i++) pass.dispatchWorkgroups(...workgroups);
      pass.end();
      const start = performance.now();
      this.#device.queue.submit([encoder.finish()]);
      await this.#device.queue.onSubmittedWorkDone();
      best = Math.min(best, performance.now() - start);
    }
    return best;
  }

  close(): void {
    for (const buffer of this.#buffers) buffer.destroy();
  }
}
