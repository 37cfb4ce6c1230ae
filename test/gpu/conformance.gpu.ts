import { WebGpuBackend } from "../../backends/webgpu/backend.ts";
import { type Feature, openDevice } from "../../backends/webgpu/device.ts";
import { WEIGHT_TYPES, type WeightType } from "../../core/tensor/dtype.ts";
import { describeBackend } from "../conformance/backend.ts";
import { openGpu } from "./adapter.ts";

const without = (process.env["SIROCCO_GPU_WITHOUT"] ?? "").split(",") as Feature[];

describeBackend(
  "webgpu",
  async () => {
    const opened = await openDevice(await openGpu(), { without });
    if (opened === undefined) throw new Error("Cannot test WebGPU: there is no adapter");
    return new WebGpuBackend(opened);
  },
  {
    weightTypes: Object.keys(WEIGHT_TYPES) as WeightType[],
    tolerance: 2e-6,
    matmulTolerance: () => 1e-5,
    attentionTolerance: 1e-5,
    exact: true,
  },
);
