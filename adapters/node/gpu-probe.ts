/**
 * Looks for a GPU in a process of its own, which prints what it finds. Started by probe-gpu.ts only: a driver may
 * crash, hang or complain, and none of that is to reach whoever only wanted an answer.
 */
import { findFault } from "../../backends/self-test/self-test.ts";
import type { Probe } from "./probe-gpu.ts";
import { openGpu } from "./webgpu.ts";

const found = await openGpu();
if ("reason" in found) {
  say(found);
} else {
  const { description, software } = found;
  const backend = await found.backend();
  // Whether it computes at all; the kernels of a model are tested where they are going to run.
  const fault = await findFault(backend, [{ kind: "rmsNorm", eps: 1e-5 }, { kind: "addTo" }]);
  await backend.close();
  found.close();
  say(
    fault === undefined
      ? { description, software }
      : { reason: "wrong", detail: `${description}: ${fault}` },
  );
}

function say(probe: Probe): void {
  process.stdout.write(`${JSON.stringify(probe)}\n`);
}
