/** Prints what an adapter offers, and what it computes: the known answer that an adapter must give first. */
import { MAP_READ, openAdapter, openGpu, USAGE } from "./adapter.ts";
import { report } from "./report.ts";

const VALUES = 64;
const SHADER = /* wgsl */ `
@group(0) @binding(0) var<storage, read_write> values: array<f32>;
@compute @workgroup_size(${VALUES}) fn main(@builtin(global_invocation_id) id: vec3u) {
  values[id.x] = values[id.x] * 2.0 + f32(id.x);
}`;

export interface Probe {
  readonly description: string;
  readonly features: readonly string[];
  readonly language: readonly string[];
  readonly sum: number;
}

const gpu = await openGpu();
const adapter = await openAdapter(gpu);
const device = await adapter.requestDevice();
const bytes = VALUES * Float32Array.BYTES_PER_ELEMENT;
const usage = USAGE.storage | USAGE.copySource | USAGE.copyTarget;
const values = device.createBuffer({ size: bytes, usage });
const back = device.createBuffer({
  size: bytes,
  usage: USAGE.copyTarget | USAGE.mapRead,
});
device.queue.writeBuffer(values, 0, new Float32Array(VALUES).fill(1));
const module = device.createShaderModule({ code: SHADER });
const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module } });
const encoder = device.createCommandEncoder();
const pass = encoder.beginComputePass();
pass.setPipeline(pipeline);
pass.setBindGroup(
  0,
  device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer: values } }],
  }),
);
pass.dispatchWorkgroups(1);
pass.end();
encoder.copyBufferToBuffer(values, 0, back, 0, bytes);
device.queue.submit([encoder.finish()]);
await back.mapAsync(MAP_READ);
let sum = 0;
for (const value of new Float32Array(back.getMappedRange())) sum += value;
back.unmap();
report({
  description: adapter.info.description,
  features: [...adapter.features],
  language: [...gpu.wgslLanguageFeatures],
  sum,
} satisfies Probe);
device.destroy();
