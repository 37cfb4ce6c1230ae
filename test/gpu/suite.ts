/** The contract of backends and a tiny model on WebGPU, for runtimes in which vitest does not run. */
import { createReferenceBackend } from "../../backends/reference/backend.ts";
import { WebGpuBackend } from "../../backends/webgpu/backend.ts";
import { openDevice } from "../../backends/webgpu/device.ts";
import { WEIGHT_TYPES, type WeightType } from "../../core/tensor/dtype.ts";
import { describeBackend, type SuitePart } from "../conformance/backend.ts";
import { relativeError } from "../conformance/backend/tensors.ts";
import { GPU_PROMISES } from "../conformance/promises.ts";
import { runSuite } from "../runtimes/harness.ts";
import { logitsOf, type ModelCase } from "./tiny-model.ts";

/** What is to run. */
export interface GpuSuiteTask {
  /** All unless given, as of types. */
  readonly parts?: readonly SuitePart[];
  readonly types?: readonly WeightType[];
  readonly models: readonly ModelCase[];
}

/** What was found. */
export interface GpuSuiteResult {
  readonly adapter: string;
  readonly subgroups: boolean;
  /** `154 tests`. */
  readonly passed: string;
  /** Largest error of a row of logits, for each model. */
  readonly errors: readonly number[];
}

/** Run it on the runtime's `GPU`. Throws where a test fails. */
export async function runGpuSuite(gpu: GPU, task: GpuSuiteTask): Promise<GpuSuiteResult> {
  const create = async (): Promise<WebGpuBackend> => {
    const opened = await openDevice(gpu);
    if (opened === undefined) throw new Error("Cannot test WebGPU: there is no adapter");
    return new WebGpuBackend(opened);
  };
  const probe = await create();
  const { description, traits } = probe.opened;
  await probe.close();
  const passed = await runSuite(() =>
    describeBackend("webgpu", create, {
      ...GPU_PROMISES,
      // What is exact on one device only is judged where vitest runs.
      exactProducts: false,
      weightTypes: task.types ?? (Object.keys(WEIGHT_TYPES) as WeightType[]),
      ...(task.parts === undefined ? {} : { parts: task.parts }),
    }),
  );
  const errors: number[] = [];
  for (const model of task.models) {
    const backend = await create();
    const actual = await logitsOf(backend, model);
    await backend.close();
    const expected = await logitsOf(createReferenceBackend(), model);
    errors.push(Math.max(...actual.map((row, i) => relativeError(row, expected[i]!))));
  }
  return { adapter: description, subgroups: traits.subgroups, passed, errors };
}
