import { WebGpuBackend, type WebGpuOptions } from "../../backends/webgpu/backend.ts";
import { type Feature, FEATURES, openDevice } from "../../backends/webgpu/device.ts";
import { openGpu } from "./adapter.ts";

/** The features that this run of a suite does without, by a list of names in its environment. */
export const WITHOUT: readonly Feature[] = FEATURES.filter((feature) =>
  (process.env["SIROCCO_GPU_WITHOUT"] ?? "").split(",").includes(feature),
);

/** What describes this run in the names of tests. */
export const VARIANT: string =
  WITHOUT.length === 0 ? "webgpu" : `webgpu without ${WITHOUT.join(", ")}`;

/** A backend on the driver that this process was started with. */
export async function createGpu(options: WebGpuOptions = {}): Promise<WebGpuBackend> {
  const opened = await openDevice(await openGpu(), { without: WITHOUT });
  if (opened === undefined) throw new Error("Cannot test WebGPU: the driver offers no adapter");
  return new WebGpuBackend(opened, options);
}
