/** A device with the buffers and the bindings of the kernels' contract, and nothing else of the backend. */
import { BINDINGS, PARAM_WORDS } from "../../backends/webgpu/spec.ts";
import type { Dispatch, KernelSpec, Traits } from "../../backends/webgpu/spec.ts";
import { MAP_READ, openAdapter, openGpu, USAGE } from "./adapter.ts";

const FEATURES = ["shader-f16", "subgroups", "timestamp-query"] as const;
const DOT4 = "packed_4x8_integer_dot_product";
const SLOT_BYTES = PARAM_WORDS * 4;
/** Parameters of a batch of dispatches; a batch is one submit. */
const SLOTS = 64;
const VISIBLE = 4; // GPUShaderStage.COMPUTE

export interface KernelDevice {
  readonly traits: Traits;
  readonly description: string;
  /** Load what is bound as weights and as activations; earlier ones are released. */
  load(weights: Uint8Array, activations: Float32Array): void;
  /** Run dispatches one after the other, in one submit; rejects with what the driver complains of. */
  run(dispatches: readonly Dispatch[]): Promise<void>;
  /** Nanoseconds of each dispatch by the device's clock. */
  time(dispatches: readonly Dispatch[]): Promise<number[]>;
  read(word: number, words: number): Promise<Float32Array>;
  close(): void;
}

