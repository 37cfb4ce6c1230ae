// Runs the suite on the GPU of a browser.
import { type GpuSuiteResult, type GpuSuiteTask, runGpuSuite } from "./suite.ts";

Object.assign(globalThis, {
  run: (task: GpuSuiteTask): Promise<GpuSuiteResult> => {
    return runGpuSuite((navigator as unknown as { readonly gpu: GPU }).gpu, task);
  },
});
