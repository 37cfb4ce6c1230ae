/**
 * Looks for a GPU in a process of its own, which prints what it finds. Started by probe-gpu.ts only: a driver may
 * crash, hang or complain, and none of that is to reach whoever only wanted an answer.
 */
import { findFault } from "../../backends/self-test/self-test.ts";
import { WebGpuBackend } from "../../backends/webgpu/backend.ts";
import type { Probe } from "./probe-gpu.ts";
import { openGpuDevice } from "./webgpu.ts";

process.stdout.write(`${JSON.stringify(await look())}\n`);

async function look(): Promise<Probe> {
  const opened = await openGpuDevice();
  if ("reason" in opened) return opened;
  const { description, software } = opened;
  // A compiler for the CPU takes seconds, and as a rule what it makes is not wanted.
  if (software) {
    opened.device.destroy();
    return { description, software };
  }
  // Whether it computes at all; the kernels of a model are tested where they are going to run.
  const backend = new WebGpuBackend(opened);
  const fault = await findFault(backend, [{ kind: "rmsNorm", eps: 1e-5 }, { kind: "addTo" }]);
  await backend.close();
  if (fault === undefined) return { description, software };
  return { reason: "wrong", detail: `${description}: ${fault}` };
}
