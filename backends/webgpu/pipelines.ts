import type { Counters } from "./counters.ts";
import { BINDINGS, type KernelSpec, PARAM_WORDS } from "./spec.ts";

/** `GPUShaderStage.COMPUTE`, which a runtime need not have as a global. */
const COMPUTE = 4;

/** Compiled kernels, each once, and the layout that all of them share. */
export class Pipelines {
  readonly layout: GPUBindGroupLayout;
  readonly #device: GPUDevice;
  readonly #counters: Counters;
  readonly #pipelineLayout: GPUPipelineLayout;
  readonly #modules = new Map<string, GPUShaderModule>();
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();

  constructor(device: GPUDevice, counters: Counters) {
    this.#device = device;
    this.#counters = counters;
    const storage = (binding: number, type: GPUBufferBindingType): GPUBindGroupLayoutEntry => ({
      binding,
      visibility: COMPUTE,
      buffer: { type },
    });
    this.layout = device.createBindGroupLayout({
      entries: [
        storage(BINDINGS.weights, "read-only-storage"),
        storage(BINDINGS.activations, "storage"),
        storage(BINDINGS.tables, "read-only-storage"),
        storage(BINDINGS.cache, "storage"),
        {
          binding: BINDINGS.params,
          visibility: COMPUTE,
          buffer: { type: "uniform", hasDynamicOffset: true, minBindingSize: 4 * PARAM_WORDS },
        },
      ],
    });
    this.#pipelineLayout = device.createPipelineLayout({ bindGroupLayouts: [this.layout] });
  }

  /** The pipeline of a kernel; rejects with the compiler's complaint. */
  get(kernel: KernelSpec): Promise<GPUComputePipeline> {
    const key = `${kernel.name} ${JSON.stringify(kernel.constants)}`;
    let pipeline = this.#pipelines.get(key);
    if (pipeline === undefined) {
      pipeline = this.#compile(kernel);
      this.#pipelines.set(key, pipeline);
    }
    return pipeline;
  }

  async #compile({ name, wgsl, constants }: KernelSpec): Promise<GPUComputePipeline> {
    this.#counters.compiles++;
    let module = this.#modules.get(wgsl);
    if (module === undefined) {
      module = this.#device.createShaderModule({ label: name, code: wgsl });
      this.#modules.set(wgsl, module);
    }
    return this.#device.createComputePipelineAsync({
      label: name,
      layout: this.#pipelineLayout,
      compute: { module, entryPoint: "main", constants: declared(wgsl, constants) },
    });
  }
}

/** The constants that a module declares: joined snippets share names, and others would be an error. */
function declared(
  wgsl: string,
  constants: Readonly<Record<string, number>>,
): Record<string, number> {
  const entries = Object.entries(constants);
  return Object.fromEntries(entries.filter(([name]) => wgsl.includes(`override ${name}:`)));
}