/** Open the device of this process; `without` names features that it shall not use. */
export async function openKernelDevice(without: readonly string[] = []): Promise<KernelDevice> {
  const gpu = await openGpu();
  const adapter = await openAdapter(gpu);
  const features = FEATURES.filter((name) => adapter.features.has(name) && !without.includes(name));
  const device = await adapter.requestDevice({ requiredFeatures: features });
  const { limits } = device;
  const has = (name: GPUFeatureName): boolean => device.features.has(name);
  const { subgroupMinSize: least, subgroupMaxSize: most } = adapter.info;
  const traits: Traits = {
    f16: has("shader-f16"),
    subgroups: has("subgroups"),
    subgroupSizes: has("subgroups") ? [least, most] : [0, 0],
    dot4: gpu.wgslLanguageFeatures.has(DOT4) && !without.includes(DOT4),
    invocations: limits.maxComputeInvocationsPerWorkgroup,
    workgroupBytes: limits.maxComputeWorkgroupStorageSize,
    workgroups: limits.maxComputeWorkgroupsPerDimension,
  };
  const types: readonly [number, GPUBufferBindingType][] = [
    [BINDINGS.weights, "read-only-storage"],
    [BINDINGS.activations, "storage"],
    [BINDINGS.params, "uniform"],
  ];
  const layout = device.createBindGroupLayout({
    entries: types.map(([binding, type]) => ({
      binding,
      visibility: VISIBLE,
      buffer: { type, hasDynamicOffset: type === "uniform" },
    })),
  });
  const pipelineLayout = device.createPipelineLayout({ bindGroupLayouts: [layout] });
  const params = device.createBuffer({
    size: SLOTS * SLOT_BYTES,
    usage: USAGE.uniform | USAGE.copyTarget,
  });
  const pipelines = new Map<string, GPUComputePipeline>();
  let buffers: { weights: GPUBuffer; activations: GPUBuffer; group: GPUBindGroup } | undefined;

  const store = (bytes: Uint8Array | Float32Array): GPUBuffer => {
    const size = Math.max(256, Math.ceil(bytes.byteLength / 16) * 16);
    const usage = USAGE.storage | USAGE.copyTarget | USAGE.copySource;
    const buffer = device.createBuffer({ size, usage, mappedAtCreation: true });
    const from = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    new Uint8Array(buffer.getMappedRange()).set(from);
    buffer.unmap();
    return buffer;
  };
  const pipelineOf = async (kernel: KernelSpec): Promise<GPUComputePipeline> => {
    const key = `${kernel.name} ${JSON.stringify(kernel.constants)}`;
    const known = pipelines.get(key);
    if (known !== undefined) return known;
    const module = device.createShaderModule({ code: kernel.wgsl });
    const { messages } = await module.getCompilationInfo();
    const errors = messages.filter(({ type }) => type === "error");
    if (errors.length > 0) {
      const lines = errors.map((e) => `${e.lineNum}:${e.linePos} ${e.message}`);
      throw new Error(`${kernel.name}: ${lines.join("; ")}`);
    }
    const pipeline = await device.createComputePipelineAsync({
      layout: pipelineLayout,
      compute: { module, entryPoint: "main", constants: { ...kernel.constants } },
    });
    pipelines.set(key, pipeline);
    return pipeline;
  };
  /** Encode and submit; with `queries` each dispatch has a pass of its own that writes two timestamps. */
  const submit = async (dispatches: readonly Dispatch[], queries?: GPUQuerySet): Promise<void> => {
    if (buffers === undefined) throw new Error("Nothing was loaded.");
    if (dispatches.length > SLOTS) throw new RangeError(`At most ${SLOTS} dispatches at once`);
    const prepared = [];
    for (const each of dispatches) prepared.push(await pipelineOf(each.kernel));
    const words = new Uint32Array(dispatches.length * PARAM_WORDS);
    for (const [i, each] of dispatches.entries()) words.set(each.params, i * PARAM_WORDS);
    device.queue.writeBuffer(params, 0, words);
    const encoder = device.createCommandEncoder();
    for (const [i, { workgroups }] of dispatches.entries()) {
      const pass = encoder.beginComputePass(
        queries === undefined
          ? {}
          : {
              timestampWrites: {
                querySet: queries,
                beginningOfPassWriteIndex: 2 * i,
                endOfPassWriteIndex: 2 * i + 1,
              },
            },
      );
      pass.setPipeline(prepared[i]!);
      pass.setBindGroup(0, buffers.group, [i * SLOT_BYTES]);
      pass.dispatchWorkgroups(...workgroups);
      pass.end();
    }
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
  };
  const guarded = async (work: () => Promise<void>): Promise<void> => {
    device.pushErrorScope("validation");
    await work();
    const error = await device.popErrorScope();
    if (error !== null) throw new Error(error.message);
  };
  const download = async (from: GPUBuffer, offset: number, size: number): Promise<ArrayBuffer> => {
    const back = device.createBuffer({ size, usage: USAGE.copyTarget | USAGE.mapRead });
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(from, offset, back, 0, size);
    device.queue.submit([encoder.finish()]);
    await back.mapAsync(MAP_READ);
    const copy = back.getMappedRange().slice(0);
    back.destroy();
    return copy;
  };

  return {
    traits,
    description: adapter.info.description,
    load(weights, activations) {
      buffers?.weights.destroy();
      buffers?.activations.destroy();
      const stored = { weights: store(weights), activations: store(activations) };
      const group = device.createBindGroup({
        layout,
        entries: [
          { binding: BINDINGS.weights, resource: { buffer: stored.weights } },
          { binding: BINDINGS.activations, resource: { buffer: stored.activations } },
          { binding: BINDINGS.params, resource: { buffer: params, size: SLOT_BYTES } },
        ],
      });
      buffers = { ...stored, group };
    },
    run: (dispatches) => guarded(() => submit(dispatches)),
    async time(dispatches) {
      const count = 2 * dispatches.length;
      const queries = device.createQuerySet({ type: "timestamp", count });
      const usage = USAGE.queryResolve | USAGE.copySource;
      const resolved = device.createBuffer({ size: count * 8, usage });
      await guarded(async () => {
        await submit(dispatches, queries);
        const encoder = device.createCommandEncoder();
        encoder.resolveQuerySet(queries, 0, count, resolved, 0);
        device.queue.submit([encoder.finish()]);
      });
      const ticks = new BigUint64Array(await download(resolved, 0, count * 8));
      resolved.destroy();
      queries.destroy();
      return dispatches.map((_, i) => Number(ticks[2 * i + 1]! - ticks[2 * i]!));
    },
    async read(word, words) {
      if (buffers === undefined) throw new Error("Nothing was loaded.");
      return new Float32Array(await download(buffers.activations, word * 4, words * 4));
    },
    close: () => device.destroy(),
  };
}
